/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory of one request: allocated piece by piece, given back all at once.
 *
 * An arena belongs to one thread.  arena_reset() keeps the first chunk, so that a thread that serves
 * requests of the usual size does not go to malloc for each of them.
 */
#ifndef LXCFS_CORE_ARENA_H
#define LXCFS_CORE_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *first;
	struct arena_chunk *current;
	size_t used; /* bytes handed out since the last reset */
};

/* Most bytes that one arena hands out between two resets. */
#define ARENA_LIMIT ((size_t)64 << 20)

/*
 * `size` bytes, aligned for any type, not zeroed; NULL without memory or beyond ARENA_LIMIT.
 * An arena that is all zero is ready to use.
 */
void *arena_allocate(struct arena *arena, size_t size);
/* The same, zeroed, for `count` members; NULL also when count * size overflows. */
void *arena_allocate_array(struct arena *arena, size_t count, size_t size);
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

#endif
