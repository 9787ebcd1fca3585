/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "configfile.h"

static struct policy get_policy(cfg_t *cfg, const struct policy *otherwise)
{
	return (struct policy){
		.cpu_policy = (enum cpu_policy)configfile_choice(cfg, "cpu-policy",
								 (int)otherwise->cpu_policy),
		.cpu_numbering = (enum cpu_numbering)configfile_choice(
			cfg, "cpu-numbering", (int)otherwise->cpu_numbering),
		.identity = (enum identity_policy)configfile_choice(cfg, "identity",
								    (int)otherwise->identity),
		.swap = configfile_choice(cfg, "swap", otherwise->swap),
		.virtual_uptime = configfile_choice(cfg, "uptime", otherwise->virtual_uptime),
	};
}

static int get_strings(cfg_t *cfg, const char *key, char ***strings, size_t *count)
{
	unsigned size = cfg_size(cfg, key);

	*strings = calloc(size + 1U, sizeof(**strings));
	if (!*strings)
		return -ENOMEM;
	for (*count = 0; *count < size; (*count)++) {
		(*strings)[*count] = strdup(cfg_getnstr(cfg, key, (unsigned)*count));
		if (!(*strings)[*count])
			return -ENOMEM;
	}
	return 0;
}

static void free_strings(char **strings, size_t count)
{
	for (size_t index = 0; strings && index < count; index++)
		free(strings[index]);
	free(strings);
}

static int get_plugin_options(cfg_t *section, struct config_plugin *plugin)
{
	unsigned total = cfg_num(section);

	plugin->options = calloc(total + 1U, sizeof(*plugin->options));
	if (!plugin->options)
		return -ENOMEM;
	for (unsigned index = 0; index < total; index++) {
		cfg_opt_t *option = cfg_getnopt(section, index);
		struct config_option *free_key = &plugin->options[plugin->option_count];

		if (strcmp(cfg_opt_name(option), "on-fault") == 0 || cfg_opt_size(option) == 0)
			continue;
		free_key->key = strdup(cfg_opt_name(option));
		free_key->value = strdup(cfg_opt_getnstr(option, 0));
		plugin->option_count++;
		if (!free_key->key || !free_key->value)
			return -ENOMEM;
	}
	return 0;
}

static int add_plugin(struct config *config, cfg_t *cfg, const char *name)
{
	struct config_plugin *plugin = &config->plugins[config->plugin_count];
	cfg_t *section = cfg_gettsec(cfg, "plugin", name);

	if (config_find_plugin(config, name))
		return 0;
	plugin->name = strdup(name);
	if (!plugin->name)
		return -ENOMEM;
	config->plugin_count++;
	if (!section)
		return 0;
	plugin->on_fault = (enum on_fault)configfile_choice(section, "on-fault", ON_FAULT_DEFAULT);
	return get_plugin_options(section, plugin);
}

static int get_plugins(struct config *config, cfg_t *cfg)
{
	unsigned count = cfg_size(cfg, "plugins");
	int result = 0;

	config->plugins = calloc(count + 2U, sizeof(*config->plugins));
	if (!config->plugins)
		return -ENOMEM;
	for (unsigned index = 0; index < count && result == 0; index++)
		result = add_plugin(config, cfg, cfg_getnstr(cfg, "plugins", index));
	return result;
}

static int get_containers(struct config *config, cfg_t *cfg)
{
	unsigned count = cfg_size(cfg, "container");

	config->containers = calloc(count + 1U, sizeof(*config->containers));
	if (!config->containers)
		return -ENOMEM;
	for (unsigned index = 0; index < count; index++) {
		cfg_t *section = cfg_getnsec(cfg, "container", index);
		struct config_container *container = &config->containers[index];

		config->container_count++;
		container->policy = get_policy(section, &config->policy);
		container->glob = strdup(cfg_title(section));
		if (!container->glob)
			return -ENOMEM;
		if (get_strings(section, "passthrough", &container->passthrough,
				&container->passthrough_count) != 0)
			return -ENOMEM;
	}
	return 0;
}

static int get_directories(struct config *config, cfg_t *cfg,
			   const struct config_overrides *overrides)
{
	if (!overrides || overrides->directory_count == 0)
		return get_strings(cfg, "plugin-directories", &config->directories,
				   &config->directory_count);
	config->directories = calloc(overrides->directory_count, sizeof(*config->directories));
	if (!config->directories)
		return -ENOMEM;
	for (size_t index = 0; index < overrides->directory_count; index++) {
		config->directories[index] = strdup(overrides->directories[index]);
		if (!config->directories[index])
			return -ENOMEM;
		config->directory_count++;
	}
	return 0;
}

static int fill(struct config *config, cfg_t *cfg, const struct config_overrides *overrides)
{
	static const struct policy built_in = {
		.cpu_policy = CPU_POLICY_CPUSET, .swap = true, .virtual_uptime = true};
	int result;

	config->policy = get_policy(cfg, &built_in);
	if (overrides && overrides->cfs)
		config->policy.cpu_policy = CPU_POLICY_QUOTA;
	if (overrides && overrides->disable_swap)
		config->policy.swap = false;
	config->render_timeout = (uint32_t)cfg_getint(cfg, "render-timeout");
	config->threads = (uint32_t)cfg_getint(cfg, "threads");
	result = get_plugins(config, cfg);
	if (result == 0)
		result = get_containers(config, cfg);
	if (result == 0)
		result = get_directories(config, cfg, overrides);
	if (result == 0)
		result = configfile_print(cfg, &config->text);
	return result;
}

/* From `stream`, which is what `path` names in messages; without one: the defaults. */
static int load(const char *path, FILE *stream, const struct config_overrides *overrides,
		struct config **config, char **reason)
{
	__attribute__((cleanup(config_cleanup))) struct config *loaded = calloc(1, sizeof(*loaded));
	cfg_t *cfg = NULL;
	int result;

	*reason = NULL;
	if (!loaded)
		return -ENOMEM;
	atomic_init(&loaded->references, 1);
	result = configfile_parse(path, stream, &cfg, reason);
	if (result != 0)
		return result;
	result = fill(loaded, cfg, overrides);
	cfg_free(cfg);
	if (result == 0)
		*config = take_pointer(loaded);
	return result;
}

int config_load(const char *path, const struct config_overrides *overrides, struct config **config,
		char **reason)
{
	auto_file FILE *stream = path ? fopen(path, "re") : NULL;
	int result;

	if (stream || !path)
		return load(path, stream, overrides, config, reason);
	result = -errno;
	if (asprintf(reason, "%s: %s", path, strerror(-result)) < 0)
		*reason = NULL;
	return result;
}

int config_load_text(int fd, const struct config_overrides *overrides, struct config **config,
		     char **reason)
{
	int copy = dup(fd);
	auto_file FILE *stream = copy < 0 ? NULL : fdopen(copy, "r");

	if (!stream) {
		int error = errno;

		if (copy >= 0)
			close(copy);
		*reason = NULL;
		return -error;
	}
	rewind(stream);
	return load(NULL, stream, overrides, config, reason);
}

static void plugin_clear(struct config_plugin *plugin)
{
	for (size_t index = 0; index < plugin->option_count; index++) {
		free(plugin->options[index].key);
		free(plugin->options[index].value);
	}
	free(plugin->options);
	free(plugin->name);
}

struct config *config_get(struct config *config)
{
	atomic_fetch_add(&config->references, 1);
	return config;
}

void config_put(struct config *config)
{
	if (!config || atomic_fetch_sub(&config->references, 1) != 1)
		return;
	for (size_t index = 0; index < config->plugin_count; index++)
		plugin_clear(&config->plugins[index]);
	for (size_t index = 0; index < config->container_count; index++) {
		free(config->containers[index].glob);
		free_strings(config->containers[index].passthrough,
			     config->containers[index].passthrough_count);
	}
	free(config->plugins);
	free(config->containers);
	free_strings(config->directories, config->directory_count);
	free(config->text);
	free(config);
}

void config_cleanup(struct config **config)
{
	config_put(*config);
}

const struct config_plugin *config_find_plugin(const struct config *config, const char *name)
{
	for (size_t index = 0; index < config->plugin_count; index++)
		if (strcmp(config->plugins[index].name, name) == 0)
			return &config->plugins[index];
	return NULL;
}

const struct config_container *config_find_container(const struct config *config,
						     const char *cgroup)
{
	for (size_t index = 0; index < config->container_count; index++)
		if (fnmatch(config->containers[index].glob, cgroup, 0) == 0)
			return &config->containers[index];
	return NULL;
}

const struct policy *config_policy(const struct config *config, const char *cgroup)
{
	const struct config_container *container = config_find_container(config, cgroup);

	return container ? &container->policy : &config->policy;
}

bool config_passthrough(const struct config *config, const char *cgroup, const char *plugin)
{
	const struct config_container *container = config_find_container(config, cgroup);

	for (size_t index = 0; container && index < container->passthrough_count; index++)
		if (strcmp(container->passthrough[index], plugin) == 0)
			return true;
	return false;
}

bool config_is_plugin_name(const char *name, size_t length)
{
	if (length == 0 || length >= CHANNEL_NAME_MAX || name[0] == '.')
		return false;
	for (size_t index = 0; index < length; index++)
		if ((unsigned char)name[index] <= ' ' || name[index] == '/' || name[index] == 0x7f)
			return false;
	return true;
}
