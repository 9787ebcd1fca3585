/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pluginstate.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SECTION_VERSION 2u
#define CELL_BYTES      1024u
#define PLUGIN_NAME_MAX 64u
#define CONTENT_ALIGN   16u
#define PRIVATE_BYTES   ((size_t)1 << 20)
#define BUCKETS         4096u
#define GROUPS          1024u

enum record_state { RECORD_FREE, RECORD_USED, RECORD_RELEASING };

/* At the start of a run of cells; a free cell begins with RECORD_FREE. */
struct record {
	_Atomic uint32_t state;
	uint32_t cells;
	struct container_key container;
	char plugin[PLUGIN_NAME_MAX];
	uint64_t group;
	uint32_t capacity; /* bytes of each copy, a multiple of CONTENT_ALIGN */
	_Atomic uint32_t current;
	struct {
		uint32_t size; /* 0: never filled */
		uint32_t version;
	} copies[2];
};

#define CONTENT_OFFSET ((sizeof(struct record) + CONTENT_ALIGN - 1) / CONTENT_ALIGN * CONTENT_ALIGN)

struct section_header {
	uint32_t size;
	uint32_t version;
	/* Cells behind these were never used: a successor does not look at them, which would use memory. */
	_Atomic uint64_t used_cells;
	uint64_t reserved[6];
};

/* In this process: one per record. */
struct entry {
	struct entry *bucket_next;
	struct entry *older;
	struct entry *newer;
	struct record *record;
	uint32_t bucket;
	unsigned users; /* updates that run or wait: it cannot be evicted */
	pthread_mutex_t lock;
};

struct plugin_state {
	pthread_mutex_t lock;
	pthread_cond_t unused; /* an entry has no users any more */
	void *private_memory;
	struct section_header *header;
	unsigned char *cells;
	size_t cell_count;
	uint64_t *taken; /* a bit for each cell: a search must not touch the cells themselves */
	size_t search_from;
	struct entry *buckets[BUCKETS];
	struct entry *oldest;
	struct entry *newest;
	uint32_t group_cells[GROUPS];
};

static uint32_t hash_of(const struct container_key *container, const char *plugin)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t index = 0; index < HIERARCHY_MAX; index++)
		hash = (hash ^ container->inode[index]) * 0x9e3779b97f4a7c15ull;
	hash = (hash ^ container->started) * 0x9e3779b97f4a7c15ull;
	for (; *plugin; plugin++)
		hash = (hash ^ (unsigned char)*plugin) * 0x100000001b3ull;
	return (uint32_t)(hash >> 32) % BUCKETS;
}

static uint32_t *group_of(struct plugin_state *state, const struct record *record)
{
	return &state->group_cells[(record->group ^ (record->group >> 32)) % GROUPS];
}

static struct record *record_at(const struct plugin_state *state, size_t cell)
{
	return (struct record *)(state->cells + cell * CELL_BYTES);
}

static void link_newest(struct plugin_state *state, struct entry *entry)
{
	entry->newer = NULL;
	entry->older = state->newest;
	if (state->newest)
		state->newest->newer = entry;
	else
		state->oldest = entry;
	state->newest = entry;
}

static void unlink_entry(struct plugin_state *state, struct entry *entry)
{
	if (entry->older)
		entry->older->newer = entry->newer;
	else
		state->oldest = entry->newer;
	if (entry->newer)
		entry->newer->older = entry->older;
	else
		state->newest = entry->older;
}

static bool is_taken(const struct plugin_state *state, size_t cell)
{
	return state->taken[cell / 64] >> cell % 64 & 1;
}

static void mark_cells(struct plugin_state *state, const struct record *record, bool taken)
{
	size_t first = (size_t)((const unsigned char *)record - state->cells) / CELL_BYTES;

	for (size_t cell = first; cell < first + record->cells; cell++)
		if (taken)
			state->taken[cell / 64] |= UINT64_C(1) << cell % 64;
		else
			state->taken[cell / 64] &= ~(UINT64_C(1) << cell % 64);
}

static struct entry *enter(struct plugin_state *state, struct record *record)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	pthread_mutex_init(&entry->lock, NULL);
	entry->record = record;
	entry->bucket = hash_of(&record->container, record->plugin);
	entry->bucket_next = state->buckets[entry->bucket];
	state->buckets[entry->bucket] = entry;
	link_newest(state, entry);
	*group_of(state, record) += record->cells;
	mark_cells(state, record, true);
	return entry;
}

/*
 * Give the cells back.  What lay in them must not look like a record to a successor that walks the
 * cells, so the first bytes of each are cleared before the record is marked free.
 */
static void release_record(struct record *record)
{
	uint32_t cells = record->cells;

	atomic_store(&record->state, RECORD_RELEASING);
	for (uint32_t cell = 1; cell < cells; cell++)
		memset((unsigned char *)record + (size_t)cell * CELL_BYTES, 0, sizeof(uint64_t));
	atomic_store(&record->state, RECORD_FREE);
}

static void remove_entry(struct plugin_state *state, struct entry *entry)
{
	struct entry **link = &state->buckets[entry->bucket];

	while (*link != entry)
		link = &(*link)->bucket_next;
	*link = entry->bucket_next;
	unlink_entry(state, entry);
	*group_of(state, entry->record) -= entry->record->cells;
	mark_cells(state, entry->record, false);
	release_record(entry->record);
	pthread_mutex_destroy(&entry->lock);
	free(entry);
}

static struct entry *find(struct plugin_state *state, const struct container_key *container,
			  const char *plugin)
{
	struct entry *entry = state->buckets[hash_of(container, plugin)];

	while (entry && (memcmp(&entry->record->container, container, sizeof(*container)) != 0 ||
			 strcmp(entry->record->plugin, plugin) != 0))
		entry = entry->bucket_next;
	return entry;
}

static bool record_is_sound(const struct plugin_state *state, const struct record *record,
			    size_t cell)
{
	return record->cells > 0 && record->cells <= state->cell_count - cell &&
	       record->capacity <= PLUGIN_STATE_MAX && record->capacity % CONTENT_ALIGN == 0 &&
	       atomic_load(&record->current) <= 1 && record->copies[0].size <= record->capacity &&
	       record->copies[1].size <= record->capacity &&
	       record->plugin[PLUGIN_NAME_MAX - 1] == '\0' &&
	       CONTENT_OFFSET + 2 * (size_t)record->capacity <= (size_t)record->cells * CELL_BYTES;
}

/* Find the records that a predecessor left. */
static int load(struct plugin_state *state)
{
	uint64_t used = atomic_load(&state->header->used_cells);

	for (size_t cell = 0; cell < state->cell_count && cell < used;) {
		struct record *record = record_at(state, cell);
		uint32_t kind = atomic_load(&record->state);

		if (kind == RECORD_FREE || !record_is_sound(state, record, cell)) {
			atomic_store(&record->state, RECORD_FREE);
			cell++;
			continue;
		}
		cell += record->cells;
		/* Two of one container: the worker died while it made room for a larger layout. */
		if (kind == RECORD_RELEASING || find(state, &record->container, record->plugin))
			release_record(record);
		else if (!enter(state, record))
			return -ENOMEM;
	}
	return 0;
}

static void attach(struct plugin_state *plugin_state, void *section, size_t length)
{
	struct section_header *header = section;

	if (header->size != sizeof(*header) || header->version != SECTION_VERSION) {
		memset(section, 0, length);
		header->size = sizeof(*header);
		header->version = SECTION_VERSION;
	}
	plugin_state->header = header;
	plugin_state->cells = (unsigned char *)section + CELL_BYTES;
	plugin_state->cell_count = length / CELL_BYTES - 1;
}

int plugin_state_open(const struct state *state, struct plugin_state **opened)
{
	struct plugin_state *plugin_state = calloc(1, sizeof(*plugin_state));
	size_t length = PRIVATE_BYTES;
	void *section;
	int result;

	if (!plugin_state)
		return -ENOMEM;
	pthread_mutex_init(&plugin_state->lock, NULL);
	pthread_cond_init(&plugin_state->unused, NULL);
	if (!state)
		plugin_state->private_memory = calloc(1, length);
	section =
		state ? state_section(state, STATE_PLUGINS, &length) : plugin_state->private_memory;
	if (!section) {
		plugin_state_free(plugin_state);
		return -ENOMEM;
	}
	attach(plugin_state, section, length);
	plugin_state->taken = calloc(plugin_state->cell_count / 64 + 1, sizeof(uint64_t));
	result = plugin_state->taken ? load(plugin_state) : -ENOMEM;
	if (result != 0) {
		plugin_state_free(plugin_state);
		return result;
	}
	*opened = plugin_state;
	return 0;
}

void plugin_state_free(struct plugin_state *plugin_state)
{
	if (!plugin_state)
		return;
	while (plugin_state->oldest) {
		struct entry *next = plugin_state->oldest->newer;

		pthread_mutex_destroy(&plugin_state->oldest->lock);
		free(plugin_state->oldest);
		plugin_state->oldest = next;
	}
	pthread_cond_destroy(&plugin_state->unused);
	pthread_mutex_destroy(&plugin_state->lock);
	free(plugin_state->taken);
	free(plugin_state->private_memory);
	free(plugin_state);
}

/* The first cell of a free run of this length from `from` on, or cell_count. */
static size_t search(const struct plugin_state *state, size_t from, size_t wanted)
{
	size_t run = 0;

	for (size_t cell = from; cell < state->cell_count; cell++) {
		if (cell % 64 == 0 && state->taken[cell / 64] == UINT64_MAX) {
			run = 0;
			cell += 63;
			continue;
		}
		run = is_taken(state, cell) ? 0 : run + 1;
		if (run == wanted)
			return cell + 1 - wanted;
	}
	return state->cell_count;
}

/* The least recently updated record of the group that holds most. */
static struct entry *choose_victim(struct plugin_state *state)
{
	uint32_t most = 0;

	for (size_t group = 0; group < GROUPS; group++)
		if (state->group_cells[group] > most)
			most = state->group_cells[group];
	for (struct entry *entry = state->oldest; entry; entry = entry->newer)
		if (entry->users == 0 && *group_of(state, entry->record) == most)
			return entry;
	for (struct entry *entry = state->oldest; entry; entry = entry->newer)
		if (entry->users == 0)
			return entry;
	return NULL;
}

static struct record *allocate_cells(struct plugin_state *state, size_t wanted)
{
	for (;;) {
		size_t cell = search(state, state->search_from, wanted);
		struct entry *victim;

		if (cell == state->cell_count)
			cell = search(state, 0, wanted);
		if (cell != state->cell_count) {
			state->search_from = cell + wanted < state->cell_count ? cell + wanted : 0;
			if (cell + wanted > atomic_load(&state->header->used_cells))
				atomic_store(&state->header->used_cells, cell + wanted);
			return record_at(state, cell);
		}
		victim = choose_victim(state);
		if (!victim)
			return NULL;
		state->search_from =
			(size_t)((unsigned char *)victim->record - state->cells) / CELL_BYTES;
		remove_entry(state, victim);
	}
}

static unsigned char *content(const struct record *record, uint32_t copy)
{
	return (unsigned char *)record + CONTENT_OFFSET + (size_t)copy * record->capacity;
}

/* `old`: the smaller record that this one replaces, or NULL. */
static struct entry *create(struct plugin_state *state, const struct container_key *container,
			    uint64_t group, const char *plugin, uint32_t size,
			    const struct record *old)
{
	uint32_t capacity = (size + CONTENT_ALIGN - 1) / CONTENT_ALIGN * CONTENT_ALIGN;
	size_t cells = (CONTENT_OFFSET + 2 * (size_t)capacity + CELL_BYTES - 1) / CELL_BYTES;
	struct record *record = allocate_cells(state, cells);
	struct entry *entry;

	if (!record)
		return NULL;
	memset(record, 0, sizeof(*record));
	for (size_t cell = 1; cell < cells; cell++)
		memset((unsigned char *)record + cell * CELL_BYTES, 0, sizeof(uint64_t));
	record->cells = (uint32_t)cells;
	record->container = *container;
	record->group = group;
	record->capacity = capacity;
	memcpy(record->plugin, plugin, strlen(plugin) + 1);
	if (old) {
		uint32_t current = atomic_load(&old->current);

		memcpy(content(record, 0), content(old, current), old->copies[current].size);
		record->copies[0].version = old->copies[current].version;
		record->copies[0].size = old->copies[current].size;
	}
	entry = enter(state, record);
	if (entry)
		atomic_store(&record->state, RECORD_USED);
	return entry;
}

/*
 * Replace a record that is too small for a new layout.  Both are there for a moment, with the same
 * content: a worker that dies in it loses nothing.
 */
static struct entry *enlarge(struct plugin_state *state, struct entry *entry, uint32_t size)
{
	const struct record *old = entry->record;
	struct entry *larger;

	entry->users++;
	larger = create(state, &old->container, old->group, old->plugin, size, old);
	entry->users--;
	if (larger)
		remove_entry(state, entry);
	return larger;
}

/* The entry to update, marked as in use. */
static struct entry *acquire(struct plugin_state *state, const struct container_key *container,
			     uint64_t group, const char *plugin, uint32_t size)
{
	struct entry *entry;

	pthread_mutex_lock(&state->lock);
	entry = find(state, container, plugin);
	while (entry && entry->record->capacity < size && entry->users != 0) {
		pthread_cond_wait(&state->unused, &state->lock);
		entry = find(state, container, plugin);
	}
	if (!entry)
		entry = create(state, container, group, plugin, size, NULL);
	else if (entry->record->capacity < size)
		entry = enlarge(state, entry, size);
	if (entry) {
		entry->users++;
		unlink_entry(state, entry);
		link_newest(state, entry);
	}
	pthread_mutex_unlock(&state->lock);
	return entry;
}

static int update(struct record *record, uint32_t version, uint32_t size,
		  lxcfs_state_function function, void *argument)
{
	uint32_t current = atomic_load(&record->current);
	uint32_t other = 1 - current;
	uint32_t before_size = record->copies[current].size;
	int result;

	memset(content(record, other), 0, size);
	result = function(before_size ? content(record, current) : NULL, before_size,
			  before_size ? record->copies[current].version : 0, content(record, other),
			  argument);
	if (result != 0)
		return result;
	record->copies[other].size = size;
	record->copies[other].version = version;
	atomic_store(&record->current, other);
	return 0;
}

int plugin_state_update(struct plugin_state *state, const struct container_key *container,
			uint64_t group, const char *plugin, uint32_t version, uint32_t size,
			lxcfs_state_function function, void *argument)
{
	struct entry *entry;
	int result;

	if (size == 0 || size > PLUGIN_STATE_MAX || strlen(plugin) >= PLUGIN_NAME_MAX)
		return -EINVAL;
	entry = acquire(state, container, group, plugin, size);
	if (!entry)
		return -ENOMEM;
	pthread_mutex_lock(&entry->lock);
	result = update(entry->record, version, size, function, argument);
	pthread_mutex_unlock(&entry->lock);
	pthread_mutex_lock(&state->lock);
	if (--entry->users == 0)
		pthread_cond_broadcast(&state->unused);
	pthread_mutex_unlock(&state->lock);
	return result;
}
