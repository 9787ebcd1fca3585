/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "nodes.h"

#define BUCKETS 256u

static struct tree_node **bucket_of(const struct tree *tree, uint64_t id)
{
	return &tree->buckets[id % tree->bucket_count];
}

static void node_free(struct tree_node *node)
{
	free(node->path);
	free(node);
}

static struct tree_node *append(struct tree *tree, uint64_t id, enum node_kind kind,
				const char *path, struct tree_node *parent)
{
	struct tree_node *node = calloc(1, sizeof(*node));
	const char *slash;

	if (!node)
		return NULL;
	node->path = strdup(path);
	if (tree->count == tree->allocated) {
		size_t allocated = tree->allocated ? tree->allocated * 2 : 64;
		struct tree_node **nodes =
			reallocarray(tree->nodes, allocated, sizeof(struct tree_node *));

		if (nodes) {
			tree->nodes = nodes;
			tree->allocated = allocated;
		}
	}
	if (!node->path || tree->count == tree->allocated) {
		node_free(node);
		return NULL;
	}
	slash = strrchr(node->path, '/');
	node->name = slash ? slash + 1 : node->path;
	node->id = id;
	node->kind = kind;
	node->parent = parent;
	node->next_in_bucket = *bucket_of(tree, id);
	*bucket_of(tree, id) = node;
	tree->nodes[tree->count++] = node;
	return node;
}

/* Take back what was added after the tree had `count` nodes. */
static void shrink(struct tree *tree, size_t count)
{
	while (tree->count > count) {
		struct tree_node *node = tree->nodes[--tree->count];

		/* The newest node of a bucket is its first. */
		*bucket_of(tree, node->id) = node->next_in_bucket;
		node_free(node);
	}
}

int tree_new(struct tree **created)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return -ENOMEM;
	tree->bucket_count = BUCKETS;
	tree->buckets = calloc(BUCKETS, sizeof(struct tree_node *));
	if (!tree->buckets || !append(tree, TREE_ROOT_ID, NODE_DIRECTORY, "", NULL)) {
		tree_free(tree);
		return -ENOMEM;
	}
	*created = tree;
	return 0;
}

void tree_free(struct tree *tree)
{
	if (!tree)
		return;
	if (tree->buckets)
		shrink(tree, 0);
	free(tree->nodes);
	free(tree->buckets);
	free(tree);
}

struct tree_node *tree_find(const struct tree *tree, uint64_t id)
{
	struct tree_node *node = *bucket_of(tree, id);

	while (node && node->id != id)
		node = node->next_in_bucket;
	return node;
}

struct tree_node *tree_child(const struct tree *tree, const struct tree_node *parent,
			     const char *name)
{
	/* A handful of names per directory. */
	for (size_t index = 1; index < tree->count; index++) {
		struct tree_node *node = tree->nodes[index];

		if (node->parent == parent && tree_node_has_name(node) &&
		    strcmp(node->name, name) == 0)
			return node;
	}
	return NULL;
}

static int conflict(char **reason, const char *path, const struct tree_node *other)
{
	if (asprintf(reason, "%s is already served by plugin %s (as %s)", path,
		     other->generation ? other->generation->name : "(a directory)",
		     other->path) < 0)
		*reason = NULL;
	return -EEXIST;
}

/* The directory that holds `path`, made if need be. */
static int make_parents(struct tree *tree, const char *path, struct tree_node **parent,
			char **reason)
{
	auto_free char *prefix = strdup(path);

	*parent = tree->nodes[0];
	if (!prefix)
		return -ENOMEM;
	for (char *slash = strchr(prefix, '/'); slash; slash = strchr(slash + 1, '/')) {
		uint64_t id;
		struct tree_node *node;

		*slash = '\0';
		id = node_id_of_path(prefix, true);
		node = tree_find(tree, id);
		if (node && (node->kind != NODE_DIRECTORY || strcmp(node->path, prefix) != 0))
			return conflict(reason, path, node);
		if (!node) {
			const char *name = strrchr(prefix, '/');

			/* A file of that name has another id. */
			node = tree_child(tree, *parent, name ? name + 1 : prefix);
			if (node)
				return conflict(reason, path, node);
			node = append(tree, id, NODE_DIRECTORY, prefix, *parent);
		}
		if (!node)
			return -ENOMEM;
		*parent = node;
		*slash = '/';
	}
	return 0;
}

static int add_node(struct tree *tree, enum node_kind kind, const char *path,
		    struct tree_node **added, char **reason)
{
	uint64_t id = node_id_of_path(path, kind != NODE_FILE);
	struct tree_node *node = tree_find(tree, id);
	struct tree_node *parent;
	int result;

	if (node)
		return conflict(reason, path, node);
	result = make_parents(tree, path, &parent, reason);
	if (result != 0)
		return result;
	node = tree_child(tree, parent, strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
	if (node)
		return conflict(reason, path, node);
	*added = append(tree, id, kind, path, parent);
	return *added ? 0 : -ENOMEM;
}

int tree_add(struct tree *tree, struct generation *generation, char **reason)
{
	size_t before = tree->count;
	struct tree_node *node;
	int result = 0;

	*reason = NULL;
	for (uint32_t index = 0; index < generation->plugin.file_count && result == 0; index++) {
		result = add_node(tree, NODE_FILE, generation->files[index].path, &node, reason);
		if (result == 0) {
			node->generation = generation;
			node->file = &generation->files[index];
			node->on_fault = generation->on_fault;
		}
	}
	for (uint32_t index = 0; index < generation->plugin.subtree_count && result == 0; index++) {
		result = add_node(tree, NODE_SUBTREE, generation->subtrees[index].path, &node,
				  reason);
		if (result == 0) {
			node->generation = generation;
			node->subtree = &generation->subtrees[index];
			node->on_fault = generation->on_fault;
		}
	}
	if (result != 0)
		shrink(tree, before);
	return result;
}

int tree_add_absent(struct tree *tree, enum node_kind kind, const char *path,
		    enum on_fault on_fault, bool has_name)
{
	uint64_t id = node_id_of_path(path, kind != NODE_FILE);
	struct tree_node *node = tree_find(tree, id);
	auto_free char *reason = NULL;
	size_t before = tree->count;

	if (node) {
		if (!node->generation && node->kind == kind && node->has_name == has_name)
			node->on_fault = on_fault;
		return 0;
	}
	if (has_name && add_node(tree, kind, path, &node, &reason) != 0) {
		shrink(tree, before);
		node = NULL;
		has_name = false;
	}
	if (!node)
		node = append(tree, id, kind, path, tree->nodes[0]);
	if (!node)
		return -ENOMEM;
	node->on_fault = on_fault;
	node->has_name = has_name;
	return 0;
}
