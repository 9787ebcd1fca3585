/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lengths.h"

#define ENTRIES ((size_t)16384)
/* An entry: a tag of whom it is about, and the length. */
#define LENGTH_BITS 26
#define LENGTH_MAX  (((uint64_t)1 << LENGTH_BITS) - 1)

size_t lengths_bytes(void)
{
	return ENTRIES * sizeof(uint64_t);
}

void lengths_open(const struct state *state, struct lengths *lengths)
{
	size_t length;

	lengths->entries = state_section(state, STATE_LENGTHS, &length);
	if (length < lengths_bytes())
		lengths->entries = NULL;
}

/* Every bit of the result depends on every bit of both (the finalizer of splitmix64). */
static uint64_t hash(uint64_t handle, uint32_t tid)
{
	uint64_t value = handle * 0x9e3779b97f4a7c15ull + tid;

	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ value >> 27) * 0x94d049bb133111ebull;
	return value ^ value >> 31;
}

void lengths_note(const struct lengths *lengths, uint64_t handle, uint32_t tid, size_t length)
{
	uint64_t key = hash(handle, tid);

	if (!lengths->entries || length > LENGTH_MAX)
		return;
	atomic_store_explicit(&lengths->entries[key % ENTRIES],
			      (key & ~LENGTH_MAX) | (uint64_t)length, memory_order_relaxed);
}

bool lengths_is_end(const struct lengths *lengths, uint64_t handle, uint32_t tid, uint64_t offset)
{
	uint64_t key = hash(handle, tid);
	uint64_t entry;

	if (!lengths->entries)
		return false;
	entry = atomic_load_explicit(&lengths->entries[key % ENTRIES], memory_order_relaxed);
	return entry != 0 && (entry & ~LENGTH_MAX) == (key & ~LENGTH_MAX) &&
	       offset >= (entry & LENGTH_MAX);
}
