/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal: every request that was read and not yet answered, in the state memfd.
 *
 * The kernel copies a request straight into a slot; the slot is cleared after the reply.  So whatever
 * kills a worker, its successor finds what was in service.  There are more slots than threads: a
 * request may be put aside in its slot while the thread reads the next one into another.
 */
#ifndef LXCFS_CORE_JOURNAL_H
#define LXCFS_CORE_JOURNAL_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "state.h"

#define JOURNAL_SLOTS      256u
#define JOURNAL_SLOT_BYTES 16384u

/* Beside each slot.  Written by the thread that owns the slot, also from a signal handler. */
struct journal_mark {
	_Atomic uint32_t charges; /* faults of the thread that served this very request */
	_Atomic uint32_t signal;  /* the last of them */
	_Atomic uint32_t replays; /* successors that began to serve it anew */
	_Atomic uint32_t entered; /* of the charges: those that the ledger has */
	_Atomic uint64_t unique;  /* of the request that this is about */
	/* The plugin whose code was called for it, and for whom; kept until the request is answered. */
	_Atomic uint64_t group;  /* outermost container, or LEDGER_NO_READER */
	_Atomic uint32_t plugin; /* row in the ledger, + 1; 0: none yet */
	uint32_t reserved;
};

struct journal {
	unsigned char *slots;
	struct journal_mark *marks;
	pthread_mutex_t lock;
	unsigned free_count;
	uint16_t free[JOURNAL_SLOTS];
};

size_t journal_bytes(void);
void journal_open(struct journal *journal, const struct state *state);
void journal_close(struct journal *journal);

/* An empty slot, or -1 when all are in use.  Any thread. */
int journal_take(struct journal *journal);
void journal_give_back(struct journal *journal, int slot);

/*
 * The mark of the request that a slot holds; one that was left by an earlier request is emptied first.
 * Safe in a signal handler.
 */
struct journal_mark *journal_mark(const struct journal *journal, int slot);

/* JOURNAL_SLOT_BYTES bytes to read a request into. */
void *journal_request(const struct journal *journal, int slot);
/* Forget the request of a slot. */
void journal_clear(struct journal *journal, int slot);
/* Length of the request that a slot holds: 0 when it is empty or holds no whole request. */
size_t journal_length(const struct journal *journal, int slot);

#endif
