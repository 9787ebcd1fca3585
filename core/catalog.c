/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "catalog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"

/*
 * A path that was served once is a record of the node table below this parent, which no node has.  Its
 * name: one character for kind and on-fault, then the path with '\n' for '/', which no name may hold.
 */
#define ABSENT_PARENT 0u

struct absent_kind {
	char letter;
	enum node_kind kind;
	enum on_fault on_fault;
};

static const struct absent_kind absent_kinds[] = {
	{'f', NODE_FILE, ON_FAULT_ERROR},
	{'F', NODE_FILE, ON_FAULT_PASSTHROUGH},
	{'s', NODE_SUBTREE, ON_FAULT_ERROR},
	{'S', NODE_SUBTREE, ON_FAULT_PASSTHROUGH},
};
#define ABSENT_KINDS (sizeof(absent_kinds) / sizeof(absent_kinds[0]))

static void replace_character(char *text, char from, char to)
{
	for (; *text; text++)
		if (*text == from)
			*text = to;
}

static void note_absent(const struct tree_node *node, struct nodes *nodes)
{
	auto_free char *name = NULL;
	uint64_t id;

	for (size_t index = 0; index < ABSENT_KINDS; index++) {
		const struct absent_kind *kind = &absent_kinds[index];

		if (kind->kind != node->kind || kind->on_fault != node->on_fault)
			continue;
		if (asprintf(&name, "%c%s", kind->letter, node->path) < 0) {
			name = NULL;
			return;
		}
		replace_character(name, '/', '\n');
		if (nodes_get(nodes, ABSENT_PARENT, name, &id) != 0)
			log_warning("cannot remember that %s was served", node->path);
		return;
	}
}

void catalog_note_absent(const struct catalog *before, const struct catalog *after,
			 struct nodes *nodes)
{
	for (size_t index = 0; index < before->tree->count; index++) {
		const struct tree_node *node = before->tree->nodes[index];

		if (node->generation && !tree_find(after->tree, node->id))
			note_absent(node, nodes);
	}
}

static int add_absent(struct tree *tree, struct nodes *nodes)
{
	uint64_t parent;
	const char *name;

	for (uint64_t id = NODE_ID_TABLE; nodes_find(nodes, id, &parent, &name) == 0; id++) {
		auto_free char *path = NULL;

		if (parent != ABSENT_PARENT || name[0] == '\0')
			continue;
		path = strdup(name + 1);
		if (!path)
			return -ENOMEM;
		replace_character(path, '\n', '/');
		for (size_t index = 0; index < ABSENT_KINDS; index++)
			if (absent_kinds[index].letter == name[0] &&
			    tree_add_absent(tree, absent_kinds[index].kind, path,
					    absent_kinds[index].on_fault) != 0)
				return -ENOMEM;
	}
	return 0;
}

static void add_generations(struct catalog *catalog, struct generation *const *generations,
			    size_t count)
{
	for (size_t index = 0; index < count; index++) {
		auto_free char *reason = NULL;

		if (!generations[index])
			continue;
		if (tree_add(catalog->tree, generations[index], &reason) != 0) {
			log_error("plugin %s is left out: %s", generations[index]->name,
				  reason ? reason : "no memory");
			continue;
		}
		catalog->generations[catalog->count++] = generation_get(generations[index]);
	}
}

int catalog_new(struct config *config, struct generation *const *generations, size_t count,
		struct nodes *nodes, struct catalog **created)
{
	struct catalog *catalog = calloc(1, sizeof(*catalog));

	if (!catalog)
		return -ENOMEM;
	catalog->config = config_get(config);
	catalog->generations = calloc(count + 1, sizeof(struct generation *));
	if (!catalog->generations || tree_new(&catalog->tree) != 0) {
		catalog_free(catalog);
		return -ENOMEM;
	}
	add_generations(catalog, generations, count);
	if (nodes && add_absent(catalog->tree, nodes) != 0) {
		catalog_free(catalog);
		return -ENOMEM;
	}
	*created = catalog;
	return 0;
}

void catalog_free(struct catalog *catalog)
{
	if (!catalog)
		return;
	for (size_t index = 0; index < catalog->count; index++)
		generation_put(catalog->generations[index]);
	free(catalog->generations);
	tree_free(catalog->tree);
	config_put(catalog->config);
	free(catalog);
}

struct generation *catalog_find(const struct catalog *catalog, const char *plugin)
{
	for (size_t index = 0; index < catalog->count; index++)
		if (strcmp(catalog->generations[index]->name, plugin) == 0)
			return catalog->generations[index];
	return NULL;
}
