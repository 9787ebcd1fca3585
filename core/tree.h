/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The virtual tree: directories, files and subtree roots, from the paths that plugins registered.
 *
 * Built by the control thread, then constant.  What lies below a subtree's root is not in it: see
 * nodes.h.
 */
#ifndef LXCFS_CORE_TREE_H
#define LXCFS_CORE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "generation.h"

#define TREE_ROOT_ID 1u

enum node_kind { NODE_DIRECTORY, NODE_FILE, NODE_SUBTREE };

struct tree_node {
	uint64_t id;
	enum node_kind kind;
	char *path;       /* "" for the root */
	const char *name; /* its last component */
	struct tree_node *parent;
	/*
	 * NULL for directories, and for a file or subtree that no plugin serves now: it is answered by
	 * on_fault.  It has a name as long as its plugin is configured.
	 */
	struct generation *generation;
	bool has_name; /* without a generation */
	const struct lxcfs_file *file;
	const struct lxcfs_subtree *subtree;
	enum on_fault on_fault;
	struct tree_node *next_in_bucket;
};

struct tree {
	size_t count;
	size_t allocated;
	struct tree_node **nodes; /* nodes[0] is the root; parents before children */
	size_t bucket_count;
	struct tree_node **buckets; /* by id */
};

int tree_new(struct tree **tree);
void tree_free(struct tree *tree);

/*
 * Add what a plugin registered; holds no reference.  -EEXIST: another plugin has that path, or (never
 * seen) two paths have the same node id; the tree is then as before, and *reason, to be freed, says
 * which.
 */
int tree_add(struct tree *tree, struct generation *generation, char **reason);
/*
 * Add a node for a path that was served once: behind all that are, and those with names before those
 * without.  What is said last of a path counts.  0 also when the path is in use; where another node has its
 * name it gets none.
 */
int tree_add_absent(struct tree *tree, enum node_kind kind, const char *path,
		    enum on_fault on_fault, bool has_name);

struct tree_node *tree_find(const struct tree *tree, uint64_t id);
struct tree_node *tree_child(const struct tree *tree, const struct tree_node *parent,
			     const char *name);
/* Whether it is listed in its parent. */
static inline bool tree_node_has_name(const struct tree_node *node)
{
	return node->kind == NODE_DIRECTORY || node->generation != NULL || node->has_name;
}

#endif
