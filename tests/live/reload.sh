#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Plugins and configuration are replaced while they are read.  LIVE_RELOADS: how often (200 with --soak).
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"

reloads=${LIVE_RELOADS:-20}
[ "${1-}" != --soak ] || reloads=200

versions=(one two)
ways=(cp install)

start_reader() {
	touch "$work/reading"
	inside a "$helpers/reader" --limits "$limits" --threads 8 --mode mixed --while "$work/reading" \
		>"$work/reader.log" 2>&1 &
	reader=$!
}

end_reader() {
	rm -f "$work/reading"
	ended_well "$1" "$reader" "$work/reader.log"
}

reload_once() {
	local version=${versions[$1 % 2]} way=${ways[$1 / 2 % 2]} from
	local object=$helpers/.libs/meminfo_$version.so
	from=$(($(log_lines main) + 1))
	case $way in
	cp) cp "$object" "$plugin" ;;
	install) install -m 644 "$object" "$plugin" ;;
	esac
	reload main || return
	logs main "plugin meminfo: generation [0-9]+, version test $version," "$from"
}

reload_often() {
	local number
	for ((number = 1; number <= reloads; number++)); do
		reload_once "$number" || {
			echo "reload $number: no new version in the log"
			tail -n 5 "$(log_of main)"
			return 1
		}
	done
}

# refused WHAT REASON: what lies in the plugin's place now is not loaded; the old code goes on.
refused() {
	local from
	from=$(($(log_lines main) + 1))
	reload main || true
	if logs main "plugin meminfo: $plugin is refused: .*$2" "$from" &&
		[ "$(inside a cat /proc/meminfo | meminfo MemTotal)" = $((256 * 1024)) ]; then
		ok "$1 is refused and named"
	else
		not_ok "$1 is refused and named" "$(tail -n "+$from" "$(log_of main)")"
	fi
	sleep 0.3
}

memory_in_a() {
	inside a cat /proc/meminfo | meminfo MemTotal
}

plan 40
make_cgroup a cpus=1 memory=256M swap=64M
limits=1:$((256 * 1024)):$(expected_swap 64M)
prepare_daemon main
plugin=$(plugins_of main)/meminfo.so
good=$helpers/.libs/meminfo_one.so
install -m 644 "$good" "$plugin"
start_daemon main
start_container a main
check "the version that is loaded first is in the log" logs main "plugin meminfo: generation 1, version test one"

# ---- good replacements ----

start_reader
check "$reloads times a new plugin answers" reload_often
end_reader "8 readers of all files notice nothing"
from=$(($(log_lines main) + 1))
check "nothing is loaded where nothing changed" reload main
check "no line says so" logs_no main 'generation' "$from"

# ---- bad replacements ----

start_reader
head -c 3000 "$good" >"$plugin"
refused "a truncated object" ''
: >"$plugin"
refused "an empty file" 'empty'
echo "not code" >"$plugin"
refused "a text" 'ELF'
dd if=/dev/urandom of="$plugin" bs=1024 count=8 conv=notrunc status=none
refused "a file of random bytes" ''
install -m 644 "$(plugin_object swaps)" "$plugin"
refused "another plugin" ''
install -m 644 -o 12345 "$good" "$plugin"
refused "one of another owner" 'must belong to root'
install -m 664 "$good" "$plugin"
refused "one that a group can write" 'go-w'
rm "$plugin"
ln -s /dev/zero "$plugin"
refused "a device" 'not a regular file'
rm "$plugin"
from=$(($(log_lines main) + 1))
check "a plugin that is gone" reload main
is "goes on" "$(memory_in_a)" $((256 * 1024))
check "and is named" logs main 'plugin meminfo: .*meminfo.so' "$from"
end_reader "8 readers notice nothing of all that"
install -m 644 "$helpers/.libs/meminfo_two.so" "$plugin"
check "a good one is loaded after that" order main USR1 'plugin meminfo: generation [0-9]+, version test two'

# ---- configuration ----

start_reader
configure main "${all_plugins[@]}" probe <<<'cpu-policy = quota'
check "a file is added while mounted" reconfigure main
check "it is there" inside a grep -q '^cpus 1$' "$(mount_of main)/proc/probe"
configure main <<<'cpu-policy = quota'
check "it is removed again" reconfigure main
refuses "it is gone" 'No such file' cat "$(mount_of main)/proc/probe"
configure main <<<'cpu-policy = some'
check "a bad configuration is refused" order main HUP 'refused'
check "with its line and what is wrong" logs main "$(config_of main):3: .*cpu-policy.*some"
configure main <<<'nonsense = 1'
check "so is an unknown key" order main HUP "$(config_of main):3: .*nonsense"
configure main <<<$'plugin meminfo {\n\tnonsense = 1\n}'
check "so is an unknown key of a plugin" order main HUP 'refused.*meminfo.*nonsense'
is "the old configuration stays" "$(memory_in_a)" $((256 * 1024))
end_reader "8 readers notice nothing of that either"
configure main <<<'cpu-policy = quota'
check "a good one is taken after that" order main HUP 'configuration was read again'

# ---- passthrough ----

check "passthrough goes on" order main USR2 'passthrough is on'
is "all see the host's file" "$(memory_in_a)" "$(meminfo MemTotal </proc/meminfo)"
is "of every plugin" "$(inside a grep -c ^processor /proc/cpuinfo)" "$(grep -c ^processor /proc/cpuinfo)"
check "passthrough goes off" order main USR2 'passthrough is off'
check "all see their own" inside a "$helpers/reader" --limits "$limits" --rounds 3

# ---- the end ----

for signal in TERM INT; do
	worker=$(worker_of main)
	stop_daemon main $signal
	is "$signal: the exit status" "$daemon_status" 0
	is "$signal: nothing is left" \
		"$(ls "$(mount_of main)" "$(pidfile_of main)" 2>/dev/null; list_mounts | grep "$(mount_of main)"
			await is_gone "$worker" || echo "worker $worker")" "$(mount_of main):"
	refuses "$signal: a container gets an error" 'not connected|abort' timeout 10 \
		"$helpers/container" --namespaces m --join "${container_pids[a]}" -- cat /proc/meminfo
	stop_container a
	[ $signal = INT ] || {
		start_daemon main
		start_container a main
	}
done
finish
