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
#include "inheritance.h"
#include "server.h"

struct plugins {
	struct server *server;
	int channel; /* to the keeper, which holds the images of what serves; -1: none */
	bool trial;  /* run the self-test before loading */
	/* Loaded, and not served yet. */
	struct config *prepared_config;
	struct generation **prepared;
};

/*
 * Load what the configuration names, as `mode` says: what served is loaded from the images of the
 * inheritance, which are taken from it.  A plugin that is quarantined for all is left out.  One that cannot
 * be loaded is named in the log and left out; where nothing was inherited, -ENOENT when none is left,
 * and -EINVAL when one refuses an option (*reason, to be freed, says which).  Takes a reference to
 * `config`.
 */
int plugins_prepare(struct plugins *plugins, struct config *config, struct inheritance *inheritance,
		    enum start_mode mode, char **reason);
/* Serve what was prepared. */
int plugins_begin(struct plugins *plugins);

/*
 * Replace each plugin whose file changed, or that is quarantined; or those of `names` ("a b c") anyway.
 * Returns how many were refused; -ENOENT: there is no plugin of such a name.  Who gave the order is told.
 */
int plugins_reload(struct plugins *plugins, const char *names);
/*
 * SIGHUP: serve by another configuration.  On failure everything stays, and *reason says why.
 */
int plugins_reconfigure(struct plugins *plugins, struct config *config, char **reason);
/* Send the keeper all that a successor needs. */
void plugins_bequeath(const struct plugins *plugins);

#endif
