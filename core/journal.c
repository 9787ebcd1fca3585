/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

#include <linux/fuse.h>
#include <string.h>

/* Set in the number of a request that the kernel sends again (Linux 6.9). */
#ifndef FUSE_UNIQUE_RESEND
#define FUSE_UNIQUE_RESEND (UINT64_C(1) << 63)
#endif

_Static_assert(sizeof(struct journal_mark) == 40, "marks are an array in shared memory");

size_t journal_bytes(void)
{
	return JOURNAL_SLOTS * (JOURNAL_SLOT_BYTES + sizeof(struct journal_mark));
}

void journal_open(struct journal *journal, const struct state *state)
{
	size_t length;

	journal->slots = state_section(state, STATE_JOURNAL, &length);
	journal->marks = (struct journal_mark *)(journal->slots +
						 (size_t)JOURNAL_SLOTS * JOURNAL_SLOT_BYTES);
	pthread_mutex_init(&journal->lock, NULL);
	journal->free_count = 0;
	/* Slots that hold a request of the predecessor are given back when they were replayed. */
	for (unsigned slot = JOURNAL_SLOTS; slot > 0; slot--)
		if (journal_length(journal, (int)slot - 1) == 0)
			journal->free[journal->free_count++] = (uint16_t)(slot - 1);
}

void journal_close(struct journal *journal)
{
	pthread_mutex_destroy(&journal->lock);
}

int journal_take(struct journal *journal)
{
	int slot = -1;

	pthread_mutex_lock(&journal->lock);
	if (journal->free_count > 0)
		slot = journal->free[--journal->free_count];
	pthread_mutex_unlock(&journal->lock);
	return slot;
}

void journal_give_back(struct journal *journal, int slot)
{
	pthread_mutex_lock(&journal->lock);
	journal->free[journal->free_count++] = (uint16_t)slot;
	pthread_mutex_unlock(&journal->lock);
}

void *journal_request(const struct journal *journal, int slot)
{
	return journal->slots + (size_t)slot * JOURNAL_SLOT_BYTES;
}

void journal_clear(struct journal *journal, int slot)
{
	memset(journal_request(journal, slot), 0, sizeof(struct fuse_in_header));
}

struct journal_mark *journal_mark(const struct journal *journal, int slot)
{
	const struct fuse_in_header *header = journal_request(journal, slot);
	struct journal_mark *mark = &journal->marks[slot];
	uint64_t unique = header->unique & ~FUSE_UNIQUE_RESEND;

	if (atomic_load_explicit(&mark->unique, memory_order_relaxed) == unique)
		return mark;
	atomic_store_explicit(&mark->charges, 0, memory_order_relaxed);
	atomic_store_explicit(&mark->signal, 0, memory_order_relaxed);
	atomic_store_explicit(&mark->replays, 0, memory_order_relaxed);
	atomic_store_explicit(&mark->entered, 0, memory_order_relaxed);
	atomic_store_explicit(&mark->plugin, 0, memory_order_relaxed);
	atomic_store_explicit(&mark->group, 0, memory_order_relaxed);
	atomic_store_explicit(&mark->unique, unique, memory_order_release);
	return mark;
}

size_t journal_length(const struct journal *journal, int slot)
{
	const struct fuse_in_header *header = journal_request(journal, slot);

	if (header->unique == 0 || header->len < sizeof(*header) ||
	    header->len > JOURNAL_SLOT_BYTES)
		return 0;
	return header->len;
}
