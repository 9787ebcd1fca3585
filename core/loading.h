/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loading one plugin: from its file, or from the code that a predecessor served.  Control thread only.
 *
 * What is said here goes to the log and to whoever gave the order.
 */
#ifndef LXCFS_CORE_LOADING_H
#define LXCFS_CORE_LOADING_H

#include <limits.h>

#include "plugins.h"

/* Log a line, and tell whoever gave the order. */
void loading_tell(const struct plugins *plugins, uint32_t level, const char *format, ...)
	LXCFS_PRINTF(3, 4);

/* The first directory that has NAME.so.  -ENOENT. */
int loading_find_file(const struct config *config, const char *name, char path[PATH_MAX]);
/*
 * Find, try and load a plugin of the configuration; what fails is told.  *reason, to be freed, says why it
 * was refused: -EINVAL for an option that it does not take.  `forced`: also code that ended a worker
 * before.
 */
int loading_from_disk(const struct plugins *plugins, const struct config *config,
		      const struct config_plugin *section, uint64_t number, bool forced,
		      struct generation **generation, char **reason);
/* What served, from the keeper's copy, which is taken. */
int loading_inherited(const struct plugins *plugins, const struct config *config,
		      const struct config_plugin *section, struct inherited_image *kept,
		      struct generation **generation);
/* Whether there is a file, and it is other code than the keeper's copy. */
bool loading_differs(const struct config *config, const struct config_plugin *section,
		     const struct inherited_image *kept);

/* What the ledger has of a plugin; all 0 if nothing. */
struct ledger_plugin loading_row(const struct plugins *plugins, const char *name);
/* Generations are counted over the lives of workers. */
uint64_t loading_last_number(const struct plugins *plugins, const char *name);

#endif
