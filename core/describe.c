/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "describe.h"

#include <stdio.h>
#include <string.h>

#include <json.h>

#include "varlink.h"

static struct json_object *new_mode(uint32_t mode)
{
	char text[16];

	snprintf(text, sizeof(text), "%04o", mode & 07777);
	return json_object_new_string(text);
}

static struct json_object *new_file(const struct lxcfs_file *file)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "path", varlink_new_text(file->path));
	json_object_object_add(object, "mode", new_mode(file->mode));
	json_object_object_add(object, "write", json_object_new_boolean(file->write != NULL));
	json_object_object_add(object, "poll", json_object_new_boolean(file->poll != NULL));
	return object;
}

static struct json_object *new_files(const struct generation *generation)
{
	struct json_object *list = json_object_new_array();

	for (uint32_t index = 0; index < generation->plugin.file_count; index++)
		json_object_array_add(list, new_file(&generation->files[index]));
	return list;
}

static struct json_object *new_subtree(const struct generation *generation,
				       const struct lxcfs_subtree *subtree)
{
	struct lxcfs_attributes attributes = {.size = sizeof(attributes),
					      .version = LXCFS_ABI_VERSION};
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "path", varlink_new_text(subtree->path));
	if (subtree->lookup(&generation->host, "", &attributes) == 0)
		json_object_object_add(object, "mode", new_mode(attributes.mode));
	return object;
}

static struct json_object *new_subtrees(const struct generation *generation)
{
	struct json_object *list = json_object_new_array();

	for (uint32_t index = 0; index < generation->plugin.subtree_count; index++)
		json_object_array_add(list, new_subtree(generation, &generation->subtrees[index]));
	return list;
}

char *describe_generation(const struct generation *generation)
{
	auto_json struct json_object *object = json_object_new_object();
	const struct lxcfs_plugin *plugin = &generation->plugin;
	bool parallel = plugin->threads == LXCFS_THREADS_PARALLEL;

	json_object_object_add(object, "name", varlink_new_text(plugin->name));
	json_object_object_add(object, "abi", json_object_new_int64(plugin->version));
	json_object_object_add(object, "release",
			       varlink_new_text(plugin->release ? plugin->release : ""));
	json_object_object_add(object, "threads",
			       json_object_new_string(parallel ? "parallel" : "serial"));
	json_object_object_add(object, "onFault",
			       json_object_new_string(generation->on_fault == ON_FAULT_PASSTHROUGH
							      ? "passthrough"
							      : "error"));
	json_object_object_add(object, "files", new_files(generation));
	json_object_object_add(object, "subtrees", new_subtrees(generation));
	return strdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
}
