#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Each line of `cases` is rendered and compared with its golden file, byte for byte.
#
# With UPDATE=1 in the environment the golden files are written anew instead.  Look at each difference
# before it is committed: a golden file is what somebody has found to be right.
# shellcheck source=tests/render/common.sh
. "${srcdir:-.}/tests/render/common.sh"

golden_of() {
	local name=${3//\//.}

	printf '%s/golden/%s/%s/%s' "$tables" "$1" "$2" "${name/%./.list}"
}

# A listing has the order of the file system that holds the recording.
sort_listing() {
	case $1 in
	*/) sort -o "$work/output" "$work/output" ;;
	esac
}

compare() {
	local golden=$1

	if [ "${UPDATE-}" = 1 ]; then
		mkdir -p -- "${golden%/*}"
		cp -- "$work/output" "$golden"
	fi
	diff -u -- "$golden" "$work/output"
}

# A case that works says nothing on stderr: a warning there means that the host's file was shown.
works() {
	local host=$1 container=$2 file=$3

	if ! render_container "$host" "$container" "$file" || [ -s "$work/messages" ]; then
		cat "$work/messages"
		return 1
	fi
	sort_listing "$file"
	compare "$(golden_of "$host" "$container" "$file")"
}

said() {
	grep -F -- "$1" "$work/messages" >"$work/found"
}

# The host's file is shown, and the log says why.
falls_back() {
	local host=$1 container=$2 file=$3 text=$4

	if ! render_container "$host" "$container" "$file" || ! said "$text"; then
		printf 'expected on stderr: %s\n' "$text"
		cat "$work/messages"
		return 1
	fi
	diff -u -- "$hosts/$host/$file" "$work/output"
}

fails() {
	local host=$1 container=$2 file=$3 text=$4

	if render_container "$host" "$container" "$file"; then
		printf 'exit status 0\n'
		return 1
	fi
	if [ -s "$work/output" ] || ! said "$text"; then
		printf 'expected on stderr, and nothing on stdout: %s\n' "$text"
		cat "$work/messages" "$work/output"
		return 1
	fi
}

main() {
	local host container file how text status

	read_containers
	while read -r host container file how text; do
		status=0
		case $how in
		'') works "$host" "$container" "$file" >"$work/why" || status=1 ;;
		falls-back) falls_back "$host" "$container" "$file" "$text" >"$work/why" || status=1 ;;
		fails) fails "$host" "$container" "$file" "$text" >"$work/why" || status=1 ;;
		*)
			printf 'cases: %s: no such word\n' "$how" >"$work/why"
			status=1
			;;
		esac
		result "$status" "$host $container $file" <"$work/why"
	done < <(table "$tables/cases")
	finish
}

main
