#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the header promises to plugins, seen from a container: the test plugin uses every member.
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"

# value KEY [NAME]: of the line KEY in container NAME's probe
value() {
	inside "${2:-a}" awk -v key="$1" '$1 == key { print $2 }' "$probe"
}

command_in_a() {
	inside a "$helpers/fileops" write "$probe" "$1"
}

# start_poll SECONDS: a poller in the container; returns when it polls.
start_poll() {
	inside a "$helpers/fileops" poll "$probe" "$1" >"$work/poll.log" 2>&1 &
	poller=$!
	await grep -q polling "$work/poll.log" || bail "nobody polls: $(<"$work/poll.log")"
	sleep 0.2
}

# poll_ends WHAT EVENTS: the poller got these, as hexadecimal number.
poll_ends() {
	wait "$poller" || true
	is "$1" "$(tail -n 1 "$work/poll.log")" "$2"
}

# By turns another build of the plugin and the first one.
reload_probe() {
	local object=$build/tests/probe/.libs/probe_next.so
	! cmp -s "$object" "$(plugins_of main)/probe.so" || object=$(plugin_object probe)
	install -m 644 "$object" "$(plugins_of main)/probe.so"
	order main USR1 'plugin probe: generation'
}

plan 67
make_cgroup a cpus=1 memory=256M
make_cgroup b memory=128M
probe=$(mount_of main)/proc/probe
tree=$(mount_of main)/probe
prepare_daemon main
configure main probe meminfo <<'END'
cpu-policy = quota
plugin probe {
	greeting = "good morning"
	period = 20
}
END
start_daemon main
start_container a main
start_container b main

# ---- the request and the views ----

matches "an option reaches the plugin" "$(inside a cat "$probe")" '^greeting good morning$'
is "the instance comes back" "$(value instance)" 1
is "a container is not the host" "$(value host)" 0
is "the host is" "$(as_host awk '$1 == "host" { print $2 }' "$probe")" 1
is "the asking user" "$(inside a setpriv --reuid 1234 --regid 2345 --clear-groups cat "$probe" |
	awk '$1 == "tid" { print $4, $6 }')" "1234 2345"
is "CPUs" "$(value cpus)" 1
is "memory" "$(value memory)" $((256 * 1024 * 1024))
is "of another container" "$(value memory b)" $((128 * 1024 * 1024))
is "a file of the cgroup" "$(value cgroup-file)" read
matches "a file of the host" "$(inside a cat "$probe")" '^Linux version '
for controller in memory cpu cpuset; do
	is "the version of $controller" "$(value version-$controller)" "$(is_v2 $controller && echo 2 || echo 1)"
done
between "the boot clock (s off)" "$(awk -v theirs="$(value boottime)" '{ print $1 - theirs / 1e9 }' /proc/uptime)" -0.02 5
between "the real clock (s off)" "$(awk -v ours="$(date +%s.%N)" -v theirs="$(value realtime)" 'BEGIN { print theirs / 1e9 - ours }')" -0.02 5
age=$(value age)
sleep 0.3
between "the age advances (ns)" $(($(value age) - age)) 300000000 5000000000
handle=$(value handle)
check "each open file has a handle of its own" test "$handle" != "$(value handle)"

# ---- state ----

renders=$(value renders)
is "an update adds to what was there" "$(value renders)" $((renders + 1))
check "a write is taken" command_in_a 'timer 20'
is "it is counted" "$(value writes)" 1
is "another container has its own memory" "$(value writes b)" 0
refuses "an update that is given up" ECANCELED command_in_a spoil
is "changes nothing" "$(value writes)" 2
renders=$(value renders)
check "the plugin is reloaded" reload_probe
is "its memory outlives that" "$(value renders)" $((renders + 1))
check "the worker is killed" kill_worker main
is "its memory outlives that too" "$(value renders)" $((renders + 2))
is "that of the other container as well" "$(value writes b)" 0

# ---- timers ----

ticks=$(value ticks)
sleep 0.5
between "a timer of 20 ms ticks" $(($(value ticks) - ticks)) 5 1000
check "a timer is stopped" command_in_a 'timer off'
ticks=$(value ticks)
sleep 0.3
is "it does not tick any more" "$(value ticks)" "$ticks"
check "the old generation's timer is stopped by a reload" command_in_a 'timer 20'
check "the plugin is reloaded" reload_probe
check "it says that it stops" await logs main 'release .* stops after [0-9]+ ticks$'

# ---- poll ----

start_poll 0.5
poll_ends "nobody wakes a poller: time-out" 0
start_poll 20
check "the poller is woken" command_in_a wake
poll_ends "there is something to read" 1
start_poll 20
kill_worker main
command_in_a wake >/dev/null
poll_ends "also when the worker was replaced meanwhile" 1
start_poll 20
reload_probe
command_in_a wake >/dev/null
poll_ends "also when the plugin was" 1
# 41: POLLIN and POLLRDNORM, of which only the first was asked for
is "a file that cannot be polled is always ready" \
	"$(inside a "$helpers/fileops" poll /proc/meminfo 5 | tail -n 1)" 1

# ---- the subtree ----

is "a listing" "$(inside b ls "$tree" | xargs)" "directory hello hidden host link"
is "without what this container may not see" "$(inside a ls "$tree" | xargs)" "directory hello host link"
check "which can be looked up" inside a stat "$tree/hidden"
refuses "but not opened" 'No such file' inside a cat "$tree/hidden"
is "a file" "$(inside a cat "$tree/hello")" hello
is "a file in a folder" "$(inside a cat "$tree/directory/inside")" inside
is "a link" "$(inside a readlink "$tree/link")" hello
is "a file by way of it" "$(inside a cat "$tree/link")" hello
is "a folder of the host" "$(inside a cat "$tree/host/dev")" "$(cat /sys/devices/virtual/mem/null/dev)"
check "a write" inside a "$helpers/fileops" write "$tree/hello" "good night"
is "that is seen" "$(inside b cat "$tree/hello")" "good night"
check "mkdir" inside a mkdir "$tree/new"
check "its folder is listed" inside b test -d "$tree/new"
check "chmod" inside a chmod 700 "$tree/new"
is "the mode is seen" "$(inside b stat -c %a "$tree/new")" 700
check "chown" inside a chown 12:34 "$tree/new"
is "the owner is seen" "$(inside b stat -c %u:%g "$tree/new")" 12:34
check "rmdir" inside a rmdir "$tree/new"
refuses "it is gone" 'No such file' inside a stat "$tree/new"
refuses "unlink" 'not permitted' inside a rm -f "$tree/hello"

# ---- the limits of a text, and what a plugin refuses ----

configure main probe meminfo <<<$'plugin probe {\n\tpadding = 3000000\n}'
check "a new value of an option" reconfigure main
between "a long file is whole (bytes)" "$(inside a cat "$probe" | wc -c)" 3000000 3010000
is "also in parts" "$(inside a dd "if=$probe" bs=10000 status=none | tail -c 10)" "........."
configure main probe meminfo <<<$'plugin probe {\n\tpadding = 60000000\n}'
check "an option with which its text is too long is refused" order main HUP 'plugin probe: .* is refused'
between "and the old generation goes on (bytes)" "$(inside a cat "$probe" | wc -c)" 3000000 3010000
configure main probe meminfo <<<$'plugin probe {\n\tpadding = much\n}'
check "a value that the plugin refuses" order main HUP 'refused.*padding'
check "is said by the plugin" logs main 'padding takes a number from 0'
finish
