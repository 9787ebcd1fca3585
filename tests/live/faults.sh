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

# write_often WRITER: as long as the flag is there; prints how many writes there were, and how many failed.
write_often() {
	local failed=0 round
	for ((round = 0; round < 16000; round++)); do
		[ -e "$work/writing" ] || break
		echo "mark $((16000 * $1 + round))" >"$probe" || failed=$((failed + 1))
	done
	echo $round $failed
} 2>/dev/null

plan 22
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
touch "$work/writing"
writers=()
for writer in 0 1 2 3; do
	write_often $writer >"$work/written.$writer" &
	writers+=($!)
done
kills=12
for ((round = 0; round < kills; round++)); do
	sleep 0.1
	kill -9 "$(worker_of main)" || true
done
sleep 0.1
rm "$work/writing"
wait "${writers[@]}"
after=$(writes)
read -r written failed < <(awk '{ sum += $1; failed += $2 } END { print sum, failed }' "$work"/written.*)
is "no write fails when a worker is killed" "$failed" 0
# What was in service when its worker was killed may have been done already: at most one of each writer.
between "no write is lost (writes more than answers)" $((after - before - written)) 0 $((4 * kills))
check "no worker does a write twice" test -z "$(grep 'is made a second time' "$(log_of main)")"
finish
