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

/* What becomes of the mount. */
enum mount_end {
	MOUNT_STAYS,   /* the service manager holds it for the next start */
	MOUNT_IS_GONE, /* somebody unmounted it */
	MOUNT_ENDS,    /* it is unmounted; who has it open reads errors */
	MOUNT_ABORTS,  /* nobody can serve it: also who waits for an answer gets an error */
};

/* End the workers; take away pidfile and socket, and the mount, as far as this keeper has them. */
void startup_undo(struct keeper *keeper, enum mount_end end);

#endif
