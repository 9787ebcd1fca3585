/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The thread that goes into cgroup namespaces.
 *
 * A namespace shows each process's cgroup as seen from its own root, so a thread that enters one learns
 * from its *own* path how deep the root lies: nothing that a container does can move that thread.  Threads
 * that render never change a namespace.
 */
#ifndef LXCFS_CORE_RESOLVER_H
#define LXCFS_CORE_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>

#include "hierarchy.h"
#include "hostfs.h"

struct resolver;

/* What was seen from inside of a cgroup namespace, by hierarchy. */
struct resolver_view {
	bool known[HIERARCHY_MAX];
	unsigned depth[HIERARCHY_MAX]; /* of the namespace's root below the hierarchy's */
	/*
	 * Whether the thread `tid` stood at the root or below it, and what its path was then, as seen
	 * from the root ("/" for the root itself).
	 */
	bool below[HIERARCHY_MAX];
	char *path[HIERARCHY_MAX]; /* in the caller's arena */
};

int resolver_new(const struct hostfs *hostfs, struct resolver **resolver);
void resolver_free(struct resolver *resolver);

/*
 * Look around in the cgroup namespace behind `namespace_fd`.  Any thread; one at a time gets in.  -errno
 * when it cannot be entered.
 */
int resolver_look(struct resolver *resolver, int namespace_fd, uint32_t tid, struct arena *arena,
		  struct resolver_view *view);

#endif
