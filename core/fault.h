/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When a request kills its worker.
 *
 * A fatal signal, or a rendering that runs longer than `render-timeout`, ends the worker.  Before that
 * the thread that did it writes the signal beside its own journal slot, or in the ledger if it serves no
 * request, and tells the keeper, who charges the plugin that the thread was in (ledger.h).  One that runs
 * too long may sit in the kernel: another thread does that for it.  The successor
 * serves the request again, once; when it was charged twice it is answered as a failed rendering instead.
 */
#ifndef LXCFS_CORE_FAULT_H
#define LXCFS_CORE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "generation.h"
#include "server.h"

/* Charges after which a request is not rendered any more. */
#define FAULT_CHARGES_MAX 2u
/* How often a request may be begun anew by successors that then died of something else. */
#define FAULT_REPLAYS_MAX 8u

/*
 * Catch fatal signals of the whole process, and watch the clocks; before there is any other thread.
 * `channel` to the keeper, -1: none.
 */
int fault_catch(int channel);
/* For the calling thread: an alternate stack, and the clock of `timeout` milliseconds (0: none). */
int fault_thread_open(struct server_thread *thread, uint32_t timeout);

/* The same for a thread that calls plugins outside of any request; without a ledger it does nothing. */
int fault_outside_open(struct ledger *ledger, enum ledger_thread thread);

/* Around the serving of a request. */
void fault_begin(struct server_thread *thread);
void fault_end(struct server_thread *thread);
/*
 * Around the wait for the lock of a plugin that takes one call at a time, by any thread.  To have waited
 * for others is not held against a request, unless one of them does not come back.
 */
void fault_wait(const struct generation *generation);
void fault_go_on(const struct generation *generation);
/*
 * The calling thread is in the code of the plugin of this row of the ledger (-1: it has none yet).  With
 * a request it stays the one that ran last, for what a plugin spoils is often hit only after it.
 */
void fault_enter_plugin(int row);
void fault_leave_plugin(void);
/*
 * The same for a thread outside of requests that loads other code (ledger_enter_trial()) than what serves.
 */
void fault_enter_trial(int row, uint64_t code);
/* Whether the code of this plugin must not be called for what the thread serves. */
bool fault_is_quarantined(const struct server_thread *thread, const struct generation *generation);
/* Whether the request that the thread serves has killed too many workers to call a plugin for it. */
bool fault_is_charged(const struct server_thread *thread);
/* Whether it killed one more after that, when no plugin was called. */
bool fault_is_hopeless(const struct server_thread *thread);

#endif
