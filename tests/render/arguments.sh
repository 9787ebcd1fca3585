#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What `lxcfs render` says to arguments that it cannot use.
# shellcheck source=tests/render/common.sh
. "${srcdir:-.}/tests/render/common.sh"

root=--root=$hosts/v2
config=--config=$tables/quota.conf
plugins=--plugin-dir=$work/plugins

# refuses TEXT ARGUMENT...: exit status 1, TEXT on stderr, nothing on stdout.
refuses() {
	local text=$1 status=0
	shift

	./lxcfs render "$@" >"$work/output" 2>"$work/messages" || status=$?
	if [ "$status" -ne 1 ] || [ -s "$work/output" ] || ! grep -qF -- "$text" "$work/messages"; then
		printf 'exit status %d, expected on stderr: %s\n' "$status" "$text"
		cat "$work/messages" "$work/output"
		return 1
	fi
}

shows_help() {
	./lxcfs render --help >"$work/output" && grep -- --cgroup= "$work/output"
}

# A full disk must not look like a file that ends early.
cannot_write() {
	! ./lxcfs render "$root" "$config" "$plugins" proc/meminfo >/dev/full
}

writable_folder() {
	mkdir -m 0777 "$work/open"
	cp "$work"/plugins/*.so "$work/open"
	refuses "chmod go-w" "$root" "$config" --plugin-dir="$work/open" proc/meminfo
}

report "--help" shows_help
report "no root" refuses "give --root=DIR" "$config" "$plugins" proc/meminfo
report "no file" refuses "give --root=DIR and one FILE" "$root" "$config" "$plugins"
report "two files" refuses "one FILE" "$root" "$config" "$plugins" proc/meminfo proc/stat
report "an unknown option" refuses "--help" "$root" --everything proc/meminfo
report "a pid that is no number" refuses "--help" "$root" --init=one proc/meminfo
report "a cgroup without a path" refuses "no path in it" "$root" "$config" "$plugins" --cgroup=memory \
	proc/meminfo
report "an unknown controller" refuses "no hierarchy has controller perf_event" "$root" "$config" \
	"$plugins" --cgroup=perf_event:/one proc/meminfo
report "a cgroup that is not there" refuses "No such file" "$root" "$config" "$plugins" \
	--cgroup=/nowhere proc/meminfo
report "a file that no plugin serves" refuses "No such file" "$root" "$config" "$plugins" proc/version
report "a root that is not there" refuses "No such file" --root="$work/nowhere" "$config" "$plugins" \
	proc/meminfo
report "a root that is no recorded host" refuses "is no recorded host" --root="$work/plugins" \
	"$config" "$plugins" proc/meminfo
report "a configuration that is not there" refuses "No such file" "$root" \
	--config="$work/nowhere.conf" "$plugins" proc/meminfo
report "a folder of plugins that others can write" writable_folder
report "an output that cannot be written" cannot_write
finish
