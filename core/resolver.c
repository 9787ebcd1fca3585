/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boundary.h"
#include "log.h"

/* How often our own cgroup may change under the thread before it gives up. */
#define ATTEMPTS 8

/* Handed to the thread, and back. */
struct task {
	int namespace_fd;
	uint32_t tid;
	struct arena *arena;
	struct resolver_view *view;
	int result;
	bool done;
};

struct resolver {
	const struct hostfs *hostfs;
	int host_namespace_fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct task *task; /* NULL: the thread is idle */
	bool stopping;
};

static int read_paths(const struct resolver *resolver, const char *process, struct arena *arena,
		      struct cgroup_paths *paths)
{
	struct lxcfs_text text;
	char name[64];
	int result;

	snprintf(name, sizeof(name), "%s/cgroup", process);
	result = hostfs_read_at(resolver->hostfs->proc_fd, name, arena, &text);
	if (result != 0)
		return result;
	return cgroup_paths_parse(&resolver->hostfs->hierarchies, (char *)(uintptr_t)text.data,
				  paths);
}

static bool same_paths(const struct cgroup_paths *a, const struct cgroup_paths *b)
{
	for (unsigned index = 0; index < HIERARCHY_MAX; index++) {
		if (!a->path[index] != !b->path[index])
			return false;
		if (a->path[index] && strcmp(a->path[index], b->path[index]) != 0)
			return false;
	}
	return true;
}

static bool leaves_root(const char *path)
{
	return strncmp(path, "/..", 3) == 0 && (path[3] == '/' || path[3] == '\0');
}

static void fill_view(struct resolver_view *view, const struct cgroup_paths *inside,
		      const struct cgroup_paths *host, const struct cgroup_paths *reader)
{
	for (unsigned index = 0; index < HIERARCHY_MAX; index++) {
		int depth;

		if (!inside->path[index] || !host->path[index])
			continue;
		depth = boundary_root_depth(inside->path[index], host->path[index]);
		if (depth < 0)
			continue;
		view->known[index] = true;
		view->depth[index] = (unsigned)depth;
		view->path[index] = reader->path[index];
		view->below[index] = reader->path[index] && !leaves_root(reader->path[index]);
	}
}

/* In the namespace: our own paths, and those of the reader. */
static int look_inside(const struct resolver *resolver, const struct task *task,
		       struct cgroup_paths *inside, struct cgroup_paths *reader)
{
	char process[32];
	int result;
	int back;

	if (setns(task->namespace_fd, CLONE_NEWCGROUP) != 0)
		return -errno;
	snprintf(process, sizeof(process), "%u", task->tid);
	result = read_paths(resolver, "thread-self", task->arena, inside);
	*reader = (struct cgroup_paths){{NULL}};
	if (result == 0)
		result = read_paths(resolver, process, task->arena, reader);
	back = setns(resolver->host_namespace_fd, CLONE_NEWCGROUP);
	if (back != 0)
		log_error("the resolver cannot leave a cgroup namespace: %s", strerror(errno));
	return back != 0 ? -EIO : result;
}

/* Our own cgroup is read before and after: somebody may move the daemon. */
static int look(const struct resolver *resolver, const struct task *task)
{
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		struct cgroup_paths before;
		struct cgroup_paths inside;
		struct cgroup_paths reader;
		struct cgroup_paths after;
		int result = read_paths(resolver, "thread-self", task->arena, &before);

		if (result == 0)
			result = look_inside(resolver, task, &inside, &reader);
		if (result == 0)
			result = read_paths(resolver, "thread-self", task->arena, &after);
		if (result != 0)
			return result;
		if (!same_paths(&before, &after))
			continue;
		fill_view(task->view, &inside, &before, &reader);
		return 0;
	}
	return -EAGAIN;
}

static void *serve(void *argument)
{
	struct resolver *resolver = argument;

	pthread_mutex_lock(&resolver->lock);
	while (!resolver->stopping) {
		struct task *task = resolver->task;

		if (!task || task->done) {
			pthread_cond_wait(&resolver->changed, &resolver->lock);
			continue;
		}
		pthread_mutex_unlock(&resolver->lock);
		task->result = look(resolver, task);
		pthread_mutex_lock(&resolver->lock);
		task->done = true;
		pthread_cond_broadcast(&resolver->changed);
	}
	pthread_mutex_unlock(&resolver->lock);
	return NULL;
}

int resolver_new(const struct hostfs *hostfs, struct resolver **created)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	int result;

	if (!resolver)
		return -ENOMEM;
	resolver->hostfs = hostfs;
	resolver->host_namespace_fd =
		openat(hostfs->proc_fd, "thread-self/ns/cgroup", O_RDONLY | O_CLOEXEC);
	if (resolver->host_namespace_fd < 0) {
		result = -errno;
		free(resolver);
		return result;
	}
	pthread_mutex_init(&resolver->lock, NULL);
	pthread_cond_init(&resolver->changed, NULL);
	result = -pthread_create(&resolver->thread, NULL, serve, resolver);
	if (result != 0) {
		close(resolver->host_namespace_fd);
		free(resolver);
		return result;
	}
	*created = resolver;
	return 0;
}

void resolver_free(struct resolver *resolver)
{
	if (!resolver)
		return;
	pthread_mutex_lock(&resolver->lock);
	resolver->stopping = true;
	pthread_cond_broadcast(&resolver->changed);
	pthread_mutex_unlock(&resolver->lock);
	pthread_join(resolver->thread, NULL);
	pthread_cond_destroy(&resolver->changed);
	pthread_mutex_destroy(&resolver->lock);
	close(resolver->host_namespace_fd);
	free(resolver);
}

int resolver_look(struct resolver *resolver, int namespace_fd, uint32_t tid, struct arena *arena,
		  struct resolver_view *view)
{
	struct task task = {.namespace_fd = namespace_fd, .tid = tid, .arena = arena, .view = view};

	*view = (struct resolver_view){.known = {false}};
	pthread_mutex_lock(&resolver->lock);
	while (resolver->task)
		pthread_cond_wait(&resolver->changed, &resolver->lock);
	resolver->task = &task;
	pthread_cond_broadcast(&resolver->changed);
	while (!task.done)
		pthread_cond_wait(&resolver->changed, &resolver->lock);
	resolver->task = NULL;
	pthread_cond_broadcast(&resolver->changed);
	pthread_mutex_unlock(&resolver->lock);
	return task.result;
}
