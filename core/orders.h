/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Orders that were given to the keeper, by a signal or by a client of the control socket, until they are
 * done.  One at a time is obeyed.  An order that its worker did not live to finish is given to the next.
 */
#ifndef LXCFS_CORE_ORDERS_H
#define LXCFS_CORE_ORDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "channel.h"

#define ORDERS_MAX         32u
#define ORDERS_CLIENTS_MAX 16u
/* How often an order is given anew after its worker died. */
#define ORDERS_ATTEMPTS_MAX 3u

/* A control process: control.h. */
struct order_client {
	pid_t pid; /* 0: free */
	int channel;
};

struct order {
	enum message_kind kind;
	int status;
	int client; /* index; -1: a signal, or a client that is gone */
	unsigned attempts;
	char text[CHANNEL_TEXT_MAX];
};

struct orders {
	size_t count;
	struct order queue[ORDERS_MAX]; /* [0] is the one that is obeyed, or next */
	bool busy;                      /* it is being obeyed */
	int64_t deadline;               /* when whoever obeys must have said something */
	struct order_client clients[ORDERS_CLIENTS_MAX];
};

void orders_init(struct orders *orders);

/* -EBUSY: too many.  Owns `channel` on success. */
int orders_add_client(struct orders *orders, pid_t pid, int channel);
/* Whether there is room for one more. */
bool orders_take_clients(const struct orders *orders);
/* Its orders are done all the same, but nobody is told. */
void orders_forget_client(struct orders *orders, int client);

/*
 * From a signal: `client` -1.  A signal that asks for what is still to be done is dropped.  -EBUSY: too
 * many.
 */
int orders_add(struct orders *orders, enum message_kind kind, int status, const char *text,
	       int client);
/* The order to obey now, marked as such; NULL: none, or one is being obeyed. */
const struct order *orders_begin(struct orders *orders);
/* Tell who gave the order that is obeyed. */
void orders_tell(struct orders *orders, const char *line);
/* It is done: `status` 0, or -errno and why. */
void orders_finish(struct orders *orders, int status, const char *reason);
/*
 * Whoever obeyed it is gone: it is to be done again.  When that happens too often it fails with `reason`.
 */
void orders_retry(struct orders *orders, const char *reason);

#endif
