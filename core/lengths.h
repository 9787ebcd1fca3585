/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long the text was that a thread was last given through a handle, in the state memfd.
 *
 * A program reads a file until a read gives nothing.  When the snapshot is gone by then (its worker died, or
 * room was needed) the text is rendered anew; it may have grown meanwhile, and its tail would be taken for
 * more of the old one.  By this table such a read finds that it is at the end.
 *
 * A hashed table without locks: an entry that another one displaced is as if it had never been.  Any
 * thread.
 */
#ifndef LXCFS_CORE_LENGTHS_H
#define LXCFS_CORE_LENGTHS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state.h"

struct lengths {
	_Atomic uint64_t *entries; /* NULL: nothing is remembered */
};

size_t lengths_bytes(void);
void lengths_open(const struct state *state, struct lengths *lengths);

void lengths_note(const struct lengths *lengths, uint64_t handle, uint32_t tid, size_t length);
/* Whether this text is known, and ends at or before `offset`. */
bool lengths_is_end(const struct lengths *lengths, uint64_t handle, uint32_t tid, uint64_t offset);

#endif
