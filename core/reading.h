/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* FUSE_READ and FUSE_READDIR. */
#ifndef LXCFS_CORE_READING_H
#define LXCFS_CORE_READING_H

#include "operations.h"

void operation_read(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
		    struct fuse_file_info *info);
void operation_readdir(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
		       struct fuse_file_info *info);

#endif
