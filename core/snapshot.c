/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "snapshot.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SHARDS          64u
#define BUCKETS         256u /* per shard */
#define OWNERS          4096u
#define PER_HANDLE      8u  /* threads that share one handle and each have a text */
#define EVICTION_SEARCH 64u /* entries looked at for one of the same container */

struct entry {
	struct entry *bucket_next;
	struct entry *older;
	struct entry *newer;
	uint64_t handle;
	struct snapshot *snapshot;
	uint32_t owner;
};

struct shard {
	pthread_mutex_t lock;
	struct entry *buckets[BUCKETS];
	struct entry *oldest;
	struct entry *newest;
};

/* What a container holds.  Containers that share a place by their hash share a limit. */
struct owner {
	atomic_size_t count;
	atomic_size_t bytes;
};

struct snapshot_store {
	struct snapshot_limits limits;
	atomic_size_t count;
	atomic_size_t bytes;
	struct owner owners[OWNERS];
	struct shard shards[SHARDS];
};

static uint64_t mix(uint64_t value)
{
	value = (value ^ (value >> 31)) * 0x7fb5d329728ea185ull;
	value = (value ^ (value >> 27)) * 0x81dadef4bc2dd44dull;
	return value ^ (value >> 33);
}

static struct shard *shard_of(struct snapshot_store *store, uint64_t handle)
{
	return &store->shards[mix(handle) % SHARDS];
}

static struct entry **bucket_of(struct shard *shard, uint64_t handle)
{
	return &shard->buckets[mix(handle) / SHARDS % BUCKETS];
}

static uint32_t owner_of(const struct snapshot *snapshot)
{
	const struct container_key *container = &snapshot->container;
	uint64_t hash = 0;

	/* One that lies in another container shares its bound; in one cgroup may lie many. */
	if (snapshot->group != 0 && !(snapshot->group & CONTAINER_GROUP_CGROUP))
		return (uint32_t)(mix(snapshot->group) % OWNERS);

	for (size_t index = 0; index < HIERARCHY_MAX; index++)
		hash = mix(hash + container->inode[index]);
	return (uint32_t)(hash % OWNERS);
}

int snapshot_store_new(const struct snapshot_limits *limits, struct snapshot_store **created)
{
	struct snapshot_store *store = calloc(1, sizeof(*store));

	if (!store)
		return -ENOMEM;
	store->limits = *limits;
	for (size_t index = 0; index < SHARDS; index++)
		pthread_mutex_init(&store->shards[index].lock, NULL);
	*created = store;
	return 0;
}

struct snapshot *snapshot_new(uint32_t tid, const struct container_key *container, const char *data,
			      size_t length)
{
	struct snapshot *snapshot = malloc(sizeof(*snapshot) + length);

	if (!snapshot)
		return NULL;
	atomic_init(&snapshot->references, 1);
	snapshot->tid = tid;
	snapshot->container = *container;
	snapshot->group = 0;
	snapshot->length = length;
	if (length != 0)
		memcpy(snapshot->data, data, length);
	return snapshot;
}

void snapshot_put(struct snapshot *snapshot)
{
	if (snapshot && atomic_fetch_sub(&snapshot->references, 1) == 1)
		free(snapshot);
}

void snapshot_cleanup(struct snapshot **snapshot)
{
	snapshot_put(*snapshot);
}

static void link_newest(struct shard *shard, struct entry *entry)
{
	entry->newer = NULL;
	entry->older = shard->newest;
	if (shard->newest)
		shard->newest->newer = entry;
	else
		shard->oldest = entry;
	shard->newest = entry;
}

static void unlink_entry(struct shard *shard, struct entry *entry)
{
	struct entry **link = bucket_of(shard, entry->handle);

	while (*link != entry)
		link = &(*link)->bucket_next;
	*link = entry->bucket_next;
	if (entry->older)
		entry->older->newer = entry->newer;
	else
		shard->oldest = entry->newer;
	if (entry->newer)
		entry->newer->older = entry->older;
	else
		shard->newest = entry->older;
}

static size_t size_of(const struct entry *entry)
{
	return sizeof(*entry) + sizeof(*entry->snapshot) + entry->snapshot->length;
}

static void account(struct snapshot_store *store, const struct entry *entry, bool added)
{
	struct owner *owner = &store->owners[entry->owner];
	size_t bytes = size_of(entry);
	size_t one = added ? 1 : (size_t)-1;
	size_t size = added ? bytes : 0 - bytes;

	atomic_fetch_add(&store->count, one);
	atomic_fetch_add(&store->bytes, size);
	atomic_fetch_add(&owner->count, one);
	atomic_fetch_add(&owner->bytes, size);
}

static void remove_entry(struct snapshot_store *store, struct shard *shard, struct entry *entry)
{
	unlink_entry(shard, entry);
	account(store, entry, false);
	snapshot_put(entry->snapshot);
	free(entry);
}

void snapshot_store_free(struct snapshot_store *store)
{
	if (!store)
		return;
	for (size_t index = 0; index < SHARDS; index++) {
		struct shard *shard = &store->shards[index];

		while (shard->oldest)
			remove_entry(store, shard, shard->oldest);
		pthread_mutex_destroy(&shard->lock);
	}
	free(store);
}

static struct entry *oldest_of_owner(const struct shard *shard, uint32_t owner)
{
	struct entry *entry = shard->oldest;

	for (unsigned step = 0; entry && step < EVICTION_SEARCH; step++, entry = entry->newer)
		if (entry->owner == owner)
			return entry;
	return NULL;
}

static bool has_room(size_t count, size_t bytes, size_t more, size_t count_limit,
		     size_t bytes_limit)
{
	return count < count_limit && bytes < bytes_limit && more <= bytes_limit - bytes;
}

/*
 * Make room for one more entry.  A container over its share makes room from its own; false when there
 * is nothing of it near: then the new text is not kept.
 */
static bool make_room(struct snapshot_store *store, struct shard *shard, const struct entry *entry)
{
	const struct snapshot_limits *limits = &store->limits;
	struct owner *holds = &store->owners[entry->owner];
	size_t more = size_of(entry);

	while (!has_room(atomic_load(&holds->count), atomic_load(&holds->bytes), more,
			 limits->container_count, limits->container_bytes)) {
		struct entry *victim = oldest_of_owner(shard, entry->owner);

		if (!victim)
			return false;
		remove_entry(store, shard, victim);
	}
	while (!has_room(atomic_load(&store->count), atomic_load(&store->bytes), more,
			 limits->count, limits->bytes)) {
		if (!shard->oldest)
			return false;
		remove_entry(store, shard, shard->oldest);
	}
	return true;
}

/* Take away what the new entry replaces: the thread's older text, or the oldest of too many. */
static void replace(struct snapshot_store *store, struct shard *shard, uint64_t handle,
		    uint32_t tid)
{
	struct entry *last = NULL;
	struct entry *same = NULL;
	unsigned count = 0;

	for (struct entry *entry = *bucket_of(shard, handle); entry; entry = entry->bucket_next) {
		if (entry->handle != handle)
			continue;
		count++;
		last = entry;
		if (entry->snapshot->tid == tid)
			same = entry;
	}
	if (same)
		remove_entry(store, shard, same);
	else if (count >= PER_HANDLE)
		remove_entry(store, shard, last);
}

void snapshot_keep(struct snapshot_store *store, uint64_t handle, struct snapshot *snapshot)
{
	struct shard *shard = shard_of(store, handle);
	struct entry *entry = malloc(sizeof(*entry));
	struct entry **bucket;

	if (!entry)
		return;
	entry->handle = handle;
	entry->snapshot = snapshot;
	entry->owner = owner_of(snapshot);
	pthread_mutex_lock(&shard->lock);
	replace(store, shard, handle, snapshot->tid);
	if (make_room(store, shard, entry)) {
		atomic_fetch_add(&snapshot->references, 1);
		bucket = bucket_of(shard, handle);
		entry->bucket_next = *bucket;
		*bucket = entry;
		link_newest(shard, entry);
		account(store, entry, true);
		entry = NULL;
	}
	pthread_mutex_unlock(&shard->lock);
	free(entry);
}

struct snapshot *snapshot_find(struct snapshot_store *store, uint64_t handle, uint32_t tid)
{
	struct shard *shard = shard_of(store, handle);
	struct entry *found = NULL;
	struct snapshot *snapshot = NULL;

	pthread_mutex_lock(&shard->lock);
	for (struct entry *entry = *bucket_of(shard, handle); entry; entry = entry->bucket_next) {
		if (entry->handle != handle)
			continue;
		if (!found || entry->snapshot->tid == tid)
			found = entry;
		if (found->snapshot->tid == tid)
			break;
	}
	if (found) {
		snapshot = found->snapshot;
		atomic_fetch_add(&snapshot->references, 1);
	}
	pthread_mutex_unlock(&shard->lock);
	return snapshot;
}

void snapshot_drop(struct snapshot_store *store, uint64_t handle)
{
	struct shard *shard = shard_of(store, handle);
	struct entry *next;

	pthread_mutex_lock(&shard->lock);
	for (struct entry *entry = *bucket_of(shard, handle); entry; entry = next) {
		next = entry->bucket_next;
		if (entry->handle == handle)
			remove_entry(store, shard, entry);
	}
	pthread_mutex_unlock(&shard->lock);
}

void snapshot_usage(struct snapshot_store *store, size_t *count, size_t *bytes)
{
	*count = atomic_load(&store->count);
	*bytes = atomic_load(&store->bytes);
}
