#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Requests that end their worker, seen from a container: the one file answers by on-fault, all else goes on.
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"

command_in_a() {
	inside a "$helpers/fileops" write "$probe" "$1"
}

# What no fault may change.
others_are_good() {
	is "$1: the keeper is the same" "$(is_running "$keeper" && echo yes)" yes
	is "$1: other files go on" "$(inside a awk '$1 == "MemTotal:" { print $2 }' "$(mount_of main)/proc/meminfo")" \
		$((256 * 1024))
	is "$1: so does the file in another container" \
		"$(inside b awk '$1 == "memory" { print $2 }' "$probe")" $((128 * 1024 * 1024))
}

# As the probe counts those of the container of this script.
writes() {
	awk '$1 == "writes" { print $2 }' "$probe"
}

# Writes that were answered with success, by one writer.
write_often() {
	local done=0 round
	for ((round = 0; round < 200; round++)); do
		! echo wake >"$probe" || done=$((done + 1))
	done
	echo $done
} 2>/dev/null

plan 21
make_cgroup a memory=256M
make_cgroup b memory=128M
probe=$(mount_of main)/proc/probe
prepare_daemon main
configure main probe meminfo <<'END'
render-timeout = 300
END
start_daemon main
keeper=${daemon_pids[main]}
start_container a main
start_container b main

for fault in crash abort hang; do
	command_in_a "render $fault" >/dev/null
	refuses "a rendering that ends in $fault" 'Input/output error' inside a cat "$probe"
	others_are_good "$fault"
	command_in_a 'render well' >/dev/null
	check "$fault: it can be mended" inside a grep -q '^release ' "$probe"
done
refuses "a write that crashes" EIO command_in_a crash
others_are_good "a write that crashes"

# ---- a worker is killed while requests are in service ----

before=$(writes)
writers=()
for writer in 1 2 3 4; do
	write_often >"$work/written.$writer" &
	writers+=($!)
done
for round in 1 2 3 4 5 6; do
	sleep 0.2
	kill -9 "$(worker_of main)" || true
done
wait "${writers[@]}"
after=$(writes)
written=$(awk '{ sum += $1 } END { print sum }' "$work"/written.*)
is "no write fails when a worker is killed" "$written" 800
# One that is killed between its answer and its note of it is done again: a few instructions wide.
between "no write is done twice (writes more than answers)" $((after - before - written)) 0 1
finish
