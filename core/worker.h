/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The worker: serves the mount.  May die at any instruction; the keeper starts the next one.
 */
#ifndef LXCFS_CORE_WORKER_H
#define LXCFS_CORE_WORKER_H

#include "options.h"

/* The first argument by which the program knows that it is a worker; the keeper's own follow. */
#define WORKER_ARGUMENT "--internal-worker"

/* Descriptors that the keeper leaves open in it. */
#define WORKER_FUSE_FD    3
#define WORKER_STATE_FD   4
#define WORKER_CHANNEL_FD 5

/* `argv`: the command line of the daemon.  Exit status of the process. */
int worker_main(const struct options *options, char *const *argv);

#endif
