/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loading and replacing plugins.  Control thread only.
 *
 * A replacement is loaded and tried beside what serves; it takes its place by one pointer store, or not
 * at all.
 */
#ifndef LXCFS_CORE_PLUGINS_H
#define LXCFS_CORE_PLUGINS_H

#include <stdbool.h>

#include "channel.h"
#include "server.h"

struct plugins {
	struct server *server;
	int channel; /* to the keeper, which holds the images of what serves; -1: none */
	bool trial;  /* run the self-test before loading */
};

/*
 * Load what the configuration names, from its directories.  A plugin that cannot be loaded is named in
 * the log and left out; -ENOENT when none is left, -EINVAL when one refuses an option (*reason, to be
 * freed, says which).  Takes a reference to `config`.
 */
int plugins_load(struct plugins *plugins, struct config *config, char **reason);

/* An image that a predecessor served; becomes part of the next plugins_resume().  Owns `memfd`. */
struct plugins_image {
	struct plugins_image *next;
	char name[CHANNEL_NAME_MAX];
	char path[CHANNEL_TEXT_MAX];
	int memfd;
};
/* Load these images instead of what lies on disk, without a trial: they served a moment ago. */
int plugins_resume(struct plugins *plugins, struct config *config, struct plugins_image *images);

/* SIGUSR1: replace each plugin whose file changed.  Returns how many were refused. */
int plugins_reload(struct plugins *plugins);
/*
 * SIGHUP: serve by another configuration.  On failure everything stays, and *reason says why.
 */
int plugins_reconfigure(struct plugins *plugins, struct config *config, char **reason);

#endif
