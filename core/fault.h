/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When a request kills its worker.
 *
 * A fatal signal, or a rendering that runs longer than `render-timeout`, ends the worker.  Before that
 * the thread that did it writes the signal beside its own journal slot.  The successor serves the request
 * again, once; when it was charged twice it is answered as a failed rendering instead.
 */
#ifndef LXCFS_CORE_FAULT_H
#define LXCFS_CORE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "server.h"

/* Charges after which a request is not rendered any more. */
#define FAULT_CHARGES_MAX 2u
/* How often a request may be begun anew by successors that then died of something else. */
#define FAULT_REPLAYS_MAX 8u

/* Catch fatal signals of the whole process. */
int fault_catch(void);
/* For the calling thread: an alternate stack, and the clock of `timeout` milliseconds (0: none). */
int fault_thread_open(struct server_thread *thread, uint32_t timeout);

/* Around the serving of a request. */
void fault_begin(struct server_thread *thread);
void fault_end(struct server_thread *thread);
/* Whether the request that the thread serves has killed too many workers. */
bool fault_is_charged(const struct server_thread *thread);

#endif
