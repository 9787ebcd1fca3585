/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The threads of a worker that serve requests. */
#ifndef LXCFS_CORE_SERVING_H
#define LXCFS_CORE_SERVING_H

#include <stdbool.h>

#include "server.h"

struct serving {
	struct server *server;
	struct server_thread *threads;
	unsigned thread_count; /* those that run */
	int ended;             /* eventfd: one of them ended, for the mount is gone */
};

/*
 * Serve what a predecessor left, then what comes, on so many threads.  The journal is open.  -errno, what
 * fails is not logged.
 */
int serving_start(struct serving *serving, struct server *server, unsigned threads);
/* Stop between requests; false: some are still in service after so long. */
bool serving_yield(struct serving *serving, int milliseconds);
void serving_resume(struct serving *serving);

#endif
