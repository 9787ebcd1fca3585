/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control socket: RUNTIME-DIR/lxcfs.sock, for root only.
 *
 * The keeper listens and reads nothing from it: for each connection it starts a process of its own,
 * which speaks with the client, finds what it is asked for in the state memfd, and passes orders on to
 * the keeper.  So no client can hold up or crash the keeper, and status works when no worker does.
 */
#ifndef LXCFS_CORE_CONTROL_H
#define LXCFS_CORE_CONTROL_H

#include <sys/time.h>
#include <sys/types.h>

#include "state.h"

/* The first argument by which the program knows that it is such a process. */
#define CONTROL_ARGUMENT "--internal-control"

/* Descriptors that the keeper leaves open in it. */
#define CONTROL_CLIENT_FD  3
#define CONTROL_STATE_FD   4
#define CONTROL_CHANNEL_FD 5

#define CONTROL_SOCKET "lxcfs.sock"
/* Where it lies unless --runtime-dir says otherwise. */
#define CONTROL_DIRECTORY "/run"

/*
 * A listening socket (close-on-exec, non-blocking) of this name, in place of one that a dead daemon left;
 * call it with the lock of the runtime directory held.  -errno.
 */
int control_listen(const char *runtime_directory);
/*
 * Accept one connection and start its process; `program` is what to execute.  *channel is the keeper's end.
 * Returns its process id, or -errno; -EPERM: the peer is not root.  *channel is then not set.
 */
pid_t control_accept(int listener, const struct state *state, const char *program, int *channel);

/*
 * For clients: a connected socket.  -ENOENT, -ECONNREFUSED: nobody listens; -EAGAIN: nobody accepts within
 * `patience`.
 */
int control_connect(const char *runtime_directory, const struct timeval *patience);

/* main() of that process: until the client goes. */
int control_main(void);

#endif
