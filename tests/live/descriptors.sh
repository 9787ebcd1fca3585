#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What programs do with file descriptors works as it does in procfs.
# --soak, or LIVE_SECONDS in the environment: read for longer.
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"
[ "${1-}" != --soak ] || live_seconds=300

plan 66
make_cgroup a cpus=1 memory=256M swap=64M
prepare_daemon main
configure main "${all_plugins[@]}" probe <<<'cpu-policy = quota'
start_daemon main
start_container a main
limits=1:$((256 * 1024)):$(expected_swap 64M)

# ---- many threads ----

for mode in shared own small seek; do
	seconds=$live_seconds
	[ $mode = shared ] || seconds=2
	check "8 threads read for $seconds s: $mode" inside a "$helpers/reader" --limits "$limits" --threads 8 \
		--mode $mode --seconds "$seconds" --follow
done

# ---- slices ----

# cpuinfo does not change from read to read, but for the clock of each CPU on some hosts.
cd "$work" || bail "$work is gone"
for file in proc/swaps sys/devices/system/cpu/possible sys/devices/system/cpu/kernel_max; do
	inside a cat "/$file" >whole
	length=$(wc -c <whole)
	for size in 1 7 1024 4096; do
		check "$file in parts of $size bytes" cmp whole <(inside a dd "if=/$file" bs=$size status=none)
	done
	check "$file from the middle, as the first read" \
		cmp <(tail -c +3 whole) <(inside a "$helpers/fileops" pread "/$file" 65536 2)
	is "$file behind its end" "$(inside a "$helpers/fileops" pread "/$file" 100 "$length" | wc -c)" 0
	is "$file far behind its end" "$(inside a "$helpers/fileops" pread "/$file" 100 1000000000 | wc -c)" 0
	# As in /proc, also below /sys: what has a size could be mapped, and a mapping is shared by all.
	is "the size of $file" "$(inside a stat -c %s "/$file")" 0
done
is "100 bytes of meminfo from offset 50" "$(inside a "$helpers/fileops" pread /proc/meminfo 100 50 | wc -c)" 100
# shellcheck disable=SC2016
matches "lseek to 0 gives fresh content" "$(inside a python3 -c '
import os, sys, time
fd = os.open("/proc/uptime", os.O_RDONLY)
first = float(os.read(fd, 100).split()[0])
end = os.read(fd, 100)
time.sleep(1)
os.lseek(fd, 0, 0)
second = os.read(fd, 100)
print("fresh" if end == b"" and second.endswith(b"\n") and 1 <= float(second.split()[0]) - first < 5
      else (first, end, second))')" '^fresh$'

# ---- tools ----

inside a cat /proc/swaps >swaps
check "tail -c" cmp <(tail -c 40 swaps) <(inside a tail -c 40 /proc/swaps)
check "tail -n" cmp <(tail -n 1 swaps) <(inside a tail -n 1 /proc/swaps)
check "dd with skip" cmp <(dd if=swaps bs=7 skip=3 status=none) <(inside a dd if=/proc/swaps bs=7 skip=3 status=none)
check "cp" inside a cp /proc/swaps "$work/copy"
check "the copy is whole" cmp swaps copy
is "wc" "$(inside a bash -c 'wc -c </proc/swaps')" "$(wc -c <swaps)"
is "wc of a name" "$(inside a wc -c /proc/swaps | cut -d' ' -f1)" "$(wc -c <swaps)"
check "tar" inside a tar cf "$work/archive" /proc/meminfo /proc/stat
check "python" cmp swaps <(inside a python3 -c 'import sys; sys.stdout.write(open("/proc/swaps").read())')
check "grep" inside a grep -q MemTotal /proc/meminfo
refuses "a shared mapping" 'ENODEV|EIO|EACCES' inside a "$helpers/fileops" mmap /proc/meminfo
refuses "a private mapping" 'ENODEV|EIO|EACCES|SIGBUS' inside a "$helpers/fileops" look /proc/meminfo
refuses "of sysfs too" 'ENODEV|EIO|EACCES|SIGBUS' \
	inside a "$helpers/fileops" look /sys/devices/system/cpu/online

# ---- changes are refused ----

for how in WRITE BOTH TRUNCATE; do
	refuses "open for $how" 'EACCES|EPERM|EINVAL' inside a "$helpers/fileops" open /proc/meminfo $how
done
refuses "chmod" 'not permitted|denied|Invalid' inside a chmod 600 /proc/meminfo
refuses "chown" 'not permitted|denied|Invalid' inside a chown 1:1 /proc/meminfo
refuses "truncate" 'not permitted|denied|Invalid' inside a truncate -s 0 /proc/meminfo
refuses "unlink" 'not permitted|denied|busy' rm -f "$(mount_of main)/proc/meminfo"
refuses "create" 'not permitted|denied|No such' touch "$(mount_of main)/proc/new"
refuses "mkdir" 'not permitted|denied|No such' mkdir "$(mount_of main)/proc/new"
refuses "rename" 'not permitted|denied' mv -T "$(mount_of main)/proc/meminfo" "$(mount_of main)/proc/new"
refuses "writing into sysfs" 'EACCES|EPERM' inside a "$helpers/fileops" write /sys/devices/system/cpu/online 0

# ---- writes that are taken ----

probe=$(mount_of main)/proc/probe
hello=$(mount_of main)/probe/hello
check "a write is taken" inside a "$helpers/fileops" write "$probe" "timer 60000"
check "a write across two pages is one command" inside a "$helpers/fileops" straddle "$probe" "timer 50000"
printf -v text '%0200d' 7
check "a longer one" inside a "$helpers/fileops" straddle "$hello" "$text"
is "it is whole" "$(inside a cat "$hello")" "$text"
refuses "another command than those that it knows" EINVAL inside a "$helpers/fileops" write "$probe" "imer 60000"
refuses "a write at an offset" E2BIG inside a "$helpers/fileops" write "$hello" "nothing" 1
# The plugin takes fewer bytes, and says so in its own way.
refuses "4096 bytes reach the plugin" EFBIG inside a "$helpers/fileops" fill "$hello" 4096
refuses "4097 bytes do not" E2BIG inside a "$helpers/fileops" fill "$hello" 4097
refuses "two pages do not" E2BIG inside a "$helpers/fileops" fill "$hello" 8192
refuses "64 KiB do not" E2BIG inside a "$helpers/fileops" fill "$hello" 65536
is "nothing of them was taken" "$(inside a cat "$hello")" "$text"
is "the daemon is still there" "$(inside a cat /proc/meminfo | meminfo MemTotal)" $((256 * 1024))
finish
