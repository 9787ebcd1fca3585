/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "boundary.h"
#include "cleanup.h"

#define BUCKETS       4096u
#define GROUPS        1024u
#define SWEEP_SECONDS 1
#define SWEEP_STEP    64u /* containers: each costs calls of the kernel, and readers wait meanwhile */

struct entry {
	struct entry *bucket_next;
	struct entry *older;
	struct entry *newer;
	uint64_t hash;
	int watch; /* of its cgroup.events in inotify_fd; -1: none */
	struct container *container;
};

struct container_cache {
	const struct hostfs *hostfs;
	pthread_mutex_t lock;
	unsigned limit;
	unsigned count;
	time_t swept;        /* CLOCK_MONOTONIC */
	size_t sweep_bucket; /* where the next sweep goes on */
	int inotify_fd;      /* tells of unified cgroups that became empty */
	struct entry *oldest;
	struct entry *newest;
	struct entry *buckets[BUCKETS];
	/* Entries of each group.  Groups that share a place by their number are bounded together. */
	unsigned groups[GROUPS];
};

/* ---- one container ---- */

/* The part of a cgroup's path below what the hierarchy's descriptor stands for; NULL: not below it. */
static const char *path_below(const struct hierarchy *hierarchy, const char *path)
{
	if (!path || strncmp(path, "/..", 3) == 0 || !boundary_contains(hierarchy->root, path))
		return NULL;
	if (strcmp(hierarchy->root, "/") != 0)
		path += strlen(hierarchy->root);
	path += strspn(path, "/");
	return *path ? path : ".";
}

static int stat_cgroup(const struct hierarchy *hierarchy, const char *path, uint64_t *inode)
{
	const char *below = path_below(hierarchy, path);
	struct stat status;

	*inode = 0;
	if (!below)
		return 0;
	if (fstatat(hierarchy->fd, below, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	*inode = status.st_ino;
	return 0;
}

static int open_cgroup(struct container *container, unsigned index)
{
	const struct hierarchy *hierarchy = &container->hostfs->hierarchies.items[index];
	const char *below = path_below(hierarchy, container->path[index]);
	struct stat status;
	int fd;

	if (!below)
		return 0;
	fd = openat(hierarchy->fd, below, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	container->directory[index] = fd;
	if (fstat(fd, &status) != 0)
		return -errno;
	container->key.inode[index] = status.st_ino;
	return 0;
}

/*
 * One path stands for all in messages and in the configuration: that of the hierarchy in which runtimes
 * always make a cgroup.
 */
static void set_name(struct container *container)
{
	static const char *const controllers[] = {"memory", LXCFS_CGROUP_UNIFIED, "cpu", "cpuset"};

	container->name = "/";
	container->host = true;
	for (unsigned index = 0; index < HIERARCHY_MAX; index++) {
		const char *path = container->path[index];

		if (!path || strcmp(path, "/") == 0)
			continue;
		container->host = false;
		container->name = path;
	}
	for (size_t index = 0; index < sizeof(controllers) / sizeof(controllers[0]); index++) {
		int hierarchy =
			hierarchies_find(&container->hostfs->hierarchies, controllers[index]);
		const char *path = hierarchy < 0 ? NULL : container->path[hierarchy];

		if (!path || strcmp(path, "/") == 0)
			continue;
		container->name = path;
		return;
	}
}

/*
 * The outermost cgroup: of "/a.slice/b.scope/c" "/a.slice/b.scope", for no container can make another one of
 * these.  But any user can open another session.  Where runtimes share a cgroup that is no slice
 * ("/docker/ID") they share a group.
 */
static size_t outermost_length(const char *path)
{
	static const char slice[] = ".slice";
	unsigned depth = 1;
	size_t length = boundary_prefix(path, depth);

	while (path[length] && length >= sizeof(slice) && !boundary_contains("/user.slice", path) &&
	       memcmp(path + length - strlen(slice), slice, strlen(slice)) == 0)
		length = boundary_prefix(path, ++depth);
	return length;
}

/* The same for all that lie in the same outermost cgroup, also after it was made anew. */
static uint64_t group_of_cgroup(const char *path)
{
	size_t length = outermost_length(path);
	uint32_t hash = 0x811c9dc5u;

	for (size_t index = 0; index < length; index++)
		hash = (hash ^ (unsigned char)path[index]) * 0x01000193u;
	return CONTAINER_GROUP_CGROUP | hash;
}

static int container_new(const struct hostfs *hostfs, const struct cgroup_paths *boundary,
			 uint64_t group, struct container **created)
{
	struct container *container = calloc(1, sizeof(*container));
	int result = 0;

	if (!container)
		return -ENOMEM;
	atomic_init(&container->references, 1);
	container->hostfs = hostfs;
	container->group = group;
	for (unsigned index = 0; index < HIERARCHY_MAX; index++)
		container->directory[index] = -1;
	for (unsigned index = 0; index < hostfs->hierarchies.count && result == 0; index++) {
		if (!boundary->path[index])
			continue;
		container->path[index] = strdup(boundary->path[index]);
		result = container->path[index] ? open_cgroup(container, index) : -ENOMEM;
	}
	if (result != 0) {
		container_put(container);
		return result;
	}
	set_name(container);
	if (group == 0 && !container->host)
		container->group = group_of_cgroup(container->name);
	*created = container;
	return 0;
}

void container_put(struct container *container)
{
	if (!container || atomic_fetch_sub(&container->references, 1) != 1)
		return;
	for (unsigned index = 0; index < HIERARCHY_MAX; index++) {
		if (container->directory[index] >= 0)
			close(container->directory[index]);
		free(container->path[index]);
	}
	free(container);
}

/* Whether the kernel says that no process is left in it or below: on the unified hierarchy only. */
static bool is_empty(const struct container *container, unsigned index)
{
	struct arena arena = {0};
	struct lxcfs_text text;
	uint64_t populated = 1;

	if (container->hostfs->hierarchies.items[index].version != LXCFS_CGROUP_V2)
		return false;
	if (hostfs_read_at(container->directory[index], "cgroup.events", &arena, &text) == 0)
		lxcfs_find_number(text, "populated", &populated);
	arena_free(&arena);
	return populated == 0;
}

bool container_is_used(const struct container *container)
{
	for (unsigned index = 0; index < HIERARCHY_MAX; index++) {
		if (container->directory[index] < 0)
			continue;
		/* A directory that was removed has no files any more. */
		if (faccessat(container->directory[index], "cgroup.procs", F_OK, 0) != 0 &&
		    errno == ENOENT)
			return false;
		if (is_empty(container, index))
			return false;
	}
	return true;
}

unsigned container_depth(const struct container *container, int hierarchy)
{
	const struct hierarchy *item;
	const char *below;

	if (hierarchy < 0 || container->directory[hierarchy] < 0)
		return 0;
	item = &container->hostfs->hierarchies.items[hierarchy];
	below = path_below(item, container->path[hierarchy]);
	if (!below || strcmp(below, ".") == 0)
		return 0;
	return boundary_depth(below) + 1;
}

int container_read(const struct container *container, int hierarchy, unsigned level,
		   const char *file, struct arena *arena, struct lxcfs_text *text)
{
	char name[PATH_MAX];
	size_t used = 0;

	if (hierarchy < 0 || container->directory[hierarchy] < 0)
		return -ENODEV;
	if (strchr(file, '/'))
		return -EINVAL;
	if (level > container_depth(container, hierarchy))
		return -ENOENT;
	if (level > (sizeof(name) - NAME_MAX - 1) / 3)
		return -ENAMETOOLONG;
	for (; level > 0; level--) {
		memcpy(name + used, "../", 3);
		used += 3;
	}
	snprintf(name + used, sizeof(name) - used, "%s", file);
	return hostfs_read_at(container->directory[hierarchy], name, arena, text);
}

/* ---- the cache ---- */

static uint64_t hash_of(const struct cgroup_paths *boundary)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (unsigned index = 0; index < HIERARCHY_MAX; index++) {
		for (const char *byte = boundary->path[index]; byte && *byte; byte++)
			hash = (hash ^ (unsigned char)*byte) * 0x100000001b3ull;
		hash = (hash ^ '\n') * 0x100000001b3ull;
	}
	return hash;
}

static bool has_paths(const struct container *container, const struct cgroup_paths *boundary)
{
	for (unsigned index = 0; index < HIERARCHY_MAX; index++) {
		const char *path = boundary->path[index];

		if (!path != !container->path[index] ||
		    (path && strcmp(path, container->path[index]) != 0))
			return false;
	}
	return true;
}

/* Whether the paths still lead to the very cgroups: one can be renamed, or removed and made anew. */
static bool is_current(const struct container *container)
{
	const struct hierarchies *hierarchies = &container->hostfs->hierarchies;

	for (unsigned index = 0; index < hierarchies->count; index++) {
		uint64_t inode;

		if (stat_cgroup(&hierarchies->items[index], container->path[index], &inode) != 0 ||
		    inode != container->key.inode[index])
			return false;
	}
	return true;
}

int container_cache_new(const struct hostfs *hostfs, unsigned limit,
			struct container_cache **created)
{
	struct container_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return -ENOMEM;
	cache->hostfs = hostfs;
	cache->limit = limit;
	/* Without it empty cgroups are found when the next container is seen. */
	cache->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	pthread_mutex_init(&cache->lock, NULL);
	*created = cache;
	return 0;
}

static void link_newest(struct container_cache *cache, struct entry *entry)
{
	entry->newer = NULL;
	entry->older = cache->newest;
	if (cache->newest)
		cache->newest->newer = entry;
	else
		cache->oldest = entry;
	cache->newest = entry;
}

static void unlink_entry(struct container_cache *cache, struct entry *entry)
{
	if (entry->older)
		entry->older->newer = entry->newer;
	else
		cache->oldest = entry->newer;
	if (entry->newer)
		entry->newer->older = entry->older;
	else
		cache->newest = entry->older;
}

static bool watch_is_shared(const struct container_cache *cache, const struct entry *entry)
{
	const struct entry *other = cache->oldest;

	while (other && (other == entry || other->watch != entry->watch))
		other = other->newer;
	return other != NULL;
}

/* The unified cgroup of a container tells when its last process is gone. */
static int add_watch(struct container_cache *cache, const struct container *container)
{
	int unified = hierarchies_find(&cache->hostfs->hierarchies, LXCFS_CGROUP_UNIFIED);
	char path[64];

	if (unified < 0 || container_depth(container, unified) == 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/cgroup.events",
		 container->directory[unified]);
	return inotify_add_watch(cache->inotify_fd, path, IN_MODIFY);
}

static unsigned *group_of(struct container_cache *cache, const struct container *container)
{
	return &cache->groups[container->group % GROUPS];
}

static void remove_entry(struct container_cache *cache, struct entry *entry)
{
	struct entry **link = &cache->buckets[entry->hash % BUCKETS];

	while (*link != entry)
		link = &(*link)->bucket_next;
	*link = entry->bucket_next;
	if (entry->watch >= 0 && !watch_is_shared(cache, entry))
		inotify_rm_watch(cache->inotify_fd, entry->watch);
	unlink_entry(cache, entry);
	(*group_of(cache, entry->container))--;
	cache->count--;
	container_put(entry->container);
	free(entry);
}

void container_cache_free(struct container_cache *cache)
{
	if (!cache)
		return;
	while (cache->oldest)
		remove_entry(cache, cache->oldest);
	if (cache->inotify_fd >= 0)
		close(cache->inotify_fd);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

/* Whether it was dropped. */
static bool drop_unused(struct container_cache *cache, struct entry *entry)
{
	if (container_is_used(entry->container))
		return false;
	atomic_store(&entry->container->gone, true);
	remove_entry(cache, entry);
	return true;
}

static void sweep_locked(struct container_cache *cache)
{
	unsigned looked = 0;

	for (size_t step = 0; step < BUCKETS && looked < SWEEP_STEP; step++) {
		struct entry *entry = cache->buckets[cache->sweep_bucket++ % BUCKETS];
		struct entry *next;

		for (; entry; entry = next, looked++) {
			next = entry->bucket_next;
			drop_unused(cache, entry);
		}
	}
}

int container_cache_event_fd(const struct container_cache *cache)
{
	return cache->inotify_fd;
}

static bool drop_empty(struct container_cache *cache, int watch)
{
	struct entry *next;
	bool dropped = false;

	pthread_mutex_lock(&cache->lock);
	for (struct entry *entry = cache->oldest; entry; entry = next) {
		next = entry->newer;
		/* -1: the queue was too short, and any of them may be empty. */
		if (entry->watch == watch || watch < 0)
			dropped |= drop_unused(cache, entry);
	}
	pthread_mutex_unlock(&cache->lock);
	return dropped;
}

bool container_cache_take_events(struct container_cache *cache)
{
	bool dropped = false;
	union {
		struct inotify_event event;
		char bytes[4096];
	} buffer;
	ssize_t length;

	while ((length = read(cache->inotify_fd, &buffer, sizeof(buffer))) > 0) {
		for (ssize_t offset = 0; offset < length;) {
			const struct inotify_event *event =
				(const struct inotify_event *)(buffer.bytes + offset);

			dropped |= drop_empty(cache, event->wd);
			offset += (ssize_t)sizeof(*event) + event->len;
		}
	}
	return dropped;
}

static void sweep_seldom(struct container_cache *cache)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec - cache->swept < SWEEP_SECONDS)
		return;
	cache->swept = now.tv_sec;
	sweep_locked(cache);
}

/* The least recently used container of the group that holds most. */
static void evict(struct container_cache *cache)
{
	unsigned most = 0;

	for (unsigned group = 0; group < GROUPS; group++)
		if (cache->groups[group] > most)
			most = cache->groups[group];
	for (struct entry *entry = cache->oldest; entry; entry = entry->newer) {
		if (*group_of(cache, entry->container) != most)
			continue;
		remove_entry(cache, entry);
		return;
	}
}

static struct entry *find(struct container_cache *cache, const struct cgroup_paths *boundary,
			  uint64_t hash)
{
	struct entry *entry = cache->buckets[hash % BUCKETS];

	while (entry && (entry->hash != hash || !has_paths(entry->container, boundary)))
		entry = entry->bucket_next;
	return entry;
}

/* A reference to the cached container of these paths, or NULL. */
static struct container *get_cached(struct container_cache *cache,
				    const struct cgroup_paths *boundary, uint64_t hash)
{
	struct container *container = NULL;
	struct entry *entry;

	pthread_mutex_lock(&cache->lock);
	entry = find(cache, boundary, hash);
	if (entry) {
		container = entry->container;
		atomic_fetch_add(&container->references, 1);
		unlink_entry(cache, entry);
		link_newest(cache, entry);
	}
	pthread_mutex_unlock(&cache->lock);
	return container;
}

static void evict_one(struct container_cache *cache)
{
	pthread_mutex_lock(&cache->lock);
	evict(cache);
	pthread_mutex_unlock(&cache->lock);
}

/* In place of an older one of the same paths.  Without memory it is used once and not kept. */
static void keep(struct container_cache *cache, const struct cgroup_paths *boundary, uint64_t hash,
		 struct container *container)
{
	struct entry *entry = calloc(1, sizeof(*entry));
	struct entry *stale;

	if (!entry)
		return;
	pthread_mutex_lock(&cache->lock);
	stale = find(cache, boundary, hash);
	if (stale)
		remove_entry(cache, stale);
	sweep_seldom(cache);
	if (cache->count >= cache->limit)
		evict(cache);
	atomic_fetch_add(&container->references, 1);
	entry->hash = hash;
	entry->container = container;
	entry->watch = add_watch(cache, container);
	entry->bucket_next = cache->buckets[hash % BUCKETS];
	cache->buckets[hash % BUCKETS] = entry;
	link_newest(cache, entry);
	(*group_of(cache, container))++;
	cache->count++;
	pthread_mutex_unlock(&cache->lock);
}

int container_get(struct container_cache *cache, const struct cgroup_paths *boundary,
		  uint64_t group, struct container **container)
{
	uint64_t hash = hash_of(boundary);
	struct container *cached = get_cached(cache, boundary, hash);
	int result;

	if (cached && is_current(cached)) {
		*container = cached;
		return 0;
	}
	container_put(cached);
	result = container_new(cache->hostfs, boundary, group, container);
	if (result == -EMFILE || result == -ENFILE) {
		evict_one(cache);
		result = container_new(cache->hostfs, boundary, group, container);
	}
	if (result == 0)
		keep(cache, boundary, hash, *container);
	return result;
}
