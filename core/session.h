/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The FUSE session of a worker: on a descriptor that the keeper opened, for a mount that may be older
 * than the worker.
 */
#ifndef LXCFS_CORE_SESSION_H
#define LXCFS_CORE_SESSION_H

#include <stdbool.h>

#include "server.h"

/* Make server->session; nothing is read yet.  `debug`: libfuse prints each request. */
int session_open(struct server *server, bool debug);
void session_close(struct server *server);

/*
 * Replay the FUSE_INIT of a mount that exists; nothing goes to the kernel.  Does nothing on a new mount.
 * -EPROTO: this program would agree on other terms with the kernel than its predecessor did.
 */
int session_replay_init(struct server *server);
/*
 * Become the successor of a worker that is gone: serve what it left in the journal.  -EPROTO: as above, where
 * that was not known before.
 */
int session_take_over(struct server *server, struct server_thread *thread);
/* Have the kernel send again what was read but lies in no slot (Linux 6.9; ignored before). */
void session_resend(struct server *server);

/* Have the kernel drop a name that is no longer there; it would go on resolving it for long. */
void session_forget_name(struct server *server, uint64_t parent, const char *name);

int session_thread_open(struct server *server, struct server_thread *thread);
void session_thread_close(struct server_thread *thread);
/* Serve requests until the mount is gone (0) or reading fails for good (-errno). */
int session_serve(struct server_thread *thread);

#endif
