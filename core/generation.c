/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generation.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "fault.h"
#include "hostapi.h"
#include "log.h"
#include "timers.h"

#define ENTRIES_MAX 4096u

/* The members that every plugin has, whatever it was built with. */
#define PLUGIN_SIZE_MIN  offsetof(struct lxcfs_plugin, configure)
#define FILE_SIZE_MIN    offsetof(struct lxcfs_file, write)
#define SUBTREE_SIZE_MIN offsetof(struct lxcfs_subtree, write)

static int refuse(char **reason, const char *format, ...) LXCFS_PRINTF(2, 3);

static int refuse(char **reason, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	if (vasprintf(reason, format, list) < 0)
		*reason = NULL;
	va_end(list);
	return -ENOEXEC;
}

/* Copy what both sides know of a structure that begins with its size; the rest becomes 0. */
static void copy_known(void *to, size_t to_size, const void *from, size_t from_size)
{
	size_t known = from_size < to_size ? from_size : to_size;

	memset(to, 0, to_size);
	memcpy(to, from, known);
}

/* "a/b/c": no empty component, no "." or "..". */
static bool path_is_valid(const char *path)
{
	const char *component = path;

	if (!path)
		return false;
	for (;;) {
		size_t length = strcspn(component, "/");

		if (length == 0 || length > 255 ||
		    (component[0] == '.' && (length == 1 || (length == 2 && component[1] == '.'))))
			return false;
		if (component[length] == '\0')
			return true;
		component += length + 1;
	}
}

static int copy_files(struct generation *generation, char **reason)
{
	uint32_t count = generation->plugin.file_count;
	const char *entry = (const char *)generation->plugin.files;

	if (count == 0)
		return 0;
	if (!entry || count > ENTRIES_MAX)
		return refuse(reason, "it declares %u files", count);
	generation->files = calloc(count, sizeof(*generation->files));
	if (!generation->files)
		return -ENOMEM;
	for (uint32_t index = 0; index < count; index++) {
		uint32_t size = generation->plugin.files[0].size;
		struct lxcfs_file *file = &generation->files[index];

		if (size < FILE_SIZE_MIN)
			return refuse(reason, "file %u: its size member is %u, at least %zu needed",
				      index, size, FILE_SIZE_MIN);
		copy_known(file, sizeof(*file), entry + (size_t)index * size, size);
		if (!path_is_valid(file->path) || !file->render)
			return refuse(reason, "file %u: bad path, or no render function", index);
	}
	return 0;
}

static int copy_subtrees(struct generation *generation, char **reason)
{
	uint32_t count = generation->plugin.subtree_count;
	const char *entry = (const char *)generation->plugin.subtrees;

	if (count == 0)
		return 0;
	if (!entry || count > ENTRIES_MAX)
		return refuse(reason, "it declares %u subtrees", count);
	generation->subtrees = calloc(count, sizeof(*generation->subtrees));
	if (!generation->subtrees)
		return -ENOMEM;
	for (uint32_t index = 0; index < count; index++) {
		uint32_t size = generation->plugin.subtrees[0].size;
		struct lxcfs_subtree *subtree = &generation->subtrees[index];

		if (size < SUBTREE_SIZE_MIN)
			return refuse(reason,
				      "subtree %u: its size member is %u, at least %zu needed",
				      index, size, SUBTREE_SIZE_MIN);
		copy_known(subtree, sizeof(*subtree), entry + (size_t)index * size, size);
		if (!path_is_valid(subtree->path) || !subtree->lookup || !subtree->readdir ||
		    !subtree->render)
			return refuse(reason, "subtree %u: bad path, or a function is missing",
				      index);
	}
	return 0;
}

static int check_description(struct generation *generation, const struct lxcfs_plugin *plugin,
			     char **reason)
{
	if (!plugin)
		return refuse(reason, "its lxcfs_plugin_init() returned NULL");
	if (plugin->version != LXCFS_ABI_VERSION)
		return refuse(reason, "it was built for ABI version %u, this host has %u",
			      plugin->version, LXCFS_ABI_VERSION);
	if (plugin->size < PLUGIN_SIZE_MIN)
		return refuse(reason, "its size member is %u, at least %zu needed", plugin->size,
			      PLUGIN_SIZE_MIN);
	copy_known(&generation->plugin, sizeof(generation->plugin), plugin, plugin->size);
	plugin = &generation->plugin;
	if (!plugin->name || strcmp(plugin->name, generation->name) != 0)
		return refuse(reason, "it calls itself \"%s\"", plugin->name ? plugin->name : "");
	if (plugin->threads > LXCFS_THREADS_PARALLEL ||
	    plugin->on_fault > LXCFS_ON_FAULT_PASSTHROUGH)
		return refuse(reason, "unknown thread model %u or on_fault %u", plugin->threads,
			      plugin->on_fault);
	if (plugin->file_count == 0 && plugin->subtree_count == 0)
		return refuse(reason, "it serves no file");
	return 0;
}

static int configure(struct generation *generation, const struct config_plugin *section,
		     char **reason)
{
	for (size_t index = 0; section && index < section->option_count; index++) {
		const struct config_option *option = &section->options[index];
		int result = -ENOENT;

		if (generation->plugin.configure)
			result = generation->plugin.configure(&generation->host, option->key,
							      option->value);
		if (result == 0)
			continue;
		if (result == -ENOENT)
			refuse(reason, "it has no option \"%s\"", option->key);
		else
			refuse(reason, "%s = \"%s\": %s", option->key, option->value,
			       strerror(-result));
		return -EINVAL;
	}
	return 0;
}

static int bring_up(struct generation *generation, const struct config_plugin *section,
		    char **reason)
{
	int result = image_map(&generation->image, reason);

	if (result == 0)
		result = check_description(generation, generation->image.init(&generation->host),
					   reason);
	if (result == 0)
		result = copy_files(generation, reason);
	if (result == 0)
		result = copy_subtrees(generation, reason);
	if (result == 0)
		result = configure(generation, section, reason);
	if (result != 0)
		return result;
	if (generation->plugin.start) {
		result = generation->plugin.start(&generation->host, &generation->instance);
		if (result != 0)
			return refuse(reason, "its start function failed: %s", strerror(-result));
	}
	generation->started = true;
	return 0;
}

static enum on_fault choose_on_fault(const struct generation *generation,
				     const struct config_plugin *section)
{
	if (section && section->on_fault != ON_FAULT_DEFAULT)
		return section->on_fault;
	return generation->plugin.on_fault == LXCFS_ON_FAULT_PASSTHROUGH ? ON_FAULT_PASSTHROUGH
									 : ON_FAULT_ERROR;
}

int generation_new(struct image *image, const char *path, const struct config_plugin *section,
		   const struct services *services, uint64_t number, struct generation **created,
		   char **reason)
{
	struct generation *generation = calloc(1, sizeof(*generation));
	int result;

	*reason = NULL;
	if (!generation) {
		image_close(image);
		return -ENOMEM;
	}
	atomic_init(&generation->references, 1);
	pthread_mutex_init(&generation->serial, NULL);
	hostapi_fill(&generation->host);
	generation->image = *image;
	*image = (struct image){.memfd = -1};
	generation->services = services;
	generation->number = number;
	generation->row = -1;
	generation->name = strdup(section->name);
	generation->path = strdup(path);
	result = generation->name && generation->path ? bring_up(generation, section, reason)
						      : -ENOMEM;
	if (result != 0) {
		generation_put(generation);
		return result;
	}
	generation->on_fault = choose_on_fault(generation, section);
	*created = generation;
	return 0;
}

struct generation *generation_get(struct generation *generation)
{
	atomic_fetch_add(&generation->references, 1);
	return generation;
}

void generation_put(struct generation *generation)
{
	if (!generation || atomic_fetch_sub(&generation->references, 1) != 1)
		return;
	timers_stop_owner(generation->services->timers, &generation->host);
	if (generation->started && generation->plugin.stop) {
		fault_enter_plugin(generation->row);
		generation->plugin.stop(&generation->host, generation->instance);
		fault_leave_plugin();
	}
	if (generation->started)
		log_debug("plugin %s: generation %llu is unloaded", generation->name,
			  (unsigned long long)generation->number);
	image_close(&generation->image);
	pthread_mutex_destroy(&generation->serial);
	free(generation->files);
	free(generation->subtrees);
	free(generation->name);
	free(generation->path);
	free(generation);
}

void generation_enter(struct generation *generation)
{
	if (generation->plugin.threads == LXCFS_THREADS_SERIAL) {
		fault_wait(generation);
		pthread_mutex_lock(&generation->serial);
		fault_go_on(generation);
	}
	fault_enter_plugin(generation->row);
}

void generation_leave(struct generation *generation)
{
	fault_leave_plugin();
	if (generation->plugin.threads == LXCFS_THREADS_SERIAL)
		pthread_mutex_unlock(&generation->serial);
}
