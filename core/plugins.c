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
#include "loading.h"
#include "log.h"
#include "polls.h"
#include "session.h"

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

/* Its row in the ledger; what replaced another one begins with a clean one. */
static void note_served(const struct plugins *plugins, struct generation *generation)
{
	struct ledger_plugin row = {.generation = generation->number,
				    .loaded = (uint64_t)time(NULL)};

	if (generation->inherited)
		row.loaded = loading_row(plugins, generation->name).loaded;
	snprintf(row.name, sizeof(row.name), "%s", generation->name);
	snprintf(row.path, sizeof(row.path), "%s", generation->path);
	snprintf(row.release, sizeof(row.release), "%s",
		 generation->plugin.release ? generation->plugin.release : "");
	snprintf(row.build_id, sizeof(row.build_id), "%.*s", STATE_BUILD_MAX - 1,
		 generation->image.build_id);
	generation->row = ledger_serve(&plugins->server->ledger, &row, !generation->inherited);
}

static void note_all_served(const struct plugins *plugins, const struct catalog *before,
			    const struct catalog *after)
{
	for (size_t index = 0; index < after->count; index++)
		if (!before || catalog_find(before, after->generations[index]->name) !=
				       after->generations[index])
			note_served(plugins, after->generations[index]);
	for (size_t index = 0; before && index < before->count; index++)
		if (!catalog_find(after, before->generations[index]->name))
			ledger_drop(&plugins->server->ledger, before->generations[index]->name);
	catalog_note_served(after, plugins->server->nodes);
}

static void release_catalog(void *catalog)
{
	catalog_free(catalog);
}

/* From this line on readers find the new catalog; the old one goes when the last of them has left. */
static void publish(struct plugins *plugins, struct catalog *catalog)
{
	struct server *server = plugins->server;
	struct catalog *before = atomic_exchange(&server->catalog, catalog);

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
	if (result != 0)
		return result;
	note_all_served(plugins, before, catalog);
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

/* ---- the first catalog of a worker ---- */

static bool did_serve(const struct plugins *plugins, const char *name)
{
	const struct ledger_plugin plugin = loading_row(plugins, name);

	return plugin.serving;
}

static bool is_banned(const struct plugins *plugins, const char *name)
{
	const struct ledger *ledger = &plugins->server->ledger;
	int row = ledger_find(ledger, name);

	return row >= 0 && ledger_is_banned(ledger, (unsigned)row);
}

/* NULL in *generation: this plugin is not served.  -EINVAL only when there is nothing to fall back to. */
static int prepare_one(struct plugins *plugins, struct config *config,
		       const struct config_plugin *section, struct inherited_image *kept,
		       enum start_mode mode, bool is_first, struct generation **generation,
		       char **reason)
{
	uint64_t number = loading_last_number(plugins, section->name) + 1;

	*reason = NULL;
	if (mode == START_RESCUE)
		return 0;
	if (mode == START_UPGRADE && kept && loading_differs(config, section, kept) &&
	    loading_from_disk(plugins, config, section, number, false, generation, reason) == 0)
		return 0;
	if (is_banned(plugins, section->name)) {
		log_warning("plugin %s is quarantined: its files answer by on-fault until it is"
			    " replaced or reloaded",
			    section->name);
		return 0;
	}
	free(take_pointer(*reason));
	if (kept && loading_inherited(plugins, config, section, kept, generation) == 0)
		return 0;
	/* Readers wait: to try once more what was refused may take longer than they can. */
	if (!is_first && mode == START_RESUME && !did_serve(plugins, section->name)) {
		log_warning("plugin %s did not serve before either; it is left out until it is"
			    " reloaded",
			    section->name);
		return 0;
	}
	return loading_from_disk(plugins, config, section, number, false, generation, reason);
}

static void forget_prepared(struct plugins *plugins)
{
	put_all(plugins->prepared, plugins->prepared_config->plugin_count);
	free(take_pointer(plugins->prepared));
	config_put(take_pointer(plugins->prepared_config));
}

int plugins_prepare(struct plugins *plugins, struct config *config, struct inheritance *inheritance,
		    enum start_mode mode, char **reason)
{
	bool is_first = inheritance->config_fd < 0 && mode == START_RESUME;
	size_t loaded = 0;
	int result = 0;

	*reason = NULL;
	plugins->prepared_config = config_get(config);
	plugins->prepared = calloc(config->plugin_count + 1, sizeof(struct generation *));
	if (!plugins->prepared)
		return -ENOMEM;
	for (size_t index = 0; index < config->plugin_count && result == 0; index++) {
		const struct config_plugin *section = &config->plugins[index];
		auto_free char *complaint = NULL;

		result = prepare_one(plugins, config, section,
				     inheritance_find(inheritance, section->name), mode, is_first,
				     &plugins->prepared[index], &complaint);
		loaded += result == 0;
		if (result == -EINVAL && is_first)
			*reason = take_pointer(complaint);
		else
			result = 0;
	}
	if (result == 0 && is_first && loaded == 0)
		result = -ENOENT;
	if (result != 0)
		forget_prepared(plugins);
	return result;
}

/* What served under a predecessor that had another configuration. */
static void drop_unconfigured(const struct plugins *plugins, const struct config *config)
{
	struct ledger *ledger = &plugins->server->ledger;
	struct ledger_plugin row;

	for (unsigned index = 0; index < LEDGER_PLUGINS_MAX; index++) {
		if (ledger_plugin_get(ledger, index, &row) != 0 || !row.serving ||
		    config_find_plugin(config, row.name))
			continue;
		ledger_drop(ledger, row.name);
		if (plugins->channel >= 0)
			channel_send(plugins->channel, MESSAGE_DROPPED, row.name, NULL, -1);
	}
}

int plugins_begin(struct plugins *plugins)
{
	struct config *config = plugins->prepared_config;
	int result = publish_generations(plugins, config, plugins->prepared, config->plugin_count);

	if (result == 0) {
		drop_unconfigured(plugins, config);
		tell_config(plugins, config);
	}
	forget_prepared(plugins);
	return result;
}

void plugins_bequeath(const struct plugins *plugins)
{
	const struct catalog *catalog = atomic_load(&plugins->server->catalog);

	tell_config(plugins, catalog->config);
	for (size_t index = 0; index < catalog->count; index++)
		tell_served(plugins, catalog->generations[index]);
}

/* ---- orders ---- */

/* Whether `names` ("a b c") has this one. */
static bool has_name(const char *names, const char *name)
{
	size_t length = strlen(name);

	for (const char *place = names; (place = strstr(place, name)); place += length)
		if ((place == names || place[-1] == ' ') &&
		    (place[length] == ' ' || place[length] == '\0'))
			return true;
	return false;
}

/* For some readers, for all, or for lookups. */
static bool is_quarantined(const struct plugins *plugins, const char *name)
{
	const struct ledger *ledger = &plugins->server->ledger;
	const struct ledger_plugin plugin = loading_row(plugins, name);
	int row = ledger_find(ledger, name);

	return row >= 0 && (ledger_is_quarantined(ledger, (unsigned)row, LEDGER_NO_READER) ||
			    plugin.containers != 0);
}

/* Which plugins are renewed; FORCED: also by code that ended a worker before. */
enum renewal { RENEW_CHANGED, RENEW_ANYWAY, RENEW_FORCED };

/* The generation to go on with: a new one if the file changed and is good, else the old one. */
static struct generation *renew(struct plugins *plugins, const struct config *config,
				const struct config_plugin *section, enum renewal renewal,
				int *refused, char **reason)
{
	const struct catalog *catalog = atomic_load(&plugins->server->catalog);
	struct generation *old = catalog_find(catalog, section->name);
	struct generation *new = NULL;
	char path[PATH_MAX];
	int result;

	*reason = NULL;
	if (old && renewal == RENEW_CHANGED &&
	    loading_find_file(config, section->name, path) == 0 && strcmp(path, old->path) == 0 &&
	    image_is_current(&old->image, path))
		return generation_get(old);
	result = loading_from_disk(plugins, config, section,
				   loading_last_number(plugins, section->name) + 1,
				   renewal == RENEW_FORCED, &new, reason);
	if (result == 0)
		return new;
	if (result == -EINVAL)
		*refused = -EINVAL;
	else if (*refused >= 0)
		(*refused)++;
	return old ? generation_get(old) : NULL;
}

/* The serving generations, with another one in one place.  The caller puts and frees them. */
static struct generation **with_renewed(struct plugins *plugins, const struct config *config,
					size_t place, enum renewal renewal, int *refused)
{
	const struct catalog *catalog = atomic_load(&plugins->server->catalog);
	struct generation **generations =
		calloc(config->plugin_count + 1, sizeof(struct generation *));
	auto_free char *reason = NULL;

	for (size_t index = 0; generations && index < config->plugin_count; index++) {
		struct generation *serving = catalog_find(catalog, config->plugins[index].name);

		if (index != place && serving)
			generations[index] = generation_get(serving);
	}
	if (generations)
		generations[place] =
			renew(plugins, config, &config->plugins[place], renewal, refused, &reason);
	return generations;
}

static int reload_one(struct plugins *plugins, const struct config *config, size_t place,
		      enum renewal renewal)
{
	struct catalog *catalog = atomic_load(&plugins->server->catalog);
	const char *name = config->plugins[place].name;
	struct generation *old = catalog_find(catalog, name);
	int refused = 0;
	struct generation **generations = with_renewed(plugins, config, place, renewal, &refused);

	if (!generations)
		return -ENOMEM;
	if (generations[place] && generations[place] != old)
		refused |= publish_generations(plugins, catalog->config, generations,
					       config->plugin_count);
	if (refused < 0)
		loading_tell(plugins, LXCFS_LOG_ERROR, "plugin %s is not replaced: %s", name,
			     strerror(-refused));
	put_all(generations, config->plugin_count);
	free(generations);
	return refused;
}

static bool all_are_configured(const struct plugins *plugins, const struct config *config,
			       const char *names)
{
	auto_free char *copy = strdup(names);
	char *rest = NULL;

	for (char *name = copy ? strtok_r(copy, " ", &rest) : NULL; name;
	     name = strtok_r(NULL, " ", &rest))
		if (!config_find_plugin(config, name)) {
			loading_tell(plugins, LXCFS_LOG_ERROR,
				     "there is no plugin %s in the configuration", name);
			return false;
		}
	return copy != NULL;
}

int plugins_reload(struct plugins *plugins, const char *names)
{
	const struct catalog *catalog = atomic_load(&plugins->server->catalog);
	struct config *config = config_get(catalog->config);
	int refused = 0;

	if (!all_are_configured(plugins, config, names)) {
		config_put(config);
		return -ENOENT;
	}
	/* One by one: a file is as new as it can be while the next one is still being tried. */
	for (size_t index = 0; index < config->plugin_count; index++) {
		const char *name = config->plugins[index].name;
		enum renewal renewal = RENEW_FORCED;

		if (!has_name(names, name)) {
			if (names[0] != '\0')
				continue;
			renewal = is_quarantined(plugins, name) ? RENEW_ANYWAY : RENEW_CHANGED;
		}
		refused += reload_one(plugins, config, index, renewal) != 0;
	}
	config_put(config);
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

		generations[index] =
			renew(plugins, config, section,
			      same_options(old, section) ? RENEW_CHANGED : RENEW_FORCED, &refused,
			      &complaint);
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
