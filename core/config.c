/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <confuse.h>
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"

#define DEFAULT_RENDER_TIMEOUT 5000
#define DEFAULT_THREADS        16
#define MAX_THREADS            128
#define DEFAULT_PLUGINS        "{cpuinfo, diskstats, meminfo, stat, swaps, sysfs_cpu, uptime}"

/* The last complaint of the parser; libconfuse's error function has no argument of ours. */
static char *parse_complaint;

static void complain(cfg_t *cfg, const char *format, va_list list) LXCFS_PRINTF(2, 0);

static void complain(cfg_t *cfg, const char *format, va_list list)
{
	char *text = NULL;
	char *line = NULL;

	if (vasprintf(&text, format, list) < 0)
		return;
	if (asprintf(&line, "%s:%d: %s", cfg && cfg->filename ? cfg->filename : "configuration",
		     cfg ? cfg->line : 0, text) >= 0) {
		free(parse_complaint);
		parse_complaint = line;
	}
	free(text);
}

/* include("/etc/lxcfs.conf.d/<glob>"): every match, in the order of names. */
static int include_files(cfg_t *cfg, cfg_opt_t *option, int argc, const char **argv)
{
	glob_t matches;
	int result = 0;

	if (argc != 1) {
		cfg_error(cfg, "include() takes one file name or glob");
		return 1;
	}
	if (glob(argv[0], 0, NULL, &matches) != 0)
		return 0;
	/* An included file is read next, before what was included earlier: so the last comes first. */
	for (size_t index = matches.gl_pathc; index > 0 && result == 0; index--)
		result = cfg_include(cfg, option, 1, (const char **)&matches.gl_pathv[index - 1]);
	globfree(&matches);
	return result;
}

struct word {
	const char *text;
	int value;
};

static const struct word cpu_policies[] = {
	{"quota", CPU_POLICY_QUOTA}, {"cpuset", CPU_POLICY_CPUSET}, {NULL, 0}};
static const struct word cpu_numberings[] = {{"auto", CPU_NUMBERING_AUTO},
					     {"physical", CPU_NUMBERING_PHYSICAL},
					     {"contiguous", CPU_NUMBERING_CONTIGUOUS},
					     {NULL, 0}};
static const struct word identities[] = {
	{"auto", IDENTITY_AUTO}, {"pid1", IDENTITY_PID1}, {"caller", IDENTITY_CALLER}, {NULL, 0}};
static const struct word swaps[] = {{"auto", true}, {"off", false}, {NULL, 0}};
static const struct word uptimes[] = {{"virtual", true}, {"host", false}, {NULL, 0}};
static const struct word on_faults[] = {
	{"error", ON_FAULT_ERROR}, {"passthrough", ON_FAULT_PASSTHROUGH}, {NULL, 0}};

static const struct choice {
	const char *key;
	const struct word *words;
} choices[] = {
	{"cpu-policy", cpu_policies}, {"cpu-numbering", cpu_numberings},
	{"identity", identities},     {"swap", swaps},
	{"uptime", uptimes},          {"on-fault", on_faults},
};

static const struct word *choice_words(const char *key)
{
	for (size_t index = 0; index < sizeof(choices) / sizeof(choices[0]); index++)
		if (strcmp(choices[index].key, key) == 0)
			return choices[index].words;
	return NULL;
}

static const struct word *word_find(const struct word *words, const char *text)
{
	for (; words->text; words++)
		if (strcmp(words->text, text) == 0)
			return words;
	return NULL;
}

/* libconfuse calls this while it reads the file, so that the complaint names the line. */
static int validate_choice(cfg_t *cfg, cfg_opt_t *option)
{
	const struct word *words = choice_words(cfg_opt_name(option));
	const char *text = cfg_opt_getnstr(option, cfg_opt_size(option) - 1);
	char accepted[128] = "";
	size_t used = 0;

	if (!words || word_find(words, text))
		return 0;
	for (; words->text; words++)
		used += (size_t)snprintf(accepted + used, sizeof(accepted) - used, "%s%s",
					 used ? ", " : "", words->text);
	cfg_error(cfg, "%s = %s: not one of %s", cfg_opt_name(option), text, accepted);
	return -1;
}

static int validate_range(cfg_t *cfg, cfg_opt_t *option)
{
	long value = cfg_opt_getnint(option, cfg_opt_size(option) - 1);
	bool threads = strcmp(cfg_opt_name(option), "threads") == 0;
	long least = threads ? 1 : 0;
	long most = threads ? MAX_THREADS : 3600000;

	if (value >= least && value <= most)
		return 0;
	cfg_error(cfg, "%s = %ld: must be from %ld to %ld", cfg_opt_name(option), value, least,
		  most);
	return -1;
}

static int get_choice(cfg_t *cfg, const char *key, int otherwise)
{
	const char *text = cfg_getstr(cfg, key);
	const struct word *word = text ? word_find(choice_words(key), text) : NULL;

	return word ? word->value : otherwise;
}

static struct policy get_policy(cfg_t *cfg, const struct policy *otherwise)
{
	return (struct policy){
		.cpu_policy =
			(enum cpu_policy)get_choice(cfg, "cpu-policy", (int)otherwise->cpu_policy),
		.cpu_numbering = (enum cpu_numbering)get_choice(cfg, "cpu-numbering",
								(int)otherwise->cpu_numbering),
		.identity =
			(enum identity_policy)get_choice(cfg, "identity", (int)otherwise->identity),
		.swap = get_choice(cfg, "swap", otherwise->swap),
		.virtual_uptime = get_choice(cfg, "uptime", otherwise->virtual_uptime),
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
	plugin->on_fault = (enum on_fault)get_choice(section, "on-fault", ON_FAULT_DEFAULT);
	return get_plugin_options(section, plugin);
}

static int get_plugins(struct config *config, cfg_t *cfg)
{
	unsigned count = cfg_size(cfg, "plugins");
	int result = 0;

	config->plugins = calloc(count + 2U, sizeof(*config->plugins));
	if (!config->plugins)
		return -ENOMEM;
	for (unsigned index = 0; index < count && result == 0; index++) {
		const char *name = cfg_getnstr(cfg, "plugins", index);

		/* A name becomes a file name. */
		if (name[0] == '\0' || name[0] == '.' || strchr(name, '/')) {
			cfg_error(cfg, "plugins: \"%s\" is not the name of a plugin", name);
			return -EINVAL;
		}
		result = add_plugin(config, cfg, name);
	}
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

/* The parsed configuration as one text. */
static int get_text(struct config *config, cfg_t *cfg)
{
	size_t length;
	FILE *stream = open_memstream(&config->text, &length);

	if (!stream)
		return -ENOMEM;
	cfg_print(cfg, stream);
	return fclose(stream) == 0 ? 0 : -ENOMEM;
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
		result = get_text(config, cfg);
	return result;
}

/* `path` or `stream` or neither: the defaults. */
static int load(const char *path, FILE *stream, const struct config_overrides *overrides,
		struct config **config, char **reason)
{
	cfg_opt_t plugin_options[] = {CFG_STR("on-fault", NULL, CFGF_NODEFAULT), CFG_END()};
	cfg_opt_t container_options[] = {CFG_STR("cpu-policy", NULL, CFGF_NODEFAULT),
					 CFG_STR("cpu-numbering", NULL, CFGF_NODEFAULT),
					 CFG_STR("identity", NULL, CFGF_NODEFAULT),
					 CFG_STR("swap", NULL, CFGF_NODEFAULT),
					 CFG_STR("uptime", NULL, CFGF_NODEFAULT),
					 CFG_STR_LIST("passthrough", NULL, CFGF_NODEFAULT),
					 CFG_END()};
	cfg_opt_t options[] = {
		CFG_STR_LIST("plugins", DEFAULT_PLUGINS, CFGF_NONE),
		CFG_STR_LIST("plugin-directories", "{\"" PLUGIN_DIRECTORY "\"}", CFGF_NONE),
		CFG_STR("cpu-policy", NULL, CFGF_NODEFAULT),
		CFG_STR("cpu-numbering", NULL, CFGF_NODEFAULT),
		CFG_STR("identity", NULL, CFGF_NODEFAULT),
		CFG_STR("swap", NULL, CFGF_NODEFAULT),
		CFG_STR("uptime", NULL, CFGF_NODEFAULT),
		CFG_INT("render-timeout", DEFAULT_RENDER_TIMEOUT, CFGF_NONE),
		CFG_INT("threads", DEFAULT_THREADS, CFGF_NONE),
		CFG_SEC("plugin", plugin_options,
			CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES | CFGF_KEYSTRVAL),
		CFG_SEC("container", container_options, CFGF_MULTI | CFGF_TITLE),
		CFG_FUNC("include", include_files),
		CFG_END()};
	static const char *const choice_paths[] = {
		"cpu-policy",
		"cpu-numbering",
		"identity",
		"swap",
		"uptime",
		"plugin|on-fault",
		"container|cpu-policy",
		"container|identity",
		"container|swap",
		"container|cpu-numbering",
		"container|uptime",
	};
	cfg_t *cfg = cfg_init(options, CFGF_NONE);
	struct config *loaded = calloc(1, sizeof(*loaded));
	int result = -ENOMEM;

	free(take_pointer(parse_complaint));
	*reason = NULL;
	if (loaded)
		atomic_init(&loaded->references, 1);
	if (cfg && loaded) {
		cfg_set_error_function(cfg, complain);
		for (size_t index = 0; index < sizeof(choice_paths) / sizeof(choice_paths[0]);
		     index++)
			cfg_set_validate_func(cfg, choice_paths[index], validate_choice);
		cfg_set_validate_func(cfg, "render-timeout", validate_range);
		cfg_set_validate_func(cfg, "threads", validate_range);
		if (path || stream)
			result = path ? cfg_parse(cfg, path) : cfg_parse_fp(cfg, stream);
		else
			result = CFG_SUCCESS;
		if (result == CFG_FILE_ERROR)
			result = errno ? -errno : -EIO;
		else
			result = result == CFG_SUCCESS ? fill(loaded, cfg, overrides) : -EINVAL;
	}
	if (cfg)
		cfg_free(cfg);
	if (result == 0) {
		*config = loaded;
		return 0;
	}
	config_put(loaded);
	*reason = take_pointer(parse_complaint);
	if (!*reason &&
	    asprintf(reason, "%s: %s", path ? path : "configuration", strerror(-result)) < 0)
		*reason = NULL;
	return result;
}

int config_load(const char *path, const struct config_overrides *overrides, struct config **config,
		char **reason)
{
	return load(path, NULL, overrides, config, reason);
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
