# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
#
# What the live tests share: TAP, daemons, cgroups, containers.  A test sources this file, says plan N,
# and ends with finish (which is two tests of its own).
#
# Everything is made in a mount namespace of the test's own, in cgroups named lxcfs-test-PID-NAME and in a
# folder of its own, and is taken away again by a trap.  Nothing else of the machine is touched.
set -euo pipefail

if [ "$(id -u)" -ne 0 ]; then
	echo "1..0 # SKIP live tests mount and make cgroups: they need root"
	exit 0
fi
if [ -z "${LXCFS_LIVE_NAMESPACE-}" ]; then
	LXCFS_LIVE_NAMESPACE=$$ exec unshare --mount --propagation private -- bash "$0" "$@"
fi

build=$(readlink -f "${LXCFS_BUILD:-.}")
helpers=$build/tests/live
all_plugins=(cpuinfo diskstats meminfo stat swaps sysfs_cpu uptime)
proc_files=(cpuinfo diskstats meminfo stat swaps uptime)
live_seconds=${LIVE_SECONDS:-5}
wait_seconds=60

# ---- TAP ----

tests_run=0
tests_failed=0

plan() {
	echo "1..$(($1 + 2))"
}

diag() {
	local IFS=$'\n' text
	text=$*
	((${#text} < 4000)) || text="${text:0:4000}..."
	echo "# ${text//$'\n'/$'\n'# }"
}

ok() {
	tests_run=$((tests_run + 1))
	echo "ok $tests_run - $1"
}

not_ok() {
	tests_run=$((tests_run + 1))
	tests_failed=$((tests_failed + 1))
	echo "not ok $tests_run - $1"
	shift
	[ $# -eq 0 ] || diag "$@"
}

skip() {
	tests_run=$((tests_run + 1))
	echo "ok $tests_run - $1 # SKIP $2"
}

bail() {
	echo "Bail out! $*"
	exit 1
}

# check WHAT COMMAND...: passes if the command does.
check() {
	local what=$1 output
	shift
	if output=$("$@" 2>&1); then
		ok "$what"
	else
		not_ok "$what" "$* ended with $?:" "$output"
	fi
}

# refuses WHAT ERROR COMMAND...: passes if the command fails and says ERROR (a regular expression).
refuses() {
	local what=$1 error=$2 output
	shift 2
	if output=$("$@" 2>&1); then
		not_ok "$what" "$* succeeded:" "$output"
	elif grep -Eq -- "$error" <<<"$output"; then
		ok "$what"
	else
		not_ok "$what" "$* failed without saying $error:" "$output"
	fi
}

# ended_well WHAT PID LOG: the same for a command that was started in the background.
ended_well() {
	local status=0
	wait "$2" || status=$?
	if [ $status -eq 0 ]; then
		ok "$1 ($(tail -n 1 "$3"))"
	else
		not_ok "$1" "it ended with $status:" "$(<"$3")"
	fi
}

is() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "got:      $2" "expected: $3"
	fi
}

# between WHAT VALUE LEAST MOST, of decimal numbers
between() {
	if awk -v value="$2" -v least="$3" -v most="$4" \
		'BEGIN { exit !(value ~ /^-?[0-9.]+(e[-+][0-9]+)?$/ && value >= least && value <= most) }'; then
		ok "$1"
	else
		not_ok "$1" "got $2, expected $3 to $4"
	fi
}

# matches WHAT TEXT REGULAR-EXPRESSION
matches() {
	if grep -Eq -- "$3" <<<"$2"; then
		ok "$1"
	else
		not_ok "$1" "$3 is not in:" "$2"
	fi
}

# await COMMAND...: until it succeeds; fails after a while.
await() {
	local end=$((SECONDS + wait_seconds))
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

# Whether to run what does little but wait until a time is over.  No: with LIVE_WAITS=no in the environment.
has_time() {
	[ "${LIVE_WAITS:-yes}" != no ]
}

# ---- the folder, and the end ----

work=$(mktemp -d /tmp/lxcfs-test.XXXXXX)
chmod 755 "$work"

# The mounts of this namespace, without those of other daemons, which may end at any time.
list_mounts() {
	awk -v work="$work/" '!/ - fuse.lxcfs / || index($5, work) == 1' /proc/self/mountinfo
}
mounts_before=$(list_mounts)
pids=()    # what is killed at the end, newest first: PID:START
cgroups=() # directories, parents first

# The options of the superblock: they are the same in every mount namespace of the machine.
unified_options() {
	awk '{ for (i = 7; i <= NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") print $(i + 3) }' \
		/proc/self/mountinfo
}
unified_before=$(unified_options)

# When it started, in ticks since boot: numbers of processes come again, together with this they do not.
start_time() {
	sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

remember_pid() {
	pids=("$1:$(start_time "$1")" "${pids[@]}")
}

is_running() {
	[ -d "/proc/$1" ] && ! grep -q '^State:.*[ZX] (' "/proc/$1/status" 2>/dev/null
}

# Without the shell's own word on how its child ended.
end_pid() {
	kill -9 "$1" || true
	await is_gone "$1" || true
	wait "$1" || true
} 2>/dev/null

is_gone() {
	! is_running "$1"
}

children_of() {
	pgrep -P "$1" || true
}

remove_cgroups() {
	local index directory pid
	for ((index = ${#cgroups[@]} - 1; index >= 0; index--)); do
		directory=${cgroups[index]}
		[ -d "$directory" ] || continue
		while read -r pid; do
			kill -9 "$pid" 2>/dev/null || true
		done <"$directory/cgroup.procs"
		await rmdir "$directory" || echo "# $directory cannot be removed"
	done
	cgroups=()
}

unmount_all() {
	local point
	while read -r point; do
		umount -l "$point" || true
	done < <(awk -v work="$work/" 'index($5, work) == 1 { print $5 }' /proc/self/mountinfo | sort -r)
}

# The processes of all daemons of this test.
list_daemons() {
	pgrep -f -- "--runtime-dir=$work/"
}

# They bring each other back, so all are stopped before any is killed.
end_daemons() {
	while list_daemons >/dev/null; do
		list_daemons | xargs -r kill -STOP
		list_daemons | xargs -r kill -KILL
		sleep 0.05
	done
}

# shellcheck disable=SC2317
clean_up() {
	local remembered pid child
	trap '' INT TERM
	set +e
	end_daemons
	for remembered in "${pids[@]}"; do
		pid=${remembered%:*}
		[ "$(start_time "$pid")" = "${remembered#*:}" ] || continue
		for child in $(children_of "$pid"); do
			end_pid "$child"
		done
		end_pid "$pid"
	done
	remove_cgroups
	unmount_all
	rm -rf --one-file-system "$work"
} 2>/dev/null
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Stop what is left; the machine must be as it was.
finish() {
	local pid name
	for pid in "${container_pids[@]}"; do
		end_pid "$pid"
	done
	for name in "${!daemon_pids[@]}"; do
		stop_daemon "$name"
	done
	remove_cgroups
	is "the mounts are those from before" "$(list_mounts)" "$mounts_before"
	is "the options of cgroup2 are those from before" "$(unified_options)" "$unified_before"
}

# ---- daemons ----

declare -A daemon_pids=()

# Where the parts of daemon NAME lie.
mount_of() { echo "$work/$1/mnt"; }
log_of() { echo "$work/$1/log"; }
plugins_of() { echo "$work/$1/plugins"; }
config_of() { echo "$work/$1/lxcfs.conf"; }
runtime_of() { echo "$work/$1/run"; }
pidfile_of() { echo "$work/$1/run/lxcfs.pid"; }

plugin_object() {
	local file
	for file in "$build/plugins/$1/.libs/$1.so" "$build/tests/probe/.libs/$1.so"; do
		[ ! -e "$file" ] || echo "$file"
	done
}

# configure NAME [PLUGIN...] <lines: the plugins, this daemon's folder, and what comes from stdin.
configure() {
	local name=$1 list
	shift
	[ $# -gt 0 ] || set -- "${all_plugins[@]}"
	printf -v list '"%s", ' "$@"
	{
		echo "plugins = { ${list%, } }"
		echo "plugin-directories = { \"$(plugins_of "$name")\" }"
		cat
	} >"$(config_of "$name")"
}

# prepare_daemon NAME: its folders, plugins and configuration, as far as they are not there.
prepare_daemon() {
	local name=$1 plugin object
	mkdir -p "$work/$name" "$(plugins_of "$name")" "$(mount_of "$name")"
	for plugin in "${all_plugins[@]}" probe; do
		object=$(plugins_of "$name")/$plugin.so
		[ -e "$object" ] || install -m 644 "$(plugin_object "$plugin")" "$object"
	done
	[ -e "$(config_of "$name")" ] || configure "$name" <<<'cpu-policy = quota'
}

has_ended_or_serves() {
	! is_running "$1" || grep -q " serves " "$2"
}

# start_daemon NAME [OPTION...]: returns when it serves.  The array `wrapper` is a command that becomes it.
wrapper=()
start_daemon() {
	local name=$1 pid
	shift
	prepare_daemon "$name"
	: >"$(log_of "$name")"
	"${wrapper[@]}" "$build/lxcfs" -f -c "$(config_of "$name")" --runtime-dir="$(runtime_of "$name")" "$@" \
		"$(mount_of "$name")" </dev/null >>"$(log_of "$name")" 2>&1 &
	pid=$!
	remember_pid "$pid"
	await has_ended_or_serves "$pid" "$(log_of "$name")" || bail "daemon $name does not begin to serve"
	is_running "$pid" || bail "daemon $name ended: $(tail -n 3 "$(log_of "$name")")"
	daemon_pids[$name]=$pid
}

# The worker, the younger one while there are two.
worker_of() {
	pgrep -n -P "${daemon_pids[$1]}" -f -- ' --internal-worker ' || true
}

has_other_worker() {
	local worker
	worker=$(worker_of "$1")
	[ -n "$worker" ] && [ "$worker" != "$2" ]
}

# kill_worker NAME: returns when the daemon has another one.
kill_worker() {
	local worker
	worker=$(worker_of "$1")
	kill -9 "$worker"
	await has_other_worker "$1" "$worker"
}

# stop_daemon NAME [SIGNAL]: sets daemon_status to its exit status.
stop_daemon() {
	local pid=${daemon_pids[$1]}
	daemon_status=0
	kill "-${2:-TERM}" "$pid"
	await is_gone "$pid" || bail "daemon $1 does not end"
	wait "$pid" 2>/dev/null || daemon_status=$?
	unset "daemon_pids[$1]"
}

# logs NAME TEXT [FROM-LINE]: whether the log has a line with this (a regular expression).
logs() {
	tail -n "+${3:-1}" "$(log_of "$1")" | grep -E -- "$2" >/dev/null
}

# logs_no NAME TEXT [FROM-LINE]: whether there is a log, and it has no such line.
logs_no() {
	[ -s "$(log_of "$1")" ] && ! logs "$@"
}

log_lines() {
	wc -l <"$(log_of "$1")"
}

# order NAME SIGNAL TEXT: send it, and wait for the answer in the log.
order() {
	local from
	from=$(($(log_lines "$1") + 1))
	kill "-$2" "${daemon_pids[$1]}"
	await logs "$1" "$3" "$from"
}

reload() {
	order "$1" USR1 'plugins were looked at for changes'
}

reconfigure() {
	order "$1" HUP 'configuration'
}

# ---- cgroups ----

declare -A hierarchies=() # controller -> where its hierarchy is mounted
unified=""                # the v2 one
roots=()                  # all of them

find_hierarchies() {
	local type point options option
	while read -r type point options; do
		case $type in
		cgroup2)
			unified=$point
			roots+=("$point")
			for option in $(<"$point/cgroup.controllers"); do
				hierarchies[$option]=$point
			done
			;;
		cgroup)
			roots+=("$point")
			for option in ${options//,/ }; do
				hierarchies[$option]=$point
			done
			;;
		esac
	done < <(awk '{ for (i = 7; i <= NF; i++) if ($i == "-") print $(i + 1), $5, $(i + 3) }' \
		/proc/self/mountinfo)
	[ "${#roots[@]}" -gt 0 ] || bail "no cgroup hierarchy is mounted"
}
find_hierarchies

is_v2() {
	[ "${hierarchies[$1]-}" = "$unified" ]
}

# The directory of the test's cgroup NAME for a controller.
cgroup_directory() {
	echo "${hierarchies[$2]}/lxcfs-test-$$-$1"
}

cgroup_path() {
	echo "/lxcfs-test-$$-$1"
}

put() {
	printf '%s' "$1" >"$2"
}

to_bytes() {
	numfmt --from=iec "$1"
}

set_cpus() {
	local directory quota
	directory=$(cgroup_directory "$1" cpu)
	quota=$(awk -v cpus="$2" 'BEGIN { print cpus * 100000 }')
	if is_v2 cpu; then
		[ "$2" != max ] || quota=max
		put "$quota 100000" "$directory/cpu.max"
	else
		[ "$2" != max ] || quota=-1
		put 100000 "$directory/cpu.cfs_period_us"
		put "$quota" "$directory/cpu.cfs_quota_us"
	fi
}

# Before everything else on the machine, as far as the limit allows.
set_first() {
	local directory
	directory=$(cgroup_directory "$1" cpu)
	if is_v2 cpu; then
		put 10000 "$directory/cpu.weight"
	else
		put 262144 "$directory/cpu.shares"
	fi
}

set_memory() {
	local directory bytes
	directory=$(cgroup_directory "$1" memory)
	bytes=$(to_bytes "$2")
	if is_v2 memory; then
		put "$bytes" "$directory/memory.max"
	else
		put "$bytes" "$directory/memory.limit_in_bytes"
	fi
}

# v1 limits memory and swap together, so memory comes first.
set_swap() {
	local directory bytes
	directory=$(cgroup_directory "$1" memory)
	bytes=$(to_bytes "$2")
	if is_v2 memory; then
		put "$bytes" "$directory/memory.swap.max"
	elif [ -e "$directory/memory.memsw.limit_in_bytes" ]; then
		put $((bytes + $(<"$directory/memory.limit_in_bytes"))) \
			"$directory/memory.memsw.limit_in_bytes"
	fi
}

set_limits() {
	local name=$1 limit
	shift
	for limit in "$@"; do
		case $limit in
		cpus=*) set_cpus "$name" "${limit#*=}" ;;
		memory=*) set_memory "$name" "${limit#*=}" ;;
		swap=*) set_swap "$name" "${limit#*=}" ;;
		first) set_first "$name" ;;
		cpuset=*) put "${limit#*=}" "$(cgroup_directory "$name" cpuset)/cpuset.cpus" ;;
		*) bail "unknown limit $limit" ;;
		esac
	done
}

enable_controllers() {
	local controller
	for controller in $(<"$1/cgroup.controllers"); do
		grep -qw "$controller" "$1/cgroup.subtree_control" ||
			put "+$controller" "$1/cgroup.subtree_control"
	done
}

# make_cgroup NAME [LIMIT...]: in every hierarchy; limits are cpus=N memory=SIZE swap=SIZE cpuset=LIST
# and first, which is none: what runs there comes before all else.
# A name may be PARENT/CHILD when PARENT was made before; on v2 a child with limits needs a parent without
# processes.
make_cgroup() {
	local name=$1 root directory
	shift
	for root in "${roots[@]}"; do
		directory=$root/lxcfs-test-$$-$name
		if [ "$root" = "$unified" ] && [[ $name == */* ]] && [ $# -gt 0 ]; then
			enable_controllers "${directory%/*}"
		fi
		mkdir "$directory"
		cgroups+=("$directory")
		if [ "$root" != "$unified" ] && [ -e "$directory/cpuset.cpus" ]; then
			cat "${directory%/*}/cpuset.mems" >"$directory/cpuset.mems"
			cat "${directory%/*}/cpuset.cpus" >"$directory/cpuset.cpus"
		fi
	done
	set_limits "$name" "$@"
}

# move PID NAME: the whole process, in every hierarchy.
move() {
	local root
	for root in "${roots[@]}"; do
		put "$1" "$root/lxcfs-test-$$-$2/cgroup.procs"
	done
}

# What meminfo must say about swap, in kB, where SIZE is the limit.
expected_swap() {
	local host limit
	host=$(awk '$1 == "SwapTotal:" { print $2 }' /proc/meminfo)
	limit=$(($(to_bytes "$1") / 1024))
	echo $((host < limit ? host : limit))
}

# ---- containers ----

declare -A container_pids=() # of each one's first process

# cgroup_options OPTION NAME: into the array `options`, for all hierarchies.
cgroup_options() {
	local root
	options=()
	for root in "${roots[@]}"; do
		options+=("$1" "$root/lxcfs-test-$$-$2")
	done
}

# start_container NAME DAEMON [OPTION...] [-- COMMAND...]: in the cgroup NAME, with the daemon's files.
# Options are those of the helper `container`.
start_container() {
	local name=$1 daemon=$2 report options
	report=$work/container-${name//\//-}
	shift 2
	cgroup_options --cgroup "$name"
	rm -f "$report"
	"$helpers/container" "${options[@]}" --files "$(mount_of "$daemon")" --init --report "$report" \
		"$@" </dev/null >"$report.log" 2>&1 &
	remember_pid $!
	await test -s "$report" || bail "container $name does not start: $(<"$report.log")"
	container_pids[$name]=$(<"$report")
}

# run_container NAME DAEMON [OPTION...] [--] COMMAND...: the same in the foreground, as long as COMMAND runs.
run_container() {
	local name=$1 daemon=$2 options
	shift 2
	cgroup_options --cgroup "$name"
	"$helpers/container" "${options[@]}" --files "$(mount_of "$daemon")" "$@"
}

stop_container() {
	end_pid "${container_pids[$1]}"
	unset "container_pids[$1]"
}

# inside NAME COMMAND...: in the container's cgroups and namespaces.
inside() {
	inside_cgroup "$1" "$@"
}

# inside_cgroup CGROUP NAME COMMAND...: in another cgroup, but the container's namespaces.
inside_cgroup() {
	local cgroup=$1 name=$2 options
	shift 2
	cgroup_options --cgroup "$cgroup"
	"$helpers/container" "${options[@]}" --join "${container_pids[$name]}" -- "$@"
}

# as_host COMMAND...: in the root of every hierarchy, as a process of the host is.
as_host() {
	local root options=()
	for root in "${roots[@]}"; do
		options+=(--cgroup "$root")
	done
	"$helpers/container" "${options[@]}" --namespaces "" -- "$@"
}

# meminfo KEY: a filter
meminfo() {
	awk -v key="$1:" '$1 == key { print $2 }'
}
