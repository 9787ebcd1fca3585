/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "render.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "content.h"
#include "hostfs.h"
#include "log.h"
#include "plugins.h"
#include "pluginstate.h"
#include "server.h"
#include "session.h"
#include "target.h"
#include "timers.h"

#define CGROUP_ARGUMENTS_MAX 32

struct render {
	const char *root;
	const char *config;
	const char *file;
	uint32_t init_pid;
	size_t cgroup_count;
	char *cgroups[CGROUP_ARGUMENTS_MAX]; /* [CONTROLLER:]PATH */
	struct config_overrides overrides;
	char *directories[CGROUP_ARGUMENTS_MAX];
	struct server server;
	struct server_thread thread;
	struct hostfs *hostfs;
	struct container_cache *containers;
	struct plugins plugins;
};

static void print_help(void)
{
	puts("Usage: lxcfs render --root=DIR [OPTION]... FILE\n"
	     "\n"
	     "Render FILE (as proc/meminfo) over the host that is recorded in DIR; a directory is\n"
	     "listed.  scripts/record-host makes such a recording.\n"
	     "\n"
	     "  --cgroup=[CONTROLLER:]PATH  the container's cgroup, in the hierarchy of one\n"
	     "                              controller or in all (default: /)\n"
	     "  --init=PID                  its first process, for its age\n"
	     "  --config=FILE               configuration\n"
	     "  --plugin-dir=DIR            look for plugins there; may be given several times");
}

static int parse_number(const char *text, uint32_t *number)
{
	struct lxcfs_text word = {.data = text, .length = strlen(text)};
	uint64_t value;

	if (!lxcfs_parse_number(word, &value) || value > INT32_MAX)
		return -EINVAL;
	*number = (uint32_t)value;
	return 0;
}

/* 0: go on; 1: done; -errno: said on stderr. */
static int parse(int argc, char **argv, struct render *render)
{
	static const struct option options[] = {{"root", required_argument, NULL, 'r'},
						{"cgroup", required_argument, NULL, 'g'},
						{"init", required_argument, NULL, 'i'},
						{"config", required_argument, NULL, 'c'},
						{"plugin-dir", required_argument, NULL, 'd'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	int option;

	render->overrides.directories = render->directories;
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'r')
			render->root = optarg;
		else if (option == 'c')
			render->config = optarg;
		else if (option == 'g' && render->cgroup_count < CGROUP_ARGUMENTS_MAX)
			render->cgroups[render->cgroup_count++] = optarg;
		else if (option == 'd' && render->overrides.directory_count < CGROUP_ARGUMENTS_MAX)
			render->directories[render->overrides.directory_count++] = optarg;
		else if (option == 'i' && parse_number(optarg, &render->init_pid) == 0)
			continue;
		else if (option == 'h') {
			print_help();
			return 1;
		} else {
			fputs("lxcfs render: bad option; try --help\n", stderr);
			return -EINVAL;
		}
	}
	if (!render->root || optind + 1 != argc) {
		fputs("lxcfs render: give --root=DIR and one FILE; try --help\n", stderr);
		return -EINVAL;
	}
	render->file = argv[optind];
	return 0;
}

/* The container's paths: each --cgroup in turn. */
static int choose_paths(const struct render *render, struct cgroup_paths *paths)
{
	const struct hierarchies *hierarchies = &render->hostfs->hierarchies;
	static char host[] = "/";

	for (unsigned index = 0; index < hierarchies->count; index++)
		paths->path[index] = host;
	for (size_t index = 0; index < render->cgroup_count; index++) {
		char *path = strchr(render->cgroups[index], '/');
		int chosen = -1;

		if (!path) {
			fprintf(stderr, "lxcfs render: --cgroup=%s: no path in it\n",
				render->cgroups[index]);
			return -EINVAL;
		}
		if (path != render->cgroups[index]) {
			auto_free char *controller = strndup(
				render->cgroups[index], (size_t)(path - render->cgroups[index]));

			if (!controller)
				return -ENOMEM;
			controller[strlen(controller) - 1] = '\0';
			chosen = hierarchies_find(hierarchies, controller);
			if (chosen < 0) {
				fprintf(stderr, "lxcfs render: no hierarchy has controller %s\n",
					controller);
				return -EINVAL;
			}
		}
		for (int other = 0; other < (int)hierarchies->count; other++)
			if (chosen < 0 || other == chosen)
				paths->path[other] = path;
	}
	return 0;
}

static int open_server(struct render *render, char **reason)
{
	struct server *server = &render->server;
	struct config *config = NULL;
	struct inheritance nothing;
	int result = hostfs_open_recorded(render->root, &render->hostfs);

	server->services.hostfs = render->hostfs;
	if (result == 0)
		result = container_cache_new(render->hostfs, 8, &render->containers);
	if (result == 0)
		result = state_create(&server->state);
	if (result == 0)
		result = nodes_open(&server->state, &server->nodes);
	if (result == 0)
		result = quiescence_new(&server->quiescence);
	if (result == 0)
		result = plugin_state_open(NULL, &server->services.plugin_state);
	if (result == 0)
		result = timers_new(NULL, &server->services.timers);
	if (result == 0)
		result = config_load(render->config, &render->overrides, &config, reason);
	if (result != 0)
		return result;
	render->plugins = (struct plugins){.server = server, .channel = -1};
	inheritance_init(&nothing);
	result = plugins_prepare(&render->plugins, config, &nothing, START_RESUME, reason);
	if (result == 0)
		result = plugins_begin(&render->plugins);
	config_put(config);
	return result;
}

static void close_server(struct render *render)
{
	struct server *server = &render->server;

	catalog_free(atomic_load(&server->catalog));
	timers_free(server->services.timers);
	plugin_state_free(server->services.plugin_state);
	quiescence_free(server->quiescence);
	nodes_free(server->nodes);
	state_close(&server->state);
	if (render->containers)
		container_cache_free(render->containers);
	hostfs_free(render->hostfs);
	session_thread_close(&render->thread);
}

/* Walk from the root, as the kernel would. */
static int look_up(struct render *render, struct target *target, struct stat *attributes)
{
	auto_free char *copy = strdup(render->file);
	struct target parent;
	char *rest = NULL;
	int result = target_find(&render->thread, TREE_ROOT_ID, target);

	if (!copy)
		return -ENOMEM;
	if (result == 0)
		result = target_attributes(&render->thread, target, attributes);
	for (char *name = strtok_r(copy, "/", &rest); name && result == 0;
	     name = strtok_r(NULL, "/", &rest)) {
		parent = *target;
		result = target_lookup(&render->thread, &parent, name, target, attributes);
	}
	return result;
}

static int print_listing(struct render *render, const struct target *target)
{
	struct lxcfs_output *listing = &render->thread.directory.output;
	const struct directory_record *record;
	int result = content_list(&render->thread, target);

	if (result != 0)
		return result;
	record = directory_next(listing->data, listing->length, NULL);
	for (; record; record = directory_next(listing->data, listing->length, record))
		puts(record->name);
	return 0;
}

static int print_file(struct render *render, const struct target *target)
{
	int result = content_render(&render->thread, target);

	if (result == 0 && render->thread.output.length != 0 &&
	    fwrite(render->thread.output.data, render->thread.output.length, 1, stdout) != 1)
		result = -EIO;
	return result;
}

static int print_link(struct render *render, const struct target *target)
{
	struct generation *generation = target->node->generation;
	int result;

	output_reset(&render->thread.output, &generation->host);
	result = target->node->subtree->readlink(&generation->host, target->path,
						 &render->thread.output);
	if (result == 0)
		printf("%.*s\n", (int)render->thread.output.length, render->thread.output.data);
	return result;
}

static int run(struct render *render)
{
	struct cgroup_paths paths = {{0}};
	struct caller caller = {.init_pid = render->init_pid};
	struct target target;
	struct stat attributes;
	int result = choose_paths(render, &paths);

	render->thread.server = &render->server;
	render->thread.catalog = atomic_load(&render->server.catalog);
	if (result == 0)
		result = container_get(render->containers, &paths, 0, &caller.container);
	if (result == 0)
		result = look_up(render, &target, &attributes);
	if (result != 0) {
		if (caller.container)
			container_put(caller.container);
		return result;
	}
	content_begin_for(&render->thread, &target, &caller,
			  config_policy(render->thread.catalog->config, caller.container->name), 0);
	/* Without a container named, it is the host that asks. */
	if (render->thread.caller.container->host && render->init_pid == 0)
		render->thread.request.shown.flags |= LXCFS_REQUEST_HOST;
	result = content_open(&render->thread, &target, 0);
	if (result == 0 && S_ISDIR(attributes.st_mode))
		result = print_listing(render, &target);
	else if (result == 0 && S_ISLNK(attributes.st_mode))
		result = print_link(render, &target);
	else if (result == 0)
		result = print_file(render, &target);
	content_finish(&render->thread);
	return result;
}

int render_main(int argc, char **argv)
{
	static struct render render;
	auto_free char *reason = NULL;
	int result;

	log_open(LOG_TARGET_STDERR, LXCFS_LOG_WARNING);
	result = parse(argc, argv, &render);
	if (result != 0)
		return result > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	result = open_server(&render, &reason);
	if (result == 0)
		result = run(&render);
	if (result != 0)
		fprintf(stderr, "lxcfs render: %s: %s\n", render.file,
			reason ? reason : strerror(-result));
	close_server(&render);
	return result == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
