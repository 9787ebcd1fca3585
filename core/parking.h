/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stopping the threads that serve between two requests, and letting them go on.
 *
 * A thread that waits for a request in read(2) is interrupted by a signal; one that serves a request ends
 * that first.
 */
#ifndef LXCFS_CORE_PARKING_H
#define LXCFS_CORE_PARKING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct server_thread;

struct parking {
	atomic_bool wanted;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned parked;
};

/* Set up, also the signal. */
int parking_open(struct parking *parking);

/* A thread that serves, before it reads the next request. */
static inline bool parking_is_wanted(const struct parking *parking)
{
	return atomic_load_explicit(&parking->wanted, memory_order_relaxed);
}
/* Until it may go on. */
void parking_wait(struct parking *parking);

/*
 * Stop these threads; waits at most so long.  false: not all of them have ended what they serve.  They
 * stay stopped until parking_end().
 */
bool parking_begin(struct parking *parking, struct server_thread *threads, size_t count,
		   int milliseconds);
void parking_end(struct parking *parking);

#endif
