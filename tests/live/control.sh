#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The control socket and lxcfsctl: what they tell is so, orders are obeyed, plugins are refused for the reason that
# a reload would give, and no client does harm.
# LIVE_CALLS: how many calls with bytes changed (2000 with --soak).  LIVE_WAITS=no: without what ends after ten seconds.
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"

here=$(cd "$(dirname "$0")" && pwd)
calls=${LIVE_CALLS:-60}
[ "${1-}" != --soak ] || calls=2000
refused_objects=(nothing version name null no_symbol constructor crash error start size path empty unique nodelete)

# ctl_of DAEMON ARGUMENT...: lxcfsctl for it; it must not hang.
ctl_of() {
	timeout 120 "$build/lxcfsctl" --runtime-dir="$(runtime_of "$1")" "${@:2}" </dev/null
}

ctl() {
	ctl_of main "$@"
}

# ends WHAT STATUS TEXT COMMAND...: with this status, saying this (a regular expression).
ends() {
	local what=$1 expected=$2 text=$3 output status=0
	shift 3
	output=$("$@" 2>&1) || status=$?
	if [ $status -eq "$expected" ] && grep -Eq -- "$text" <<<"$output"; then
		ok "$what"
	else
		not_ok "$what" "$* ended with $status, expected $expected and $text:" "$output"
	fi
}

# in_background NAME COMMAND...: what it says, and its status as the last line, go to a file.
declare -A waiting=()
in_background() {
	{
		"${@:2}" && echo "ended with 0" || echo "ended with $?"
	} >"$work/said.$1" 2>&1 &
	waiting[$1]=$!
	remember_pid $!
}

# said NAME: wait for it, and print it.
said() {
	await is_gone "${waiting[$1]}"
	cat "$work/said.$1"
}

# value EXPRESSION: of `status`, in Python: s is what lxcfsctl --json status prints, p the plugins by name.
value() {
	ctl --json status | python3 -c '
import json, sys
try:
	s = json.load(sys.stdin)
	p = {plugin["name"]: plugin for plugin in s["plugins"]}
	print(eval(sys.argv[1]))
except Exception as error:
	print("no such value:", repr(error))' "$1"
}

has_value() {
	[ "$(value "$1")" = "$2" ]
}

# hostile WAY [COUNT]
hostile() {
	timeout 120 python3 "$here/hostile.py" "$socket" "$@" </dev/null
}

build_id() {
	readelf -n "$1" | sed -n 's/.*Build ID: //p'
}

memory_in_a() {
	inside a cat /proc/meminfo | meminfo MemTotal
}

# reason <TEXT: what it says behind "is refused: ", last.
reason() {
	sed -n 's/.*is refused: //p' | tail -n 1
}

start_reader() {
	touch "$work/reading"
	inside a "$helpers/reader" --limits "$limits" --threads 2 --mode mixed --while "$work/reading" \
		>"$work/reader.log" 2>&1 &
	reader=$!
}

end_reader() {
	rm -f "$work/reading"
	ended_well "$1" "$reader" "$work/reader.log"
}

waiting_tests=4
has_time || waiting_tests=0

plan $((80 + waiting_tests + ${#all_plugins[@]} + 2 * ${#refused_objects[@]}))
make_cgroup a cpus=1 memory=256M swap=64M
limits=1:$((256 * 1024)):$(expected_swap 64M)
prepare_daemon main
configure main "${all_plugins[@]}" probe <<<'cpu-policy = quota'
plugins=$(plugins_of main)
socket=$(runtime_of main)/lxcfs.sock

# ---- the command line ----

matches "--help" "$(ctl --help)" '^Usage: lxcfsctl .*COMMAND'
is "--version" "$(ctl --version)" "$("$build/lxcfs" --version)"
ends "no command" 2 'what is to be done' ctl
ends "an unknown command" 2 'no command "nonsense"' ctl nonsense
ends "an unknown option" 2 'unrecognized option.*--nonsense' ctl --nonsense status
ends "too many arguments" 2 'too many arguments' ctl status now
ends "too few arguments" 2 'too few arguments.*passthrough on\|off' ctl passthrough
ends "neither on nor off" 2 'neither' ctl passthrough maybe

# ---- no daemon ----

ends "no runtime directory" 3 "$socket" ctl status
mkdir -p "$(runtime_of main)"
ends "no socket" 3 "no lxcfs has its socket at $socket" ctl status
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$socket"
ends "a dead daemon's socket" 3 'nobody listens' ctl --json status

# ---- what takes long: looked at later ----

if ((waiting_tests > 0)); then
	mkdir "$work/hanging"
	cp "$build/tests/probe/.libs/refused_hang.so" "$work/hanging/probe.so"
	in_background check ctl check "$work/hanging/probe.so"
	prepare_daemon slow
	configure slow probe </dev/null
	start_daemon slow
	cp "$work/hanging/probe.so" "$(plugins_of slow)/probe.so"
	in_background reload ctl_of slow reload probe
	prepare_daemon stopped
	start_daemon stopped
	kill -STOP "${daemon_pids[stopped]}"
	in_background stopped ctl_of stopped status
fi

# ---- status ----

start_daemon main
start_container a main
is "the socket is root's alone" "$(stat -c '%F %a %u' "$socket")" "socket 600 0"
matches "status, for people" "$(ctl status)" '^lxcfs +serving$'
matches "its plugins" "$(ctl status)" '^meminfo +serving +1 +[0-9.]+ +[0-9a-f]{12} .* 0 +'"$plugins/meminfo.so"'$'
is "the keeper is that of the pidfile" "$(value 's["keeper"]["pid"]')" "$(<"$(pidfile_of main)")"
is "the worker is its child" "$(value 's["worker"]["pid"]')" "$(worker_of main)"
is "both are this build" "$(value 's["keeper"]["buildId"], s["worker"]["buildId"]')" \
	"('$(build_id "$build/lxcfs")', '$(build_id "$build/lxcfs")')"
is "and this release" "$(value 's["keeper"]["release"], s["worker"]["release"]')" \
	"('$("$build/lxcfs" --version)', '$("$build/lxcfs" --version)')"
is "it serves" "$(value 's["serving"], s["rescue"], s["passthrough"]')" "(True, False, False)"
is "the first generation" "$(value 's["generation"], s["takeovers"], s["handOvers"]')" "(1, 0, 0)"
is "nothing went wrong" "$(value 's["passthroughAnswers"], s["unattributedDeaths"], s["deaths"]')" "(0, 0, [])"
is "all plugins are listed" "$(value '" ".join(sorted(p))')" "$(printf '%s\n' "${all_plugins[@]}" probe | sort | xargs)"
is "a plugin's file and build id" "$(value 'p["stat"]["file"], p["stat"]["buildId"]')" \
	"('$plugins/stat.so', '$(build_id "$plugins/stat.so")')"
is "a plugin's state" "$(value 'p["stat"]["state"], p["stat"]["faults"], p["stat"]["generation"]')" "('serving', 0, 1)"
between "when it was loaded" "$(value 'p["stat"]["loaded"]')" "$(stat -c %Y "$(log_of main)")" "$(date +%s)"
is "plugins says the same" "$(ctl --json plugins | python3 -c 'import json, sys; print(json.load(sys.stdin)["plugins"])')" \
	"$(value 's["plugins"]')"

kill_worker main
await has_value 's["serving"]' True
is "a takeover is counted" "$(value 's["generation"], s["takeovers"], s["handOvers"]')" "(2, 1, 0)"
is "the next worker is shown" "$(value 's["worker"]["pid"]')" "$(worker_of main)"
is "SIGKILL is nobody's fault" "$(value 's["unattributedDeaths"], [x for x in p if p[x]["faults"]]')" "(0, [])"
kill -ABRT "$(worker_of main)"
await has_value 's["takeovers"]' 2
is "a death that no plugin had part in is listed" \
	"$(value 's["unattributedDeaths"], s["deaths"][0]["signal"], s["deaths"][0]["ran"]')" "(1, 6, [])"

# ---- orders ----

ends "reload, with nothing to do" 0 '' ctl reload
install -m 644 "$helpers/.libs/meminfo_two.so" "$plugins/meminfo.so"
ends "reload names what is new" 0 'plugin meminfo: generation 2, version test two,' ctl reload
is "it serves then" "$(value 'p["meminfo"]["release"], p["meminfo"]["generation"]')" "('test two', 2)"
ends "reload of one, also if it is the same" 0 'plugin stat: generation 2,' ctl reload stat
is "only of that one" "$(value 'p["stat"]["generation"], p["meminfo"]["generation"], p["uptime"]["generation"]')" "(2, 2, 1)"
ends "reload of what there is not" 1 'nothing' ctl reload nothing
ends "a name that is none" 1 'names' ctl reload ../meminfo
cp "$here/control.sh" "$plugins/meminfo.so"
ends "reload says what it refuses, and why" 1 'meminfo.*is refused: .*ELF' ctl reload
ends "so does reload of that one" 1 'meminfo.*is refused: .*ELF' ctl reload meminfo
ends "the same for programs" 1 '"lines": ' ctl --json reload meminfo
is "the good one goes on" "$(value 'p["meminfo"]["release"], p["meminfo"]["state"]')" "('test two', 'serving')"
is "and its file is right" "$(memory_in_a)" $((256 * 1024))
install -m 644 "$helpers/.libs/meminfo_one.so" "$plugins/meminfo.so"
ends "a good one takes its place" 0 'test one' ctl reload meminfo
ends "passthrough on" 0 '' ctl passthrough on
is "status tells" "$(value 's["passthrough"]')" True
is "the host's file is shown" "$(memory_in_a)" "$(meminfo MemTotal </proc/meminfo)"
ends "passthrough off" 0 '' ctl passthrough off
is "the container's file is shown" "$(memory_in_a)" $((256 * 1024))
ends "reconfigure" 0 '' ctl reconfigure
echo 'nonsense = 1' >>"$(config_of main)"
ends "a bad configuration is told" 1 'nonsense' ctl reconfigure
configure main "${all_plugins[@]}" probe <<<'cpu-policy = quota'
keeper=$(value 's["keeper"]["pid"]')
handed_over=$(value 's["handOvers"]')
ends "upgrade" 0 'runs now' ctl upgrade
is "the keeper is the same process" "$(value 's["keeper"]["pid"]')" "$keeper"
is "a hand-over is counted" "$(value 's["handOvers"]')" $((handed_over + 1))

# ---- check ----

for plugin in "${all_plugins[@]}"; do
	ends "check of $plugin" 0 "^ABI +[0-9]+" ctl check "$(plugin_object "$plugin")"
done
output=$(ctl check "$(plugin_object probe)")
matches "its paths and permissions" "$output" '^path +0644 .*can be written'
is "check, for programs" "$(ctl --json check "$plugins/stat.so" | python3 -c '
import json, sys
d = json.load(sys.stdin)
print(d["name"], d["abi"] >= 0, d["buildId"], [(f["path"], f["mode"]) for f in d["files"]])')" \
	"stat True $(build_id "$plugins/stat.so") [('proc/stat', '0444')]"
mkdir "$work/tried"
tried=$work/tried/probe.so
for object in "${refused_objects[@]}"; do
	install -m 644 "$build/tests/probe/.libs/refused_$object.so" "$tried"
	install -m 644 "$tried" "$plugins/probe.so"
	if [ "$object" = nothing ]; then
		ends "check of a plugin without fault" 0 '^plugin +probe$' ctl check "$tried"
		ends "reload of it" 0 'probe' ctl reload probe
		continue
	fi
	status=0
	output=$(ctl check "$tried" 2>&1) || status=$?
	matches "check of one with: $object" "$output with $status" "^lxcfsctl: $tried is refused: .+ with 1\$"
	is "reload gives the same reason" "$(ctl reload probe 2>&1 | reason)" "$(reason <<<"$output")"
done
install -m 644 "$(plugin_object probe)" "$plugins/probe.so"
install -m 644 "$(plugin_object probe)" "$tried"
ends "check of a good one, once more" 0 '^plugin +probe$' ctl check "$tried"
chmod 666 "$tried"
ends "one that others can write" 1 'chmod go-w' ctl check "$tried"
chmod 644 "$tried"
chown 65534 "$tried"
ends "one of another owner" 1 'must belong to root' ctl check "$tried"
chown 0 "$tried"
truncate -s 5000 "$tried"
ends "a truncated one" 1 'is refused: ' ctl check "$tried"
ends "what is not there" 1 'No such file' ctl check "$work/tried/absent.so"
ends "what is not called NAME.so" 1 'NAME.so' ctl check /bin/true
ends "check needs no daemon" 0 '^plugin +stat$' "$build/lxcfsctl" --runtime-dir=/nonexistent check "$plugins/stat.so"

# ---- what took long ----

if ((waiting_tests > 0)); then
	output=$(said check | xargs)
	matches "check of one with: hang" "$output" "^lxcfsctl: $work/hanging/probe.so is refused: .+ ended with 1\$"
	is "reload gives the same reason" "$(said reload | reason)" "$(said check | reason)"
	matches "a stopped keeper" "$(said stopped | xargs)" 'did not answer within .*ended with 3$'
	kill -CONT "${daemon_pids[stopped]}"
	ends "it answers when it goes on" 0 serving ctl_of stopped status
	stop_daemon slow
	stop_daemon stopped
fi

# ---- hostile clients ----

start_reader
for way in nonsense bytes nul endless deep http; do
	ends "$way gets an error" 0 'org.varlink.service.InvalidParameter' hostile "$way"
done
ends "half a message gets nothing" 0 '^$' hostile half
ends "calls with bytes changed" 0 'done' hostile fuzz "$calls"
touch "$work/crowding"
hostile crowd 1000 "$work/crowding" >"$work/crowd.log" 2>&1 &
crowd=$!
await grep -q ready "$work/crowd.log" || bail "a thousand connections: $(<"$work/crowd.log")"
kill_worker main
is "with a thousand connections readers go on" "$(memory_in_a)" $((256 * 1024))
rm "$work/crowding"
ended_well "all of them could try" "$crowd" "$work/crowd.log"
await has_value 's["serving"]' True
is "and it answers again" "$(value 's["serving"]')" True
chmod 755 "$work/main/run"
refuses "another user cannot connect" 'Permission denied' setpriv --reuid 65534 --regid 65534 --clear-groups \
	"$build/lxcfsctl" --runtime-dir="$(runtime_of main)" status
chmod 666 "$socket"
refuses "nor be heard" 'only root may' setpriv --reuid 65534 --regid 65534 --clear-groups \
	"$build/lxcfsctl" --runtime-dir="$(runtime_of main)" status
chmod 600 "$socket"
end_reader "readers saw nothing of it"

# ---- another keeper ----

end_pid "${daemon_pids[main]}"
await has_value 's["keeper"]["pid"] == '"${daemon_pids[main]}" False
keeper=$(value 's["keeper"]["pid"]')
remember_pid "$keeper"
daemon_pids[main]=$keeper
is "the next keeper answers" "$keeper" "$(<"$(pidfile_of main)")"
is "it is mounted still" "$(memory_in_a)" $((256 * 1024))

# ---- the end ----

ends "unmount" 0 '' ctl unmount
await is_gone "${daemon_pids[main]}"
is "nothing is mounted" "$(list_mounts | grep -c "$(mount_of main)")" 0
unset "daemon_pids[main]"
finish
