/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pid namespaces: who is pid 1 in one, and in which one does it lie.
 *
 * All answers are for a descriptor of a namespace (/proc/PID/ns/pid), so that a recycled pid cannot
 * change them.
 */
#ifndef LXCFS_CORE_PIDNAMESPACE_H
#define LXCFS_CORE_PIDNAMESPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "lxcfs/plugin.h"

/*
 * The first process of the namespace in the host's numbers.  `tid` is any thread in it: where the kernel
 * does not tell (before Linux 6.11) its ancestors are tried first, then all processes.  0: not found.
 */
uint32_t pid_namespace_init(int proc_fd, int namespace_fd, uint32_t tid, struct arena *arena);

/*
 * A number for the ancestor that is a child of the host's namespace, itself for most: its inode, and above
 * it which process was its first one, for inodes are used again.  0: not known.  `tid` as above.
 */
uint64_t pid_namespace_group(int proc_fd, int namespace_fd, uint64_t host_inode, uint32_t tid,
			     struct arena *arena);
/* Whether the namespace of this group is gone; false where it is not known. */
bool pid_namespace_has_ended(uint64_t group);

/* When a process started, in ticks since boot, from its /proc/PID/stat. */
bool pid_parse_start(struct lxcfs_text text, uint64_t *ticks);

#endif
