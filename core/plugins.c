/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugins.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"
#include "polls.h"
#include "selftest.h"
#include "session.h"

/* ---- one plugin ---- */

/* The first directory that has NAME.so. */
static int find_file(const struct config *config, const char *name, char path[PATH_MAX])
{
	for (size_t index = 0; index < config->directory_count; index++) {
		int length = snprintf(path, PATH_MAX, "%s/%s.so", config->directories[index], name);

		if (length < PATH_MAX && access(path, F_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

static int load_file(const struct plugins *plugins, const struct config_plugin *section,
		     const char *path, uint64_t number, struct generation **generation,
		     char **reason)
{
	struct image image;
	int result = image_read(path, &image, reason);

	if (result != 0)
		return result;
	if (plugins->trial) {
		result = selftest_run(&image, section, reason);
		if (result != 0) {
			image_close(&image);
			return result;
		}
	}
	return generation_new(&image, path, section, &plugins->server->services, number, generation,
			      reason);
}

static void log_loaded(const struct generation *generation)
{
	log_notice("plugin %s: generation %llu, version %s, build id %s, loaded from %s",
		   generation->name, (unsigned long long)generation->number,
		   generation->plugin.release ? generation->plugin.release : "?",
		   generation->image.build_id[0] ? generation->image.build_id : "none",
		   generation->path);
}

/* Find and load a plugin of the configuration; what fails is logged. */
static int load_named(const struct plugins *plugins, const struct config *config,
		      const struct config_plugin *section, uint64_t number,
		      struct generation **generation, char **reason)
{
	char path[PATH_MAX];
	int result = find_file(config, section->name, path);

	*reason = NULL;
	*generation = NULL;
	if (result != 0) {
		log_error("plugin %s: no directory of plugin-directories has %s.so", section->name,
			  section->name);
		return result;
	}
	result = load_file(plugins, section, path, number, generation, reason);
	if (result == 0)
		log_loaded(*generation);
	else
		log_error("plugin %s: %s is refused: %s", section->name, path,
			  *reason ? *reason : strerror(-result));
	return result;
}

/* ---- the keeper's copies ---- */

static void tell_served(const struct plugins *plugins, const struct generation *generation)
{
	if (plugins->channel >= 0)
		channel_send(plugins->channel, MESSAGE_PLUGIN, generation->name, generation->path,
			     generation->image.memfd);
}

static void tell_config(const struct plugins *plugins, const struct config *config)
{
	auto_close int memfd = -1;
	size_t length = strlen(config->text);

	if (plugins->channel < 0)
		return;
	memfd = memfd_create("lxcfs-config", MFD_CLOEXEC);
	if (memfd < 0 || write(memfd, config->text, length) != (ssize_t)length) {
		log_error("the configuration cannot be kept for a successor: %s", strerror(errno));
		return;
	}
	channel_send(plugins->channel, MESSAGE_CONFIG, NULL, NULL, memfd);
}

/* ---- publishing ---- */

static void note_served(const struct plugins *plugins, struct generation *generation, bool changed)
{
	struct ledger_plugin row = {.generation = generation->number,
				    .loaded = (uint64_t)time(NULL)};

	snprintf(row.name, sizeof(row.name), "%s", generation->name);
	snprintf(row.path, sizeof(row.path), "%s", generation->path);
	snprintf(row.release, sizeof(row.release), "%s",
		 generation->plugin.release ? generation->plugin.release : "");
	snprintf(row.build_id, sizeof(row.build_id), "%.63s", generation->image.build_id);
	generation->row = ledger_serve(&plugins->server->ledger, &row, changed);
}

static void release_catalog(void *catalog)
{
	catalog_free(catalog);
}

/* From this line on readers find the new catalog; the old one goes when the last of them has left. */
static void publish(struct plugins *plugins, struct catalog *catalog)
{
	struct server *server = plugins->server;
	struct catalog *before = atomic_load(&server->catalog);

	for (size_t index = 0; index < catalog->count; index++)
		if (!before || catalog_find(before, catalog->generations[index]->name) !=
				       catalog->generations[index])
			note_served(plugins, catalog->generations[index], before != NULL);
	before = atomic_exchange(&server->catalog, catalog);

	for (size_t index = 0; index < catalog->count; index++)
		if (!before || catalog_find(before, catalog->generations[index]->name) !=
				       catalog->generations[index])
			tell_served(plugins, catalog->generations[index]);
	for (size_t index = 0; before && index < before->count; index++)
		if (!catalog_find(catalog, before->generations[index]->name) &&
		    plugins->channel >= 0)
			channel_send(plugins->channel, MESSAGE_DROPPED,
				     before->generations[index]->name, NULL, -1);
	if (!before)
		return;
	quiescence_retire(server->quiescence, release_catalog, before);
	/* A new generation knows of nobody who polls: let them ask again. */
	polls_wake_all(server->services.polls);
}

/* Names that are no longer there; nodes that are held go on. */
static void forget_names(const struct plugins *plugins, const struct catalog *before,
			 const struct catalog *after)
{
	for (size_t index = 1; index < before->tree->count; index++) {
		const struct tree_node *node = before->tree->nodes[index];
		const struct tree_node *now = tree_find(after->tree, node->id);

		if (tree_node_has_name(node) && (!now || !tree_node_has_name(now)))
			session_forget_name(plugins->server, node->parent->id, node->name);
	}
}

static size_t count_loaded(struct generation *const *generations, size_t count)
{
	size_t loaded = 0;

	for (size_t index = 0; index < count; index++)
		loaded += generations[index] != NULL;
	return loaded;
}

static int publish_generations(struct plugins *plugins, struct config *config,
			       struct generation **generations, size_t count)
{
	struct catalog *before = atomic_load(&plugins->server->catalog);
	struct catalog *catalog;
	int result = catalog_new(config, generations, count, plugins->server->nodes, &catalog);

	/* Somebody's path is another one's already: nobody is displaced by that. */
	if (result == 0 && before && catalog->count < count_loaded(generations, count)) {
		catalog_free(catalog);
		return -EEXIST;
	}
	if (result == 0 && before && plugins->server->nodes) {
		/* What goes away keeps its node: note it, and build again with it. */
		catalog_note_absent(before, catalog, plugins->server->nodes);
		catalog_free(catalog);
		result = catalog_new(config, generations, count, plugins->server->nodes, &catalog);
	}
	if (result != 0)
		return result;
	publish(plugins, catalog);
	/* The retired catalog is there at least until this thread reclaims. */
	if (before && plugins->server->session)
		forget_names(plugins, before, catalog);
	return 0;
}

static void put_all(struct generation **generations, size_t count)
{
	for (size_t index = 0; index < count; index++)
		generation_put(generations[index]);
}

/* ---- commands ---- */

int plugins_load(struct plugins *plugins, struct config *config, char **reason)
{
	auto_free struct generation **generations =
		calloc(config->plugin_count + 1, sizeof(struct generation *));
	size_t loaded = 0;
	int result = generations ? 0 : -ENOMEM;

	*reason = NULL;
	for (size_t index = 0; index < config->plugin_count && result == 0; index++) {
		auto_free char *complaint = NULL;

		result = load_named(plugins, config, &config->plugins[index], 1,
				    &generations[index], &complaint);
		loaded += result == 0;
		if (result == -EINVAL)
			*reason = take_pointer(complaint);
		else
			result = 0;
	}
	if (result == 0 && loaded == 0)
		result = -ENOENT;
	if (result == 0)
		result = publish_generations(plugins, config, generations, config->plugin_count);
	if (result == 0)
		tell_config(plugins, config);
	if (generations)
		put_all(generations, config->plugin_count);
	return result;
}

static struct plugins_image *find_image(struct plugins_image *images, const char *name)
{
	while (images && strcmp(images->name, name) != 0)
		images = images->next;
	return images;
}

/* What served is loaded again from the keeper's copy; from disk only if that fails. */
static void resume_one(struct plugins *plugins, const struct config *config,
		       const struct config_plugin *section, struct plugins_image *kept,
		       struct generation **generation)
{
	auto_free char *reason = NULL;
	auto_free char *complaint = NULL;
	struct image image;
	int result = -ENOENT;

	if (kept)
		result = image_adopt(kept->memfd, &image, &reason);
	if (result == 0) {
		kept->memfd = -1;
		result = generation_new(&image, kept->path, section, &plugins->server->services, 1,
					generation, &reason);
	}
	if (result == 0)
		return;
	if (kept)
		log_error("plugin %s: its kept copy cannot be loaded: %s", section->name,
			  reason ? reason : strerror(-result));
	load_named(plugins, config, section, 1, generation, &complaint);
}

int plugins_resume(struct plugins *plugins, struct config *config, struct plugins_image *images)
{
	auto_free struct generation **generations =
		calloc(config->plugin_count + 1, sizeof(struct generation *));
	int result;

	if (!generations)
		return -ENOMEM;
	for (size_t index = 0; index < config->plugin_count; index++) {
		const struct config_plugin *section = &config->plugins[index];

		resume_one(plugins, config, section, find_image(images, section->name),
			   &generations[index]);
	}
	result = publish_generations(plugins, config, generations, config->plugin_count);
	put_all(generations, config->plugin_count);
	return result;
}

/* The generation to go on with: a new one if the file changed and is good, else the old one. */
static struct generation *renew(struct plugins *plugins, const struct config *config,
				const struct config_plugin *section, bool always, int *refused,
				char **reason)
{
	const struct catalog *catalog = atomic_load(&plugins->server->catalog);
	struct generation *old = catalog_find(catalog, section->name);
	struct generation *new = NULL;
	char path[PATH_MAX];
	int result;

	*reason = NULL;
	if (old && !always && find_file(config, section->name, path) == 0 &&
	    strcmp(path, old->path) == 0 && image_is_current(&old->image, path))
		return generation_get(old);
	result = load_named(plugins, config, section, old ? old->number + 1 : 1, &new, reason);
	if (result == 0)
		return new;
	if (result == -EINVAL)
		*refused = -EINVAL;
	else if (*refused >= 0)
		(*refused)++;
	return old ? generation_get(old) : NULL;
}

int plugins_reload(struct plugins *plugins)
{
	const struct catalog *catalog = atomic_load(&plugins->server->catalog);
	struct config *config = catalog->config;
	int refused = 0;

	/* One by one: a file is as new as it can be while the next one is still being tried. */
	for (size_t index = 0; index < config->plugin_count; index++) {
		auto_free struct generation **generations =
			calloc(config->plugin_count + 1, sizeof(struct generation *));
		auto_free char *reason = NULL;
		struct generation *old;
		int fault = 0;

		if (!generations)
			return -ENOMEM;
		catalog = atomic_load(&plugins->server->catalog);
		old = catalog_find(catalog, config->plugins[index].name);
		for (size_t other = 0; other < config->plugin_count; other++) {
			struct generation *serving =
				catalog_find(catalog, config->plugins[other].name);

			generations[other] =
				serving && other != index ? generation_get(serving) : NULL;
		}
		generations[index] =
			renew(plugins, config, &config->plugins[index], false, &fault, &reason);
		if (generations[index] && generations[index] != old)
			fault |= publish_generations(plugins, config, generations,
						     config->plugin_count);
		refused += fault != 0;
		if (fault < 0)
			log_error("plugin %s is not replaced: %s", config->plugins[index].name,
				  strerror(-fault));
		put_all(generations, config->plugin_count);
	}
	return refused;
}

static bool same_options(const struct config_plugin *a, const struct config_plugin *b)
{
	if (!a || a->option_count != b->option_count || a->on_fault != b->on_fault)
		return false;
	for (size_t index = 0; index < a->option_count; index++)
		if (strcmp(a->options[index].key, b->options[index].key) != 0 ||
		    strcmp(a->options[index].value, b->options[index].value) != 0)
			return false;
	return true;
}

int plugins_reconfigure(struct plugins *plugins, struct config *config, char **reason)
{
	const struct catalog *catalog = atomic_load(&plugins->server->catalog);
	auto_free struct generation **generations =
		calloc(config->plugin_count + 1, sizeof(struct generation *));
	int result = generations ? 0 : -ENOMEM;

	*reason = NULL;
	for (size_t index = 0; index < config->plugin_count && result == 0; index++) {
		const struct config_plugin *section = &config->plugins[index];
		const struct config_plugin *old =
			config_find_plugin(catalog->config, section->name);
		auto_free char *complaint = NULL;
		int refused = 0;

		generations[index] = renew(plugins, config, section, !same_options(old, section),
					   &refused, &complaint);
		if (refused != -EINVAL)
			continue;
		result = -EINVAL;
		if (asprintf(reason, "plugin %s: %s", section->name, complaint) < 0)
			*reason = NULL;
	}
	if (result == 0)
		result = publish_generations(plugins, config, generations, config->plugin_count);
	if (result == 0)
		tell_config(plugins, config);
	if (generations)
		put_all(generations, config->plugin_count);
	return result;
}
