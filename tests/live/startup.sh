#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Starting: what can be wrong with the place, the configuration or the rights ends in a sentence that says what
# to do, and never in half a mount.
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"

daemon=$build/lxcfs

# lxcfs ARGUMENT...: it must not hang.
lxcfs() {
	timeout 30 "$daemon" "$@" </dev/null
}

# attempt NAME ARGUMENT...: with the configuration and runtime directory of NAME.
attempt() {
	local name=$1
	shift
	lxcfs -c "$(config_of "$name")" --runtime-dir="$(runtime_of "$name")" "$@"
}

# fails WHAT REASON COMMAND...: with status 1 and the reason, and without leaving a mount behind.
fails() {
	local what=$1 reason=$2 output status=0 before
	shift 2
	before=$(list_mounts)
	output=$("$@" 2>&1) || status=$?
	if [ $status -eq 1 ] && grep -Eq -- "$reason" <<<"$output" && [ "$(list_mounts)" = "$before" ]; then
		ok "$what"
	else
		not_ok "$what" "status $status, expected 1 and $reason:" "$output" "$(list_mounts | grep "$work")"
	fi
}

total() {
	inside "$1" cat /proc/meminfo | meminfo MemTotal
}

plan 50
limits=1:$((256 * 1024)):$(expected_swap 64M)
make_cgroup a cpus=1 memory=256M swap=64M
prepare_daemon main
prepare_daemon other

# ---- the command line ----

matches "--help" "$(lxcfs --help)" '^Usage: lxcfs .*MOUNTPOINT'
matches "-h" "$(lxcfs -h)" '^Usage: lxcfs '
matches "--version" "$(lxcfs --version)" '^[0-9]+\.[0-9]+\.[0-9]+$'
is "-v" "$(lxcfs -v)" "$(lxcfs --version)"
fails "no mount point" 'where to mount' lxcfs
fails "two mount points" 'more than one' lxcfs "$(mount_of main)" "$(mount_of other)"
fails "an unknown option" "unrecognized option.*--nonsense" lxcfs --nonsense "$(mount_of main)"
fails "an unknown mount option" 'mounting on' lxcfs -c "$(config_of main)" \
	--runtime-dir="$(runtime_of main)" -o nonsense=1 "$(mount_of main)"

# ---- the configuration ----

fails "a configuration that is not there" 'absent.conf.*No such file' \
	lxcfs -c "$work/absent.conf" --runtime-dir="$(runtime_of main)" "$(mount_of main)"
configure other <<<$'# a comment\ncpu-policy = most'
fails "a value that is not one" "$(config_of other):4: cpu-policy = most: not one of quota, cpuset" attempt other "$(mount_of main)"
configure other <<<'nonsense = 1'
fails "a key that is not one" "$(config_of other):3: .*nonsense" attempt other "$(mount_of main)"
configure other <<<'threads = 0'
fails "a number out of range" "$(config_of other):3: threads = 0: must be from 1" attempt other "$(mount_of main)"
configure other <<<'container "x" {'
fails "a section without an end" "$(config_of other):[34]: " attempt other "$(mount_of main)"
configure other <<<$'plugin meminfo {\n\tnonsense = 1\n}'
fails "an option that a plugin does not know" 'meminfo.*nonsense' attempt other "$(mount_of main)"
configure other nothing </dev/null
fails "no plugin at all" 'nothing.so' attempt other "$(mount_of main)"
configure other ../meminfo </dev/null
fails "a plugin's name with a slash" 'not the name of a plugin' attempt other "$(mount_of main)"
mkdir "$work/included"
echo 'swap = of' >"$work/included/1.conf"
configure other <<<"include(\"$work/included/*.conf\")"
fails "a mistake in an included file" "$work/included/1.conf:1: swap = of" attempt other "$(mount_of main)"
echo 'cpu-policy = quota' >"$work/included/1.conf"
chmod 777 "$(plugins_of other)"
fails "a plugin directory that all can write" 'can be written by' attempt other "$(mount_of main)"
chmod 755 "$(plugins_of other)"

# ---- the place ----

fails "a mount point that is not there" 'does not exist; run mkdir' attempt main "$work/absent"
fails "a mount point that is a file" 'is not a directory' attempt main "$(config_of main)"
fails "a runtime directory that cannot be made" 'runtime directory' \
	lxcfs -c "$(config_of main)" --runtime-dir="$(config_of main)/run" "$(mount_of main)"
touch "$(mount_of main)/hidden"
start_daemon main
check "a mount point that is not empty: a warning" logs main 'is not empty'
check "a mount point that is not empty: it is mounted over" test ! -e "$(mount_of main)/hidden"
fails "a second daemon on the mount point" 'already served' attempt other "$(mount_of main)"
fails "a second daemon with the runtime directory" 'another lxcfs runs with' attempt main "$(mount_of other)"
start_container a main
is "the first one goes on" "$(total a)" $((256 * 1024))
configure other <<<'cpu-policy = quota'
start_daemon other
make_cgroup b memory=128M
start_container b other
is "another mount point and runtime directory: two side by side" "$(total a) $(total b)" "$((256 * 1024)) $((128 * 1024))"
stop_daemon other
is "one of two ends" "$daemon_status" 0
is "the other one goes on" "$(total a)" $((256 * 1024))
is "its pidfile holds its pid" "$(<"$(pidfile_of main)")" "${daemon_pids[main]}"

# ---- a mount that nobody serves ----

keeper=${daemon_pids[main]}
has_other_keeper() {
	[ "$(<"$(pidfile_of main)")" != "$keeper" ] && is_running "$(<"$(pidfile_of main)")"
}
end_pid "$keeper"
unset 'daemon_pids[main]'
is "without a keeper the files go on" "$(total a)" $((256 * 1024))
check "and another one comes" await has_other_keeper
is "and they still do" "$(total a)" $((256 * 1024))
end_daemons
refuses "without both they do not" 'not connected|abort' ls "$(mount_of main)/proc"
start_daemon main
check "a dead mount is taken away" logs main 'was a dead mount'
stop_container a
start_container a main
is "and the new one serves" "$(total a)" $((256 * 1024))
stop_daemon main
check "what was in the folder is there again" test -e "$(mount_of main)/hidden"
stop_container a

# ---- rights and devices ----

cp "$daemon" "$work/lxcfs"
fails "not root" 'start it as root' timeout 30 setpriv --reuid 65534 --regid 65534 --clear-groups "$work/lxcfs" \
	-c "$(config_of main)" --runtime-dir="$(runtime_of main)" "$(mount_of main)"
fails "no /dev/fuse" '/dev/fuse is not there.*modprobe fuse' unshare --mount --propagation private bash -c \
	'mount -t tmpfs none /dev && "$@"' bash "$daemon" -c "$(config_of main)" --runtime-dir="$(runtime_of main)" "$(mount_of main)"

# Files of a daemon that cannot look into other processes: the cgroup of a reader is still to be seen.
wrapper=(setpriv --inh-caps=-sys_ptrace --bounding-set=-sys_ptrace)
start_daemon main
wrapper=()
start_container a main
check "without CAP_SYS_PTRACE all files are good" inside a "$helpers/reader" --limits "$limits" --rounds 3
stop_container a
stop_daemon main

# In front of a command: it runs where no hierarchy is mounted.
without_cgroups=(unshare --mount --propagation private bash -c 'for root in "${@:2:$1}"; do umount -l "$root"; done
	exec "${@:$(($1 + 2))}"' bash "${#roots[@]}" "${roots[@]}")
if is_v2 memory; then
	fails "without a mounted cgroup hierarchy" 'no cgroup hierarchy is mounted; mount one' timeout 30 \
		"${without_cgroups[@]}" "$daemon" -c "$(config_of main)" --runtime-dir="$(runtime_of main)" \
		"$(mount_of main)"
else
	# The kernel says which v1 hierarchies there are, and the daemon mounts them for itself alone.
	wrapper=("${without_cgroups[@]}")
	start_daemon main
	wrapper=()
	cgroup_options --cgroup a
	is "without a mounted cgroup hierarchy" \
		"$("$helpers/container" "${options[@]}" --join "${daemon_pids[main]}" --namespaces m -- \
			cat "$(mount_of main)/proc/meminfo" | meminfo MemTotal)" $((256 * 1024))
	stop_daemon main
fi

# ---- other versions' command lines ----

# start_as_others WHAT CPUS OPTION...: without a configuration file.
start_as_others() {
	local what=$1 cpus=$2
	shift 2
	start_daemon main -c "$work/none.conf" --plugin-dir="$(plugins_of main)" "$@"
	start_container a main
	is "$what: CPUs" "$(inside a grep -c ^processor /proc/cpuinfo)" "$cpus"
}

touch "$work/none.conf"
start_as_others "no option" "$(nproc)"
stop_container a
stop_daemon main
start_as_others "all options" 1 -l -u -s -f -d --enable-cfs --enable-pidfd --enable-cgroup --enable-psi-poll \
	-o allow_other -p "$work/other.pid"
for option in loadavg cgroup psi-poll; do
	check "--enable-$option says that it has no effect yet" logs main "enable-$option has no effect"
done
is "-u: no swap" "$(inside a cat /proc/swaps | wc -l)" 1
is "-p: the pid is there" "$(<"$work/other.pid")" "${daemon_pids[main]}"
is "memory" "$(total a)" $((256 * 1024))
stop_daemon main
check "-p: the pidfile is removed" test ! -e "$work/other.pid"
finish
