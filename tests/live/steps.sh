#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Processes are killed at the steps of a takeover, a reload and an upgrade: before each of their system calls.
# LIVE_STEPS: at how many of them, spread over all (0: at every one; so with --soak).
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"
# shellcheck source=tests/live/load.sh
source "$(dirname "$0")/load.sh"

steps=${LIVE_STEPS:-8}
[ "${1-}" != --soak ] || steps=0

never=1000000000
step_flag=$work/step-is-over

# start_killing NUMBER PID [OPTION]
start_killing() {
	rm -f "$step_flag"
	: >"$work/killat.log"
	"$helpers/killat" "${@:3}" "$2" "$1" "$step_flag" >"$work/killat.log" 2>&1 &
	killer=$!
	remember_pid $killer
	await grep -q ready "$work/killat.log"
}

end_killing() {
	touch "$step_flag"
	wait "$killer"
}

files_are_good() {
	timeout 60 "$helpers/container" "${good_options[@]}" --join "${container_pids[a]}" -- \
		"$helpers/reader" --limits "$limits" --rounds 1
}

# kill_at STEP NUMBER: print what went wrong, if anything did.
kill_at() {
	local output
	follow_keeper main || return
	"$1" "$2" || {
		echo "step $2 of $1: it does not go on"
		return 1
	}
	# What is counted ends when the first read is answered.
	[ "$2" != $never ] || {
		as_host cat "$(mount_of main)/proc/uptime" >/dev/null
		touch "$step_flag"
	}
	output=$(files_are_good 2>&1) || {
		echo "step $2 of $1: $output"
		return 1
	}
	end_killing
	grep -Eq '^(killed|not killed)' "$work/killat.log" || {
		echo "step $2 of $1: $(<"$work/killat.log")"
		return 1
	}
}

# From the first to the last, as many as were asked for.
list_steps() {
	awk -v last="$1" -v count="$steps" 'BEGIN {
		if (count == 0 || count > last)
			count = last
		for (i = 0; i < count; i++)
			print int(1 + i * (last - 1) / (count > 1 ? count - 1 : 1))
	}'
}

# kill_at_steps WHAT STEP: all is counted once without a kill.
kill_at_steps() {
	local what=$1 step=$2 last number wrong="" killed=0
	kill_at "$step" $never >"$work/wrong" || {
		not_ok "$what" "$(<"$work/wrong")"
		return
	}
	last=$(sed -n 's/^not killed: \([0-9]*\) calls/\1/p' "$work/killat.log")
	for number in $(list_steps "${last:-0}"); do
		kill_at "$step" "$number" >"$work/wrong" || wrong+=$(<"$work/wrong")$'\n'
		! grep -q '^killed' "$work/killat.log" || killed=$((killed + 1))
	done
	if [ -z "$wrong" ] && ((killed > 0)); then
		ok "$what ($killed of $last)"
	else
		not_ok "$what ($killed of $last)" "$wrong" "$(tail -n 5 "$(log_of main)")"
	fi
}

# ---- the steps ----

# The successor of a worker that was killed.
take_over() {
	start_killing "$1" "${daemon_pids[main]}" --child || return
	kill_worker main
}

was_looked_at() {
	logs main 'plugins were looked at for changes' "$from" || has_other_worker main "$worker"
}

# The worker's own thread that loads plugins.
reload_plugins() {
	worker=$(worker_of main)
	from=$(($(log_lines main) + 1))
	version=$([ "${version-}" = one ] && echo two || echo one)
	install -m 644 "$helpers/.libs/meminfo_$version.so" "$(plugins_of main)/meminfo.so"
	start_killing "$1" "$worker" || return
	kill -USR1 "${daemon_pids[main]}"
	await was_looked_at
}

upgrade() {
	install_new_program
	"$@" || return
	ctl upgrade >>"$work/upgrades" 2>&1 || true
	follow_keeper main
}

upgrade_from() {
	upgrade start_killing "$1" "$(worker_of main)"
}

upgrade_to() {
	upgrade start_killing "$1" "${daemon_pids[main]}" --child=--internal-worker
}

upgrade_keeper() {
	upgrade start_killing "$1" "${daemon_pids[main]}"
}

# The new keeper that the worker starts.
elect_keeper() {
	start_killing "$1" "$(worker_of main)" --child || return
	kill_keeper main
}

plan 9
use_own_program
start_containers
wrapper=()
cgroup_options --cgroup a
good_options=("${options[@]}")
touch "$load_flag"
start_part readers a "$helpers/reader" --limits "$limits" --threads 2 --mode mixed --while "$load_flag"
kill_at_steps "the successor is killed in its takeover" take_over
kill_at_steps "the worker is killed while it loads plugins" reload_plugins
kill_at_steps "a keeper is killed when it begins" elect_keeper
kill_at_steps "the worker that yields is killed in an upgrade" upgrade_from
kill_at_steps "the worker that comes is killed in an upgrade" upgrade_to
kill_at_steps "the keeper is killed in an upgrade" upgrade_keeper
end_load
check "nobody is left in state D" await nobody_is_stuck
is "one keeper" "$(keepers_of main)" "${daemon_pids[main]}"
finish
