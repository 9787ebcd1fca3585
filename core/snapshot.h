/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snapshots: what a read at offset 0 rendered, kept for the reads at higher offsets.
 *
 * They belong to an open handle and to the thread that rendered, so that threads that share a
 * descriptor each go through one whole text.  Nothing depends on a snapshot: it may be dropped at any
 * time, and the text is rendered anew.  The store is bounded in number and bytes, in all and per outermost
 * container.  Any thread.
 */
#ifndef LXCFS_CORE_SNAPSHOT_H
#define LXCFS_CORE_SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "container.h"

struct snapshot {
	atomic_uint references;
	uint32_t tid;                   /* of the thread that rendered it */
	struct container_key container; /* whose numbers it holds */
	uint64_t group;                 /* of struct container; whoever keeps it sets it */
	size_t length;
	char data[];
};

struct snapshot_store;

struct snapshot_limits {
	size_t count;
	size_t bytes;
	size_t container_count;
	size_t container_bytes;
};

int snapshot_store_new(const struct snapshot_limits *limits, struct snapshot_store **store);
void snapshot_store_free(struct snapshot_store *store);

/* A new snapshot with a copy of the text and one reference; NULL without memory. */
struct snapshot *snapshot_new(uint32_t tid, const struct container_key *container, const char *data,
			      size_t length);
void snapshot_put(struct snapshot *snapshot);
void snapshot_cleanup(struct snapshot **snapshot);

/* Keep it for `handle`, in place of the thread's older one; takes a reference of its own. */
void snapshot_keep(struct snapshot_store *store, uint64_t handle, struct snapshot *snapshot);
/* The thread's own snapshot, else the newest of the handle, else NULL; a new reference. */
struct snapshot *snapshot_find(struct snapshot_store *store, uint64_t handle, uint32_t tid);
/* The handle was closed. */
void snapshot_drop(struct snapshot_store *store, uint64_t handle);

/* Kept now, for tests and for lxcfsctl. */
void snapshot_usage(struct snapshot_store *store, size_t *count, size_t *bytes);

#endif
