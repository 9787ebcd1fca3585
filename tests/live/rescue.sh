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

plan 40
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

# ---- a thread that sits in the kernel ----

mkdir "$work/hung"
"$helpers/hung" "$work/hung" &
hung=$!
remember_pid $hung
trap 'end_pid $hung; clean_up' EXIT
make_cgroup c memory=64M
prepare_daemon stuck
configure stuck meminfo probe <<END
threads = 4
render-timeout = 500
plugin probe {
	stuck = "$work/hung/file"
}
END
start_daemon stuck
start_container c stuck
worker=$(worker_of stuck)
inside c "$helpers/fileops" write "$(mount_of stuck)/proc/probe" 'render stuck' >/dev/null
read_in_background stuck inside c cat "$(mount_of stuck)/proc/probe"
check "a worker with a thread that sits in the kernel is given up" await has_other_worker stuck "$worker"
check "the log says so" await logs stuck "worker $worker: it does not end; going on without it"
check "its request is answered" await is_gone "${readers[stuck]}"
matches "with an error" "$(<"$work/read.stuck")" 'Input/output error'
is "other files go on" "$(total c)" $((64 * 1024))
stop_daemon stuck
is "the daemon ends" "$daemon_status" 0
refuses "and its mount with it, which that worker holds" 'not connected|connection abort' timeout 10 \
	"$helpers/container" --join "${container_pids[c]}" -- cat /proc/meminfo
end_pid $hung
check "then that worker ends, too" await is_gone "$worker"
umount "$work/hung"

# ---- nobody can serve; meanwhile, a plugin that hangs with another daemon ----

make_cgroup d memory=32M
prepare_daemon hang
configure hang meminfo probe </dev/null
start_daemon hang
start_container d hang
inside d "$helpers/fileops" write "$(mount_of hang)/proc/probe" 'render hang' >/dev/null
read_in_background hang inside d cat "$(mount_of hang)/proc/probe"

keeper=${daemon_pids[main]}
# Whatever it starts from now on has no room to be executed in.
prlimit --pid "$keeper" --as=65536
kill -9 "$(worker_of main)"
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
check "by the default times a plugin that hangs is charged" \
	await logs hang 'plugin probe is quarantined for the container'
check "its request is answered" await is_gone "${readers[hang]}"
matches "with an error" "$(<"$work/read.hang")" 'Input/output error'
is "and no other plugin is left out" "$(logs hang 'no worker can serve with the plugins' && echo yes)" ''
is "the other files go on" "$(total d)" $((32 * 1024))
prepare_daemon main
start_daemon main
stop_container b
start_container b main
is "a new start serves at the same place" "$(total b)" $((128 * 1024))
finish
