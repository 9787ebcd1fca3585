/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is served now: a configuration, the plugin generations, and the tree of their paths.
 *
 * Constant; replaced as a whole by one pointer store on every reload.  Readers hold it by quiescence.h.
 */
#ifndef LXCFS_CORE_CATALOG_H
#define LXCFS_CORE_CATALOG_H

#include <stddef.h>

#include "config.h"
#include "generation.h"
#include "nodes.h"
#include "tree.h"

struct catalog {
	struct config *config;
	size_t count;
	struct generation **generations;
	struct tree *tree;
};

/*
 * Build one from these generations (a NULL among them is left out); takes references of its own.  A
 * plugin whose path another one has is left out and named in the log.  `nodes` tells which paths were
 * once served: those that no plugin has now are answered by on-fault, and keep their names as long as
 * their plugin is configured but does not run.  NULL: none.
 */
int catalog_new(struct config *config, struct generation *const *generations, size_t count,
		struct nodes *nodes, struct catalog **catalog);
void catalog_free(struct catalog *catalog);

struct generation *catalog_find(const struct catalog *catalog, const char *plugin);

/* Remember the paths that are served. */
void catalog_note_served(const struct catalog *catalog, struct nodes *nodes);

#endif
