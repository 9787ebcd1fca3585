/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is asking: from the thread id in a FUSE request to the container.
 *
 * The rules, in this order (doc/architecture.md has the reasons):
 *   1. The reader's cgroup namespace is not the daemon's: the container is the root of it.
 *   2. Else its pid namespace is not the host's, and per hierarchy its cgroup is that of the
 *      namespace's pid 1 or below it: pid 1's cgroup, without a last "init.scope".
 *   3. Else the reader's own cgroup.
 * A reader that stands outside of its cgroup namespace's root is its own cgroup, too (3).  The root of a
 * hierarchy is no container's boundary in rule 2.
 * A namespace link that cannot be read means rule 3, never a failure.
 *
 * Cached answers are tied to a namespace descriptor, so that a recycled pid or inode
 * number never shows another container's data.  All functions may be called from any thread.
 */
#ifndef LXCFS_CORE_CALLER_H
#define LXCFS_CORE_CALLER_H

#include <stdbool.h>
#include <stdint.h>

#include "container.h"
#include "hostfs.h"
#include "policy.h"

struct caller {
	struct container *container; /* a reference of the caller's */
	/*
	 * The first process of the reader's pid namespace, in the host's numbers: what the age of
	 * the container is taken from.  0: the reader is in the host's pid namespace.
	 */
	uint32_t init_pid;
	/* It is in the host's cgroup and pid namespaces, as any process that no container holds. */
	bool in_host_namespaces;
};

struct caller_resolver;

/* `limit` bounds the containers and namespaces that are remembered. */
int caller_resolver_new(const struct hostfs *hostfs, unsigned limit,
			struct caller_resolver **resolver);
void caller_resolver_free(struct caller_resolver *resolver);

/*
 * Who is the thread `tid` of the host's pid namespace?  `arena` holds what is read on the way.
 * -ESRCH: no such thread (0 included).
 */
int caller_identify(struct caller_resolver *resolver, uint32_t tid, enum identity_policy identity,
		    struct arena *arena, struct caller *caller);
void caller_release(struct caller *caller);

/*
 * Becomes readable when what is remembered of some container may be of no use any more; -1: never.  Then
 * caller_take_events() lets go of it, so that the kernel can free the cgroup.
 */
int caller_event_fd(const struct caller_resolver *resolver);
void caller_take_events(struct caller_resolver *resolver);

#endif
