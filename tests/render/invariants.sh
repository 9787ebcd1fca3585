#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What holds for every container of every host, whatever its limits: see invariants.awk.  A container
# that is the host itself gets the recorded files unchanged.
# shellcheck source=tests/render/common.sh
. "${srcdir:-.}/tests/render/common.sh"

files=(proc/cpuinfo proc/diskstats proc/meminfo proc/stat proc/swaps proc/uptime)
cpu_folder=sys/devices/system/cpu
cpu_files=("$cpu_folder/online" "$cpu_folder/offline" "$cpu_folder/present" "$cpu_folder/possible"
	"$cpu_folder/")

# What is rendered for one container, all of it: $work/shown/FILE.
render_all() {
	local host=$1 container=$2 file name

	for file in "${files[@]}" "${cpu_files[@]}"; do
		if ! render_container "$host" "$container" "$file" || [ -s "$work/messages" ]; then
			printf '%s: ' "$file"
			cat "$work/messages"
			return 1
		fi
		name=${file//\//.}
		cp -- "$work/output" "$work/shown/${name/%./.list}"
	done
}

# Every file is text, and its last line is whole.
check_bytes() {
	local status=0

	if [ -n "$(tail -q -c 1 "$work"/shown/* | tr -d '\n')" ]; then
		printf 'a file does not end with a newline\n'
		status=1
	fi
	if [ "$(cat "$work"/shown/* | tr -d '\000' | wc -c)" != "$(cat "$work"/shown/* | wc -c)" ]; then
		printf 'a file has a NUL byte\n'
		status=1
	fi
	return $status
}

check_same_as_host() {
	local host=$1 file status=0

	for file in "${files[@]}"; do
		cmp -- "$hosts/$host/$file" "$work/shown/${file//\//.}" 2>&1 || status=1
	done
	return $status
}

check() {
	local host=$1 container=$2 kind=container status=0

	rm -rf -- "$work/shown"
	mkdir "$work/shown"
	render_all "$host" "$container" || return 1
	check_bytes || status=1
	if [ "$container" = host ]; then
		kind=host
		check_same_as_host "$host" || status=1
	fi
	awk -v kind="$kind" -v recorded="$hosts/$host" -v shown="$work/shown" \
		-f "$tables/invariants.awk" </dev/null || status=1
	return $status
}

main() {
	local host container rest status

	read_containers
	while read -r host container rest; do
		case $container in
		broken-*) continue ;;
		esac
		status=0
		check "$host" "$container" >"$work/why" || status=1
		result "$status" "$host $container" <"$work/why"
	done < <(table "$tables/containers")
	finish
}

main
