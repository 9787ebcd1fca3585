#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The program is replaced while it serves, keeper included: no container notices.
# LIVE_UPGRADES: how often (100 with --soak).  From 50 on also with a program that hangs: that takes two minutes.
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"
# shellcheck source=tests/live/load.sh
source "$(dirname "$0")/load.sh"

upgrades=${LIVE_UPGRADES:-3}
[ "${1-}" != --soak ] || upgrades=100

# What runs is what lies on disk, in both processes.
is_upgraded() {
	local wanted
	wanted=$(build_id "$program")
	[ "$(status '(status["keeper"]["buildId"], status["worker"]["buildId"])')" = "('$wanted', '$wanted')" ] &&
		[ "$(build_id "/proc/${daemon_pids[main]}/exe")" = "$wanted" ] &&
		[ "$(build_id "/proc/$(worker_of main)/exe")" = "$wanted" ] || {
		echo "not $wanted runs:"
		ctl status
		return 1
	}
}

upgrade() {
	local keeper=${daemon_pids[main]}
	ctl upgrade || return
	is_upgraded || return
	[ "$(keepers_of main)" = "$keeper" ] || {
		echo "the keeper is $(keepers_of main), not $keeper"
		return 1
	}
}

upgrade_often() {
	local round
	for ((round = 1; round <= upgrades; round++)); do
		install_new_program
		upgrade || {
			echo "upgrade $round"
			tail -n 8 "$(log_of main)"
			return 1
		}
	done
}

# goes_not WHAT REASON: the program that lies there now is refused, and all is as before.
goes_not() {
	local before
	await has_worker || true
	before="$(keepers_of main) $(build_id "/proc/${daemon_pids[main]}/exe") $(build_id "/proc/$(worker_of main)/exe")"
	refuses "$1: refused, and it says why" "$2" ctl upgrade
	await has_worker || true
	is "$1: the old one goes on" \
		"$(keepers_of main) $(build_id "/proc/${daemon_pids[main]}/exe") $(build_id "/proc/$(worker_of main)/exe")" \
		"$before"
}

install_copy() {
	cp "$1" "$program.new"
	install_program "$program.new"
}

# Whoever is there at that moment: the keeper, the old worker or the new one.
kill_somebody() {
	local all
	mapfile -t all < <(pgrep -f -- "--runtime-dir=$(runtime_of main) ")
	kill -9 "${all[RANDOM % ${#all[@]}]}"
}

kill_in_upgrades() {
	local round order
	for ((round = 1; round <= upgrades; round++)); do
		install_new_program
		ctl upgrade >"$work/upgrade.log" 2>&1 &
		order=$!
		pause_at_random 150
		kill_somebody || true
		wait $order || true
		follow_keeper main || return
		inside a "$helpers/reader" --limits "$limits" --rounds 1 || return
	done
	upgrade
}

plan $((load_tests + 21))
use_own_program
start_containers
wrapper=()
keeper=${daemon_pids[main]}
start_load
check "the program that is served by is upgraded to itself" upgrade
settle
descriptors=$(keeper_descriptors)
check "$upgrades upgrades" upgrade_often
settle
is "the keeper is the same process" "${daemon_pids[main]}" "$keeper"
is "it has as many descriptors as before" "$(keeper_descriptors)" "$descriptors"

# ---- bad programs ----

build_id "$build/lxcfs" "$program.new"
install_program "$program.new" 644
goes_not "not executable" 'not an executable file'
head -c 20000 "$build/lxcfs" >"$program.new"
install_program "$program.new"
goes_not "truncated" 'the new one cannot serve'
install_copy /bin/false
goes_not "one that ends at once" 'the new one cannot serve: it ended with status 1'
install_copy "$helpers/newcomer_hangs"
goes_not "one that hangs" 'the new one cannot serve: it did not begin'
install_copy "$helpers/newcomer"
goes_not "one that refuses the state" 'this state is of another version'
rm "$program"
goes_not "none" 'No such file'
install_new_program
check "a good one is taken after that" upgrade

# ---- kills ----

check "$upgrades times somebody is killed in an upgrade" kill_in_upgrades
settle
end_load
check "nobody is left in state D" await nobody_is_stuck
nothing_was_given_up
finish
