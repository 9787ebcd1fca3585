#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A container with 1 CPU by quota, 256 MiB and 64 MiB of swap: what the files and the usual tools say in it.
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"

window_seconds=6
window_attempts=8

# The file that tells the CPU time of a cgroup, and a part of awk that finds the seconds in it.
if is_v2 cpu; then
	usage_of() { echo "$(cgroup_directory "$1" cpu)/cpu.stat"; }
	find_usage='$1 == "usage_usec" { used = $2 / 1e6 }'
else
	usage_of() { echo "$(cgroup_directory "$1" cpuacct)/cpuacct.usage"; }
	find_usage='NF == 1 { used = $1 / 1e9 }'
fi

# UPTIME IDLE SHOWN USED in seconds, read by one process inside of the container.
times_in() {
	inside "$1" cat /proc/uptime /proc/stat "$(usage_of "$1")" | awk '
		NR == 1 { uptime = $1; idle = $2 }
		$1 == "cpu" { shown = ($2 + $3 + $4) / 100 }
		'"$find_usage"'
		END { printf "%.2f %.2f %.2f %.6f\n", uptime, idle, shown, used }'
}

# Seconds since the container's first process started, by the host's clock.
age_of() {
	local pid=${container_pids[$1]}
	awk -v stat="$(<"/proc/$pid/stat")" \
		'{ sub(/.*\) /, "", stat); split(stat, field, " "); print $1 - field[20] / 100 }' /proc/uptime
}

start_loop() {
	touch "$work/loop"
	# shellcheck disable=SC2016
	inside "$1" bash -c 'while [ -e "$1" ]; do :; done' bash "$work/loop" &
	loop_pid=$!
}

end_loop() {
	rm "$work/loop"
	wait "$loop_pid"
}

# watch BUSY IDLE: one window of some seconds while the first one loops.  Sets, for the first one, elapsed,
# used, shown and idle seconds, and for the second one what it shows as used.
watch() {
	local before after neighbour_before neighbour_after
	before=$(times_in "$1")
	neighbour_before=$(times_in "$2")
	sleep $window_seconds
	after=$(times_in "$1")
	neighbour_after=$(times_in "$2")
	read -r elapsed idle shown used < <(awk '{ print $5 - $1, $6 - $2, $7 - $3, $8 - $4 }' <<<"$before $after")
	neighbour=$(awk '{ print $7 - $3 }' <<<"$neighbour_before $neighbour_after")
}

percent() {
	awk -v part="$1" -v whole="$2" 'BEGIN { print 100 * part / whole }'
}

# The loop must have had its CPU; on a machine that is loaded in spite of its weight, a window in which it had.
watch_undisturbed() {
	local attempt
	for ((attempt = 1; attempt <= window_attempts; attempt++)); do
		watch "$@"
		awk -v used="$used" -v elapsed="$elapsed" 'BEGIN { exit !(used >= 0.96 * elapsed) }' && return
		diag "window $attempt: the loop got only $used s of $elapsed s"
	done
}

plan 41
swap=$(expected_swap 64M)
make_cgroup a cpus=1 memory=256M swap=64M first
make_cgroup b cpus=1 memory=128M
make_cgroup two memory=512M first
make_cgroup pinned cpuset=1 memory=128M
start_daemon main
start_container a main
start_container b main
start_container two main
start_container pinned main

# ---- all files ----

limits=1:$((256 * 1024)):$swap
check "all files agree with the limits and with each other" \
	inside a "$helpers/reader" --limits "$limits" --seconds 3 --follow
check "a child of the first process sees the same" \
	run_container a main --init -- "$helpers/reader" --limits "$limits" --rounds 20
check "with a cpuset of one CPU that is the CPU there is" \
	inside pinned "$helpers/reader" --limits "1:$((128 * 1024)):$(inside pinned cat /proc/meminfo |
		meminfo SwapTotal)" --rounds 20
is "it keeps its number in stat" "$(inside pinned awk '/^cpu[0-9]/ { print $1 }' /proc/stat)" cpu1
is "it keeps its number in cpuinfo" "$(inside pinned awk '$1 == "processor" { print $3 }' /proc/cpuinfo)" 1
is "it keeps its number in online" "$(inside pinned cat /sys/devices/system/cpu/online)" 1
is "online is one number" "$(inside a cat /sys/devices/system/cpu/online)" 0
is "meminfo has the host's keys in their order" \
	"$(inside a awk -F: '{ print $1 }' /proc/meminfo)" "$(awk -F: '{ print $1 }' /proc/meminfo)"

shm=$work/shm
mkdir "$shm"
# shellcheck disable=SC2016
memory=$(inside a bash -c 'cat /proc/meminfo && mount -t tmpfs shm "$1" && head -c 40M /dev/zero >"$1/file" &&
	cat /proc/meminfo && umount "$1"' bash "$shm")
between "memory that is taken is no longer free (kB)" \
	"$(meminfo MemFree <<<"$memory" | awk 'NR == 1 { before = $1 } END { print before - $1 }')" $((36 * 1024)) $((48 * 1024))
between "shared memory is the container's (kB)" \
	"$(meminfo Shmem <<<"$memory" | tail -n 1)" $((40 * 1024)) $((48 * 1024))
between "and not its neighbour's (kB)" "$(inside b cat /proc/meminfo | meminfo Shmem)" 0 4096

# ---- the usual tools ----

is "free: memory" "$(inside a free -k | awk '$1 == "Mem:" { print $2 }')" $((256 * 1024))
is "free: swap" "$(inside a free -k | awk '$1 == "Swap:" { print $2 }')" "$swap"
is "top: memory" "$(inside a env TERM=dumb top -b -n 1 | awk '$2 == "Mem" { print $4 }')" 256.0
check "ps" inside a ps aux
is "ps shows the first process" "$(inside a ps -o pid= -p 1 | tr -d ' ')" 1
between "uptime: when it was started" \
	"$(($(date +%s) - $(date -d "$(inside a uptime -s)" +%s)))" \
	"$(age_of a | awk '{ print int($1) - 1 }')" "$(age_of a | awk '{ print int($1) + 2 }')"
# nproc looks at the affinity too, which a quota does not change.
is "nproc, with a cpuset" "$(inside pinned nproc)" 1
is "nproc --all, with a cpuset" "$(inside pinned nproc --all)" 1
is "getconf _NPROCESSORS_ONLN" "$(inside a getconf _NPROCESSORS_ONLN)" 1
is "getconf _NPROCESSORS_CONF" "$(inside a getconf _NPROCESSORS_CONF)" 1
is "lscpu: CPUs" "$(inside a lscpu | awk '/^CPU\(s\):/ { print $2 }')" 1
is "lscpu: which" "$(inside a lscpu | awk '/^On-line CPU\(s\) list:/ { print $NF }')" 0
is "vmstat: memory" "$(inside a vmstat -s | awk '/total memory/ { print $1 }')" $((256 * 1024))
is "vmstat: swap" "$(inside a vmstat -s | awk '/total swap/ { print $1 }')" "$swap"
check "vmstat, twice" inside a vmstat 1 2
matches "iostat" "$(inside a iostat 1 2)" '\(1 CPU\)'
is "mpstat: CPUs" "$(inside a mpstat -P ALL 1 1 | awk '/^Average/ && $2 != "CPU" { print $2 }' | xargs)" \
	"all 0"

# ---- the start ----

number=0
for name in "my init x" "a) b c" ")"; do
	number=$((number + 1))
	make_cgroup "started-$number" memory=64M
	start_container "started-$number" main --name "$name"
	is "the first process is called '$name'" "$(<"/proc/${container_pids[started-$number]}/comm")" "$name"
	least=$(age_of "started-$number")
	uptime=$(inside "started-$number" cut -d' ' -f1 /proc/uptime)
	between "uptime is right at the first read" "$uptime" \
		"$(awk -v age="$least" 'BEGIN { print age - 0.02 }')" \
		"$(awk -v age="$(age_of "started-$number")" 'BEGIN { print age + 0.02 }')"
done
between "btime is when the container was started" \
	"$(inside a awk '$1 == "btime" { print $2 }' /proc/stat)" \
	"$(awk -v now="$(date +%s)" -v age="$(age_of a)" 'BEGIN { print int(now - age) - 1 }')" \
	"$(awk -v now="$(date +%s)" -v age="$(age_of a)" 'BEGIN { print int(now - age) + 1 }')"

# ---- CPU time ----

start_loop a
watch_undisturbed a b
end_loop
diag "$used s of $elapsed s were used, $shown s shown, $idle s idle; the neighbour shows $neighbour s"
between "a busy loop shows as 95 to 101 % of a CPU" "$(percent "$shown" "$elapsed")" 95 101
between "an idle neighbour shows less than 2 %" "$(percent "$neighbour" "$elapsed")" 0 1.99
start_loop two
watch two b
end_loop
between "of two CPUs what is not used is idle (s off)" \
	"$(awk -v idle="$idle" -v elapsed="$elapsed" -v used="$used" 'BEGIN { print idle - (2 * elapsed - used) }')" \
	-0.3 0.3
between "and stat follows what is used (s off)" \
	"$(awk -v shown="$shown" -v used="$used" 'BEGIN { print shown - used }')" -0.15 0.15

# ---- new limits ----

set_limits a cpus=2 memory=200M
check "new limits show at the next open" \
	inside a "$helpers/reader" --limits "2:$((200 * 1024)):$(inside a cat /proc/meminfo | meminfo SwapTotal)" --rounds 5
set_limits a cpus=0.5 memory=256M
check "half a CPU is one" inside a "$helpers/reader" --limits "$limits" --rounds 5
finish
