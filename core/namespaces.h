/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Namespaces of readers that were seen, and what was found out about each.
 *
 * An entry holds a descriptor of its namespace: as long as it is there the inode number that it is found
 * by cannot be given to another one.  Such a descriptor pins dead cgroups, so entries go when the
 * cgroup at the root of the namespace is removed or empty.  Bounded as containers are; any thread.
 */
#ifndef LXCFS_CORE_NAMESPACES_H
#define LXCFS_CORE_NAMESPACES_H

#include <stdbool.h>
#include <stdint.h>

#include "container.h"

struct namespace_facts {
	uint64_t group; /* as for container_get() */
	/* Of a pid namespace: its first process in the host's numbers, 0 when that is not known. */
	uint32_t init_pid;
	/* Of a cgroup namespace, by hierarchy: how deep its root lies, and the root's inode; 0: not known. */
	bool known[HIERARCHY_MAX];
	unsigned depth[HIERARCHY_MAX];
	uint64_t root[HIERARCHY_MAX];
};

struct namespaces;

int namespaces_new(const struct hostfs *hostfs, unsigned limit, struct namespaces **namespaces);
void namespaces_free(struct namespaces *namespaces);

bool namespaces_find(struct namespaces *namespaces, uint64_t inode, struct namespace_facts *facts);
/*
 * Remember, in place of what was known before.  `fd` stays the caller's.  `root` is the container at the
 * root of a cgroup namespace, NULL for others and where it is not known.
 */
void namespaces_remember(struct namespaces *namespaces, uint64_t inode, int fd,
			 const struct namespace_facts *facts, struct container *root);
/*
 * Drop those whose root the cache of containers let go of.  What else is not used any more is found a few
 * entries at a time, at most once a second, when a namespace is remembered.
 */
void namespaces_drop_gone(struct namespaces *namespaces);

#endif
