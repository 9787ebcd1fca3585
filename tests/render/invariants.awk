# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Reads what was rendered for one container (the folder `shown`) beside the recorded host (the folder
# `recorded`), prints each thing that cannot be, and exits with 1 if there was one.  `kind` is "host"
# for the container that is the host itself.

function wrong(text)
{
	print text
	bad = 1
}

# Lines of a file into lines[1...]; returns how many.
function read_lines(path, lines, count)
{
	count = 0
	split("", lines)
	while ((getline line < path) > 0)
		lines[++count] = line
	close(path)
	return count
}

# 2^62 = 4611686018427387904: no counter of a machine comes near, so it is a difference below zero.
function check_number(file, text, digits)
{
	digits = text
	sub(/^-/, "", digits)
	if (digits ~ /^[0-9]+$/ && (length(digits) > 19 || length(digits) == 19 && digits >= "4611686018427387904"))
		wrong(file ": " text " is not below 2^62")
}

function check_numbers(file, count, lines, words, index_of_line, i)
{
	for (index_of_line = 1; index_of_line <= count; index_of_line++) {
		split(lines[index_of_line], words, /[^0-9]+/)
		for (i in words)
			check_number(file, words[i])
	}
}

# "0-3,8" into set[]; returns how many CPUs.
function expand(text, set, parts, ends, count, i, cpu)
{
	count = 0
	split("", set)
	if (text == "")
		return 0
	for (i = split(text, parts, ","); i > 0; i--) {
		if (parts[i] !~ /^[0-9]+(-[0-9]+)?$/) {
			wrong("list of CPUs: " text)
			return count
		}
		if (split(parts[i], ends, "-") == 1)
			ends[2] = ends[1]
		for (cpu = ends[1] + 0; cpu <= ends[2] + 0; cpu++) {
			set[cpu] = 1
			count++
		}
	}
	return count
}

function same_set(left, right, cpu)
{
	for (cpu in left)
		if (!(cpu in right))
			return 0
	for (cpu in right)
		if (!(cpu in left))
			return 0
	return 1
}

# ---- /proc/meminfo ----

function check_meminfo(lines, host_lines, count, i, key, host_key, words)
{
	count = read_lines(shown "/proc.meminfo", lines)
	check_numbers("meminfo", count, lines)
	if (count != read_lines(recorded "/proc/meminfo", host_lines))
		wrong("meminfo: " count " lines, and not as many as the host's")
	for (i = 1; i <= count; i++) {
		if (lines[i] !~ /^[^:]+: +[0-9]+( kB)?$/)
			wrong("meminfo: " lines[i])
		key = lines[i]
		sub(/:.*/, "", key)
		host_key = host_lines[i]
		sub(/:.*/, "", host_key)
		if (key != host_key)
			wrong("meminfo: line " i " is " key ", the host's is " host_key)
		if (key in memory)
			wrong("meminfo: " key " comes twice")
		split(lines[i], words, /: +/)
		memory[key] = words[2] + 0
		# 1 PiB
		if (memory[key] >= 1099511627776)
			wrong("meminfo: " lines[i])
		# The host's columns, as far as its number fits into them.
		if (host_lines[i] ~ /[: ]+[0-9]?[0-9]?[0-9]?[0-9]?[0-9]?[0-9]?[0-9]?[0-9]( kB)?$/ && length(lines[i]) != length(host_lines[i]))
			wrong("meminfo: not in the host's columns: " lines[i])
		split(host_lines[i], words, /: +/)
		host_memory[key] = words[2] + 0
	}
	check_memory("MemFree", "MemTotal")
	check_memory("MemAvailable", "MemTotal")
	check_memory("Cached", "MemTotal")
	check_memory("SReclaimable", "Slab")
	check_memory("SwapFree", "SwapTotal")
	if (!("MemTotal" in memory) || memory["MemTotal"] > host_memory["MemTotal"])
		wrong("meminfo: MemTotal is more than the host's")
	if (memory["SwapTotal"] > host_memory["SwapTotal"])
		wrong("meminfo: SwapTotal is more than the host's")
	# "used" of free(1)
	if (memory["MemTotal"] < memory["MemFree"] + memory["Buffers"] + memory["Cached"] + memory["SReclaimable"])
		wrong("meminfo: free, buffers and caches are more than MemTotal")
}

function check_memory(small, large)
{
	if (memory[small] > memory[large])
		wrong("meminfo: " small " " memory[small] " > " large " " memory[large])
}

# ---- /proc/swaps ----

function check_swaps(lines, count, i, size, used, words)
{
	count = read_lines(shown "/proc.swaps", lines)
	check_numbers("swaps", count, lines)
	if (lines[1] != "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority")
		wrong("swaps: begins with " lines[1])
	for (i = 2; i <= count; i++) {
		if (split(lines[i], words, /[ \t]+/) != 5)
			wrong("swaps: " lines[i])
		size += words[3]
		used += words[4]
	}
	if (size + 0 != memory["SwapTotal"])
		wrong("swaps: size " size ", SwapTotal " memory["SwapTotal"])
	if (used + 0 != memory["SwapTotal"] - memory["SwapFree"])
		wrong("swaps: used " used ", but meminfo tells of " memory["SwapTotal"] - memory["SwapFree"])
}

# ---- CPUs ----

function check_cpuinfo(lines, count, i, words)
{
	count = read_lines(shown "/proc.cpuinfo", lines)
	for (i = 1; i <= count; i++) {
		if (lines[i] ~ /^(processor|cpu number)[ \t]*:/) {
			split(lines[i], words, /: /)
			if (words[2] in cpuinfo)
				wrong("cpuinfo: CPU " words[2] " comes twice")
			cpuinfo[words[2]] = 1
		}
		if (lines[i] ~ /^# processors/) {
			split(lines[i], words, /: /)
			processors = words[2]
		}
	}
}

function check_stat(lines, count, i, j, words, sum, order)
{
	count = read_lines(shown "/proc.stat", lines)
	check_numbers("stat", count, lines)
	if (lines[1] !~ /^cpu  [0-9]+ [0-9]/)
		wrong("stat: begins with " lines[1])
	for (i = 1; i <= count; i++) {
		if (lines[i] !~ /^[a-z_0-9]+ +[0-9]+( [0-9]+)* ?$/)
			wrong("stat: " lines[i])
		split(lines[i], words, / +/)
		if (words[1] !~ /^cpu/) {
			order = order " " words[1]
			continue
		}
		if (order != "")
			wrong("stat: " words[1] " behind" order)
		if (split(lines[i], words, / +/) != 11)
			wrong("stat: not 10 columns: " lines[i])
		for (j = 2; j <= 11; j++)
			if (i == 1)
				sum[j] = words[j]
			else
				sum[j] -= words[j]
		if (i == 1)
			continue
		sub(/^cpu/, "", words[1])
		if (words[1] in stat)
			wrong("stat: CPU " words[1] " comes twice")
		stat[words[1]] = 1
	}
	if (order != " intr ctxt btime processes procs_running procs_blocked softirq")
		wrong("stat: has" order)
	# The kernel adds before it divides into ticks, so its own sum is a little more.
	for (j = 2; j <= 11 && kind != "host"; j++)
		if (sum[j] != 0)
			wrong("stat: column " j - 1 " of the first line is not the sum of the rows")
}

function one_line(name, lines, count)
{
	count = read_lines(shown "/sys.devices.system.cpu." name, lines)
	if (count != 1)
		wrong(name ": has " count " lines")
	return lines[1]
}

function check_folder(lines, count, i, cpu)
{
	count = read_lines(shown "/sys.devices.system.cpu.list", lines)
	for (i = 1; i <= count; i++) {
		if (lines[i] in names)
			wrong("listing: " lines[i] " comes twice")
		names[lines[i]] = 1
		cpu = lines[i]
		if (sub(/^cpu/, "", cpu) && cpu ~ /^[0-9]+$/)
			folders[cpu] = 1
	}
	if (!("online" in names) || !("uevent" in names))
		wrong("listing: online or uevent is not there")
}

function check_cpus(count, other)
{
	check_cpuinfo()
	check_stat()
	check_folder()
	cpus = expand(one_line("online"), online)
	if (cpus == 0)
		wrong("online: no CPU")
	if (!same_set(online, stat))
		wrong("stat: its rows are not the CPUs that are online")
	if (!same_set(online, cpuinfo))
		wrong("cpuinfo: its blocks are not the CPUs that are online")
	if (processors != "" && processors != cpus)
		wrong("cpuinfo: counts " processors " processors")
	expand(one_line("present"), present)
	expand(one_line("possible"), possible)
	if (!same_set(present, folders))
		wrong("listing: its cpuN folders are not the CPUs that are present")
	# CPUs that are off are told of where nothing is hidden.
	if (same_set(online, folders)) {
		if (kind != "host" && !same_set(online, possible))
			check_unrestricted()
		return
	}
	check_unrestricted()
}

function check_unrestricted(lines, host_online)
{
	read_lines(recorded "/sys/devices/system/cpu/online", lines)
	expand(lines[1], host_online)
	if (!same_set(online, host_online))
		wrong("listing: tells of CPUs that are hidden")
}

# ---- the rest ----

function check_uptime(lines, count, words)
{
	count = read_lines(shown "/proc.uptime", lines)
	check_numbers("uptime", count, lines)
	if (count != 1 || lines[1] !~ /^[0-9]+\.[0-9][0-9] [0-9]+\.[0-9][0-9]$/) {
		wrong("uptime: " lines[1])
		return
	}
	split(lines[1], words, " ")
	if (kind != "host" && words[2] > words[1] * cpus + 0.01)
		wrong("uptime: more idle time than " cpus " CPUs had: " lines[1])
}

function check_diskstats(lines, host_lines, count, host_count, i, j, words, host_words)
{
	count = read_lines(shown "/proc.diskstats", lines)
	host_count = read_lines(recorded "/proc/diskstats", host_lines)
	check_numbers("diskstats", count, lines)
	j = 1
	for (i = 1; i <= count; i++) {
		sub(/^ +/, "", lines[i])
		split(lines[i], words, " ")
		for (; j <= host_count; j++) {
			split(host_lines[j], host_words, " ")
			if (host_words[1] == words[1] && host_words[2] == words[2])
				break
		}
		if (j > host_count) {
			wrong("diskstats: not a disk of the host, or not in its order: " lines[i])
			return
		}
		if (host_words[3] != words[3] || split(lines[i], words, " ") != split(host_lines[j], host_words, " "))
			wrong("diskstats: another name or number of columns: " lines[i])
		j++
	}
}

BEGIN {
	check_meminfo()
	check_swaps()
	check_cpus()
	check_uptime()
	check_diskstats()
	exit bad
}
