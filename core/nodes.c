/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nodes.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define NODES_VERSION 1u
#define NAME_LIMIT    255u

/* The section: this header, then records one behind the other. */
struct nodes_header {
	uint32_t size;
	uint32_t version;
	_Atomic uint64_t used; /* bytes of records; moved on after a record is whole */
};

struct node_record {
	uint64_t parent;
	uint32_t size;         /* of the record, a multiple of 8 */
	_Atomic uint32_t type; /* 0: not known */
	char name[];           /* NUL-terminated */
};

struct nodes {
	struct nodes_header *header;
	unsigned char *records;
	size_t capacity;
	pthread_rwlock_t lock;
	uint64_t count;
	uint64_t allocated;    /* of `offsets` */
	uint64_t *offsets;     /* [count] where the record of id NODE_ID_TABLE + index lies */
	uint64_t *buckets;     /* [bucket_count] index + 1 of a record, 0: empty; open addressing */
	uint64_t bucket_count; /* a power of two */
};

/* FNV-1a, 64 bits: the ids of registered paths, whose collisions are refused when they are registered. */
#define FNV_OFFSET 0xcbf29ce484222325ull
#define FNV_PRIME  0x100000001b3ull

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t length)
{
	const unsigned char *bytes = data;

	for (size_t index = 0; index < length; index++)
		hash = (hash ^ bytes[index]) * FNV_PRIME;
	return hash;
}

uint64_t node_id_of_path(const char *path, bool directory)
{
	uint64_t hash = hash_bytes(FNV_OFFSET, path, strlen(path));

	hash = hash_bytes(hash, directory ? "/" : "", 1);
	hash &= NODE_ID_TABLE - 1;
	return hash <= 1 ? hash + 2 : hash;
}

static struct node_record *record_at(const struct nodes *nodes, uint64_t index)
{
	return (struct node_record *)(nodes->records + nodes->offsets[index]);
}

static uint64_t bucket_of(const struct nodes *nodes, uint64_t parent, const char *name)
{
	uint64_t hash = hash_bytes(FNV_OFFSET, &parent, sizeof(parent));

	hash = hash_bytes(hash, name, strlen(name));
	return hash & (nodes->bucket_count - 1);
}

/* The bucket that holds the node, or the empty one where it belongs. */
static uint64_t find_bucket(const struct nodes *nodes, uint64_t parent, const char *name)
{
	uint64_t bucket = bucket_of(nodes, parent, name);

	while (nodes->buckets[bucket] != 0) {
		const struct node_record *record = record_at(nodes, nodes->buckets[bucket] - 1);

		if (record->parent == parent && strcmp(record->name, name) == 0)
			break;
		bucket = (bucket + 1) & (nodes->bucket_count - 1);
	}
	return bucket;
}

static int grow(struct nodes *nodes)
{
	uint64_t allocated = nodes->allocated ? nodes->allocated * 2 : 1024;
	uint64_t *offsets = reallocarray(nodes->offsets, allocated, sizeof(*offsets));
	uint64_t *buckets;

	if (!offsets)
		return -ENOMEM;
	nodes->offsets = offsets;
	buckets = calloc(allocated * 2, sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	free(nodes->buckets);
	nodes->buckets = buckets;
	nodes->bucket_count = allocated * 2;
	nodes->allocated = allocated;
	for (uint64_t index = 0; index < nodes->count; index++) {
		const struct node_record *record = record_at(nodes, index);

		nodes->buckets[find_bucket(nodes, record->parent, record->name)] = index + 1;
	}
	return 0;
}

/* Enter the record at `offset` into the index. */
static int enter(struct nodes *nodes, uint64_t offset)
{
	const struct node_record *record = (struct node_record *)(nodes->records + offset);

	if (nodes->count == nodes->allocated && grow(nodes) != 0)
		return -ENOMEM;
	nodes->offsets[nodes->count] = offset;
	nodes->buckets[find_bucket(nodes, record->parent, record->name)] = nodes->count + 1;
	nodes->count++;
	return 0;
}

static bool record_is_sound(const struct node_record *record, uint64_t room)
{
	return room > sizeof(*record) && record->size > sizeof(*record) && record->size <= room &&
	       record->size % 8 == 0 && memchr(record->name, '\0', record->size - sizeof(*record));
}

/* What a predecessor wrote past a broken record cannot be told apart any more: it goes. */
static int load_records(struct nodes *nodes)
{
	uint64_t used = atomic_load(&nodes->header->used);
	uint64_t offset = 0;

	if (used > nodes->capacity)
		used = nodes->capacity;
	while (offset < used) {
		const struct node_record *record = (struct node_record *)(nodes->records + offset);

		if (!record_is_sound(record, used - offset))
			break;
		if (enter(nodes, offset) != 0)
			return -ENOMEM;
		offset += record->size;
	}
	atomic_store(&nodes->header->used, offset);
	return 0;
}

int nodes_open(const struct state *state, struct nodes **opened)
{
	struct nodes *nodes = calloc(1, sizeof(*nodes));
	size_t length;
	int result;

	if (!nodes)
		return -ENOMEM;
	nodes->header = state_section(state, STATE_NODES, &length);
	nodes->records = (unsigned char *)(nodes->header + 1);
	nodes->capacity = length - sizeof(*nodes->header);
	pthread_rwlock_init(&nodes->lock, NULL);
	if (nodes->header->size != sizeof(*nodes->header) ||
	    nodes->header->version != NODES_VERSION) {
		nodes->header->size = sizeof(*nodes->header);
		nodes->header->version = NODES_VERSION;
		atomic_store(&nodes->header->used, 0);
	}
	result = grow(nodes);
	if (result == 0)
		result = load_records(nodes);
	if (result != 0) {
		nodes_free(nodes);
		return result;
	}
	*opened = nodes;
	return 0;
}

void nodes_free(struct nodes *nodes)
{
	if (!nodes)
		return;
	pthread_rwlock_destroy(&nodes->lock);
	free(nodes->offsets);
	free(nodes->buckets);
	free(nodes);
}

static int append_record(struct nodes *nodes, uint64_t parent, const char *name)
{
	size_t name_bytes = strlen(name) + 1;
	size_t size = (sizeof(struct node_record) + name_bytes + 7) / 8 * 8;
	uint64_t used = atomic_load(&nodes->header->used);
	struct node_record *record = (struct node_record *)(nodes->records + used);

	if (size > nodes->capacity - used) {
		log_error("the table of node ids is full: \"%s\" cannot be looked up", name);
		return -ENOSPC;
	}
	record->parent = parent;
	record->size = (uint32_t)size;
	atomic_store(&record->type, 0);
	memcpy(record->name, name, name_bytes);
	if (enter(nodes, used) != 0)
		return -ENOMEM;
	/* A crash before this line leaves no trace; the id was not given out yet. */
	atomic_store(&nodes->header->used, used + size);
	return 0;
}

static bool find_locked(struct nodes *nodes, uint64_t parent, const char *name, uint64_t *id)
{
	uint64_t index = nodes->buckets[find_bucket(nodes, parent, name)];

	if (index == 0)
		return false;
	*id = NODE_ID_TABLE + index - 1;
	return true;
}

int nodes_get(struct nodes *nodes, uint64_t parent, const char *name, uint64_t *id)
{
	bool found;
	int result = 0;

	if (strlen(name) > NAME_LIMIT)
		return -ENAMETOOLONG;
	pthread_rwlock_rdlock(&nodes->lock);
	found = find_locked(nodes, parent, name, id);
	pthread_rwlock_unlock(&nodes->lock);
	if (found)
		return 0;
	pthread_rwlock_wrlock(&nodes->lock);
	if (!find_locked(nodes, parent, name, id)) {
		result = append_record(nodes, parent, name);
		if (result == 0)
			*id = NODE_ID_TABLE + nodes->count - 1;
	}
	pthread_rwlock_unlock(&nodes->lock);
	return result;
}

int nodes_look(struct nodes *nodes, uint64_t parent, const char *name, uint64_t *id)
{
	bool found;

	pthread_rwlock_rdlock(&nodes->lock);
	found = find_locked(nodes, parent, name, id);
	pthread_rwlock_unlock(&nodes->lock);
	return found ? 0 : -ENOENT;
}

/* The types are atomic: the lock is for the index. */
static uint32_t exchange_type(struct nodes *nodes, uint64_t id, uint32_t type)
{
	uint64_t index = id - NODE_ID_TABLE;
	uint32_t before = 0;

	pthread_rwlock_rdlock(&nodes->lock);
	if (id & NODE_ID_TABLE && index < nodes->count) {
		_Atomic uint32_t *place = &record_at(nodes, index)->type;

		before = atomic_load(place);
		if (type != 0 && type != before)
			atomic_store(place, type);
	}
	pthread_rwlock_unlock(&nodes->lock);
	return before;
}

void nodes_note_type(struct nodes *nodes, uint64_t id, uint32_t type)
{
	exchange_type(nodes, id, type);
}

uint32_t nodes_type(struct nodes *nodes, uint64_t id)
{
	return exchange_type(nodes, id, 0);
}

int nodes_find(struct nodes *nodes, uint64_t id, uint64_t *parent, const char **name)
{
	uint64_t index = id - NODE_ID_TABLE;
	int result = -ENOENT;

	if (!(id & NODE_ID_TABLE))
		return -ENOENT;
	pthread_rwlock_rdlock(&nodes->lock);
	if (index < nodes->count) {
		*parent = record_at(nodes, index)->parent;
		*name = record_at(nodes, index)->name;
		result = 0;
	}
	pthread_rwlock_unlock(&nodes->lock);
	return result;
}
