#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Who is asking: readers that hide, move and share must see their own container's numbers, or those that the
# configuration says, and never another's.
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"

moving_seconds=$((live_seconds / 2))
[ "${1-}" != --soak ] || moving_seconds=120

mib() {
	echo $(($1 * 1024))
}

# total COMMAND...: MemTotal in the file that the command is made to print.
total() {
	"$@" cat "$files/proc/meminfo" | meminfo MemTotal
}

# with CGROUP OPTION...: a process with these options of the helper `container`.
with() {
	local options
	cgroup_options --cgroup "$1"
	shift
	"$helpers/container" "${options[@]}" "$@"
}

# move_about PID CGROUP CGROUP: move what the helper PID runs to and fro while it reads, and return how it ended.
move_about() {
	local status=0 moves=0 child end
	await has_child "$1" || bail "no reader is there: $(<"$work/moving.log")"
	child=$(children_of "$1")
	end=$((SECONDS + moving_seconds))
	while is_running "$child" && { ((SECONDS < end)) || ((moves < 4)); }; do
		move "$child" "$3" && move "$child" "$2" && moves=$((moves + 2))
	done
	rm -f "$work/reading"
	wait "$1" || status=$?
	echo "$moves moves" >>"$work/moving.log"
	((moves >= 4)) && return $status
}

has_child() {
	[ -n "$(children_of "$1")" ]
}

# moving WHAT NAMESPACES CGROUP CGROUP MIB MIB
moving() {
	local options
	touch "$work/reading"
	cgroup_options --cgroup "$3"
	"$helpers/container" "${options[@]}" --namespaces "$2" -- "$helpers/reader" --root "$files" --threads 8 \
		--mode mixed --limits "1:$(mib "$5"):$swap" --limits "1:$(mib "$6"):$swap" --moving \
		--while "$work/reading" >"$work/moving.log" 2>&1 &
	remember_pid $!
	if move_about $! "$3" "$4"; then
		ok "$1 ($(tail -n 2 "$work/moving.log" | xargs))"
	else
		not_ok "$1" "$(<"$work/moving.log")"
	fi
}

plan 34
files=$(mount_of main)
swap=$(meminfo SwapTotal </proc/meminfo)
prepare_daemon main
configure main <<END
cpu-policy = quota
container "*/lxcfs-test-$$-pid1*" {
	identity = pid1
}
container "*/lxcfs-test-$$-caller*" {
	identity = caller
}
container "*/lxcfs-test-$$-special" {
	swap = off
	uptime = host
	passthrough = { "meminfo" }
}
END
start_daemon main

# ---- moving between two cgroups ----

make_cgroup parent memory=512M
make_cgroup parent/a memory=256M cpus=1
make_cgroup parent/b memory=128M cpus=1
make_cgroup other memory=192M cpus=1

moving "8 threads move between siblings as host processes" "" parent/a parent/b 256 128
moving "8 threads move to a sibling of their namespace's root" c parent/a parent/b 256 128
moving "8 threads move out of their container" cmp parent/a other 256 192

# ---- one container inside of another ----

make_cgroup outer memory=256M
make_cgroup outer/init
cgroup_options --inner outer/init
start_container outer main "${options[@]}"
make_cgroup outer/jobs
make_cgroup outer/docker memory=128M
make_cgroup outer/loose memory=1G
is "the first process has moved below its namespace's root" "$(total inside_cgroup outer/init outer)" "$(mib 256)"
is "a reader in another cgroup below the root" "$(total inside_cgroup outer/jobs outer)" "$(mib 256)"
is "a reader in one with a limit of its own" "$(total inside_cgroup outer/docker outer)" "$(mib 256)"
is "a container in the container" "$(total run_container outer/docker main)" "$(mib 128)"
is "a container in it that may have more than there is" "$(total run_container outer/loose main)" "$(mib 256)"
is "a reader that makes a cgroup namespace below the root" \
	"$(total inside_cgroup outer/docker outer unshare --cgroup)" "$(mib 128)"
is "a reader that makes one where more is allowed" \
	"$(total inside_cgroup outer/loose outer unshare --cgroup)" "$(mib 256)"
shm=$work/shm
mkdir "$shm"
# shellcheck disable=SC2016
inside_cgroup outer/jobs outer bash -c 'mount -t tmpfs shm "$1" && head -c 40M /dev/zero >"$1/file"' bash "$shm"
between "what one of its cgroups uses is not free (kB)" \
	"$(inside_cgroup outer/init outer cat /proc/meminfo | meminfo MemFree)" "$(mib 100)" "$(mib 216)"
is "a thread whose leader has ended" \
	"$(inside_cgroup outer/init outer "$helpers/impostor" leaderless /proc/meminfo | meminfo MemTotal)" "$(mib 256)"

# ---- outside of the namespace's root ----

cgroup_options --inner parent/b
is "a reader in a sibling of its namespace's root" "$(total with parent/a --namespaces c "${options[@]}")" "$(mib 128)"
cgroup_options --inner other
is "a reader in another branch" "$(total with parent/a --namespaces c "${options[@]}")" "$(mib 192)"
cgroup_options --inner outer/jobs
is "a reader beside its namespace's root, below a container" \
	"$(total with outer/docker --namespaces c "${options[@]}")" "$(mib 256)"

# ---- pid namespaces that are shared, or the host's ----

make_cgroup first memory=256M cpus=1
make_cgroup second memory=128M cpus=1
start_container first main
first=${container_pids[first]}
is "in the pid namespace of another container" \
	"$(total with second --namespaces c "$helpers/container" --join "$first" --namespaces mp)" "$(mib 128)"
is "the same without a cgroup namespace" "$(total with second --join "$first" --namespaces mp)" "$(mib 128)"
is "the container whose pid namespace it is" "$(total inside first)" "$(mib 256)"
check "in the pid namespace of the host" run_container second main --namespaces cm \
	"$helpers/reader" --limits "1:$(mib 128):$swap" --rounds 10
check "the same without a cgroup namespace" run_container second main --namespaces m \
	"$helpers/reader" --limits "1:$(mib 128):$swap" --rounds 10

# ---- as systemd has it ----

make_cgroup scope memory=256M
make_cgroup scope/init.scope
cgroup_options --inner scope/init.scope
start_container scope main --namespaces mp "${options[@]}"
make_cgroup scope/service memory=128M
is "a first process in init.scope, without a cgroup namespace" \
	"$(total inside_cgroup scope/init.scope scope)" "$(mib 256)"
is "a service beside init.scope" "$(total inside_cgroup scope/service scope)" "$(mib 256)"

# ---- a recycled pid ----

# group MIB CGROUP: its limit and its directories, as the helper takes them.
group() {
	local root
	mib "$1" | tr -d '\n'
	for root in "${roots[@]}"; do
		printf ':%s' "$root/lxcfs-test-$$-$2"
	done
}
check "processes of two containers with one pid" \
	"$helpers/impostor" recycle 400 "$files/proc/meminfo" MemTotal: "$(group 128 second)" "$(group 192 other)"

# ---- the host ----

is "a host process: memory" "$(total as_host)" "$(meminfo MemTotal </proc/meminfo)"
is "a host process: CPUs" "$(as_host grep -c ^processor "$files/proc/cpuinfo")" "$(grep -c ^processor /proc/cpuinfo)"
is "a host process: disks" "$(as_host awk '{ print $3 }' "$files/proc/diskstats")" "$(awk '{ print $3 }' /proc/diskstats)"
between "a host process: uptime (s off)" \
	"$(as_host cat "$files/proc/uptime" /proc/uptime | awk 'NR == 1 { ours = $1 } END { print $1 - ours }')" -0.1 1
is "a host process: btime" "$(as_host grep btime "$files/proc/stat")" "$(grep btime /proc/stat)"

# ---- the configuration ----

for name in pid1 caller; do
	make_cgroup $name memory=256M
	make_cgroup $name/init.scope
	cgroup_options --inner $name/init.scope
	start_container $name main "${options[@]}"
	make_cgroup $name/sub memory=128M
done
is "identity = caller: the reader's own cgroup" "$(total inside_cgroup caller/sub caller)" "$(mib 128)"
is "identity = pid1: that of the first process" \
	"$(total inside_cgroup pid1/sub pid1 unshare --cgroup)" "$(mib 256)"
make_cgroup special memory=128M cpus=1
start_container special main
is "passthrough: the host's memory" "$(total inside special)" "$(meminfo MemTotal </proc/meminfo)"
is "but its own CPUs" "$(inside special grep -c ^processor /proc/cpuinfo)" 1
is "swap = off: none" "$(inside special cat /proc/swaps | wc -l)" 1
between "uptime = host (s off)" \
	"$(inside special cat /proc/uptime | awk -v host="$(cut -d' ' -f1 /proc/uptime)" '{ print $1 - host }')" -0.1 2
finish
