/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Node ids.
 *
 * The kernel names a node by its id for as long as anything refers to it, over every restart of the
 * daemon.  A registered path has an id that is a pure function of path and type (node_id_of_path).
 * A node below a subtree gets the next free id, written to the state memfd before it is given out;
 * ids are not taken back, so FORGET needs no count.  A name comes into the table only after its
 * plugin has said that it exists.
 */
#ifndef LXCFS_CORE_NODES_H
#define LXCFS_CORE_NODES_H

#include <stdbool.h>
#include <stdint.h>

#include "state.h"

/* Set in every id of the table, never in one of a registered path. */
#define NODE_ID_TABLE ((uint64_t)1 << 62)

/* `directory` is part of the hash: a path that changes its type is another node.  Never 0 or 1. */
uint64_t node_id_of_path(const char *path, bool directory);

struct nodes;

/* Loads what the section holds.  -ENOMEM. */
int nodes_open(const struct state *state, struct nodes **nodes);
void nodes_free(struct nodes *nodes);

/*
 * The id of `name` below `parent` (the id of the subtree's root or one of the table), given out now if
 * need be.  -ENOSPC: the table is full.  Any thread.
 */
int nodes_get(struct nodes *nodes, uint64_t parent, const char *name, uint64_t *id);
/* The id that it has already; -ENOENT.  Any thread. */
int nodes_look(struct nodes *nodes, uint64_t parent, const char *name, uint64_t *id);
/*
 * What a node of the table is (S_IFREG, S_IFDIR, S_IFLNK), as its plugin said last; 0: not known.  The
 * kernel gives up a node whose type changes, so it is needed when no plugin can be asked.  Any thread.
 */
void nodes_note_type(struct nodes *nodes, uint64_t id, uint32_t type);
uint32_t nodes_type(struct nodes *nodes, uint64_t id);
/* Parent and name of an id of the table; the name is valid as long as the table.  -ENOENT.  Any thread. */
int nodes_find(struct nodes *nodes, uint64_t id, uint64_t *parent, const char **name);

#endif
