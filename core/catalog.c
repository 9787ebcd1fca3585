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
 * name: one character for kind and on-fault, the plugin, and the path, with '\n' for '/', which no name may
 * hold, as in "Fmeminfo\nproc\nmeminfo".
 */
#define SERVED_PARENT 0u

struct served_kind {
	char letter;
	enum node_kind kind;
	enum on_fault on_fault;
};

static const struct served_kind served_kinds[] = {
	{'f', NODE_FILE, ON_FAULT_ERROR},
	{'F', NODE_FILE, ON_FAULT_PASSTHROUGH},
	{'s', NODE_SUBTREE, ON_FAULT_ERROR},
	{'S', NODE_SUBTREE, ON_FAULT_PASSTHROUGH},
};
#define SERVED_KINDS (sizeof(served_kinds) / sizeof(served_kinds[0]))

static void replace_character(char *text, char from, char to)
{
	for (; *text; text++)
		if (*text == from)
			*text = to;
}

static void note_served(const struct tree_node *node, struct nodes *nodes)
{
	for (size_t index = 0; index < SERVED_KINDS; index++) {
		const struct served_kind *kind = &served_kinds[index];
		auto_free char *name = NULL;
		uint64_t id;

		if (kind->kind != node->kind || kind->on_fault != node->on_fault)
			continue;
		if (asprintf(&name, "%c%s/%s", kind->letter, node->generation->name, node->path) <
		    0) {
			name = NULL;
			return;
		}
		replace_character(name, '/', '\n');
		if (nodes_get(nodes, SERVED_PARENT, name, &id) != 0)
			log_warning("cannot remember that %s is served", node->path);
		return;
	}
}

void catalog_note_served(const struct catalog *catalog, struct nodes *nodes)
{
	for (size_t index = 0; index < catalog->tree->count; index++)
		if (catalog->tree->nodes[index]->generation)
			note_served(catalog->tree->nodes[index], nodes);
}

/* `record`: as note_served() made it.  Only if its node is to have a name, or none, as given. */
static int add_absent_record(struct catalog *catalog, const char *record, bool has_name)
{
	auto_free char *plugin = strdup(record + 1);
	char *path = plugin ? strchr(plugin, '\n') : NULL;
	bool is_configured;

	if (!plugin)
		return -ENOMEM;
	if (!path)
		return 0;
	*path++ = '\0';
	replace_character(path, '\n', '/');
	is_configured = config_find_plugin(catalog->config, plugin) != NULL;
	if (has_name != (is_configured && !catalog_find(catalog, plugin)))
		return 0;
	for (size_t index = 0; index < SERVED_KINDS; index++)
		if (served_kinds[index].letter == record[0])
			return tree_add_absent(catalog->tree, served_kinds[index].kind, path,
					       served_kinds[index].on_fault, has_name);
	return 0;
}

static int add_absent(struct catalog *catalog, struct nodes *nodes, bool has_name)
{
	uint64_t parent;
	const char *name;
	int result = 0;

	for (uint64_t id = NODE_ID_TABLE; result == 0 && nodes_find(nodes, id, &parent, &name) == 0;
	     id++)
		if (parent == SERVED_PARENT && name[0] != '\0')
			result = add_absent_record(catalog, name, has_name);
	return result;
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
	if (nodes &&
	    (add_absent(catalog, nodes, true) != 0 || add_absent(catalog, nodes, false) != 0)) {
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
