/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Periodic callbacks of plugins, all on one thread, which is there once one was started and sleeps while none is.
 */
#ifndef LXCFS_CORE_TIMERS_H
#define LXCFS_CORE_TIMERS_H

#include <stdint.h>

#include "lxcfs/plugin.h"

struct ledger;
struct timers;

/* What the thread is hit by in a callback is marked in the ledger; NULL: nowhere. */
int timers_new(struct ledger *ledger, struct timers **timers);
void timers_free(struct timers *timers);

/* See lxcfs_host.timer_start and timer_stop. */
int timers_start(struct timers *timers, const struct lxcfs_host *owner, uint64_t period,
		 lxcfs_timer_function function, void *argument, uint64_t *id);
void timers_stop(struct timers *timers, const struct lxcfs_host *owner, uint64_t id);
/* Forget all timers of an owner; when it returns no callback of it runs. */
void timers_stop_owner(struct timers *timers, const struct lxcfs_host *owner);

#endif
