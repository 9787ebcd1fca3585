#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The installed unit under systemd, in a virtual machine of tests/vm/run --systemd: what a container sees
# while the service is restarted, killed, replaced, stopped.
#
#     make install DESTDIR=TREE; LXCFS_BUILD=. tests/vm/run 6.12 --systemd tests/vm/systemd.sh TREE
#
# shellcheck source=tests/live/functions.sh disable=SC2016
set -euo pipefail

# It installs into this very system.
if [ ! -e /run/lxcfs-vm/with-systemd ] || [ $# -ne 1 ]; then
	echo "Bail out! only in a virtual machine: tests/vm/run 6.12 --systemd tests/vm/systemd.sh TREE"
	exit 1
fi
# The service mounts in the namespace of all, so the test stays there.
export LXCFS_LIVE_NAMESPACE=$$
source "$(dirname "$0")/../live/functions.sh"

tree=$1
unit=lxcfs.service
mountpoint=/var/lib/lxcfs

mount_of() {
	echo "$mountpoint"
}

is_unmounted() {
	[ -z "$(mount_identity)" ]
}

property() {
	systemctl show --property "$1" --value $unit
}

# folder_of NAME: where the file of this name is installed.
folder_of() {
	local file
	file=$(find "$tree" -type f -name "$1")
	[ -n "$file" ] || bail "$1 is not in $tree"
	file=${file#"$tree"}
	echo "${file%/*}"
}

# Without looking into it.
mount_identity() {
	awk -v point="$mountpoint" '$5 == point { print $1, $3 }' /proc/self/mountinfo
}

# ---- another build: the same files with another build id ----

build_id() {
	readelf --notes "$1" | awk '/Build ID:/ { print $3 }'
}

# The note: three numbers and "GNU", then the id.
change_build_id() {
	local offset
	offset=$(readelf --sections --wide "$1" | sed -n 's/.*\.note\.gnu\.build-id *NOTE *[0-9a-f]* *\([0-9a-f]*\) .*/\1/p')
	dd if=/dev/urandom of="$1" bs=1 seek=$((16#$offset + 16)) count=8 conv=notrunc status=none
}

# As a package manager does: each file anew, under another name, and then in the place of the old one.
replace_files() {
	local file
	for file in "$bindir"/lxcfs "$bindir"/lxcfsctl "$plugindir"/*.so; do
		cp -p "$file" "$file.new"
		change_build_id "$file.new"
		mv "$file.new" "$file"
	done
}

# ---- readers, in the container ----

start_readers() {
	touch "$work/reading"
	inside a "$helpers/reader" --limits "$limits" --threads 4 --mode mixed --while "$work/reading" \
		>"$work/reader.log" 2>&1 &
	reader=$!
	remember_pid $reader
	sleep 1
}

end_readers() {
	rm -f "$work/reading"
	if await is_gone "$reader"; then
		ended_well "$1" "$reader" "$work/reader.log"
	else
		not_ok "$1" "a reader is stuck"
	fi
}

# An answer within a while, or none.
in_a() {
	local options
	cgroup_options --cgroup a
	timeout -s KILL 20 "$helpers/container" "${options[@]}" --join "${container_pids[a]}" -- "$@"
}

memory_in_a() {
	in_a cat /proc/meminfo | meminfo MemTotal
}

gets_an_error() {
	local status=0
	in_a cat /proc/meminfo >/dev/null 2>&1 || status=$?
	[ $status -ne 0 ] && [ $status -ne 137 ]
}

is_up_without() {
	[ "$(property ActiveState)" = active ] && [ "$(property MainPID)" != "$1" ]
}

# goes_on WHAT PID: the service is up again with another main process than PID, and nobody has noticed.
goes_on() {
	check "$1: systemd has started the next one" await is_up_without "$2"
	sleep 1
	is "$1: the mount is the same" "$(mount_identity)" "$identity"
	is "$1: a new read is good" "$(memory_in_a)" $((256 * 1024))
	end_readers "$1: readers notice nothing"
}

rounds=20
read_often() {
	inside a "$helpers/reader" --limits "$limits" --rounds $rounds
}

# How often it went to sleep, and so was woken.
wakeups_of_systemd() {
	awk '/^voluntary_ctxt_switches/ { print $2 }' /proc/1/status
}

plan 43
[ -x "$helpers/container" ] || bail "$helpers/container is not there: set LXCFS_BUILD, and make check TESTS="
cp -a "$tree/." /
bindir=$(folder_of lxcfs)
plugindir=$(folder_of meminfo.so)
systemctl daemon-reload
make_cgroup a cpus=1 memory=256M swap=64M
limits=1:$((256 * 1024)):$(expected_swap 64M)

# ---- start ----

check "the service starts" systemctl start $unit
identity=$(mount_identity)
matches "it has mounted" "$identity" '^[0-9]+ 0:[0-9]+$'
is "its main process is the keeper" "$(property MainPID)" "$(</run/lxcfs.pid)"
check "systemd holds the mount, the state and each plugin" \
	test "$(property NFileDescriptorStore)" -ge $((2 + ${#all_plugins[@]}))
start_container a main
is "a container sees its own files" "$(memory_in_a)" $((256 * 1024))

before=$(wakeups_of_systemd)
check "all its reads are good" read_often
check "and do not wake systemd" test $(($(wakeups_of_systemd) - before)) -lt $((rounds * 9))

# ---- what nobody may notice ----

start_readers
before=$(property MainPID)
check "restart: systemctl is content" systemctl restart $unit
goes_on restart "$before"
matches "restart: the new one knows where plugins came from" "$("$bindir/lxcfsctl" plugins)" \
	"meminfo .*$plugindir/meminfo.so"

start_readers
before=$(property MainPID)
systemctl kill --signal KILL $unit
goes_on "all processes killed" "$before"

start_readers
before=$(property MainPID)
kill -9 "$before"
goes_on "the main process killed" "$before"

start_readers
before=$(property MainPID)
old=$(build_id "/proc/$before/exe")
replace_files
check "reload: systemctl is content" systemctl reload $unit
is "reload: the main process is the same" "$(property MainPID)" "$before"
is "reload: it is the new program" "$(build_id "/proc/$before/exe")" "$(build_id "$bindir/lxcfs")"
check "reload: which is another one" test "$old" != "$(build_id "$bindir/lxcfs")"
matches "reload: status shows it" "$("$bindir/lxcfsctl" status 2>&1)" "$(build_id "$bindir/lxcfs")"
matches "reload: the plugins are new too" "$("$bindir/lxcfsctl" plugins 2>&1)" \
	"meminfo .*$(build_id "$plugindir/meminfo.so" | cut -c 1-12).*$plugindir/meminfo.so"
sleep 1
is "reload: the mount is the same" "$(mount_identity)" "$identity"
is "reload: a new read is good" "$(memory_in_a)" $((256 * 1024))
end_readers "reload: readers notice nothing"

start_readers
before=$(property MainPID)
systemctl kill --signal KILL $unit
goes_on "all processes of the new program killed" "$before"

# ---- the end ----

check "the service stops" systemctl stop $unit
check "the mount ends" await is_unmounted
is "nothing is left" "$(property NFileDescriptorStore)$(pgrep -x lxcfs)" 0
check "a container gets an error" gets_an_error
stop_container a
check "the service starts again" systemctl start $unit
identity=$(mount_identity)
start_container a main
is "a new container sees its own files" "$(memory_in_a)" $((256 * 1024))

# A program that cannot start any more: readers get an error in the end, and do not wait for ever.
mkdir -p /run/systemd/system/$unit.d
printf '[Unit]\nStartLimitBurst=3\n' >/run/systemd/system/$unit.d/limit.conf
systemctl daemon-reload
printf '#!/bin/sh\nexit 1\n' >"$bindir/lxcfs.new"
chmod 755 "$bindir/lxcfs.new"
mv "$bindir/lxcfs.new" "$bindir/lxcfs"
systemctl kill --signal KILL $unit
check "a service that cannot start is given up" await systemctl is-failed $unit
check "its readers get an error" gets_an_error
check "the mount has ended" await is_unmounted
stop_container a
finish
