/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a daemon can tell of itself, from the state memfd alone: it works when no worker does.  The members
 * are those of interface.c.
 */
#ifndef LXCFS_CORE_STATUS_H
#define LXCFS_CORE_STATUS_H

#include "ledger.h"
#include "state.h"

struct json_object;

/* Of the method Status.  NULL: no memory. */
struct json_object *status_report(const struct state *state, const struct ledger *ledger);
/* Of the method Plugins. */
struct json_object *status_plugins(const struct ledger *ledger);

#endif
