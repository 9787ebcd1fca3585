#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A plugin is replaced by good and bad ones in random order, under load: the last good one always serves.
# LIVE_RELOADS: how often (500 with --soak).  RANDOM_SEED: the order, to run it again.
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"
# shellcheck source=tests/live/load.sh
source "$(dirname "$0")/load.sh"

reloads=${LIVE_RELOADS:-15}
[ "${1-}" != --soak ] || reloads=500
seed=${RANDOM_SEED:-$RANDOM}
RANDOM=$seed

objects=$build/tests/probe/.libs
bad_ones=(name version null no_symbol constructor crash error start size path empty unique nodelete)
ways=(good good good bad bad bad corrupt empty gone growing killed)

serving() {
	inside b awk '$1 == "release" { print $2 }' "$probe"
}

# From now on the other good one is to serve.
other_good() {
	[ "$good" = probe ] && good=probe_next || good=probe
}

replace_good() {
	other_good
	if ((RANDOM % 2)); then
		cp "$objects/$good.so" "$plugin"
	else
		rm -f "$plugin"
		install -m 644 "$objects/$good.so" "$plugin"
	fi
	reload main
}

replace_bad() {
	cp "$objects/refused_${bad_ones[RANDOM % ${#bad_ones[@]}]}.so" "$plugin"
	reload main
}

replace_corrupt() {
	dd if=/dev/urandom of="$plugin" bs=512 seek=$((RANDOM % 20)) count=$((1 + RANDOM % 20)) conv=notrunc \
		status=none
	reload main
}

replace_empty() {
	: >"$plugin"
	reload main
}

replace_gone() {
	rm -f "$plugin"
	reload main
	: >"$plugin"
}

# A copy that is not complete when the order comes.
replace_growing() {
	local size
	other_good
	size=$(stat -c %s "$objects/$good.so")
	head -c $((1 + RANDOM % (size - 1))) "$objects/$good.so" >"$plugin"
	reload main || return
	is_served "$before" || return
	cp "$objects/$good.so" "$plugin"
	reload main
}

# The successor has what served, not what lies on disk.
replace_killed() {
	head -c 5000 /dev/urandom >"$plugin"
	kill_worker main
}

is_served() {
	local release
	release=$(serving) && [ "$release" = "${releases[$1]}" ] || {
		echo "$release serves, not ${releases[$1]}"
		return 1
	}
}

replace_often() {
	local number way before
	for ((number = 1; number <= reloads; number++)); do
		way=${ways[RANDOM % ${#ways[@]}]}
		before=$good
		# What lies there may be the good one, which is then not loaded again.
		"replace_$way" && is_served $good || {
			echo "replacement $number ($way), RANDOM_SEED=$seed"
			tail -n 5 "$(log_of main)"
			return 1
		}
	done
}

plan $((load_tests + 6))
diag "RANDOM_SEED=$seed"
start_containers
plugin=$(plugins_of main)/probe.so
good=probe
declare -A releases
releases[probe]=$(serving)
releases[probe_next]=next
check "two builds differ" test "${releases[probe]}" != next
start_load
check "$reloads times the good one serves" replace_often
end_load
check "nobody is left in state D" await nobody_is_stuck
check "nothing was quarantined" logs_no main '[Qq]uarantine'
cp "$objects/$good.so" "$plugin"
check "a good one is taken after all that" reload main
check "and serves" is_served $good
finish
