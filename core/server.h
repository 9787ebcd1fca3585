/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the threads of a worker share, and what each has for itself.
 *
 * Set up by the control thread before the first request is read.  Afterwards only `catalog` changes.
 */
#ifndef LXCFS_CORE_SERVER_H
#define LXCFS_CORE_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "arena.h"
#include "caller.h"
#include "catalog.h"
#include "hostapi.h"
#include "journal.h"
#include "ledger.h"
#include "lengths.h"
#include "nodes.h"
#include "parking.h"
#include "polls.h"
#include "quiescence.h"
#include "request.h"
#include "services.h"
#include "snapshot.h"
#include "state.h"

struct fuse_session;
struct generation;

struct server {
	int fuse_fd;
	struct state state;
	struct journal journal;
	struct ledger ledger; /* without a section in `lxcfs render` */
	struct nodes *nodes;
	struct snapshot_store *snapshots;
	struct lengths lengths;
	struct quiescence *quiescence;
	struct caller_resolver *resolver;
	struct services services;
	_Atomic(struct catalog *) catalog;
	struct fuse_session *session;
	struct parking parking;
	uint32_t render_timeout; /* milliseconds, 0: none */
	bool replaying_init;     /* the reply to FUSE_INIT is for us, not for the kernel */
	bool initializing;       /* what libfuse writes now is that reply */
	bool initialized;        /* libfuse has processed FUSE_INIT */
	bool init_refused;       /* and was not the one that the kernel has from the predecessor */
};

/* How long a request may take: fault.h.  Read by a signal handler of the thread, and by another thread. */
struct thread_clock {
	timer_t timer;
	uint64_t timeout; /* nanoseconds; 0: none */
	_Atomic uint64_t started;
	atomic_bool busy;
	atomic_bool armed;
	/* The row of the plugin whose lock is waited for, + 1; 0: none is. */
	_Atomic uint32_t waits_for;
	uint64_t late; /* the request that was found late; only for who looks at the clocks */
};

/* One thread that serves requests. */
struct server_thread {
	struct server *server;
	pthread_t thread;
	const void *context; /* of whoever started it */
	int reader;          /* its place in quiescence */
	int slot;            /* of the journal: the request that it reads into or serves */
	struct thread_clock clock;
	const struct catalog *catalog; /* during a request */
	struct arena arena;
	struct lxcfs_output output;
	struct lxcfs_directory directory;
	struct request request;
	struct caller caller;
};

/* The thread that runs now. */
struct server_thread *server_thread_current(void);
void server_thread_set_current(struct server_thread *thread);

#endif
