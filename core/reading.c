/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads of files and of directories: both are served from snapshots. */
#include "reading.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "content.h"
#include "operations.h"
#include "server.h"
#include "target.h"

/* `snapshot` NULL: the text is over. */
static void reply_slice(fuse_req_t request, const struct snapshot *snapshot, size_t size,
			uint64_t offset)
{
	if (!snapshot || offset >= snapshot->length) {
		fuse_reply_buf(request, NULL, 0);
		return;
	}
	if (size > snapshot->length - offset)
		size = snapshot->length - offset;
	fuse_reply_buf(request, snapshot->data + offset, size);
}

typedef int (*produce_function)(struct server_thread *thread, const struct target *target);

static int produce_file(struct server_thread *thread, const struct target *target)
{
	return content_render(thread, target);
}

static int produce_listing(struct server_thread *thread, const struct target *target)
{
	int result = content_list(thread, target);

	if (result != 0)
		return result;
	output_reset(&thread->output, NULL);
	return output_append(&thread->output, thread->directory.output.data,
			     thread->directory.output.length);
}

/*
 * The text that this read is served from; the caller puts it.  Offset 0 makes a new one.  Other
 * offsets go on with what this thread began, even if it has moved to another container since: two
 * halves of two texts are no text.  What another thread began must hold the numbers of the container
 * that asks: descriptors can be handed from one container to another.  NULL: the text that this thread
 * began is gone, but it is known that it ended here.
 */
static int get_snapshot(struct server_thread *thread, const struct target *target,
			const struct asker *asker, uint64_t handle, uint64_t offset,
			produce_function produce, struct snapshot **snapshot)
{
	struct server *server = thread->server;
	struct snapshot *kept = NULL;
	int result;

	if (offset != 0)
		kept = snapshot_find(server->snapshots, handle, asker->tid);
	if (kept && produce == produce_file &&
	    (kept->tid == asker->tid || offset >= kept->length)) {
		*snapshot = kept;
		return 0;
	}
	*snapshot = NULL;
	if (!kept && offset != 0 && produce == produce_file &&
	    lengths_is_end(&server->lengths, handle, asker->tid, offset))
		return 0;
	result = content_begin(thread, target, asker, handle);
	if (result == 0 && kept &&
	    memcmp(&kept->container, &thread->caller.container->key, sizeof(kept->container)) ==
		    0) {
		*snapshot = kept;
		return 0;
	}
	snapshot_put(kept);
	if (result == 0)
		result = produce(thread, target);
	if (result != 0)
		return result;
	*snapshot = snapshot_new(asker->tid, &thread->caller.container->key, thread->output.data,
				 thread->output.length);
	if (!*snapshot)
		return -ENOMEM;
	(*snapshot)->group = thread->caller.container->group;
	snapshot_keep(server->snapshots, handle, *snapshot);
	if (produce == produce_file)
		lengths_note(&server->lengths, handle, asker->tid, (*snapshot)->length);
	return 0;
}

void operation_read(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
		    struct fuse_file_info *info)
{
	__attribute__((cleanup(snapshot_cleanup))) struct snapshot *snapshot = NULL;
	struct target target;
	const struct asker asker = operation_asker(request);
	struct server_thread *thread = operation_enter(request, id, &target);
	int result;

	if (!thread)
		return;
	result = get_snapshot(thread, &target, &asker, info->fh, (uint64_t)offset, produce_file,
			      &snapshot);
	operation_leave(thread);
	if (result != 0)
		fuse_reply_err(request, -result);
	else
		reply_slice(request, snapshot, size, (uint64_t)offset);
}

/* The inode number that lookup would give for an entry of this listing. */
static uint64_t entry_id(const struct server_thread *thread, const struct target *directory,
			 const char *name)
{
	const struct tree_node *child;
	uint64_t id;

	if (name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0')))
		return directory->id;
	if (directory->node->kind == NODE_SUBTREE)
		return nodes_get(thread->server->nodes, directory->id, name, &id) == 0 ? id : 2;
	child = tree_child(thread->catalog->tree, directory->node, name);
	return child ? child->id : 2;
}

/* As many entries behind number `offset` as have room in `size` bytes. */
static void reply_entries(struct server_thread *thread, fuse_req_t request,
			  const struct target *directory, const struct snapshot *snapshot,
			  size_t size, uint64_t offset)
{
	const struct directory_record *record =
		directory_next(snapshot->data, snapshot->length, NULL);
	char *buffer = arena_allocate(&thread->arena, size);
	uint64_t number = 0;
	size_t used = 0;

	if (!buffer) {
		fuse_reply_err(request, ENOMEM);
		return;
	}
	for (; record; record = directory_next(snapshot->data, snapshot->length, record)) {
		struct stat attributes = {.st_mode = record->mode};
		size_t needed;

		if (number++ < offset)
			continue;
		attributes.st_ino = entry_id(thread, directory, record->name);
		needed = fuse_add_direntry(request, buffer + used, size - used, record->name,
					   &attributes, (off_t)number);
		if (needed > size - used)
			break;
		used += needed;
	}
	fuse_reply_buf(request, buffer, used);
}

void operation_readdir(fuse_req_t request, fuse_ino_t id, size_t size, off_t offset,
		       struct fuse_file_info *info)
{
	__attribute__((cleanup(snapshot_cleanup))) struct snapshot *snapshot = NULL;
	struct target target;
	const struct asker asker = operation_asker(request);
	struct server_thread *thread = operation_enter(request, id, &target);
	int result;

	if (!thread)
		return;
	result = get_snapshot(thread, &target, &asker, info->fh, (uint64_t)offset, produce_listing,
			      &snapshot);
	if (result != 0)
		fuse_reply_err(request, -result);
	else
		reply_entries(thread, request, &target, snapshot, size, (uint64_t)offset);
	operation_leave(thread);
}
