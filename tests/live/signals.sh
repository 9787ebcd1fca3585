#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Readers that get signals, or are killed, while nobody serves: they go on, or die.
# LIVE_SECONDS: for how long.
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"
# shellcheck source=tests/live/load.sh
source "$(dirname "$0")/load.sh"
[ "${1-}" != --soak ] || live_seconds=300
seconds=$((live_seconds / 3 + 1))

# The command itself that start_part runs, below the processes that bring it into its container.
process_of() {
	local pid=${load_pids[$1]} child
	while child=$(children_of "$pid") && [ -n "$child" ]; do
		pid=$child
	done
	echo "$pid"
}

has_process() {
	grep -q -- "$2" "/proc/$(process_of "$1")/comm"
}

# start_victim NAME COMMAND...: a part that reads in container a and is to be killed; sets `victim`.
start_victim() {
	start_part "$1" a "${@:2}"
	await has_process "$1" "$(basename "$2" | cut -c -15)"
	victim=$(process_of "$1")
}

forget_victim() {
	kill -9 "${load_pids[$1]}" 2>/dev/null || true
	wait "${load_pids[$1]}" 2>/dev/null || true
	unset "load_pids[$1]"
	loads=("${loads[@]:0:${#loads[@]}-1}")
}

waits_for_answer() {
	grep -Eq '^(fuse_|request_wait_answer|__fuse)' "/proc/$1/wchan"
}

# Nobody serves from here to there.
begin_gap() {
	await has_worker
	kill -STOP "${daemon_pids[main]}"
	kill -9 "$(worker_of main)"
}

end_gap() {
	kill -CONT "${daemon_pids[main]}"
}

make_gaps() {
	local end=$((SECONDS + seconds))
	while ((SECONDS < end)); do
		pause_at_random 50
		begin_gap
		pause_at_random 100
		end_gap
		await inside b cat "$probe" || return
	done
}

kill_in_gaps() {
	local end=$((SECONDS + seconds)) round
	for ((round = 0; SECONDS < end || round < 3; round++)); do
		start_victim "victim$round" "$helpers/reader" --limits "$limits" --threads 4 --mode mixed --seconds 600
		pause_at_random 50
		begin_gap
		pause_at_random 10
		kill -9 "$victim"
		pause_at_random 10
		end_gap
		await is_gone "$victim" || {
			print_states
			return 1
		}
		forget_victim "victim$round"
	done
}

plan 11
start_containers
touch "$load_flag"
start_part interrupted a "$helpers/reader" --limits "$limits" --threads 2 --mode mixed --signals --while "$load_flag"
start_part readers a "$helpers/reader" --limits "$limits" --threads 2 --mode mixed --while "$load_flag"

# ---- a worker that stands still ----

worker=$(worker_of main)
kill -STOP "$worker"
start_victim blocked cat "$(mount_of main)/proc/meminfo"
check "a reader waits while its worker stands still" await waits_for_answer "$victim"
kill -9 "$victim"
check "it can be killed" await is_gone "$victim"
forget_victim blocked
kill -CONT "$worker"
check "the worker goes on" inside a "$helpers/reader" --limits "$limits" --rounds 1

# ---- no worker ----

check "requests are sent again after gaps" make_gaps
check "readers that are killed in a gap die" kill_in_gaps
end_load

# ---- a request in service ----

inside b "$helpers/fileops" write "$probe" "render hang" >/dev/null
start_part hanging b cat "$probe"
await has_process hanging cat
victim=$(process_of hanging)
await waits_for_answer "$victim"
begin_gap
kill -9 "$victim"
end_gap
# The next workers hang over it too, until it is answered by on-fault; then others are, and by their plugins.
check "others are answered" inside a "$helpers/reader" --limits "$limits" --rounds 1
check "a reader whose request was in service dies when it is answered" await is_gone "$victim"
forget_victim hanging
check "nobody is left in state D" await nobody_is_stuck
is "one keeper" "$(keepers_of main)" "${daemon_pids[main]}"
finish
