/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The runtime directory of a daemon: the lock that makes its holder the keeper, and the pidfile. */
#ifndef LXCFS_CORE_RUNTIME_H
#define LXCFS_CORE_RUNTIME_H

#include "options.h"

/*
 * The lock, waiting at most so long for who holds it; made with the directory if need be.  Returns the
 * descriptor that holds it, or -errno: -EWOULDBLOCK, another daemon has it.  What fails is logged.
 */
int runtime_lock(const struct options *options, int milliseconds);

/* Write this process's id to the pidfile.  What fails is logged. */
int runtime_write_pidfile(const struct options *options);
/* Take away the pidfile and the control socket. */
void runtime_clean(const struct options *options);

#endif
