/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * FUSE operations that make or remove names.  Only a subtree whose plugin offers it takes any; everyone
 * else gets what procfs answers.
 */
#ifndef LXCFS_CORE_TREECHANGES_H
#define LXCFS_CORE_TREECHANGES_H

#include "operations.h"

void operation_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode);
void operation_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name);
void operation_unlink(fuse_req_t request, fuse_ino_t parent, const char *name);
void operation_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
		     dev_t device);
void operation_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *info);
void operation_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name);
void operation_rename(fuse_req_t request, fuse_ino_t parent, const char *name,
		      fuse_ino_t new_parent, const char *new_name, unsigned flags);
void operation_link(fuse_req_t request, fuse_ino_t id, fuse_ino_t new_parent, const char *new_name);

#endif
