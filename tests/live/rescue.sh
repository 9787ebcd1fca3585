#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is left when workers die again and again: files by on-fault, or an error, but nobody who hangs.
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"

# total CONTAINER [DAEMON]: MemTotal as this container sees it, by the file that is mounted in it or by name.
total() {
	local file=/proc/meminfo
	[ $# -eq 1 ] || file=$(mount_of "$2")/proc/meminfo
	inside "$1" cat "$file" | meminfo MemTotal
}

in_rescue() {
	"$build/lxcfsctl" --runtime-dir="$(runtime_of "$1")" --json status |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["rescue"])'
}

is_in_rescue() {
	[ "$(in_rescue "$1")" = "$2" ]
}

# The kernel asks for all names anew.
forget_names() {
	mount -i -o remount "$(mount_of "$1")"
}

# The children of a process; the shell reads it faster than any of them is ready.
children_file() {
	echo "/proc/$1/task/$1/children"
}

# kill_all_workers KEEPER: each as soon as it appears, until the keeper is gone.
kill_all_workers() {
	local children child file
	file=$(children_file "$1")
	while [ -d "/proc/$1" ]; do
		read -r children <"$file" || true
		for child in $children; do
			kill -9 "$child" || true
		done
		read -r -t 0.002 || true
	done <>"$work/never"
} 2>/dev/null

# read_in_background NAME COMMAND...: its output goes to a file, its last line is its status.
read_in_background() {
	local name=$1
	shift
	{
		"$@" && echo "ended with 0" || echo "ended with $?"
	} >"$work/read.$name" 2>&1 &
	remember_pid $!
	readers[$name]=$!
}
declare -A readers=()

plan 27
mkfifo "$work/never"
make_cgroup a memory=256M
make_cgroup b memory=128M
prepare_daemon main
configure main meminfo stat probe <<<'cpu-policy = quota'
wrapper=(env "PROBE_CRASH_IF=$work/crash")
start_daemon main
wrapper=()
start_container a main
host=$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)
names=$(inside a ls "$(mount_of main)/proc")

# ---- a plugin that cannot be loaded any more ----

touch "$work/crash"
worker=$(worker_of main)
kill -9 "$worker"
check "a plugin that crashes when successors load it is charged for it" \
	await logs main 'plugin probe is quarantined for all'
is "the other files go on" "$(total a)" $((256 * 1024))
is "it has its name" "$(inside a ls "$(mount_of main)/proc")" "$names"
refuses "it answers by on-fault" 'Input/output error' inside a cat "$(mount_of main)/proc/probe"
is "that is no rescue" "$(in_rescue main)" False
rm "$work/crash"

# ---- deaths that no plugin can be charged for ----

# What is gone on with is what was serving, not what lies on disk.
rm "$(plugins_of main)"/{meminfo,stat}.so
for ((death = 0; death < 8; death++)); do
	worker=$(worker_of main)
	kill -SEGV "$worker"
	await has_other_worker main "$worker"
	total a >/dev/null
done
check "after a storm of deaths a worker without plugins serves" await is_in_rescue main True
check "the log says so" logs main 'no worker can serve with the plugins'
is "a mounted file that passes through has the host's values" "$(total a)" "$host"
refuses "one that does not is an error" 'Input/output error' inside a cat /proc/stat
is "the names are there" "$(inside a ls "$(mount_of main)/proc")" "$names"
forget_names main
is "and are found when the kernel asks again" "$(total a main)" "$host"
refuses "with the same answer" 'Input/output error' inside a cat "$(mount_of main)/proc/stat"
start_container b main
is "a container that starts now has the host's values" "$(total b)" "$host"
check "a worker with the plugins is tried again, and serves" await is_in_rescue main False
is "a mounted file has the container's values again" "$(total a)" $((256 * 1024))
is "also in the one that was started meanwhile" "$(total b)" $((128 * 1024))
check "the other file answers again" inside a grep -q '^cpu ' /proc/stat

# ---- nobody can serve ----

keeper=${daemon_pids[main]}
worker=$(worker_of main)
kill_all_workers "$keeper" &
remember_pid $!
await is_gone "$worker"
read_in_background a inside a cat /proc/meminfo
read_in_background host cat "$(mount_of main)/proc/meminfo"
began=$SECONDS
status=0
wait "$keeper" 2>/dev/null || status=$?
unset 'daemon_pids[main]'
is "when no worker can serve the keeper ends with failure" "$status" 1
check "the log says why" logs main 'no worker could serve for 10 s; giving up: the mount is ended'
check "not before that time" test $((SECONDS - began)) -ge 9
for reader in a host; do
	check "a reader that waited ends ($reader)" await is_gone "${readers[$reader]}"
	matches "with an error ($reader)" "$(<"$work/read.$reader")" 'cat: .*(ECONNABORTED|connection abort|not connected)'
done
check "nothing is mounted any more" test -z "$(list_mounts | grep "$(mount_of main) ")"
refuses "the container's file is an error" 'not connected' inside a cat /proc/meminfo
prepare_daemon main
start_daemon main
stop_container b
start_container b main
is "a new start serves at the same place" "$(total b)" $((128 * 1024))
finish
