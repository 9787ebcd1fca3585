#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Workers and keepers are killed at random times, under load: no container notices.
# LIVE_KILLS and LIVE_KEEPER_KILLS in the environment: how often (100 and 20 with --soak).
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"
# shellcheck source=tests/live/load.sh
source "$(dirname "$0")/load.sh"

kills=${LIVE_KILLS:-10}
keeper_kills=${LIVE_KEEPER_KILLS:-3}
[ "${1-}" != --soak ] || kills=100 keeper_kills=20

# A kill, and from there to the first read that is served.
kill_and_read() {
	local worker
	await has_worker || return
	worker=$(worker_of main)
	"$helpers/fileops" kill "$worker" "$(mount_of main)/proc/uptime" >>"$work/takeovers" || return
	# Some die again at once, before they serve or just when they begin to.
	((RANDOM % 4 != 0)) || {
		await has_other_worker main "$worker" || return
		pause_at_random 15
		kill -9 "$(worker_of main)" || true
	}
}

kill_often() {
	local round
	for ((round = 0; round < kills; round++)); do
		pause_at_random 200
		kill_and_read || {
			echo "kill $round"
			tail -n 5 "$(log_of main)"
			return 1
		}
		((round % 5 != 0)) || pass_by $round || return
	done
}

kill_keeper_and_worker() {
	local keeper=${daemon_pids[main]} now
	kill_keeper main || return
	now=${daemon_pids[main]}
	[ "$now" != "$keeper" ] || {
		echo "the pidfile names the dead keeper"
		return 1
	}
	pause_at_random 50
	kill_and_read || return
	follow_keeper main || return
	[ "${daemon_pids[main]}" = "$now" ] || {
		echo "the keeper is ${daemon_pids[main]}, not $now"
		return 1
	}
}

kill_keepers() {
	local round
	for ((round = 0; round < $1; round++)); do
		pause_at_random 200
		kill_keeper_and_worker || {
			echo "keeper $round"
			tail -n 8 "$(log_of main)"
			return 1
		}
	done
}

plan $((load_tests + 16))
start_containers
make_cgroup pen
dying=$(dying_in pen)
start_load
for _ in 1 2 3; do
	kill_worker main
	settle
done

# ---- the worker ----

descriptors=$(keeper_descriptors)
memory=$(keeper_memory)
check "$kills times the worker is killed" kill_often
settle
is "the keeper has as many descriptors as before" "$(keeper_descriptors)" "$descriptors"
# A page or two of stack that was not touched before; what is lost at each kill would be more.
between "the keeper has no more memory of its own (kB)" $(($(keeper_memory) - memory)) -10000 64

# ---- the keeper ----

check "a keeper is killed" kill_keepers 1
settle
descriptors=$(keeper_descriptors)
check "$keeper_kills times the keeper is killed, and the worker after it" kill_keepers "$keeper_kills"
settle
is "the last keeper has as many descriptors as the first" "$(keeper_descriptors)" "$descriptors"

diag "from a kill to the first served read: median $(median <"$work/takeovers") ms," \
	"longest $(sort -n "$work/takeovers" | tail -n 1) ms; $(wc -l <"$work/takeovers") times"
end_load
check "nobody is left in state D" await nobody_is_stuck
nothing_was_given_up
is "one keeper" "$(keepers_of main)" "${daemon_pids[main]}"
is "no dead cgroup is held" "$(dying_in pen)" "$dying"

# ---- both, without a service manager ----

worker=$(worker_of main)
keeper=${daemon_pids[main]}
# None may have the time to start the other one.
kill -STOP "$keeper" "$worker"
end_pid "$keeper"
end_pid "$worker"
unset 'daemon_pids[main]'
is "no process is left" "$(list_daemons)" ""
refuses "the mount is dead" 'not connected|abort' inside a cat "$(mount_of main)/proc/meminfo"
check "nobody is left in state D" await nobody_is_stuck
start_daemon main
check "the next start takes the dead mount away" logs main 'was a dead mount'
stop_container a
start_container a main
check "and serves" inside a "$helpers/reader" --limits "$limits" --rounds 1
finish
