#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Two mishaps at once: none of them ends the mount.
# LIVE_WAITS=no: without a plugin whose self-test hangs, which takes ten seconds.
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"

total_is_good() {
	[ "$(inside a timeout 20 awk '$1 == "MemTotal:" { print $2 }' "$(mount_of main)/proc/meminfo")" = $((64 * 1024)) ]
}

# The keeper that a worker starts; looked for without a process, for it must be hit early.
await_keeper_of() {
	local children=/proc/$1/task/$1/children
	keeper=
	while [ -z "$keeper" ] && [ -e "$children" ]; do
		{ read -r keeper _ <"$children" || true; } 2>/dev/null
	done
	[ -n "$keeper" ] || keeper=$(pgrep -n -f -- "--internal-keeper .*$(mount_of main)\$")
	remember_pid "$keeper"
	daemon_pids[main]=$keeper
}

has_keeper() {
	is_running "$(<"$work/pid")"
}

has_worker() {
	[ -n "$(worker_of main)" ] && [ "$(<"$work/pid")" = "${daemon_pids[main]}" ]
}

# The keeper, and its worker at once or a little later.
kill_both() {
	local round worker
	for round in 1 2 3 4 5 6; do
		await has_worker
		worker=$(worker_of main)
		kill -9 "${daemon_pids[main]}"
		await_keeper_of "$worker" || return
		((round % 2)) || sleep 0.003
		kill -9 "$worker" 2>/dev/null || true
		total_is_good || {
			echo "round $round"
			tail -n 5 "$(log_of main)"
			return 1
		}
	done
}

kill_with_order() {
	local round from
	for round in 1 2 3 4 5 6 7 8; do
		await has_worker
		from=$(($(log_lines main) + 1))
		kill -9 "$(worker_of main)"
		kill -USR1 "${daemon_pids[main]}"
		await logs main 'were looked at for changes' "$from" || {
			echo "round $round"
			tail -n "+$from" "$(log_of main)"
			return 1
		}
	done
}

hanging_tests=3
has_time || hanging_tests=0

plan $((hanging_tests + 4))
make_cgroup a memory=64M
prepare_daemon main
((hanging_tests == 0)) || cp "$build/tests/probe/.libs/refused_hang.so" "$(plugins_of main)/probe.so"
configure main meminfo probe </dev/null
start_daemon main -p "$work/pid"
start_container a main
if ((hanging_tests > 0)); then
	check "a plugin whose self-test hangs is left out" logs main 'its self-test hung'
	kill_worker main
	check "it does not hold up a takeover" total_is_good
	check "so nobody has to do without plugins" logs_no main 'answers by on-fault'
fi

rm "$work/pid"
mkdir "$work/pid"
worker=$(worker_of main)
kill -9 "${daemon_pids[main]}"
await_keeper_of "$worker"
await logs main 'the pidfile'
check "a keeper that cannot write its pidfile goes on" total_is_good
rmdir "$work/pid"
echo "${daemon_pids[main]}" >"$work/pid"
check "a worker that is killed right after its keeper is followed" kill_both
await has_keeper
daemon_pids[main]=$(<"$work/pid")
# From now on a good one: each of the orders would try the other again.
install -m 644 "$(plugin_object probe)" "$(plugins_of main)/probe.so"
check "an order is obeyed though the worker is killed" kill_with_order
check "nothing was aborted" logs_no main 'mount is ended'
finish
