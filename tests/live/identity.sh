#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Who is asking: readers that hide, move and share must see their own container's numbers, or the ones that
# the configuration says, and never another's.
# shellcheck source=tests/live/functions.sh
source "$(dirname "$0")/functions.sh"

mib() {
	echo $(($1 * 1024))
}

# total COMMAND...: MemTotal as a reader sees it that COMMAND makes; the command gets it to run.
total() {
	"$@" cat "$files/proc/meminfo" | meminfo MemTotal
}

# in_cgroup NAME NAMESPACES COMMAND...: in the host's namespaces but for these.
in_cgroup() {
	local options namespaces=$2
	cgroup_options --cgroup "$1"
	shift 2
	"$helpers/container" "${options[@]}" --namespaces "$namespaces" -- "$@"
}

# Move the processes of a reader to and fro while it reads, and tell how it ended.
# hop PARENT-OF-THE-READER NAME NAME
hop() {
	local reader=$1 pid status=0 hops=0
	while [ -e "$work/hop" ]; do
		for pid in $(children_of "$reader"); do
			move "$pid" "$2" && sleep 0.02 && move "$pid" "$3" && sleep 0.02 && hops=$((hops + 1))
		done 2>/dev/null
		((hops < 60)) || rm -f "$work/hop"
		is_running "$reader" || break
	done
	wait "$reader" || status=$?
	rm -f "$work/hop"
	[ "$hops" -ge 60 ] || diag "only $hops moves"
	[ $status -eq 0 ] && [ "$hops" -ge 60 ]
}

plan 38
files=$(mount_of main)
swap_limits() {
	awk '$1 == "SwapTotal:" { print $2 }' /proc/meminfo
}
prepare_daemon main
{
	cat <<<'cpu-policy = quota'
	for name in pid1 caller; do
		echo "container \"*/lxcfs-test-$$-$name*\" { identity = $name }"
	done
	echo "container \"*/lxcfs-test-$$-special*\" { swap = off uptime = host passthrough = { \"meminfo\" } }"
} | configure main
start_daemon main

# ---- moving between two cgroups ----

make_cgroup parent memory=512M
make_cgroup parent/a memory=256M cpus=1 cpuset=0
make_cgroup parent/b memory=128M cpus=1 cpuset=0
make_cgroup other memory=192M cpus=1 cpuset=0
swap=$(swap_limits)

# moving WHAT NAMESPACES FROM TO TOTAL TOTAL
moving() {
	local options
	touch "$work/hop"
	cgroup_options --cgroup "$3"
	"$helpers/container" "${options[@]}" --namespaces "$2" -- "$helpers/reader" --root "$files" --threads 8 \
		--limits "1:$5:$swap" --limits "1:$6:$swap" --moving --while "$work/hop" >"$work/hop.log" 2>&1 &
	remember_pid $!
	if hop $! "$3" "$4"; then
		ok "$1: $(tail -n 1 "$work/hop.log")"
	else
		not_ok "$1" "$(<"$work/hop.log")"
	fi
}

moving "8 threads move between siblings, as host processes" "" parent/a parent/b "$(mib 256)" "$(mib 128)"
moving "8 threads move to a sibling of the root of their cgroup namespace" c parent/a parent/b "$(mib 256)" "$(mib 128)"
moving "8 threads move out of their container" cmp parent/a other "$(mib 256)" "$(mib 192)"

# ---- one container inside of another ----

make_cgroup outer memory=256M
make_cgroup outer/init
start_container outer main --inner "$(cgroup_directory outer/init memory)"
