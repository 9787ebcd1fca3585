/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "caller.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boundary.h"
#include "cleanup.h"
#include "namespaces.h"
#include "pidnamespace.h"
#include "resolver.h"

/* A reader that moves while it is looked at is looked at again. */
#define ATTEMPTS 8

/* Of a cgroup.  The kernel allows more; runtimes use about ten. */
#define DEPTH_MAX 64u

/* The inode of a namespace whose link cannot be read. */
#define UNREADABLE 0u

struct caller_resolver {
	const struct hostfs *hostfs;
	struct container_cache *containers;
	struct namespaces *namespaces;
	struct resolver *resolver;
	uint64_t host_cgroup_namespace;
	uint64_t host_pid_namespace;
};

/* One reader while it is identified. */
struct reader {
	struct caller_resolver *resolver;
	uint32_t tid;
	struct arena *arena;
	uint64_t cgroup_namespace;
	uint64_t pid_namespace;
	struct namespace_facts pid_facts;
	struct cgroup_paths paths;
};

/* ---- what /proc tells ---- */

static int read_namespace(const struct hostfs *hostfs, const char *process, const char *kind,
			  uint64_t *inode)
{
	char name[64];
	struct stat status;

	snprintf(name, sizeof(name), "%s/ns/%s", process, kind);
	*inode = UNREADABLE;
	if (fstatat(hostfs->proc_fd, name, &status, 0) == 0)
		*inode = status.st_ino;
	else if (errno == ENOENT || errno == ESRCH)
		return -ESRCH;
	return 0;
}

static int open_namespace(const struct reader *reader, const char *kind)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "%u/ns/%s", reader->tid, kind);
	fd = openat(reader->resolver->hostfs->proc_fd, name, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int read_paths(const struct reader *reader, uint32_t pid, struct cgroup_paths *paths)
{
	const struct hostfs *hostfs = reader->resolver->hostfs;
	struct lxcfs_text text;
	char name[64];
	int result;

	snprintf(name, sizeof(name), "%u/cgroup", pid);
	result = hostfs_read_at(hostfs->proc_fd, name, reader->arena, &text);
	if (result == -ENOENT)
		return -ESRCH;
	if (result != 0)
		return result;
	return cgroup_paths_parse(&hostfs->hierarchies, (char *)(uintptr_t)text.data, paths);
}

/* ---- pid namespaces ---- */

/* Who is pid 1 of the reader's pid namespace, and which containers does it share limits with. */
static void learn_pid_namespace(struct reader *reader)
{
	struct caller_resolver *resolver = reader->resolver;
	struct namespace_facts *facts = &reader->pid_facts;
	auto_close int fd = -1;
	struct stat status;

	*facts = (struct namespace_facts){0};
	if (reader->pid_namespace == UNREADABLE ||
	    reader->pid_namespace == resolver->host_pid_namespace ||
	    namespaces_find(resolver->namespaces, reader->pid_namespace, facts))
		return;
	fd = open_namespace(reader, "pid");
	if (fd < 0 || fstat(fd, &status) != 0)
		return;
	/* From here on it is this very namespace, whatever the reader does. */
	reader->pid_namespace = status.st_ino;
	if (reader->pid_namespace == resolver->host_pid_namespace)
		return;
	facts->group =
		pid_namespace_group(resolver->hostfs->proc_fd, fd, resolver->host_pid_namespace,
				    reader->tid, reader->arena);
	facts->init_pid =
		pid_namespace_init(resolver->hostfs->proc_fd, fd, reader->tid, reader->arena);
	if (facts->init_pid != 0)
		namespaces_remember(resolver->namespaces, reader->pid_namespace, fd, facts, NULL);
}

/* ---- the container of some paths ---- */

/* The first `depth` components of a path. */
static char *cut_path(struct arena *arena, const char *path, unsigned depth)
{
	size_t length = boundary_prefix(path, depth);
	char *cut = arena_allocate(arena, length + 1);

	if (!cut)
		return NULL;
	memcpy(cut, path, length);
	cut[length] = '\0';
	return cut;
}

/*
 * Limits are read up to the root, so a container could make each read as expensive as it likes by nesting
 * cgroups.  A deeper one is taken for its ancestor, whose limits hold for it too.
 */
static int get_container(const struct reader *reader, const struct cgroup_paths *boundary,
			 struct container **container)
{
	struct cgroup_paths cut = *boundary;

	for (unsigned index = 0; index < HIERARCHY_MAX; index++) {
		if (!cut.path[index] || boundary_depth(cut.path[index]) <= DEPTH_MAX)
			continue;
		cut.path[index] = cut_path(reader->arena, cut.path[index], DEPTH_MAX);
		if (!cut.path[index])
			return -ENOMEM;
	}
	return container_get(reader->resolver->containers, &cut, reader->pid_facts.group,
			     container);
}

/* ---- rule 1: the root of the reader's cgroup namespace ---- */

static int root_paths(const struct reader *reader, const struct namespace_facts *facts,
		      struct cgroup_paths *roots)
{
	*roots = reader->paths;
	for (unsigned index = 0; index < HIERARCHY_MAX; index++) {
		if (!reader->paths.path[index] || !facts->known[index] ||
		    boundary_depth(reader->paths.path[index]) < facts->depth[index])
			continue;
		roots->path[index] =
			cut_path(reader->arena, reader->paths.path[index], facts->depth[index]);
		if (!roots->path[index])
			return -ENOMEM;
	}
	return 0;
}

/*
 * What the reader's path below the root must be, seen from the root, if the path that the host sees
 * begins with the root.
 */
static bool lies_below(const char *host, unsigned depth, const char *inside)
{
	const char *rest = host + (depth == 0 ? 0 : boundary_prefix(host, depth));

	if (boundary_depth(host) < depth)
		return false;
	return strcmp(*rest ? rest : "/", inside) == 0;
}

static bool has_all_roots(const struct reader *reader, const struct namespace_facts *facts)
{
	for (unsigned index = 0; index < HIERARCHY_MAX; index++)
		if (reader->paths.path[index] && facts->known[index] && facts->root[index] == 0)
			return false;
	return true;
}

/*
 * Look at an unknown namespace from inside.  The depth of its root comes from our own thread; which
 * cgroup lies there, from a reader that stands below it.
 */
static int learn_cgroup_namespace(struct reader *reader, int fd, struct namespace_facts *facts)
{
	struct caller_resolver *resolver = reader->resolver;
	struct container *root = NULL;
	struct cgroup_paths roots;
	struct resolver_view view;
	int result = resolver_look(resolver->resolver, fd, reader->tid, reader->arena, &view);

	*facts = (struct namespace_facts){.group = reader->pid_facts.group};
	memcpy(facts->known, view.known, sizeof(facts->known));
	memcpy(facts->depth, view.depth, sizeof(facts->depth));
	/* It may have moved since its paths were read first. */
	if (result == 0)
		result = read_paths(reader, reader->tid, &reader->paths);
	if (result == 0)
		result = root_paths(reader, facts, &roots);
	if (result == 0)
		result = get_container(reader, &roots, &root);
	if (result != 0)
		return result;
	for (unsigned index = 0; index < HIERARCHY_MAX; index++)
		if (view.below[index] && reader->paths.path[index] &&
		    lies_below(reader->paths.path[index], view.depth[index], view.path[index]))
			facts->root[index] = root->key.inode[index];
	/* A reader that stands beside the root tells nothing about it that others need not find out. */
	if (has_all_roots(reader, facts))
		namespaces_remember(resolver->namespaces, reader->cgroup_namespace, fd, facts,
				    root);
	container_put(root);
	return 0;
}

static int get_cgroup_namespace(struct reader *reader, struct namespace_facts *facts)
{
	struct caller_resolver *resolver = reader->resolver;
	auto_close int fd = -1;
	struct stat status;

	if (namespaces_find(resolver->namespaces, reader->cgroup_namespace, facts) &&
	    has_all_roots(reader, facts))
		return 0;
	fd = open_namespace(reader, "cgroup");
	if (fd < 0)
		return fd;
	if (fstat(fd, &status) != 0)
		return -errno;
	reader->cgroup_namespace = status.st_ino;
	return learn_cgroup_namespace(reader, fd, facts);
}

static int identify_by_namespace(struct reader *reader, struct container **container)
{
	struct namespace_facts facts;
	struct cgroup_paths roots;
	bool outside = false;
	int result = get_cgroup_namespace(reader, &facts);

	if (result == 0)
		result = root_paths(reader, &facts, &roots);
	if (result == 0)
		result = get_container(reader, &roots, container);
	if (result != 0)
		return result;
	for (unsigned index = 0; index < HIERARCHY_MAX; index++) {
		if ((*container)->key.inode[index] == facts.root[index])
			continue;
		/* It stands beside the root: rule 3 here. */
		roots.path[index] = reader->paths.path[index];
		outside = true;
	}
	if (!outside)
		return 0;
	container_put(*container);
	*container = NULL;
	return get_container(reader, &roots, container);
}

/* ---- rules 2 and 3 ---- */

static int identify_by_init(struct reader *reader, struct container **container)
{
	struct cgroup_paths boundary = reader->paths;
	struct cgroup_paths init;
	int result = read_paths(reader, reader->pid_facts.init_pid, &init);

	for (unsigned index = 0; result == 0 && index < HIERARCHY_MAX; index++) {
		if (!init.path[index] || !boundary.path[index])
			continue;
		boundary_strip_init_scope(init.path[index]);
		if (strcmp(init.path[index], "/") != 0 &&
		    boundary_contains(init.path[index], boundary.path[index]))
			boundary.path[index] = init.path[index];
	}
	/* Without a pid 1 the namespace ends, and the reader with it. */
	return get_container(reader, &boundary, container);
}

static int identify_by_cgroup(struct reader *reader, struct container **container)
{
	return get_container(reader, &reader->paths, container);
}

static int identify(struct reader *reader, enum identity_policy identity,
		    struct container **container)
{
	const struct caller_resolver *resolver = reader->resolver;
	bool own_cgroup_namespace = reader->cgroup_namespace != UNREADABLE &&
				    reader->cgroup_namespace != resolver->host_cgroup_namespace;

	if (identity == IDENTITY_AUTO && own_cgroup_namespace) {
		int result = identify_by_namespace(reader, container);

		/* A link that may be seen but not opened: as one that cannot be read. */
		if (result != -EACCES && result != -EPERM)
			return result;
	}
	if (identity != IDENTITY_CALLER && reader->pid_facts.init_pid != 0)
		return identify_by_init(reader, container);
	return identify_by_cgroup(reader, container);
}

/* ---- the caller ---- */

static int look_at(struct reader *reader)
{
	const struct hostfs *hostfs = reader->resolver->hostfs;
	char process[32];
	int result;

	snprintf(process, sizeof(process), "%u", reader->tid);
	result = read_namespace(hostfs, process, "cgroup", &reader->cgroup_namespace);
	if (result == 0)
		result = read_namespace(hostfs, process, "pid", &reader->pid_namespace);
	if (result == 0)
		result = read_paths(reader, reader->tid, &reader->paths);
	return result;
}

int caller_identify(struct caller_resolver *resolver, uint32_t tid, enum identity_policy identity,
		    struct arena *arena, struct caller *caller)
{
	struct reader reader = {.resolver = resolver, .tid = tid, .arena = arena};
	int result = -ESRCH;

	*caller = (struct caller){.container = NULL};
	if (tid == 0)
		return -ESRCH;
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		result = look_at(&reader);
		if (result != 0)
			return result;
		learn_pid_namespace(&reader);
		result = identify(&reader, identity, &caller->container);
		/* Its cgroup vanished meanwhile: it has moved on. */
		if (result != -ENOENT && result != -ENODEV && result != -EAGAIN)
			break;
	}
	if (result != 0)
		return result;
	caller->init_pid = reader.pid_facts.init_pid;
	caller->in_host_namespaces = reader.cgroup_namespace == resolver->host_cgroup_namespace &&
				     reader.pid_namespace == resolver->host_pid_namespace;
	return 0;
}

void caller_release(struct caller *caller)
{
	container_put(caller->container);
	*caller = (struct caller){.container = NULL};
}

int caller_event_fd(const struct caller_resolver *resolver)
{
	return container_cache_event_fd(resolver->containers);
}

void caller_take_events(struct caller_resolver *resolver)
{
	if (container_cache_take_events(resolver->containers))
		namespaces_drop_gone(resolver->namespaces);
}

/* ---- opening ---- */

static int open_parts(struct caller_resolver *resolver, unsigned limit)
{
	const struct hostfs *hostfs = resolver->hostfs;
	int result =
		read_namespace(hostfs, "thread-self", "cgroup", &resolver->host_cgroup_namespace);

	if (result == 0)
		result =
			read_namespace(hostfs, "thread-self", "pid", &resolver->host_pid_namespace);
	if (result == 0)
		result = container_cache_new(hostfs, limit, &resolver->containers);
	/* A container has a pid and a cgroup namespace. */
	if (result == 0)
		result = namespaces_new(hostfs, 2 * limit, &resolver->namespaces);
	if (result == 0)
		result = resolver_new(hostfs, &resolver->resolver);
	return result;
}

int caller_resolver_new(const struct hostfs *hostfs, unsigned limit,
			struct caller_resolver **created)
{
	struct caller_resolver *resolver = calloc(1, sizeof(*resolver));
	int result;

	if (!resolver)
		return -ENOMEM;
	resolver->hostfs = hostfs;
	result = open_parts(resolver, limit);
	if (result != 0) {
		caller_resolver_free(resolver);
		return result;
	}
	*created = resolver;
	return 0;
}

void caller_resolver_free(struct caller_resolver *resolver)
{
	if (!resolver)
		return;
	resolver_free(resolver->resolver);
	namespaces_free(resolver->namespaces);
	container_cache_free(resolver->containers);
	free(resolver);
}
