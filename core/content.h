/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a reader gets: who asks, rendering, and the answer when rendering fails.
 *
 * All functions work on the request of the calling thread.
 */
#ifndef LXCFS_CORE_CONTENT_H
#define LXCFS_CORE_CONTENT_H

#include <stdint.h>

#include "target.h"

/* The asking thread, from the FUSE header. */
struct asker {
	uint32_t tid;
	uint32_t uid;
	uint32_t gid;
};

/*
 * Find out who asks and fill thread->request; the container's reference is held until
 * content_finish().  -EIO: nobody knows who asks.
 */
int content_begin(struct server_thread *thread, const struct target *target,
		  const struct asker *asker, uint64_t handle);
/* The same for a container that is known already; takes over the reference in *caller. */
void content_begin_for(struct server_thread *thread, const struct target *target,
		       struct caller *caller, const struct policy *policy, uint64_t handle);
/* The same without a container: a handle that is closed has no reader. */
void content_begin_anonymous(struct server_thread *thread, const struct target *target,
			     uint64_t handle);
void content_finish(struct server_thread *thread);

/* Render into thread->output.  The error is what the reader gets. */
int content_render(struct server_thread *thread, const struct target *target);
/* List into thread->directory, "." and ".." included. */
int content_list(struct server_thread *thread, const struct target *target);
/* Whether this container may open the node. */
int content_open(struct server_thread *thread, const struct target *target, uint32_t flags);

#endif
