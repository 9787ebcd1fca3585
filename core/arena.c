/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Of one chunk.  What does not fit gets a chunk of its own size. */
#define CHUNK_BYTES ((size_t)512 << 10)

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	size_t used;
	alignas(max_align_t) unsigned char data[];
};

static struct arena_chunk *new_chunk(size_t size)
{
	struct arena_chunk *chunk = malloc(sizeof(*chunk) + size);

	if (!chunk)
		return NULL;
	chunk->next = NULL;
	chunk->size = size;
	chunk->used = 0;
	return chunk;
}

static bool has_room(const struct arena_chunk *chunk, size_t size)
{
	return chunk && chunk->size - chunk->used >= size;
}

/*
 * The first chunk always has the usual size, also when the first piece is larger: it is the one that
 * stays over a reset.
 */
static bool prepare(struct arena *arena)
{
	if (arena->first)
		return true;
	arena->first = new_chunk(CHUNK_BYTES);
	arena->current = arena->first;
	return arena->first != NULL;
}

/*
 * Small pieces go on filling the current chunk after a large one got a chunk for itself: that one is
 * linked in behind it, and is full.
 */
static struct arena_chunk *chunk_for(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk;

	if (has_room(arena->current, size))
		return arena->current;
	chunk = new_chunk(size > CHUNK_BYTES ? size : CHUNK_BYTES);
	if (!chunk)
		return NULL;
	chunk->next = arena->current->next;
	arena->current->next = chunk;
	if (size < CHUNK_BYTES)
		arena->current = chunk;
	return chunk;
}

void *arena_allocate(struct arena *arena, size_t size)
{
	const size_t unit = alignof(max_align_t);
	struct arena_chunk *chunk;
	void *piece;

	if (size > ARENA_LIMIT)
		return NULL;
	/* A piece of no bytes has an address of its own, as every other. */
	size = size == 0 ? unit : (size + unit - 1) / unit * unit;
	if (size > ARENA_LIMIT - arena->used || !prepare(arena))
		return NULL;
	chunk = chunk_for(arena, size);
	if (!chunk)
		return NULL;
	piece = chunk->data + chunk->used;
	chunk->used += size;
	arena->used += size;
	return piece;
}

void *arena_allocate_array(struct arena *arena, size_t count, size_t size)
{
	void *piece;

	if (size != 0 && count > ARENA_LIMIT / size)
		return NULL;
	piece = arena_allocate(arena, count * size);
	if (piece)
		memset(piece, 0, count * size);
	return piece;
}

static void free_chunks(struct arena_chunk *chunk)
{
	while (chunk) {
		struct arena_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

void arena_reset(struct arena *arena)
{
	arena->used = 0;
	if (!arena->first)
		return;
	free_chunks(arena->first->next);
	arena->first->next = NULL;
	arena->first->used = 0;
	arena->current = arena->first;
}

void arena_free(struct arena *arena)
{
	free_chunks(arena->first);
	*arena = (struct arena){0};
}
