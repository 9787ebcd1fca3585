/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One generation of one plugin: its code, what it told of itself, and its instance.
 *
 * Made by the control thread, then constant; reference counted.  The last reference stops the plugin
 * and unmaps it.  Callbacks are called through the functions below, which hold the plugin's lock when it
 * did not declare itself parallel.
 */
#ifndef LXCFS_CORE_GENERATION_H
#define LXCFS_CORE_GENERATION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "image.h"
#include "log.h"
#include "lxcfs/plugin.h"
#include "request.h"
#include "services.h"

struct generation {
	struct lxcfs_host host; /* first: host functions get a pointer to it */
	const struct services *services;
	atomic_uint references;
	char *name;
	char *path; /* of the file that it was loaded from */
	struct image image;
	uint64_t number; /* 1 for the first generation of this plugin */
	bool inherited;  /* the code is what a predecessor served */
	int row;         /* in the ledger, set before it serves; -1: none */
	bool started;
	struct lxcfs_plugin plugin; /* own copies, members that the plugin does not know are 0 */
	struct lxcfs_file *files;
	struct lxcfs_subtree *subtrees;
	void *instance;
	pthread_mutex_t serial;
	enum on_fault on_fault; /* never ON_FAULT_DEFAULT */
	/* A plugin that says too much does not silence the others. */
	struct log_site log_site;
	struct log_site error_site;
};

/*
 * Bring a plugin to the state in which it can serve: map, init, checks, configure, start.  Takes over
 * the image in any case.  When it is refused *reason (to be freed) says why: -EINVAL for an option of
 * the configuration that the plugin does not accept, -ENOEXEC for a fault of the plugin, -ENOMEM.
 */
int generation_new(struct image *image, const char *path, const struct config_plugin *section,
		   const struct services *services, uint64_t number, struct generation **generation,
		   char **reason);
struct generation *generation_get(struct generation *generation);
void generation_put(struct generation *generation);

/* Between these two a callback may be called; what strikes the thread there is the plugin's fault. */
void generation_enter(struct generation *generation);
void generation_leave(struct generation *generation);

static inline struct generation *generation_of(const struct lxcfs_host *host)
{
	return (struct generation *)(uintptr_t)host;
}

#endif
