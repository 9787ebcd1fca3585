/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When the keeper was killed: its worker starts another one.  Several may; the lock of the runtime
 * directory decides which of them it is.
 */
#ifndef LXCFS_CORE_ELECTION_H
#define LXCFS_CORE_ELECTION_H

#include <stdbool.h>
#include <sys/types.h>

#include "state.h"

/*
 * Start one.  Returns our end of the channel to it, by which it gets its inheritance (plugins_bequeath(),
 * MESSAGE_START), or -errno.
 */
int election_start_keeper(char *const *argv, int fuse_fd, const struct state *state);

/* Whether this process runs; one that has ended and was not waited for does not. */
bool election_is_alive(pid_t pid);
/*
 * Become the one that may read and answer requests.  -EBUSY: another process is, and it lives.
 */
int election_claim(const struct state *state);

#endif
