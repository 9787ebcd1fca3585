/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the file system is mounted. */
#ifndef LXCFS_CORE_MOUNTPOINT_H
#define LXCFS_CORE_MOUNTPOINT_H

#include <stdbool.h>

/*
 * Look at the place before anything is mounted.  A dead mount of ours (ENOTCONN) is taken away.
 * -EBUSY: a living one is there.  What is wrong is logged with what to do.
 */
int mountpoint_prepare(const char *path);
/* Mount the connection; `options` are those of -o, for mount(2).  Logs what fails. */
int mountpoint_mount(const char *path, int fuse_fd, const char *options);
/* Whether nobody can serve the mount any more. */
bool mountpoint_is_dead(const char *path);
/* Lazily: whoever is in it stays in it. */
int mountpoint_unmount(const char *path);
/* The same, and end the connection: who waits for an answer, uninterruptibly perhaps, gets an error. */
int mountpoint_abort(const char *path);

#endif
