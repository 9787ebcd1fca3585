/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _XOPEN_SOURCE 700 /* S_IFDIR */

#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NODES_MAX              32
#define NODES_FIXED            5 /* are there from the start and cannot be removed */
#define PATH_BYTES             256
#define TEXT_BYTES             256
#define UID_THAT_MUST_NOT_LOOK 12345u
#define HOST_FOLDER            "sys/devices/virtual/mem/null"

struct node {
	char path[PATH_BYTES]; /* "": this entry is free */
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	char text[TEXT_BYTES];
};

static char nodes_lock;
static struct node nodes[NODES_MAX] = {
	{.path = "hello", .mode = S_IFREG | 0644, .text = "hello\n"},
	{.path = "directory", .mode = S_IFDIR | 0755},
	{.path = "directory/inside", .mode = S_IFREG | 0444, .text = "inside\n"},
	{.path = "link", .mode = S_IFLNK | 0777, .text = "hello"},
	{.path = "hidden", .mode = S_IFREG | 0444, .text = "hidden\n"}};

/* The entry of this path, or NULL.  Under the lock. */
static struct node *find_node(const char *path)
{
	for (size_t index = 0; index < NODES_MAX; index++)
		if (nodes[index].path[0] && strcmp(nodes[index].path, path) == 0)
			return &nodes[index];
	return NULL;
}

/* A copy of it.  -ENOENT: there is none. */
static int32_t get_node(const char *path, struct node *copy)
{
	const struct node *node;

	probe_lock(&nodes_lock);
	node = find_node(path);
	if (node)
		*copy = *node;
	probe_unlock(&nodes_lock);
	return node ? 0 : -ENOENT;
}

/* "host" and what is below it: the host's path. */
static int host_path(const char *path, char *result)
{
	if (strncmp(path, "host", 4) != 0 || (path[4] != '\0' && path[4] != '/'))
		return 0;
	return snprintf(result, PATH_BYTES, "%s%s", HOST_FOLDER, path + 4) < PATH_BYTES;
}

static int32_t lookup_node(const struct lxcfs_host *host, const char *path,
			   struct lxcfs_attributes *attributes)
{
	char name[PATH_BYTES];
	struct node node = {.mode = S_IFDIR | 0755};

	if (strcmp(path, "crash") == 0)
		abort();
	if (host_path(path, name))
		return host->host_attributes(host, name, attributes);
	if (path[0] != '\0' && get_node(path, &node) != 0)
		return -ENOENT;
	attributes->mode = node.mode;
	attributes->uid = node.uid;
	attributes->gid = node.gid;
	attributes->file_size = S_ISREG(node.mode) ? TEXT_BYTES : 0;
	return 0;
}

static int32_t read_link(const struct lxcfs_host *host, const char *path,
			 struct lxcfs_output *output)
{
	char name[PATH_BYTES];
	struct node node;

	if (host_path(path, name))
		return host->host_link(host, name, output);
	if (get_node(path, &node) != 0)
		return -ENOENT;
	if (!S_ISLNK(node.mode))
		return -EINVAL;
	lxcfs_append_string(output, node.text);
	return 0;
}

/* Whether `hidden` is not for this asker: a marked user, or a container with a CPU quota. */
static int is_hidden(const struct lxcfs_request *request, const char *path)
{
	const struct lxcfs_cpu_view *view;

	if (strcmp(path, "hidden") != 0)
		return 0;
	if (request->uid == UID_THAT_MUST_NOT_LOOK)
		return 1;
	return request->host->cpu_view(request, &view) != 0 || view->quota != 0;
}

/* The name of an entry of `directory`, or NULL if `path` is not one. */
static const char *entry_name(const char *directory, const char *path)
{
	size_t length = strlen(directory);

	if (length != 0) {
		if (strncmp(path, directory, length) != 0 || path[length] != '/')
			return NULL;
		path += length + 1;
	}
	return path[0] == '\0' || strchr(path, '/') ? NULL : path;
}

static int32_t read_directory(const struct lxcfs_request *request,
			      struct lxcfs_directory *directory)
{
	const struct lxcfs_host *host = request->host;
	struct lxcfs_attributes attributes = {.size = sizeof(attributes)};
	struct node copies[NODES_MAX];
	char name[PATH_BYTES];
	int32_t result = 0;

	if (host_path(request->path, name))
		return host->host_directory(request, name, directory);
	probe_lock(&nodes_lock);
	memcpy(copies, nodes, sizeof(copies));
	probe_unlock(&nodes_lock);
	for (size_t index = 0; index < NODES_MAX && result == 0; index++) {
		const char *entry = entry_name(request->path, copies[index].path);

		if (entry && !is_hidden(request, copies[index].path))
			result = host->directory_add(directory, entry, copies[index].mode);
	}
	if (result == 0 && request->path[0] == '\0' &&
	    host->host_attributes(host, HOST_FOLDER, &attributes) == 0)
		result = host->directory_add(directory, "host", S_IFDIR);
	return result;
}

static int32_t open_node(const struct lxcfs_request *request, uint32_t flags)
{
	struct lxcfs_attributes attributes = {.size = sizeof(attributes)};
	int32_t result = lookup_node(request->host, request->path, &attributes);

	if (result != 0)
		return result;
	if (is_hidden(request, request->path))
		return -ENOENT;
	if ((flags & O_ACCMODE) == O_RDONLY)
		return 0;
	return attributes.mode & 0200 && strncmp(request->path, "host", 4) != 0 ? 0 : -EACCES;
}

static int32_t render_node(const struct lxcfs_request *request, struct lxcfs_output *output)
{
	char name[PATH_BYTES];
	struct lxcfs_text text;
	struct node node;
	int32_t result;

	if (host_path(request->path, name)) {
		result = request->host->host_file(request, name, &text);
		if (result != 0)
			return lxcfs_fail(request, result, "the host's file cannot be read");
		lxcfs_append_text(output, text);
		return 0;
	}
	result = get_node(request->path, &node);
	if (result == 0 && !S_ISREG(node.mode))
		result = -EISDIR;
	if (result == 0)
		lxcfs_append_string(output, node.text);
	return result;
}

static int32_t write_node(const struct lxcfs_request *request, const char *data, uint32_t length)
{
	struct node *node;
	int32_t result = -EACCES;

	if (length >= TEXT_BYTES)
		return lxcfs_fail(request, -EFBIG, "%" PRIu32 " bytes have no room", length);
	probe_lock(&nodes_lock);
	node = find_node(request->path);
	if (node && S_ISREG(node->mode)) {
		memcpy(node->text, data, length);
		node->text[length] = '\0';
		result = 0;
	}
	probe_unlock(&nodes_lock);
	return result;
}

/* Under the lock. */
static int is_directory(const char *path, size_t length)
{
	for (size_t index = 0; index < NODES_MAX; index++)
		if (strlen(nodes[index].path) == length &&
		    memcmp(nodes[index].path, path, length) == 0)
			return S_ISDIR(nodes[index].mode);
	return 0;
}

/* Under the lock. */
static int32_t add_directory(const struct lxcfs_request *request, uint32_t mode)
{
	const char *slash = strrchr(request->path, '/');

	if (find_node(request->path))
		return -EEXIST;
	if (slash && !is_directory(request->path, (size_t)(slash - request->path)))
		return -ENOENT;
	for (size_t index = NODES_FIXED; index < NODES_MAX; index++) {
		struct node *node = &nodes[index];

		if (node->path[0] != '\0')
			continue;
		*node = (struct node){
			.mode = S_IFDIR | (mode & 07777), .uid = request->uid, .gid = request->gid};
		memcpy(node->path, request->path, strlen(request->path) + 1);
		return 0;
	}
	return -ENOSPC;
}

static int32_t make_directory(const struct lxcfs_request *request, uint32_t mode)
{
	char name[PATH_BYTES];
	int32_t result;

	if (host_path(request->path, name))
		return -EPERM;
	if (strlen(request->path) >= PATH_BYTES)
		return -ENAMETOOLONG;
	probe_lock(&nodes_lock);
	result = add_directory(request, mode);
	probe_unlock(&nodes_lock);
	return result;
}

/* Under the lock. */
static int32_t drop_directory(const char *path)
{
	struct node *node = find_node(path);

	if (!node)
		return -ENOENT;
	if (!S_ISDIR(node->mode))
		return -ENOTDIR;
	if (node < nodes + NODES_FIXED)
		return -EPERM;
	for (size_t index = 0; index < NODES_MAX; index++)
		if (entry_name(path, nodes[index].path))
			return -ENOTEMPTY;
	*node = (struct node){.mode = 0};
	return 0;
}

static int32_t remove_directory(const struct lxcfs_request *request)
{
	int32_t result;

	probe_lock(&nodes_lock);
	result = drop_directory(request->path);
	probe_unlock(&nodes_lock);
	return result;
}

static int32_t set_attributes(const struct lxcfs_request *request,
			      const struct lxcfs_attributes *attributes)
{
	struct node *node;

	probe_lock(&nodes_lock);
	node = find_node(request->path);
	if (node && attributes->valid & LXCFS_ATTRIBUTE_MODE)
		node->mode = (node->mode & S_IFMT) | (attributes->mode & 07777);
	if (node && attributes->valid & LXCFS_ATTRIBUTE_UID)
		node->uid = attributes->uid;
	if (node && attributes->valid & LXCFS_ATTRIBUTE_GID)
		node->gid = attributes->gid;
	probe_unlock(&nodes_lock);
	return node ? 0 : -EPERM;
}

const struct lxcfs_subtree probe_subtree = {
	.size = sizeof(probe_subtree),
	.version = LXCFS_ABI_VERSION,
	.path = "probe",
	.lookup = lookup_node,
	.readlink = read_link,
	.readdir = read_directory,
	.open = open_node,
	.render = render_node,
	.write = write_node,
	.mkdir = make_directory,
	.rmdir = remove_directory,
	.setattr = set_attributes,
};
