/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making and removing names. */
#include "treechanges.h"

#include <errno.h>

#include "content.h"
#include "fault.h"
#include "server.h"
#include "target.h"

/* mkdir and rmdir: of a subtree that takes them. */
static int change_directory(struct server_thread *thread, const struct target *parent,
			    const struct asker *asker, const char *name, const mode_t *mode)
{
	const struct lxcfs_subtree *subtree = parent->node->subtree;
	struct generation *generation = parent->node->generation;
	struct target target = *parent;
	int result;

	if (parent->node->kind != NODE_SUBTREE || !generation)
		return -EPERM;
	if (mode ? !subtree->mkdir : !subtree->rmdir)
		return -EPERM;
	result = target_join(parent, name, target.path);
	if (result == 0)
		result = content_begin(thread, &target, asker, 0);
	if (result == 0 && fault_is_quarantined(thread, generation))
		result = -EIO;
	if (result != 0)
		return result;
	generation_enter(generation);
	result = mode ? subtree->mkdir(&thread->request.shown, *mode)
		      : subtree->rmdir(&thread->request.shown);
	generation_leave(generation);
	return result > 0 ? -EIO : result;
}

void operation_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct target directory;
	struct target target;
	struct fuse_entry_param entry = {.attr_timeout = OPERATION_TIMEOUT_SECONDS,
					 .entry_timeout = OPERATION_TIMEOUT_SECONDS};
	const struct asker asker = operation_asker(request);
	struct server_thread *thread = operation_enter(request, parent, &directory);
	int result;

	if (!thread)
		return;
	result = change_directory(thread, &directory, &asker, name, &mode);
	if (result == 0)
		result = target_lookup(thread, &directory, name, &target, &entry.attr);
	if (result == 0)
		entry.ino = target.id;
	operation_leave(thread);
	if (result != 0)
		fuse_reply_err(request, -result);
	else
		fuse_reply_entry(request, &entry);
}

void operation_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct target directory;
	const struct asker asker = operation_asker(request);
	struct server_thread *thread = operation_enter(request, parent, &directory);

	if (!thread)
		return;
	operation_leave_with(thread, request,
			     change_directory(thread, &directory, &asker, name, NULL));
}

/* What procfs says to whoever wants to change its tree. */

void operation_unlink(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	(void)parent;
	(void)name;
	fuse_reply_err(request, EPERM);
}

void operation_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
		     dev_t device)
{
	(void)parent;
	(void)name;
	(void)mode;
	(void)device;
	fuse_reply_err(request, EPERM);
}

void operation_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *info)
{
	(void)parent;
	(void)name;
	(void)mode;
	(void)info;
	fuse_reply_err(request, EPERM);
}

void operation_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name)
{
	(void)target;
	(void)parent;
	(void)name;
	fuse_reply_err(request, EPERM);
}

void operation_rename(fuse_req_t request, fuse_ino_t parent, const char *name,
		      fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	(void)parent;
	(void)name;
	(void)new_parent;
	(void)new_name;
	(void)flags;
	fuse_reply_err(request, EPERM);
}

void operation_link(fuse_req_t request, fuse_ino_t id, fuse_ino_t new_parent, const char *new_name)
{
	(void)id;
	(void)new_parent;
	(void)new_name;
	fuse_reply_err(request, EPERM);
}
