/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fault.h"
#include "hostapi.h"
#include "hostfs.h"

#define DEPTH_MAX 64u

/*
 * Whether a plugin can be asked for names, attributes and links.  One that is quarantined is not: they
 * are the host's then, for they must never fail.
 */
bool target_has_plugin(const struct server_thread *thread, const struct target *target)
{
	return target->node->generation && !fault_is_charged(thread) &&
	       !fault_is_quarantined(thread, target->node->generation);
}

/* Put "name" or "name/" before what is in the path already. */
static int prepend(char path[PATH_MAX], const char *name)
{
	size_t length = strlen(name);
	size_t rest = strlen(path);
	size_t slash = rest != 0;

	if (length + slash + rest >= PATH_MAX)
		return -ENAMETOOLONG;
	memmove(path + length + slash, path, rest + 1);
	memcpy(path, name, length);
	if (slash)
		path[length] = '/';
	return 0;
}

int target_find(const struct server_thread *thread, uint64_t id, struct target *target)
{
	uint64_t current = id;

	target->id = id;
	target->path[0] = '\0';
	for (unsigned depth = 0; current & NODE_ID_TABLE; depth++) {
		const char *name;

		if (depth == DEPTH_MAX ||
		    nodes_find(thread->server->nodes, current, &current, &name) != 0)
			return -ESTALE;
		if (prepend(target->path, name) != 0)
			return -ENAMETOOLONG;
	}
	target->node = tree_find(thread->catalog->tree, current);
	if (!target->node || (current != id && target->node->kind != NODE_SUBTREE))
		return -ESTALE;
	return 0;
}

const char *target_plugin_path(const struct target *target)
{
	return target->node->kind == NODE_SUBTREE ? target->path : target->node->path;
}

int target_join(const struct target *parent, const char *name, char path[PATH_MAX])
{
	int length =
		snprintf(path, PATH_MAX, "%s%s%s", parent->path, parent->path[0] ? "/" : "", name);

	return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int target_host_path(const struct target *target, char path[PATH_MAX])
{
	int length = snprintf(path, PATH_MAX, "%s%s%s", target->node->path,
			      target->path[0] ? "/" : "", target->path);

	return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int target_host_link(const struct server_thread *thread, const struct target *target,
		     struct lxcfs_output *output)
{
	char path[PATH_MAX];
	int result = target_host_path(target, path);

	return result == 0 ? hostapi_read_link(thread->server->services.hostfs, path, output)
			   : result;
}

static void fill(const struct server_thread *thread, uint64_t id, uint32_t mode, uint64_t size,
		 struct stat *attributes)
{
	time_t created = (time_t)thread->server->state.header->created;

	*attributes = (struct stat){.st_ino = id,
				    .st_mode = mode,
				    .st_nlink = S_ISDIR(mode) ? 2 : 1,
				    /*
				     * A file with a size could be mapped privately, and the pages
				     * of a mapping are shared by all containers.
				     */
				    .st_size = S_ISREG(mode) ? 0 : (off_t)size,
				    .st_blksize = 4096,
				    .st_atim.tv_sec = created,
				    .st_mtim.tv_sec = created,
				    .st_ctim.tv_sec = created};
}

/* Of what the host has at this place. */
static int host_attributes(const struct server_thread *thread, const struct target *target,
			   struct stat *attributes)
{
	char path[PATH_MAX];
	const char *rest;
	struct stat status;
	int directory;

	if (target_host_path(target, path) != 0)
		return -ENAMETOOLONG;
	directory = hostfs_resolve(thread->server->services.hostfs, path, &rest);
	if (directory < 0)
		return directory;
	if (fstatat(directory, rest, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	fill(thread, target->id, status.st_mode, (uint64_t)status.st_size, attributes);
	return 0;
}

/* 0: not known. */
static mode_t type_of(const struct server_thread *thread, const struct target *target)
{
	if (target->id & NODE_ID_TABLE)
		return nodes_type(thread->server->nodes, target->id);
	return target->node->kind == NODE_FILE ? S_IFREG : S_IFDIR;
}

/*
 * A node that no plugin serves, or none that may be called, is what the host has at its place.  Its
 * type stays the same, for the kernel gives up a node that changes it.
 */
static int absent_attributes(const struct server_thread *thread, const struct target *target,
			     struct stat *attributes)
{
	mode_t type = type_of(thread, target);

	if (host_attributes(thread, target, attributes) == 0 &&
	    (type == 0 || (attributes->st_mode & S_IFMT) == type))
		return 0;
	if (type == 0)
		type = S_IFDIR;
	fill(thread, target->id, type | (S_ISDIR(type) ? 0555 : 0444), 0, attributes);
	return 0;
}

static int subtree_attributes(const struct server_thread *thread, const struct target *target,
			      const char *path, struct stat *attributes)
{
	struct generation *generation = target->node->generation;
	struct lxcfs_attributes found = {.size = sizeof(found), .version = LXCFS_ABI_VERSION};
	int result;

	generation_enter(generation);
	result = target->node->subtree->lookup(&generation->host, path, &found);
	generation_leave(generation);
	if (result != 0)
		return result < 0 ? result : -EIO;
	fill(thread, target->id, found.mode, found.file_size, attributes);
	attributes->st_uid = found.uid;
	attributes->st_gid = found.gid;
	return 0;
}

/*
 * Whether a plugin tells by this that a name is there or is not.  Anything else is a failure, and must not
 * reach the kernel: it would drop the name, and what containers have mounted there.
 */
static bool is_answer(int result)
{
	return result == 0 || result == -ENOENT || result == -ENOTDIR || result == -ENAMETOOLONG;
}

int target_attributes(const struct server_thread *thread, const struct target *target,
		      struct stat *attributes)
{
	const struct tree_node *node = target->node;
	int result;

	if (node->kind == NODE_DIRECTORY) {
		fill(thread, target->id, S_IFDIR | 0555, 0, attributes);
		return 0;
	}
	if (!node->generation || (node->kind == NODE_SUBTREE && !target_has_plugin(thread, target)))
		return absent_attributes(thread, target, attributes);
	if (node->kind == NODE_SUBTREE) {
		result = subtree_attributes(thread, target, target->path, attributes);
		return is_answer(result) ? result : absent_attributes(thread, target, attributes);
	}
	fill(thread, target->id, S_IFREG | (node->file->mode & 0777), 0, attributes);
	return 0;
}

/* A name that was given out once is there as long as no plugin can say that it is not. */
static int absent_child(const struct server_thread *thread, const struct target *parent,
			const char *name, struct target *target, struct stat *attributes)
{
	if (nodes_look(thread->server->nodes, parent->id, name, &target->id) == 0)
		return absent_attributes(thread, target, attributes);
	return host_attributes(thread, target, attributes);
}

static int child_attributes(const struct server_thread *thread, const struct target *parent,
			    const char *name, struct target *target, struct stat *attributes)
{
	if (target_has_plugin(thread, parent)) {
		int result = subtree_attributes(thread, target, target->path, attributes);

		if (is_answer(result))
			return result;
	}
	/* Whoever still holds a subtree that is not served any more goes on finding what is in it. */
	return absent_child(thread, parent, name, target, attributes);
}

static int lookup_below(const struct server_thread *thread, const struct target *parent,
			const char *name, struct target *target, struct stat *attributes)
{
	int result;

	target->node = parent->node;
	target->id = 0;
	result = target_join(parent, name, target->path);
	if (result != 0)
		return result;
	result = child_attributes(thread, parent, name, target, attributes);
	if (result != 0)
		return result;
	/* Only a name that exists gets an id: a reader cannot fill the table with guesses. */
	result = nodes_get(thread->server->nodes, parent->id, name, &target->id);
	attributes->st_ino = target->id;
	if (result == 0)
		nodes_note_type(thread->server->nodes, target->id, attributes->st_mode & S_IFMT);
	return result;
}

int target_lookup(const struct server_thread *thread, const struct target *parent, const char *name,
		  struct target *target, struct stat *attributes)
{
	if (parent->node->kind == NODE_FILE)
		return -ENOTDIR;
	if (parent->node->kind == NODE_SUBTREE)
		return lookup_below(thread, parent, name, target, attributes);
	target->node = tree_child(thread->catalog->tree, parent->node, name);
	if (!target->node)
		return -ENOENT;
	target->id = target->node->id;
	target->path[0] = '\0';
	return target_attributes(thread, target, attributes);
}
