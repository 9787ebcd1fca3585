/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a keeper comes to a mount that exists: from the program that it replaces (an upgrade), from a worker
 * whose keeper was killed, or from a service manager.
 */
#ifndef LXCFS_CORE_ADOPTION_H
#define LXCFS_CORE_ADOPTION_H

#include <sys/types.h>

#include "inheritance.h"

/* The first argument by which the program knows that it is to be such a keeper. */
#define KEEPER_ARGUMENT "--internal-keeper"

/* Descriptors that are left open in it. */
#define KEEPER_FUSE_FD    3
#define KEEPER_STATE_FD   4
#define KEEPER_CHANNEL_FD 5

/* What goes from keeper to keeper, besides the inheritance; -1 (0 for processes): not there. */
struct adoption {
	pid_t worker;
	int worker_channel;
	int lock_fd;
	int control_fd; /* the listening socket */
	pid_t client;   /* the control process that waits for this upgrade */
	int client_channel;
};

void adoption_init(struct adoption *adoption);
/* Everything stays the caller's. */
int adoption_send(int channel, const struct inheritance *inheritance,
		  const struct adoption *adoption);
/* Until all was received; the caller owns what it finds in both. */
int adoption_receive(int channel, struct inheritance *inheritance, struct adoption *adoption);

/*
 * Become the keeper of `program` with the same process id.  Returns -errno when that fails: everything is
 * as before then.
 */
int adoption_execute(int program, char *const *argv, int fuse_fd, int state_fd,
		     const struct inheritance *inheritance, const struct adoption *adoption);

#endif
