/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who owns the connection: the one worker that may read and answer requests, and use what is shared in the
 * state memfd.
 *
 * The owner stands in the state memfd.  A keeper names the next one before it lets it serve; a worker that
 * yields names its heir.  When keepers are killed there may be workers that nobody minds any more: such a
 * one may only take the place of an owner that is dead.
 */
#ifndef LXCFS_CORE_OWNERSHIP_H
#define LXCFS_CORE_OWNERSHIP_H

#include <stdbool.h>
#include <sys/types.h>

#include "state.h"

/* Whether the owner lives. */
bool ownership_is_held(const struct state *state);

/* In a worker: be the owner, if it is named or nobody alive is.  -EBUSY. */
int ownership_claim(const struct state *state);
/* In the owner, when it has stopped: `heir` is the next one; 0: whoever comes first. */
void ownership_yield(const struct state *state, pid_t heir);

/*
 * In the keeper: `heir` is the next one.  An owner that lives is ended: it is a worker that another keeper
 * left.  Not `predecessor`, which is past running.
 */
void ownership_pass(const struct state *state, pid_t predecessor, pid_t heir);

#endif
