/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUCKETS       1024u
#define GROUPS        1024u
#define SWEEP_SECONDS 1
#define SWEEP_STEP    64u /* entries: each costs calls of the kernel, and readers wait meanwhile */

struct entry {
	struct entry *next; /* in its bucket */
	uint64_t inode;
	int fd;
	struct container *root; /* a reference; NULL: not known */
	_Atomic uint64_t used;  /* when, on the cache's own clock */
	struct namespace_facts facts;
};

struct namespaces {
	const struct hostfs *hostfs;
	pthread_rwlock_t lock;
	unsigned limit;
	unsigned count;
	_Atomic uint64_t clock; /* goes on by one with each use */
	time_t swept;           /* CLOCK_MONOTONIC */
	size_t sweep_bucket;    /* where the next sweep goes on */
	struct entry *buckets[BUCKETS];
	unsigned groups[GROUPS];
};

int namespaces_new(const struct hostfs *hostfs, unsigned limit, struct namespaces **created)
{
	struct namespaces *namespaces = calloc(1, sizeof(*namespaces));

	if (!namespaces)
		return -ENOMEM;
	namespaces->hostfs = hostfs;
	namespaces->limit = limit;
	pthread_rwlock_init(&namespaces->lock, NULL);
	*created = namespaces;
	return 0;
}

static struct entry **bucket_of(struct namespaces *namespaces, uint64_t inode)
{
	return &namespaces->buckets[inode % BUCKETS];
}

static unsigned *group_of(struct namespaces *namespaces, const struct entry *entry)
{
	return &namespaces->groups[entry->facts.group % GROUPS];
}

static struct entry *find(struct namespaces *namespaces, uint64_t inode)
{
	struct entry *entry = *bucket_of(namespaces, inode);

	while (entry && entry->inode != inode)
		entry = entry->next;
	return entry;
}

static void remove_entry(struct namespaces *namespaces, struct entry *entry)
{
	struct entry **link = bucket_of(namespaces, entry->inode);

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	(*group_of(namespaces, entry))--;
	namespaces->count--;
	container_put(entry->root);
	close(entry->fd);
	free(entry);
}

void namespaces_free(struct namespaces *namespaces)
{
	if (!namespaces)
		return;
	for (size_t bucket = 0; bucket < BUCKETS; bucket++)
		while (namespaces->buckets[bucket])
			remove_entry(namespaces, namespaces->buckets[bucket]);
	pthread_rwlock_destroy(&namespaces->lock);
	free(namespaces);
}

bool namespaces_find(struct namespaces *namespaces, uint64_t inode, struct namespace_facts *facts)
{
	struct entry *entry;

	pthread_rwlock_rdlock(&namespaces->lock);
	entry = find(namespaces, inode);
	if (entry) {
		*facts = entry->facts;
		atomic_store_explicit(&entry->used, atomic_fetch_add(&namespaces->clock, 1),
				      memory_order_relaxed);
	}
	pthread_rwlock_unlock(&namespaces->lock);
	return entry != NULL;
}

/* Those that the cache of containers let go of: no call of the kernel is needed. */
static void drop_gone(struct namespaces *namespaces)
{
	for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
		struct entry *next;

		for (struct entry *entry = namespaces->buckets[bucket]; entry; entry = next) {
			next = entry->next;
			if (entry->root && atomic_load(&entry->root->gone))
				remove_entry(namespaces, entry);
		}
	}
}

static bool is_used(const struct namespaces *namespaces, const struct entry *entry)
{
	char name[64];
	struct stat status;

	if (entry->root)
		return container_is_used(entry->root);
	if (entry->facts.init_pid == 0)
		return true;
	/* A pid namespace ends with its first process. */
	snprintf(name, sizeof(name), "%u/ns/pid", entry->facts.init_pid);
	return fstatat(namespaces->hostfs->proc_fd, name, &status, 0) == 0 &&
	       status.st_ino == entry->inode;
}

static void sweep_locked(struct namespaces *namespaces)
{
	unsigned looked = 0;

	for (size_t step = 0; step < BUCKETS && looked < SWEEP_STEP; step++) {
		struct entry *entry = namespaces->buckets[namespaces->sweep_bucket++ % BUCKETS];
		struct entry *next;

		for (; entry; entry = next, looked++) {
			next = entry->next;
			if (!is_used(namespaces, entry))
				remove_entry(namespaces, entry);
		}
	}
}

void namespaces_drop_gone(struct namespaces *namespaces)
{
	pthread_rwlock_wrlock(&namespaces->lock);
	drop_gone(namespaces);
	pthread_rwlock_unlock(&namespaces->lock);
}

static void sweep_seldom(struct namespaces *namespaces)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec - namespaces->swept < SWEEP_SECONDS)
		return;
	namespaces->swept = now.tv_sec;
	sweep_locked(namespaces);
}

/* The least recently used entry of the group that holds most. */
static void evict(struct namespaces *namespaces)
{
	struct entry *victim = NULL;
	unsigned most = 0;

	for (size_t group = 0; group < GROUPS; group++)
		if (namespaces->groups[group] > most)
			most = namespaces->groups[group];
	for (size_t bucket = 0; bucket < BUCKETS; bucket++)
		for (struct entry *entry = namespaces->buckets[bucket]; entry; entry = entry->next)
			if (*group_of(namespaces, entry) == most &&
			    (!victim || atomic_load(&entry->used) < atomic_load(&victim->used)))
				victim = entry;
	if (victim)
		remove_entry(namespaces, victim);
}

/* Without memory or descriptors nothing is remembered, and all is found out again at the next read. */
static struct entry *entry_new(struct namespaces *namespaces, uint64_t inode, int fd,
			       const struct namespace_facts *facts, struct container *root)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (entry->fd < 0) {
		free(entry);
		return NULL;
	}
	if (root)
		atomic_fetch_add(&root->references, 1);
	entry->inode = inode;
	entry->facts = *facts;
	entry->root = root;
	entry->used = atomic_fetch_add(&namespaces->clock, 1);
	return entry;
}

void namespaces_remember(struct namespaces *namespaces, uint64_t inode, int fd,
			 const struct namespace_facts *facts, struct container *root)
{
	struct entry *entry = entry_new(namespaces, inode, fd, facts, root);
	struct entry *older;

	if (!entry)
		return;
	pthread_rwlock_wrlock(&namespaces->lock);
	older = find(namespaces, inode);
	if (older)
		remove_entry(namespaces, older);
	sweep_seldom(namespaces);
	if (namespaces->count >= namespaces->limit)
		evict(namespaces);
	entry->next = *bucket_of(namespaces, inode);
	*bucket_of(namespaces, inode) = entry;
	(*group_of(namespaces, entry))++;
	namespaces->count++;
	pthread_rwlock_unlock(&namespaces->lock);
}
