/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper: mounts, holds what must outlive a worker, and sees to it that a worker serves.
 *
 * It loads no plugin and reads no container's data.  Its process id is the one in the pidfile.
 */
#ifndef LXCFS_CORE_KEEPER_H
#define LXCFS_CORE_KEEPER_H

#include <stdbool.h>

#include "inheritance.h"
#include "options.h"
#include "orders.h"
#include "state.h"
#include "succession.h"

struct keeper {
	const struct options *options;
	char **argv;
	int lock_fd;
	int fuse_fd;
	int signal_fd;
	int control_fd;
	struct state state;
	struct inheritance inheritance;
	struct succession succession;
	struct orders orders;
	int upgrade;    /* the program that takes over; -1: none does */
	bool announced; /* that it serves */
};

/*
 * `argv`: the whole command line; workers get it again.  `adopts`: the mount exists, and what belongs to
 * it comes over KEEPER_CHANNEL_FD.  Exit status of the process.
 */
int keeper_main(const struct options *options, char **argv, bool adopts);

#endif
