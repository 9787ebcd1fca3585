/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a keeper begins: on a new mount, on one that a service manager held, or on one that another keeper
 * left; and how it ends.
 */
#ifndef LXCFS_CORE_STARTUP_H
#define LXCFS_CORE_STARTUP_H

#include "keeper.h"

/*
 * Set up the keeper and have its first worker get ready.  Everything that can be wrong with the place is
 * found before anything is done.  What fails is logged.  `adopts`: see keeper_main().
 */
int startup(struct keeper *keeper, const struct options *options, char **argv, bool adopts);
/* The first worker is ready: mount, and let it serve. */
int startup_mount(struct keeper *keeper);
/* It serves. */
void startup_announce(struct keeper *keeper);

/* End the workers; take away pidfile and socket, and the mount, as far as this keeper has them. */
void startup_undo(struct keeper *keeper, bool for_good, bool unmount);

#endif
