/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Containers: a boundary cgroup in each hierarchy, with cached directory descriptors.
 *
 * Two readers are in the same container when their boundary cgroups are the same in every hierarchy
 * (compared by inode number; cgroup inode numbers are not reused while the host is up).  A container
 * object is reference counted and may outlive its cgroups: reading then gives -ENODEV or -ENOENT.
 *
 * The cache is bounded in number (and so in descriptors); the least recently used container of the
 * group that holds most goes first.  Containers whose cgroup was removed or, in the unified hierarchy, is
 * empty are dropped too: their descriptors pin what the kernel would free.  A few are looked at, at most
 * once a second, when a new container is seen.  All functions may be called from any thread.
 */
#ifndef LXCFS_CORE_CONTAINER_H
#define LXCFS_CORE_CONTAINER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "hierarchy.h"
#include "hostfs.h"

/* What tells one container from another, also over restarts of the daemon. */
struct container_key {
	uint64_t inode[HIERARCHY_MAX]; /* of the boundary cgroup; 0 where it has none */
	/*
	 * Nanoseconds from boot to the start of its first process, where containers that follow each
	 * other in one cgroup are told apart (what plugins remember); else 0.
	 */
	uint64_t started;
};

struct container {
	atomic_uint references;
	atomic_bool gone; /* the cache let go of it because it was not used any more */
	struct container_key key;
	uint64_t group;            /* as given to container_get(), or of its outermost cgroup */
	bool host;                 /* the root in every hierarchy: nothing limits it */
	const char *name;          /* for messages and the configuration: one of `path` */
	char *path[HIERARCHY_MAX]; /* of the boundary cgroup; NULL where it has none */
	/* Descriptor of that cgroup, opened O_PATH; -1 where it has none. */
	int directory[HIERARCHY_MAX];
	const struct hostfs *hostfs;
};

/* Set in a group that is of a cgroup, and never in that of a pid namespace (pidnamespace.h). */
#define CONTAINER_GROUP_CGROUP (UINT64_C(1) << 63)

struct container_cache;

int container_cache_new(const struct hostfs *hostfs, unsigned limit,
			struct container_cache **cache);
void container_cache_free(struct container_cache *cache);
/*
 * Becomes readable when a unified cgroup may have become empty; then let the cache take the events.  -1
 * where the kernel cannot tell.  The second function returns whether a container was dropped.
 */
int container_cache_event_fd(const struct container_cache *cache);
bool container_cache_take_events(struct container_cache *cache);

/*
 * The container of these boundary paths; a new reference.  `group` is the same for all containers that
 * one outermost container can make; 0: not known, or they lie in none.  Then it is that of the cgroups
 * that lie in the same outermost one, and 0 for the roots.  -ENOENT when a cgroup vanished meanwhile.
 */
int container_get(struct container_cache *cache, const struct cgroup_paths *boundary,
		  uint64_t group, struct container **container);
/* Whether its cgroups are still there and, as far as the kernel tells, not empty. */
bool container_is_used(const struct container *container);
void container_put(struct container *container);

/*
 * Read a file of the boundary cgroup (level 0) or of its level-th ancestor, as far as the hierarchy's
 * root.  -ENODEV: no such hierarchy; -ENOENT: no such file, or no cgroup so far up.
 */
int container_read(const struct container *container, int hierarchy, unsigned level,
		   const char *file, struct arena *arena, struct lxcfs_text *text);
/* Number of ancestors in this hierarchy: 0 for its root. */
unsigned container_depth(const struct container *container, int hierarchy);

#endif
