# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034,SC2154
#
# The load under which a daemon is killed, upgraded and reloaded: a test sources this file behind
# functions.sh.  What counts is what these see, in three containers with the files bind-mounted:
#
#   a      readers of all files, LIVE_READERS of them (8), and one that keeps its descriptors open all the time
#   b      one who polls the test plugin, and one who wakes it
#   busy   it works, and its counters are sampled

loads=()         # names of what runs
declare -A load_pids=()
load_flag=$work/loading
load_options="" # lines of the configuration

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
	configure main "${all_plugins[@]}" probe <<END
cpu-policy = quota
$load_options
END
	start_daemon main
	start_container a main
	start_container b main
	start_container busy main
	probe=$(mount_of main)/proc/probe
}

start_load() {
	touch "$load_flag"
	start_part readers a "$helpers/reader" --limits "$limits" --threads "${LIVE_READERS:-8}" --mode mixed \
		--while "$load_flag"
	start_part keeps-open a "$helpers/reader" --limits "$limits" --mode seek --while "$load_flag"
	start_part poller b "$helpers/watcher" "$probe" "$load_flag"
	start_part counters busy "$helpers/sampler" "$(usage_file)" "$load_flag"
}

# One test for each part: all that it read was good.
end_load() {
	local name failed_before=$tests_failed
	rm -f "$load_flag"
	for name in "${loads[@]}"; do
		if ! await is_gone "${load_pids[$name]}"; then
			not_ok "$name: it ends" "it hangs:" "$(<"$work/load.$name")" "$(print_states)"
			continue
		fi
		ended_well "$name: every read was good" "${load_pids[$name]}" "$work/load.$name"
	done
	((tests_failed == failed_before)) || diag "the log:" "$(tail -n 40 "$(log_of main)")"
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

# The daemon's processes that are not of a kind that a keeper starts: one, but while a keeper dies.
keepers_of() {
	local pid
	pgrep -f -- "--runtime-dir=$(runtime_of "$1") " | while read -r pid; do
		[ "$(<"/proc/$pid/comm")" != lxcfs ] ||
			tr '\0' ' ' <"/proc/$pid/cmdline" | grep -Eq -- ' --internal-(worker|control|self-test) ' || echo "$pid"
	done 2>/dev/null
}

# One keeper, which the pidfile names, and its worker.
is_settled() {
	local keeper
	keeper=$(keepers_of "$1")
	[ -n "$keeper" ] && [ "$keeper" = "$(cat "$(pidfile_of "$1")")" ] &&
		[ -n "$(pgrep -P "$keeper" -f -- ' --internal-worker ')" ]
}

# follow_keeper NAME: the daemon is the keeper that is there now, once there is one.
follow_keeper() {
	await is_settled "$1" || {
		echo "there is not one keeper with its worker: $(pgrep -af -- "--runtime-dir=$(runtime_of "$1") ")"
		return 1
	}
	daemon_pids[$1]=$(<"$(pidfile_of "$1")")
}

# kill_keeper NAME: returns when the daemon has another one.
kill_keeper() {
	local keeper=${daemon_pids[$1]}
	kill -9 "$keeper"
	{ wait "$keeper" || true; } 2>/dev/null
	follow_keeper "$1"
}

# What a keeper holds: descriptors, and memory of its own in kB.  Pages of the program come and go.
keeper_descriptors() {
	find "/proc/${daemon_pids[main]}/fd" -type l | wc -l
}
keeper_memory() {
	awk '$1 == "RssAnon:" { print $2 }' "/proc/${daemon_pids[main]}/status"
}

# It serves again, all has been counted, and nobody is in the middle of something.  What `check` ran, it ran
# in a process of its own: this shell does not know of a new keeper yet.
settle() {
	await inside a "$helpers/reader" --limits "$limits" --rounds 1 || bail "nobody serves: $(tail "$(log_of main)")"
	follow_keeper main || bail "there is no keeper: $(tail "$(log_of main)")"
	sleep 1
}

# ---- what it says ----

ctl() {
	timeout 200 "$build/lxcfsctl" --runtime-dir="$(runtime_of main)" "$@"
}

# The system's, which starts at once, where there is one.
python=$(PATH=/usr/bin:$PATH command -v python3)

# status EXPRESSION: of Python, on what the daemon says.
status() {
	ctl status --json | "$python" -IS -c 'import json, sys
status = json.load(sys.stdin)
print(eval(sys.argv[1]))' "$1"
}

# Two tests: no answer was the host's, and no plugin was given up.
nothing_was_given_up() {
	is "no answer was the host's" "$(status 'status["passthroughAnswers"]')" 0
	is "nothing was quarantined" \
		"$(status '[p["name"] for p in status["plugins"] if p["state"] != "serving"]')" "[]"
}

# ---- the program ----

# build_id FILE: print it.  build_id FILE NEW: make NEW, which differs from FILE in nothing else.
build_id() {
	"$python" -IS - "$@" <<'END'
import os, sys
data = open(sys.argv[1], "rb").read()
note = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0"
start = data.index(note) + len(note)
if len(sys.argv) == 2:
    print(data[start:start + 20].hex())
else:
    with open(sys.argv[2], "wb") as file:
        file.write(data[:start] + os.urandom(20) + data[start + 20:])
END
}

# Daemons that start from now on run a program of this test, which can be replaced.
use_own_program() {
	program=$work/program/lxcfs
	mkdir -p "$work/program"
	install -m 755 "$build/lxcfs" "$program"
	wrapper=(bash -c 'exec "$0" "${@:2}"' "$program")
}

# As package managers do: by another name, then over the old one.
install_program() {
	chmod "${2:-755}" "$1"
	mv "$1" "$program"
}

install_new_program() {
	build_id "$build/lxcfs" "$program.new"
	install_program "$program.new"
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
	local index
	for _ in "${roots[@]}"; do
		index=$((${#cgroups[@]} - 1))
		await rmdir "${cgroups[index]}" || return
		unset "cgroups[index]"
	done
}
