#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The tree is one for all containers: what one of them may not see must not disturb another, and nodes outlive
# the worker and the configuration.
# shellcheck source=tests/live/functions.sh disable=SC2016
source "$(dirname "$0")/functions.sh"

cpus=/sys/devices/system/cpu
names=$work/names

# Each entry below the mount point: inode number as listed, as looked up, and path.
list_nodes() {
	python3 - "$(mount_of main)" <<'END'
import os, sys
root = sys.argv[1]
folders = [root]
while folders:
    folder = folders.pop()
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = entry.path[len(root):]
        print(entry.inode(), os.lstat(entry.path).st_ino, path)
        # A few folders of a kind are enough.
        if entry.is_dir(follow_symlinks=False) and path.count("/") < 6:
            folders.append(entry.path)
END
}

# Names and types of a folder's entries; find takes the types from the listing.
entries() {
	find "$1" -mindepth 1 -maxdepth 1 -printf '%y %f\n' | sort
}

listed_twice() {
	inside "$1" ls -1aU "$2" | sort | uniq -d
}

plan 44
make_cgroup wide memory=256M
make_cgroup narrow memory=128M cpus=1
start_daemon main
start_container wide main
start_container narrow main
last=$(find $cpus -maxdepth 1 -name 'cpu[0-9]*' -printf '%f\n' | sort -V | tail -n 1)

# ---- listings ----

is "a container with all CPUs has the host's folder" \
	"$(inside wide find $cpus -mindepth 1 -maxdepth 1 -printf '%y %f\n' | sort)" "$(entries $cpus)"
is "a container with one CPU lists one" "$(inside narrow ls $cpus | grep -E '^cpu[0-9]+$')" cpu0
is "and what else the host has" \
	"$(inside narrow find $cpus -mindepth 1 -maxdepth 1 -printf '%y %f\n' | grep -Ev ' cpu[0-9]+$' | sort)" \
	"$(entries $cpus | grep -Ev ' cpu[0-9]+$')"
is "a CPU's folder is the host's" \
	"$(inside narrow find $cpus/cpu0 -mindepth 1 -maxdepth 1 -printf '%y %f\n' | sort)" "$(entries $cpus/cpu0)"
for folder in $cpus $cpus/cpu0 $cpus/cpu0/topology; do
	is "every name once in $folder" "$(listed_twice narrow "$folder")$(listed_twice wide "$folder")" ""
done
check "uevent exists" inside narrow test -e $cpus/uevent
is "a link is the host's" "$(inside narrow readlink $cpus/cpu0/subsystem)" "$(readlink $cpus/cpu0/subsystem)"
is "a CPU's file is the host's" "$(inside narrow cat $cpus/cpu0/topology/core_id)" "$(cat $cpus/cpu0/topology/core_id)"
is "the root has what the configuration names" "$(cd "$(mount_of main)/proc" && echo *)" "${proc_files[*]}"

# ---- a mask of one container under a CPU that another does not see ----

inside wide mount --bind /dev/null "$cpus/$last/uevent"
inside wide mount -t tmpfs mask "$cpus/$last/topology"
is "a masked file is empty" "$(inside wide cat "$cpus/$last/uevent" | wc -c)" 0
is "a masked folder is empty" "$(inside wide ls "$cpus/$last/topology")" ""
for path in "$last" "$last/uevent" "$last/topology" "$last/topology/core_id"; do
	check "the other container looks $path up" inside narrow stat "$cpus/$path"
done
refuses "it may not read a file there" 'No such file|denied' inside narrow cat "$cpus/$last/uevent"
refuses "it may not list the folder" 'No such file|denied' inside narrow ls "$cpus/$last"
refuses "it finds no CPU that is not there" 'No such file' inside narrow stat $cpus/cpu99999
inside narrow find $cpus -maxdepth 3 >/dev/null 2>&1 || true
is "the mask of the file is still there" "$(inside wide cat "$cpus/$last/uevent" | wc -c)" 0
is "the mask of the folder is still there" "$(inside wide ls "$cpus/$last/topology")" ""
is "both are still mounted" "$(inside wide grep -c " $cpus/$last/" /proc/self/mountinfo)" 2

# ---- node ids ----

list_nodes >"$names"
[ "$(wc -l <"$names")" -gt 30 ] || not_ok "there are nodes" "$(<"$names")"
is "listings have the ids that lookups give" "$(awk '$1 != $2' "$names")" ""
is "no id is given twice" "$(awk '{ print $1 }' "$names" | sort | uniq -d)" ""

inside wide python3 - "$work" <<'END' >"$work/kept.log" 2>&1 &
import os, sys, time
work = sys.argv[1]
fd = os.open("/proc/meminfo", os.O_RDONLY)
first = os.read(fd, 20)
open(work + "/kept", "w").close()
while os.path.exists(work + "/kept"):
    time.sleep(0.02)
rest = os.read(fd, 65536)
lines = (first + rest).decode().splitlines()
os.lseek(fd, 0, 0)
again = os.read(fd, 65536).decode().splitlines()
print(lines[0].split()[1], again[0].split()[1], len(lines) - len(again))
END
kept=$!
await test -e "$work/kept" || bail "python does not read"
touch "$work/reading"
inside wide "$helpers/reader" --limits "$(inside wide nproc):$((256 * 1024)):$(meminfo SwapTotal </proc/meminfo)" \
	--threads 4 --mode mixed --while "$work/reading" >"$work/reader.log" 2>&1 &
reader=$!
for attempt in 1 2 3; do
	check "worker $attempt is killed and replaced" kill_worker main
	sleep 0.5
done
rm "$work/kept"
wait $kept || true
is "a descriptor goes on where it was" "$(<"$work/kept.log")" "$((256 * 1024)) $((256 * 1024)) 0"
rm "$work/reading"
ended_well "reads go on meanwhile" $reader "$work/reader.log"
is "the next worker has the same nodes" "$(list_nodes)" "$(<"$names")"
is "the masks are still mounted" "$(inside wide grep -c " $cpus/$last/" /proc/self/mountinfo)" 2
reconfigure main
is "so has the next configuration" "$(list_nodes)" "$(<"$names")"

# ---- files that the configuration no longer has ----

configure main cpuinfo stat swaps sysfs_cpu uptime <<<'cpu-policy = quota'
check "two files are taken away" reconfigure main
is "their names are gone" "$(cd "$(mount_of main)/proc" && echo *)" "cpuinfo stat swaps uptime"
refuses "they are not found" 'No such file' stat "$(mount_of main)/proc/meminfo"
is "a container that has one goes on with the host's" "$(inside wide cat /proc/meminfo | meminfo MemTotal)" \
	"$(meminfo MemTotal </proc/meminfo)"
refuses "or with an error where the plugin says so" 'Input/output error' inside wide cat /proc/diskstats
check "the other files go on" inside wide grep -q 'cpu0' /proc/stat
kill_worker main
is "the next worker still has the node" "$(inside wide cat /proc/meminfo | meminfo MemTotal)" \
	"$(meminfo MemTotal </proc/meminfo)"
configure main <<<'cpu-policy = quota'
check "they are given back" reconfigure main
is "the container sees its own numbers again" "$(inside wide cat /proc/meminfo | meminfo MemTotal)" $((256 * 1024))
check "and the other file" inside wide cat /proc/diskstats
is "their nodes are the same" "$(list_nodes)" "$(<"$names")"
finish
