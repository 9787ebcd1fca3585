/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The FUSE operations.  Each answers its request before it returns.
 */
#ifndef LXCFS_CORE_OPERATIONS_H
#define LXCFS_CORE_OPERATIONS_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "content.h"
#include "target.h"

/* Names and attributes do not depend on who asks and hardly ever change. */
#define OPERATION_TIMEOUT_SECONDS 86400.0

/*
 * Begin to serve a request: from here to operation_leave() the catalog stays.  Returns NULL, with the request
 * answered, when the node is unknown.
 */
struct server_thread *operation_enter(fuse_req_t request, fuse_ino_t id, struct target *target);
void operation_leave(struct server_thread *thread);
/* The same, with an answer that is only an error (0: none). */
void operation_leave_with(struct server_thread *thread, fuse_req_t request, int result);
struct asker operation_asker(fuse_req_t request);

/* The session's userdata is a struct server. */
extern const struct fuse_lowlevel_ops fuse_operations;

#endif
