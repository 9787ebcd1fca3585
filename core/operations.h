/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The FUSE operations.  Each answers its request before it returns.
 */
#ifndef LXCFS_CORE_OPERATIONS_H
#define LXCFS_CORE_OPERATIONS_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

/* The session's userdata is a struct server. */
extern const struct fuse_lowlevel_ops fuse_operations;

#endif
