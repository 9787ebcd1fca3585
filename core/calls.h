/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client of the control socket asks and orders: see interface.c.
 *
 * Questions are answered from the state memfd.  Orders go to the keeper, and what it says meanwhile comes
 * back to the client.
 */
#ifndef LXCFS_CORE_CALLS_H
#define LXCFS_CORE_CALLS_H

#include "ledger.h"
#include "state.h"
#include "varlink.h"

struct json_object;

struct control {
	struct varlink client;
	int channel; /* to the keeper */
	struct state state;
	struct ledger ledger;
};

/* Answer one message.  Not 0: client or keeper is gone. */
int calls_answer(struct control *control, struct json_object *message);
/* Say that what came is no message. */
int calls_refuse_message(struct control *control);

#endif
