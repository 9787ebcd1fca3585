# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# The load under which a daemon is killed, upgraded and reloaded: a test sources this file behind
# functions.sh.  What counts is what these see, in three containers with the files bind-mounted:
#
#   a      eight readers of all files, and one that keeps its descriptors open all the time
#   b      one who polls the test plugin, and one who wakes it
#   busy   it works, and its counters are sampled

loads=()         # names of what runs
declare -A load_pids=()
load_flag=$work/loading

# start_part NAME CONTAINER COMMAND...
start_part() {
	local name=$1
	shift
	inside "$@" >"$work/load.$name" 2>&1 &
	load_pids[$name]=$!
	loads+=("$name")
	remember_pid $!
}

# The account of the container `busy` that its cgroup keeps.
usage_file() {
	local directory
	directory=$(cgroup_directory busy cpu)
	if is_v2 cpu; then
		echo "$directory/cpu.stat"
	else
		echo "$(cgroup_directory busy cpuacct)/cpuacct.usage"
	fi
}

# The daemon `main` with the test plugin, and the containers.
start_containers() {
	make_cgroup a cpus=1 memory=256M swap=64M
	make_cgroup b memory=128M
	make_cgroup busy cpus=1 memory=64M
	limits=1:$((256 * 1024)):$(expected_swap 64M)
	prepare_daemon main
	configure main "${all_plugins[@]}" probe <<<'cpu-policy = quota'
	start_daemon main
	start_container a main
	start_container b main
	start_container busy main
	probe=$(mount_of main)/proc/probe
}

start_load() {
	touch "$load_flag"
	start_part readers a "$helpers/reader" --limits "$limits" --threads 8 --mode mixed --while "$load_flag"
	start_part keeps-open a "$helpers/reader" --limits "$limits" --mode seek --while "$load_flag"
	start_part poller b "$helpers/watcher" "$probe" "$load_flag"
	start_part counters busy "$helpers/sampler" "$(usage_file)" "$load_flag"
}

# One test for each part: all that it read was good.
end_load() {
	local name
	rm -f "$load_flag"
	for name in "${loads[@]}"; do
		if ! await is_gone "${load_pids[$name]}"; then
			not_ok "$name: it ends" "it hangs:" "$(<"$work/load.$name")" "$(print_states)"
			continue
		fi
		ended_well "$name: every read was good" "${load_pids[$name]}" "$work/load.$name"
	done
	loads=()
}
load_tests=4

# ---- what may be left of processes ----

# The processes of this test: its daemons, and what is in its cgroups.
list_own() {
	{
		list_daemons
		cat "${roots[0]}/lxcfs-test-$$-"*/cgroup.procs
	} 2>/dev/null | sort -u
}

print_states() {
	local pid
	list_own | while read -r pid; do
		echo "$pid $(tr '\0' ' ' <"/proc/$pid/cmdline")"
		grep -H '^State' "/proc/$pid/task/"*/status
	done 2>/dev/null
}

nobody_is_stuck() {
	! print_states | grep -q 'State:.*D (disk sleep)'
}

# ---- the keeper ----

has_worker() {
	[ -n "$(worker_of main)" ]
}

# Whose program it is that is no worker: one, but while a keeper dies.
keepers_of() {
	local pid
	pgrep -f -- "--runtime-dir=$(runtime_of "$1") " | while read -r pid; do
		tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q -- ' --internal-' || echo "$pid"
	done 2>/dev/null
}

has_other_keeper() {
	local keeper
	keeper=$(cat "$(pidfile_of "$1")" 2>/dev/null)
	[ -n "$keeper" ] && [ "$keeper" != "$2" ] && is_running "$keeper"
}

# kill_keeper NAME: returns when the daemon has another one, which its pidfile names.
kill_keeper() {
	local keeper=${daemon_pids[$1]}
	kill -9 "$keeper"
	wait "$keeper" 2>/dev/null || true
	await has_other_keeper "$1" "$keeper" || return
	daemon_pids[$1]=$(<"$(pidfile_of "$1")")
}

# What a keeper holds: descriptors, and memory of its own in kB.  Pages of the program come and go.
keeper_descriptors() {
	ls "/proc/${daemon_pids[main]}/fd" | wc -l
}
keeper_memory() {
	awk '$1 == "RssAnon:" { print $2 }' "/proc/${daemon_pids[main]}/status"
}

# ---- others ----

# pause_at_random MOST: a pause of so many milliseconds or fewer
pause_at_random() {
	sleep "$(awk -v part=$RANDOM -v most="$1" 'BEGIN { print most / 1000 * part / 32768 }')"
}

median() {
	sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}

# Cgroups that were removed and are still held by somebody, in the folder of cgroup NAME.
dying_in() {
	awk '$1 == "nr_dying_descendants" { print $2 }' "$unified/lxcfs-test-$$-$1/cgroup.stat"
}

# A container of its own that reads once and is gone.
pass_by() {
	make_cgroup "pen/$1"
	run_container "pen/$1" main -- cat /proc/meminfo /proc/stat >/dev/null
	remove_last_cgroup
}

remove_last_cgroup() {
	local root index
	for root in "${roots[@]}"; do
		index=$((${#cgroups[@]} - 1))
		await rmdir "${cgroups[index]}" || return
		unset "cgroups[index]"
	done
}
