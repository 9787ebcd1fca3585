#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Requests that end their worker, seen from a container: the one file answers by on-fault, all else goes on.
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"

command_in_a() {
	inside a "$helpers/fileops" write "$probe" "$1"
}

# What no fault may change.
others_are_good() {
	is "$1: the keeper is the same" "$(is_running "$keeper" && echo yes)" yes
	is "$1: other files go on" "$(inside a awk '$1 == "MemTotal:" { print $2 }' "$(mount_of main)/proc/meminfo")" \
		$((256 * 1024))
	is "$1: so does the file in another container" \
		"$(inside b awk '$1 == "memory" { print $2 }' "$probe")" $((128 * 1024 * 1024))
}

# As the probe counts those of the container of this script.
writes() {
	awk '$1 == "writes" { print $2 }' "$probe"
}

# write_often WRITER: as long as the flag is there; prints how many writes there were, and how many failed.
write_often() {
	local failed=0 round
	for ((round = 0; round < 16000; round++)); do
		[ -e "$work/writing" ] || break
		echo "mark $((16000 * $1 + round))" >"$probe" || failed=$((failed + 1))
	done
	echo $round $failed
} 2>/dev/null

# The probe by other code than before: that lifts a quarantine.
releases=(probe_next probe)
replaced=0
replace_probe() {
	install -m 644 "$build/tests/probe/.libs/${releases[replaced % 2]}.so" "$(plugins_of main)/probe.so"
	replaced=$((replaced + 1))
	reload main
}

# mended WHAT: by other code, and told to do well.
mended() {
	replace_probe
	command_in_a 'render well' >/dev/null
	check "$1: other code lifts it" inside a grep -q '^release ' "$probe"
}

# AddressSanitizer reports what is freed twice or overrun, and ends the process in its own way.
is_sanitized() {
	grep -q __asan_init "$build/lxcfs"
}

# What was spoilt may be hit in a later read only.
read_until_it_fails() {
	local round
	for ((round = 0; round < 50; round++)); do
		inside a cat "$probe" || return 1
	done
}

# is_kept_out WHAT [CONTAINER]: its code is not called for the container, so no worker ends by it any more.
is_kept_out() {
	local worker
	worker=$(worker_of main)
	refuses "$1: the plugin is not called any more" 'Input/output error' inside "${2-a}" cat "$probe"
	refuses "$1: nor for a write" EIO inside "${2-a}" "$helpers/fileops" write "$probe" 'render well'
	is "$1: and no worker ends by it" "$(worker_of main)" "$worker"
}

kept_out_for_all() {
	is_kept_out "$1, first container" a
	is_kept_out "$1, second container" b
	is_kept_out "$1, another container" c
	check "$1: the file has its attributes" inside c stat "$probe"
	is "$1: it has its name" "$(inside c ls "$(mount_of main)/proc")" "$names"
	is "$1: other files go on" \
		"$(inside c awk '$1 == "MemTotal:" { print $2 }' "$(mount_of main)/proc/meminfo")" $((64 * 1024))
}

faults=(crash abort hang loop free overrun)
tests_of_fault=8
! is_sanitized || faults=(crash abort hang loop)

plan $((99 + ${#faults[@]} * tests_of_fault))
make_cgroup a memory=256M
make_cgroup b memory=128M
make_cgroup c memory=64M
probe=$(mount_of main)/proc/probe
tree=$(mount_of main)/probe
prepare_daemon main
configure main probe meminfo <<END
render-timeout = 300
plugin probe {
	period = 20
	crash-if = "$work/crash"
}
END
start_daemon main
keeper=${daemon_pids[main]}
start_container a main
start_container b main
start_container c main

# ---- of one container ----

for fault in "${faults[@]}"; do
	command_in_a "render $fault" >/dev/null
	refuses "a rendering that ends in $fault" 'Input/output error' read_until_it_fails
	others_are_good "$fault"
	is_kept_out "$fault"
	mended "$fault"
done

refuses "a write that crashes" EIO command_in_a crash
others_are_good "a write that crashes"
is_kept_out "a write that crashes"
is "its poll is an error" "$(inside a "$helpers/fileops" poll "$probe" 5 | tail -n 1)" 8
refuses "its subtree is not listed" 'Input/output error' inside a ls "$tree"
refuses "nor opened" 'Input/output error' inside a cat "$tree/hello"
is "another container's subtree goes on" "$(inside b cat "$tree/hello")" hello
kill_worker main
is_kept_out "a write that crashes, next worker"
reload main
command_in_a 'render well' >/dev/null
check "a write that crashes: a reload lifts it" inside a grep -q '^release ' "$probe"

# ---- of names: they are the host's then, and what is known of them ----

kinds='regular empty file directory symbolic link'
kinds_of_tree() {
	inside "$1" stat -c %F "$tree/hello" "$tree/directory" "$tree/link" | xargs
}
is "a subtree has its names" "$(kinds_of_tree a)" "$kinds"
refuses "a lookup that crashes ends as on the host" 'No such file' inside a stat "$tree/crash"
others_are_good "a lookup that crashes"
check "a lookup that crashes: the plugin goes on for reads" inside a grep -q '^release ' "$probe"
is "a lookup that crashes: names that were known go on" "$(inside a cat "$tree/hello")" hello
worker=$(worker_of main)
refuses "a lookup that crashes again is that of the host" 'No such file' inside b stat "$tree/crash"
is "and no worker ends by it" "$(worker_of main)" "$worker"
mount -i -o remount "$(mount_of main)"
is "names and kinds are the same when the kernel asks again" "$(kinds_of_tree b)" "$kinds"
reload main
worker=$(worker_of main)
refuses "a lookup that crashes after a reload ends as on the host" 'No such file' inside a stat "$tree/crash"
check "the plugin was asked again: a reload lifts it" test "$(worker_of main)" != "$worker"
mended "a lookup that crashes"
is "and after that" "$(kinds_of_tree b)" "$kinds"

# ---- of a container that ended ----

# The kernel gives the number of a namespace that is gone to another one; a worker that has seen it holds it.
start_with_namespace() {
	local round
	stop_container d
	kill_worker main
	for ((round = 0; round < 50; round++)); do
		start_container d main
		[ "$(inside d readlink /proc/self/ns/pid)" != "$1" ] || return 0
		stop_container d
	done
	start_container d main
	return 1
}

make_cgroup d
start_container d main
inside d "$helpers/fileops" write "$probe" 'render crash' >/dev/null
refuses "a rendering that crashes in a container that ends" 'Input/output error' inside d cat "$probe"
is_kept_out "a container that ends" d
start_with_namespace "$(inside d readlink /proc/self/ns/pid)" ||
	diag "none of those that were started has the number of the namespace that is gone"
check "it does not hold for the next one in its cgroup and with its number" inside d grep -q '^release ' "$probe"
stop_container d
start_container d main
inside d "$helpers/fileops" write "$probe" 'render crash' >/dev/null
refuses "a rendering that crashes in it after another start" 'Input/output error' inside d cat "$probe"
check "a container that is started again counts once" inside b grep -q '^release ' "$probe"
stop_container d
mended "a container that ended"

# ---- of two containers, and of none ----

names=$(inside c ls "$(mount_of main)/proc")
for container in a b; do
	inside $container "$helpers/fileops" write "$probe" 'render crash' >/dev/null
	refuses "a rendering that crashes in container $container" 'Input/output error' \
		inside $container cat "$probe"
done
kept_out_for_all "two containers"
replace_probe
for container in a b; do
	inside $container "$helpers/fileops" write "$probe" 'render well' >/dev/null
	check "other code lifts it for container $container" inside $container grep -q '^release ' "$probe"
done

for round in 1 2; do
	worker=$(worker_of main)
	command_in_a 'tick crash' >/dev/null
	check "a timer that crashes ends its worker, time $round" await has_other_worker main "$worker"
done
kept_out_for_all "timers"
mended "timers"

touch "$work/crash"
from=$(($(log_lines main) + 1))
kill -9 "$(worker_of main)"
check "a plugin that crashes when successors start is charged for it" \
	await logs main 'plugin probe is quarantined for all' "$from"
is "start: the next one goes without it" \
	"$(inside c awk '$1 == "MemTotal:" { print $2 }' "$(mount_of main)/proc/meminfo")" $((64 * 1024))
kept_out_for_all "start"
rm "$work/crash"
mended "start"

# ---- code that passes its self-test and crashes in the worker ----

# The self-test has another process id.
crash_in_worker() {
	worker=$(worker_of main)
	ln -sfn "/proc/self/task/$worker" "$work/crash"
	from=$(($(log_lines main) + 1))
}

# goes_on WHAT
goes_on() {
	check "$1: what served goes on" await inside a grep -q '^release ' "$probe"
	check "$1: it is not charged" test "$(tail -n "+$from" "$(log_of main)" |
		grep -cE 'plugin probe (ended its worker|is quarantined)')" = 0
}

crash_in_worker
replace_probe
check "code that crashes when it is loaded ends the worker" test "$(worker_of main)" != "$worker"
check "and is refused then" logs main 'probe.so is refused: this code .*ended a worker' "$from"
goes_on "on trial"
crash_in_worker
check "it is not tried again" reload main
is "so no worker ends by it" "$(worker_of main)" "$worker"
check "unless it is named" "$build/lxcfsctl" --runtime-dir="$(runtime_of main)" reload probe
check "then it is tried" await has_other_worker main "$worker"
goes_on "by name"
rm "$work/crash"
mended "code on trial"

# ---- a worker is killed while requests are in service ----

from=$(($(log_lines main) + 1))
before=$(writes)
touch "$work/writing"
writers=()
for writer in 0 1 2 3; do
	write_often $writer >"$work/written.$writer" &
	writers+=($!)
done
kills=12
for ((round = 0; round < kills; round++)); do
	sleep 0.1
	kill -9 "$(worker_of main)" || true
done
sleep 0.1
rm "$work/writing"
wait "${writers[@]}"
after=$(writes)
read -r written failed < <(awk '{ sum += $1; failed += $2 } END { print sum, failed }' "$work"/written.*)
is "no write fails when a worker is killed" "$failed" 0
# What was in service when its worker was killed may have been done already: at most one of each writer.
between "no write is lost (writes more than answers)" $((after - before - written)) 0 $((4 * kills))
check "no worker does a write twice" logs_no main 'is made a second time'
check "nobody is charged" logs_no main 'quarantine|ended its worker|is charged' "$from"
is "the plugin goes on" "$(inside a awk '$1 == "memory" { print $2 }' "$probe")" $((256 * 1024 * 1024))
finish
