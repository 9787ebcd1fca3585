/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The layout of the plugin ABI on 64-bit machines with 8-byte pointers.  A line that fails here means
 * that every plugin that was built before breaks: members are only ever added at the end.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lxcfs/plugin.h"

#if UINTPTR_MAX == UINT64_MAX
#define at(structure, member, offset)                                          \
	_Static_assert(offsetof(struct lxcfs_##structure, member) == (offset), \
		       #structure "." #member " has moved")
#define bytes(structure, size) \
	_Static_assert(sizeof(struct lxcfs_##structure) == (size), #structure " has another size")

at(text, data, 0);
at(text, length, 8);
bytes(text, 16);

at(output, size, 0);
at(output, version, 4);
at(output, host, 8);
at(output, data, 16);
at(output, length, 24);
at(output, capacity, 32);
at(output, status, 40);
at(output, reserved, 44);
bytes(output, 48);

at(attributes, size, 0);
at(attributes, version, 4);
at(attributes, mode, 8);
at(attributes, uid, 12);
at(attributes, gid, 16);
at(attributes, valid, 20);
at(attributes, file_size, 24);
bytes(attributes, 32);

at(cpu_view, size, 0);
at(cpu_view, version, 4);
at(cpu_view, count, 8);
at(cpu_view, numbering, 12);
at(cpu_view, physical, 16);
at(cpu_view, shown, 24);
at(cpu_view, quota, 32);
at(cpu_view, period, 40);
bytes(cpu_view, 48);

at(memory_view, size, 0);
at(memory_view, version, 4);
at(memory_view, flags, 8);
at(memory_view, reserved, 12);
at(memory_view, total, 16);
at(memory_view, usage, 24);
at(memory_view, swap_total, 32);
at(memory_view, swap_usage, 40);
bytes(memory_view, 48);

at(cpu_time, user, 0);
at(cpu_time, nice, 8);
at(cpu_time, system, 16);
bytes(cpu_time, 24);

at(cpu_usage, size, 0);
at(cpu_usage, version, 4);
at(cpu_usage, total, 8);
at(cpu_usage, throttled, 32);
at(cpu_usage, per_cpu, 40);
at(cpu_usage, per_cpu_count, 48);
at(cpu_usage, reserved, 52);
bytes(cpu_usage, 56);

at(request, size, 0);
at(request, version, 4);
at(request, host, 8);
at(request, instance, 16);
at(request, path, 24);
at(request, handle, 32);
at(request, tid, 40);
at(request, uid, 44);
at(request, gid, 48);
at(request, flags, 52);
bytes(request, 56);

at(file, size, 0);
at(file, version, 4);
at(file, path, 8);
at(file, mode, 16);
at(file, reserved, 20);
at(file, render, 24);
at(file, write, 32);
at(file, poll, 40);
at(file, release, 48);
bytes(file, 56);

at(subtree, size, 0);
at(subtree, version, 4);
at(subtree, path, 8);
at(subtree, lookup, 16);
at(subtree, readlink, 24);
at(subtree, readdir, 32);
at(subtree, open, 40);
at(subtree, render, 48);
at(subtree, write, 56);
at(subtree, mkdir, 64);
at(subtree, rmdir, 72);
at(subtree, setattr, 80);
bytes(subtree, 88);

at(plugin, size, 0);
at(plugin, version, 4);
at(plugin, name, 8);
at(plugin, release, 16);
at(plugin, threads, 24);
at(plugin, on_fault, 28);
at(plugin, file_count, 32);
at(plugin, subtree_count, 36);
at(plugin, files, 40);
at(plugin, subtrees, 48);
at(plugin, configure, 56);
at(plugin, start, 64);
at(plugin, stop, 72);
bytes(plugin, 80);

at(host, size, 0);
at(host, version, 4);
at(host, release, 8);
at(host, log, 16);
at(host, error, 24);
at(host, now, 32);
at(host, output_grow, 40);
at(host, output_print, 48);
at(host, directory_add, 56);
at(host, host_file, 64);
at(host, host_attributes, 72);
at(host, host_directory, 80);
at(host, host_link, 88);
at(host, cgroup_version, 96);
at(host, cgroup_file, 104);
at(host, cpu_view, 112);
at(host, cpu_usage, 120);
at(host, memory_view, 128);
at(host, age, 136);
at(host, state_update, 144);
at(host, poll_wake, 152);
at(host, timer_start, 160);
at(host, timer_stop, 168);
bytes(host, 176);

/* What begins with its size begins with it in every version. */
#define begins_with_size(structure)                                              \
	_Static_assert(offsetof(struct lxcfs_##structure, size) == 0 &&          \
			       offsetof(struct lxcfs_##structure, version) == 4, \
		       #structure " does not begin with size and version")

begins_with_size(output);
begins_with_size(attributes);
begins_with_size(cpu_view);
begins_with_size(memory_view);
begins_with_size(cpu_usage);
begins_with_size(request);
begins_with_size(file);
begins_with_size(subtree);
begins_with_size(plugin);
begins_with_size(host);
#endif

int main(void)
{
	puts("1..1\nok 1 - the compiler found each member in its place");
	return 0;
}
