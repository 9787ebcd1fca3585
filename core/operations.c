/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "operations.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "content.h"
#include "fault.h"
#include "log.h"
#include "reading.h"
#include "server.h"
#include "target.h"
#include "treechanges.h"

#define WRITE_MAX 4096u
/* What poll(2) tells of an ordinary file. */
#define ALWAYS_READY (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)

struct server_thread *operation_enter(fuse_req_t request, fuse_ino_t id, struct target *target)
{
	struct server_thread *thread = server_thread_current();
	int result;

	quiescence_enter(thread->server->quiescence, thread->reader);
	thread->catalog = atomic_load(&thread->server->catalog);
	result = target_find(thread, id, target);
	if (result == 0)
		return thread;
	quiescence_leave(thread->server->quiescence, thread->reader);
	fuse_reply_err(request, -result);
	return NULL;
}

void operation_leave(struct server_thread *thread)
{
	content_finish(thread);
	thread->catalog = NULL;
	quiescence_leave(thread->server->quiescence, thread->reader);
}

void operation_leave_with(struct server_thread *thread, fuse_req_t request, int result)
{
	operation_leave(thread);
	fuse_reply_err(request, -result);
}

struct asker operation_asker(fuse_req_t request)
{
	const struct fuse_ctx *context = fuse_req_ctx(request);

	return (struct asker){
		.tid = (uint32_t)context->pid, .uid = context->uid, .gid = context->gid};
}

static void operation_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct target directory;
	struct target target;
	struct fuse_entry_param entry = {.attr_timeout = OPERATION_TIMEOUT_SECONDS,
					 .entry_timeout = OPERATION_TIMEOUT_SECONDS};
	struct server_thread *thread = operation_enter(request, parent, &directory);
	int result;

	if (!thread)
		return;
	result = target_lookup(thread, &directory, name, &target, &entry.attr);
	entry.ino = target.id;
	operation_leave(thread);
	if (result != 0)
		fuse_reply_err(request, -result);
	else
		fuse_reply_entry(request, &entry);
}

static void operation_getattr(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
	struct target target;
	struct stat attributes;
	struct server_thread *thread = operation_enter(request, id, &target);
	int result;

	(void)info;
	if (!thread)
		return;
	result = target_attributes(thread, &target, &attributes);
	operation_leave(thread);
	if (result != 0)
		fuse_reply_err(request, -result);
	else
		fuse_reply_attr(request, &attributes, OPERATION_TIMEOUT_SECONDS);
}

static bool is_writable(const struct target *target)
{
	/* Whether it was cannot be told while no plugin serves it: the write fails then, not the open. */
	if (!target->node->generation)
		return true;
	return target->node->kind == NODE_SUBTREE ? target->node->subtree->write != NULL
						  : target->node->file->write != NULL;
}

/* Changes of attributes go to subtrees that take them; elsewhere it is as in procfs. */
static int set_attributes(struct server_thread *thread, const struct target *target,
			  const struct asker *asker, const struct stat *wanted, int valid)
{
	struct lxcfs_attributes attributes = {.size = sizeof(attributes),
					      .version = LXCFS_ABI_VERSION,
					      .mode = wanted->st_mode,
					      .uid = wanted->st_uid,
					      .gid = wanted->st_gid};
	int result;

	if (valid & FUSE_SET_ATTR_SIZE)
		return is_writable(target) ? 0 : -EACCES;
	attributes.valid = (valid & FUSE_SET_ATTR_MODE ? LXCFS_ATTRIBUTE_MODE : 0) |
			   (valid & FUSE_SET_ATTR_UID ? LXCFS_ATTRIBUTE_UID : 0) |
			   (valid & FUSE_SET_ATTR_GID ? LXCFS_ATTRIBUTE_GID : 0);
	if (attributes.valid == 0 || target->node->kind != NODE_SUBTREE ||
	    !target->node->generation || !target->node->subtree->setattr)
		return -EPERM;
	result = content_begin(thread, target, asker, 0);
	if (result != 0)
		return result;
	if (fault_is_quarantined(thread, target->node->generation))
		return -EIO;
	generation_enter(target->node->generation);
	result = target->node->subtree->setattr(&thread->request.shown, &attributes);
	generation_leave(target->node->generation);
	return result > 0 ? -EIO : result;
}

static void operation_setattr(fuse_req_t request, fuse_ino_t id, struct stat *wanted, int valid,
			      struct fuse_file_info *info)
{
	struct target target;
	struct stat attributes;
	const struct asker asker = operation_asker(request);
	struct server_thread *thread = operation_enter(request, id, &target);
	int result;

	(void)info;
	if (!thread)
		return;
	result = set_attributes(thread, &target, &asker, wanted, valid);
	if (result == 0)
		result = target_attributes(thread, &target, &attributes);
	operation_leave(thread);
	if (result != 0)
		fuse_reply_err(request, -result);
	else
		fuse_reply_attr(request, &attributes, OPERATION_TIMEOUT_SECONDS);
}

static void operation_readlink(fuse_req_t request, fuse_ino_t id)
{
	struct target target;
	struct server_thread *thread = operation_enter(request, id, &target);
	struct generation *generation;
	int result = -EINVAL;

	if (!thread)
		return;
	generation = target.node->generation;
	if (target.node->kind == NODE_SUBTREE && !target_has_plugin(thread, &target)) {
		output_reset(&thread->output, NULL);
		result = target_host_link(thread, &target, &thread->output);
	} else if (target.node->kind == NODE_SUBTREE && target.node->subtree->readlink) {
		output_reset(&thread->output, &generation->host);
		generation_enter(generation);
		result = target.node->subtree->readlink(&generation->host, target.path,
							&thread->output);
		generation_leave(generation);
	}
	if (result == 0)
		result = output_append(&thread->output, "", 1);
	if (result != 0) {
		operation_leave_with(thread, request, result > 0 ? -EIO : result);
		return;
	}
	fuse_reply_readlink(request, thread->output.data);
	operation_leave(thread);
}

static int open_file(struct server_thread *thread, const struct target *target,
		     const struct asker *asker, int flags)
{
	int result;

	if (target->node->kind == NODE_DIRECTORY)
		return flags & O_DIRECTORY ? 0 : -EISDIR;
	if ((flags & O_ACCMODE) != O_RDONLY && !is_writable(target))
		return -EACCES;
	if (target->node->kind != NODE_SUBTREE)
		return 0;
	result = content_begin(thread, target, asker, 0);
	return result != 0 ? result : content_open(thread, target, (uint32_t)flags);
}

static void operation_open(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
	struct target target;
	const struct asker asker = operation_asker(request);
	struct server_thread *thread = operation_enter(request, id, &target);
	int result;

	if (!thread)
		return;
	result = open_file(thread, &target, &asker, info->flags);
	operation_leave(thread);
	if (result != 0) {
		fuse_reply_err(request, -result);
		return;
	}
	/*
	 * A handle is a number and nothing else: what belongs to it is found by the number or made
	 * anew, so handles of a dead worker go on.
	 */
	info->fh = state_next_handle(&thread->server->state);
	info->direct_io = 1;
	info->noflush = 1;
	fuse_reply_open(request, info);
}

static void operation_opendir(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
	info->flags |= O_DIRECTORY;
	operation_open(request, id, info);
}

static void release_plugin_handle(struct server_thread *thread, const struct target *target,
				  uint64_t handle)
{
	struct generation *generation = target->node->generation;

	if (target->node->kind != NODE_FILE || !generation || !target->node->file->release)
		return;
	content_begin_anonymous(thread, target, handle);
	if (fault_is_quarantined(thread, generation))
		return;
	generation_enter(generation);
	target->node->file->release(&thread->request.shown);
	generation_leave(generation);
}

/* Always 0: a handle that nobody knows has nothing to give back. */
static void operation_release(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
	struct target target;
	struct server_thread *thread = operation_enter(request, id, &target);

	if (!thread)
		return;
	snapshot_drop(thread->server->snapshots, info->fh);
	polls_drop(thread->server->services.polls, info->fh);
	release_plugin_handle(thread, &target, info->fh);
	operation_leave_with(thread, request, 0);
}

static int write_whole(struct server_thread *thread, const struct target *target, const char *data,
		       size_t size)
{
	struct generation *generation = target->node->generation;
	char text[WRITE_MAX + 1];
	int result;

	if (fault_is_quarantined(thread, generation))
		return -EIO;
	memcpy(text, data, size);
	text[size] = '\0';
	generation_enter(generation);
	if (target->node->kind == NODE_SUBTREE)
		result = target->node->subtree->write(&thread->request.shown, text, (uint32_t)size);
	else
		result = target->node->file->write(&thread->request.shown, text, (uint32_t)size);
	generation_leave(generation);
	return result > 0 ? -EIO : result;
}

static void operation_write(fuse_req_t request, fuse_ino_t id, const char *data, size_t size,
			    off_t offset, struct fuse_file_info *info)
{
	struct target target;
	const struct asker asker = operation_asker(request);
	struct server_thread *thread = operation_enter(request, id, &target);
	int result;

	if (!thread)
		return;
	/* A write is one command; a part of one must not be taken for the whole. */
	if (offset != 0 || size > WRITE_MAX)
		result = -E2BIG;
	else if (!is_writable(&target))
		result = -EACCES;
	else if (!target.node->generation)
		result = -EIO;
	else
		result = content_begin(thread, &target, &asker, info->fh);
	if (result == 0)
		result = write_whole(thread, &target, data, size);
	operation_leave(thread);
	if (result != 0)
		fuse_reply_err(request, -result);
	else
		fuse_reply_write(request, size);
}

/*
 * Keep the kernel's poll handle: libfuse hides it, so it is taken from the request itself, which lies
 * in this thread's slot.
 */
static int remember_poll(struct server_thread *thread, uint64_t handle)
{
	const unsigned char *request = journal_request(&thread->server->journal, thread->slot);
	const struct fuse_poll_in *poll =
		(const struct fuse_poll_in *)(request + sizeof(struct fuse_in_header));

	if (!(poll->flags & FUSE_POLL_SCHEDULE_NOTIFY))
		return 0;
	return polls_add(thread->server->services.polls, handle, poll->kh);
}

static int poll_plugin(struct server_thread *thread, const struct target *target,
		       const struct asker *asker, uint64_t handle, uint32_t *events)
{
	struct generation *generation = target->node->generation;
	int result;

	if (target->node->kind != NODE_FILE || !generation || !target->node->file->poll)
		return 0;
	result = content_begin(thread, target, asker, handle);
	/* First remember, then look: what happens in between wakes the poller once too often. */
	if (result == 0)
		result = remember_poll(thread, handle);
	if (result == 0 && fault_is_quarantined(thread, generation))
		result = -EIO;
	if (result != 0)
		return result;
	generation_enter(generation);
	result = target->node->file->poll(&thread->request.shown, events);
	generation_leave(generation);
	return result > 0 ? -EIO : result;
}

/* Never ENOSYS: the kernel would not ask again, for any file, as long as the mount lives. */
static void operation_poll(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info,
			   struct fuse_pollhandle *handle)
{
	struct target target;
	const struct asker asker = operation_asker(request);
	struct server_thread *thread;
	uint32_t events = ALWAYS_READY;

	if (handle)
		fuse_pollhandle_destroy(handle);
	thread = operation_enter(request, id, &target);
	if (!thread)
		return;
	if (poll_plugin(thread, &target, &asker, info->fh, &events) != 0)
		events = POLLERR;
	operation_leave(thread);
	fuse_reply_poll(request, events);
}

static void operation_access(fuse_req_t request, fuse_ino_t id, int mask)
{
	struct target target;
	struct server_thread *thread = operation_enter(request, id, &target);
	int result = 0;

	if (!thread)
		return;
	if (mask & W_OK)
		result = target.node->kind != NODE_DIRECTORY && is_writable(&target) ? 0 : -EACCES;
	operation_leave_with(thread, request, result);
}

/* Node ids are never taken back, so there is nothing to count. */
static void operation_forget(fuse_req_t request, fuse_ino_t id, uint64_t count)
{
	(void)id;
	(void)count;
	fuse_reply_none(request);
}

const struct fuse_lowlevel_ops fuse_operations = {
	.lookup = operation_lookup,
	.forget = operation_forget,
	.getattr = operation_getattr,
	.setattr = operation_setattr,
	.readlink = operation_readlink,
	.mknod = operation_mknod,
	.mkdir = operation_mkdir,
	.unlink = operation_unlink,
	.rmdir = operation_rmdir,
	.symlink = operation_symlink,
	.rename = operation_rename,
	.link = operation_link,
	.open = operation_open,
	.read = operation_read,
	.write = operation_write,
	.release = operation_release,
	.opendir = operation_opendir,
	.readdir = operation_readdir,
	.releasedir = operation_release,
	.access = operation_access,
	.create = operation_create,
	.poll = operation_poll,
};
