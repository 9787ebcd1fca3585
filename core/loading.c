/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loading.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "fault.h"
#include "log.h"
#include "selftest.h"

void loading_tell(const struct plugins *plugins, uint32_t level, const char *format, ...)
{
	auto_free char *line = NULL;
	va_list list;
	int length;

	va_start(list, format);
	length = vasprintf(&line, format, list);
	va_end(list);
	if (length < 0) {
		line = NULL;
		return;
	}
	log_write(NULL, level, "%s", line);
	if (plugins->channel >= 0)
		channel_report(plugins->channel, MESSAGE_LINE, 0, line);
}

int loading_find_file(const struct config *config, const char *name, char path[PATH_MAX])
{
	for (size_t index = 0; index < config->directory_count; index++) {
		int length = snprintf(path, PATH_MAX, "%s/%s.so", config->directories[index], name);

		if (length < PATH_MAX && access(path, F_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

/*
 * Who crashes in here is charged, if it was ever served: then the ledger knows it.  `trial`: number of the
 * code that is to replace what serves; 0: it is that.
 */
static int bring_up(const struct plugins *plugins, struct image *image, const char *path,
		    const struct config_plugin *section, uint64_t number, uint64_t trial,
		    struct generation **generation, char **reason)
{
	struct server *server = plugins->server;
	int result;

	fault_enter_trial(ledger_find(&server->ledger, section->name), trial);
	result =
		generation_new(image, path, section, &server->services, number, generation, reason);
	fault_leave_plugin();
	return result;
}

/* What passed its self-test before and ended the worker all the same. */
static int check_known(const struct plugins *plugins, const struct image *image, const char *name,
		       char **reason)
{
	const struct ledger *ledger = &plugins->server->ledger;

	if (!ledger_is_refused(ledger, ledger_find(ledger, name), image_number(image)))
		return 0;
	if (asprintf(reason,
		     "this code (build id %s) ended a worker when it was loaded; put another file"
		     " there, or have it tried again by lxcfsctl reload %s",
		     image->build_id[0] ? image->build_id : "none", name) < 0)
		*reason = NULL;
	return -ENOEXEC;
}

static int load_file(const struct plugins *plugins, const struct config_plugin *section,
		     const char *path, uint64_t number, bool forced, struct generation **generation,
		     char **reason)
{
	struct image image;
	int result = image_read(path, &image, reason);

	if (result != 0)
		return result;
	if (!forced)
		result = check_known(plugins, &image, section->name, reason);
	if (result == 0 && plugins->trial)
		result = selftest_run(&image, section, reason);
	if (result != 0) {
		image_close(&image);
		return result;
	}
	return bring_up(plugins, &image, path, section, number, image_number(&image), generation,
			reason);
}

static void tell_loaded(const struct plugins *plugins, const struct generation *generation)
{
	loading_tell(plugins, LXCFS_LOG_NOTICE,
		     "plugin %s: generation %llu, version %s, build id %s, loaded from %s",
		     generation->name, (unsigned long long)generation->number,
		     generation->plugin.release ? generation->plugin.release : "?",
		     generation->image.build_id[0] ? generation->image.build_id : "none",
		     generation->path);
}

int loading_from_disk(const struct plugins *plugins, const struct config *config,
		      const struct config_plugin *section, uint64_t number, bool forced,
		      struct generation **generation, char **reason)
{
	char path[PATH_MAX];
	int result = loading_find_file(config, section->name, path);

	*reason = NULL;
	*generation = NULL;
	if (result != 0) {
		loading_tell(plugins, LXCFS_LOG_ERROR,
			     "plugin %s: no directory of plugin-directories has %s.so",
			     section->name, section->name);
		return result;
	}
	result = load_file(plugins, section, path, number, forced, generation, reason);
	if (result == 0)
		tell_loaded(plugins, *generation);
	else
		loading_tell(plugins, LXCFS_LOG_ERROR, "plugin %s: %s is refused: %s",
			     section->name, path, *reason ? *reason : strerror(-result));
	return result;
}

struct ledger_plugin loading_row(const struct plugins *plugins, const char *name)
{
	const struct ledger *ledger = &plugins->server->ledger;
	struct ledger_plugin plugin;
	int row = ledger_find(ledger, name);

	if (row < 0 || ledger_plugin_get(ledger, (unsigned)row, &plugin) != 0)
		return (struct ledger_plugin){.generation = 0};
	return plugin;
}

uint64_t loading_last_number(const struct plugins *plugins, const char *name)
{
	return loading_row(plugins, name).generation;
}

int loading_inherited(const struct plugins *plugins, const struct config *config,
		      const struct config_plugin *section, struct inherited_image *kept,
		      struct generation **generation)
{
	auto_free char *reason = NULL;
	char path[PATH_MAX];
	struct image image;
	int result = image_adopt(take_fd(&kept->memfd), &image, &reason);

	snprintf(path, sizeof(path), "%s", kept->path);
	if (path[0] == '\0' && loading_find_file(config, section->name, path) != 0)
		snprintf(path, sizeof(path), "%s.so", section->name);
	if (result == 0)
		result = bring_up(plugins, &image, path, section,
				  loading_last_number(plugins, section->name), 0, generation,
				  &reason);
	if (result == 0)
		(*generation)->inherited = true;
	else
		log_error("plugin %s: its kept copy cannot be loaded: %s", section->name,
			  reason ? reason : strerror(-result));
	return result;
}

bool loading_differs(const struct config *config, const struct config_plugin *section,
		     const struct inherited_image *kept)
{
	const struct image image = {.memfd = kept->memfd};
	char path[PATH_MAX];

	return loading_find_file(config, section->name, path) == 0 &&
	       !image_is_current(&image, path);
}
