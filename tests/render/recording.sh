#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# scripts/record-host records the machine that the test runs on; over that recording the files of the
# host come out as they were recorded, and those of the test's own cgroups keep the invariants' forms.
# shellcheck source=tests/render/common.sh
. "${srcdir:-.}/tests/render/common.sh"

record_host=$source_folder/scripts/record-host
recording=$work/recording

# Nothing to record: no hierarchy is mounted (a build in a bare chroot).
if ! grep -q ' - cgroup2\{0,1\} ' /proc/self/mountinfo; then
	printf '1..0 # SKIP no cgroup hierarchy is mounted here\n'
	exit 0
fi

# The cgroups of this process, as options of record-host and of `lxcfs render`.
record_options=()
render_options=()

own_cgroups() {
	local controllers path

	while IFS=: read -r _ controllers path; do
		# A hierarchy that is mounted nowhere cannot be recorded.
		case $path in
		/ | /..*) continue ;;
		esac
		find_mounted "$controllers" || continue
		record_options+=("--cgroup=$path")
		render_options+=("--cgroup=$controllers:$path")
	done </proc/self/cgroup
}

find_mounted() {
	local controllers=$1

	if [ -z "$controllers" ]; then
		grep -q ' - cgroup2 ' /proc/self/mountinfo
	else
		grep -q " - cgroup .*[ ,]$controllers\(,\|\$\)" /proc/self/mountinfo
	fi
}

record() {
	"$record_host" "${record_options[@]}" --pid "$$" "$recording"
}

same_as_recorded() {
	render "$recording" --config="$tables/quota.conf" "$1" || {
		cat "$work/messages"
		return 1
	}
	diff -u -- "$recording/$1" "$work/output"
}

# The form of a file that is rendered for this process's own cgroups.
own_file_has() {
	local file=$1 pattern=$2

	render "$recording" --config="$tables/quota.conf" --init="$$" "${render_options[@]}" "$file" || {
		cat "$work/messages"
		return 1
	}
	grep -- "$pattern" "$work/output" || {
		printf 'nothing is like %s in:\n' "$pattern"
		cat "$work/output"
		return 1
	}
}

refuses() {
	! "$record_host" "$@" && [ ! -e "$work/refused" ]
}

main() {
	local file

	own_cgroups
	report "record-host records this machine" record
	for file in meminfo cpuinfo stat uptime swaps diskstats; do
		report "the host's $file over the recording" same_as_recorded "proc/$file"
	done
	report "the own meminfo" own_file_has proc/meminfo '^MemTotal: *[1-9][0-9]* kB$'
	report "the own cpuinfo" own_file_has proc/cpuinfo '^\(processor\|cpu number\)[[:space:]]*: [0-9]*$'
	report "the own stat" own_file_has proc/stat '^cpu  [0-9]'
	report "the own uptime" own_file_has proc/uptime '^[0-9]*\.[0-9][0-9] [0-9]*\.[0-9][0-9]$'
	report "the own list of CPUs" own_file_has sys/devices/system/cpu/online '^[0-9][-,0-9]*$'
	report "a cgroup that is nowhere is refused" refuses --cgroup /lxcfs-test-nowhere "$work/refused"
	report "a folder that is not empty is refused" refuses "$recording"
	report "an option that is not known is refused" refuses --everything "$work/refused"
	finish
}

main
