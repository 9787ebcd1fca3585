/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper: mounts, holds what must outlive a worker, and starts the next worker when one dies.
 *
 * It loads no plugin and reads no container's data.  Its process id is the one in the pidfile.
 */
#ifndef LXCFS_CORE_KEEPER_H
#define LXCFS_CORE_KEEPER_H

#include "options.h"

/* `argv`: the whole command line; a worker gets it again.  Exit status of the process. */
int keeper_main(const struct options *options, char **argv);

#endif
