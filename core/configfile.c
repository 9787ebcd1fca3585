/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "configfile.h"

#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "config.h"
#include "lxcfs/plugin.h"
#include "policy.h"

#define DEFAULT_RENDER_TIMEOUT 5000
#define DEFAULT_THREADS        16
#define MAX_THREADS            128
#define DEFAULT_PLUGINS        "{cpuinfo, diskstats, meminfo, stat, swaps, sysfs_cpu, uptime}"

/* Files that one configuration may have; more is a file that includes itself. */
#define FILES_MAX 1024u

/*
 * libconfuse takes the end of the file for the end of all open sections.  So this line is put behind
 * what it reads: it is either at the top level, or a section is not closed.
 */
#define END_KEY  "end-of-configuration"
#define END_LINE END_KEY " = true\n"

static const char not_closed[] = "a section or a list is not closed: a '}' is missing";

/* The last complaint of the parser; libconfuse's error function has no argument of ours. */
static char *parse_complaint;

static void complain(cfg_t *cfg, const char *format, va_list list) LXCFS_PRINTF(2, 0);

static void complain(cfg_t *cfg, const char *format, va_list list)
{
	auto_free char *text = NULL;
	char *line = NULL;

	if (vasprintf(&text, format, list) < 0) {
		text = NULL;
		return;
	}
	if (asprintf(&line, "%s:%d: %s", cfg && cfg->filename ? cfg->filename : "configuration",
		     cfg ? cfg->line : 0, strstr(text, END_KEY) ? not_closed : text) >= 0) {
		free(parse_complaint);
		parse_complaint = line;
	}
}

static bool is_directory(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Names of files that were included and are not read yet, in the order in which they will be. */
static struct {
	size_t count;
	size_t taken;
	char *paths[FILES_MAX];
} included;

static int include_one(cfg_t *cfg, const char *path)
{
	char *copy;

	if (is_directory(path)) {
		cfg_error(cfg, "include(): %s is a directory", path);
		return 1;
	}
	if (included.count == FILES_MAX) {
		cfg_error(cfg, "include(): too many files; does one include itself?");
		return 1;
	}
	copy = strdup(path);
	if (!copy)
		return 1;
	included.paths[included.count++] = copy;
	return 0;
}

/*
 * include("/etc/lxcfs.conf.d/<glob>"): every match, in the order of names.  They are read behind the file
 * that names them: libconfuse's own cfg_include() opens what it includes at once, holds ten files at
 * the most, and ends the process at a folder.
 */
static int include_files(cfg_t *cfg, cfg_opt_t *option, int argc, const char **argv)
{
	glob_t matches;
	int result = 0;

	(void)option;
	if (argc != 1) {
		cfg_error(cfg, "include() takes one file name or glob");
		return 1;
	}
	if (glob(argv[0], 0, NULL, &matches) != 0)
		return 0;
	for (size_t index = 0; index < matches.gl_pathc && result == 0; index++)
		result = include_one(cfg, matches.gl_pathv[index]);
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

static int validate_name(cfg_t *cfg, cfg_opt_t *option)
{
	const char *name = cfg_opt_getnstr(option, cfg_opt_size(option) - 1);

	if (config_is_plugin_name(name, strlen(name)))
		return 0;
	cfg_error(cfg, "plugins: \"%s\" is not the name of a plugin", name);
	return -1;
}

/* ---- parsing ---- */

static cfg_t *parser_new(void)
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
		CFG_BOOL(END_KEY, cfg_false, CFGF_NONE),
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

	if (!cfg)
		return NULL;
	cfg_set_error_function(cfg, complain);
	for (size_t index = 0; index < sizeof(choice_paths) / sizeof(choice_paths[0]); index++)
		cfg_set_validate_func(cfg, choice_paths[index], validate_choice);
	cfg_set_validate_func(cfg, "render-timeout", validate_range);
	cfg_set_validate_func(cfg, "threads", validate_range);
	cfg_set_validate_func(cfg, "plugins", validate_name);
	return cfg;
}

/* From one quote to the other, with both. */
static size_t quoted_length(const char *text)
{
	size_t length = 1;

	while (text[length] && text[length] != text[0])
		length += text[length] == '\\' && text[length + 1] ? 2 : 1;
	return text[length] ? length + 1 : length;
}

/* 0: no comment begins here. */
static size_t comment_length(const char *text)
{
	const char *end;

	if (text[0] == '#' || (text[0] == '/' && text[1] == '/'))
		return strcspn(text, "\n");
	if (text[0] != '/' || text[1] != '*')
		return 0;
	end = strstr(text + 2, "*/");
	return end ? (size_t)(end + 2 - text) : strlen(text);
}

/* libconfuse miscounts the lines behind a comment, so it is not shown any. */
static void blank_comments(char *text)
{
	bool begins_word = true;

	while (*text) {
		bool quoted = *text == '"' || *text == '\'';
		size_t length = quoted ? quoted_length(text) : 1;
		size_t comment = begins_word && !quoted ? comment_length(text) : 0;

		begins_word = comment != 0 || strchr(" \t\r\n={}(),", *text);
		for (size_t index = 0; index < comment; index++)
			if (text[index] != '\n')
				text[index] = ' ';
		text += comment != 0 ? comment : length;
	}
}

/* The whole stream without comments, and END_LINE. */
static int read_text(FILE *stream, char **text, size_t *length)
{
	FILE *copy = open_memstream(text, length);
	char buffer[4096];
	char last = '\n';
	size_t count;
	int error;

	if (!copy)
		return -ENOMEM;
	errno = 0;
	while ((count = fread(buffer, 1, sizeof(buffer), stream)) > 0) {
		fwrite(buffer, 1, count, copy);
		last = buffer[count - 1];
	}
	error = ferror(stream) ? errno : 0;
	if (last != '\n')
		fputc('\n', copy);
	fputs(END_LINE, copy);
	if (fclose(copy) != 0)
		return -ENOMEM;
	blank_comments(*text);
	return -error;
}

/* One file, without what it includes. */
static int parse_stream(cfg_t *cfg, const char *path, FILE *stream)
{
	auto_free char *text = NULL;
	auto_file FILE *copy = NULL;
	size_t length = 0;
	int result = read_text(stream, &text, &length);

	if (result != 0)
		return result;
	copy = fmemopen(text, length, "r");
	/* For messages; freed by cfg_free(). */
	free(cfg->filename);
	cfg->filename = strdup(path ? path : "configuration");
	if (!copy || !cfg->filename)
		return -ENOMEM;
	cfg_setbool(cfg, END_KEY, cfg_false);
	if (cfg_parse_fp(cfg, copy) != CFG_SUCCESS)
		return -EINVAL;
	if (cfg_getbool(cfg, END_KEY))
		return 0;
	cfg_error(cfg, "%s", not_closed);
	return -EINVAL;
}

static int parse_file(cfg_t *cfg, const char *path)
{
	auto_file FILE *stream = fopen(path, "re");

	return stream ? parse_stream(cfg, path, stream) : -errno;
}

static int parse_included(cfg_t *cfg, char **failed)
{
	int result = 0;

	while (result == 0 && included.taken < included.count) {
		auto_free char *path = take_pointer(included.paths[included.taken]);

		included.taken++;
		result = parse_file(cfg, path);
		if (result != 0)
			*failed = take_pointer(path);
	}
	return result;
}

static void forget_included(void)
{
	for (; included.taken < included.count; included.taken++)
		free(take_pointer(included.paths[included.taken]));
	included.taken = 0;
	included.count = 0;
}

int configfile_parse(const char *path, FILE *stream, cfg_t **parsed, char **reason)
{
	auto_free char *failed = NULL;
	cfg_t *cfg = parser_new();
	int result = cfg ? 0 : -ENOMEM;

	*reason = NULL;
	free(take_pointer(parse_complaint));
	if (result == 0 && stream)
		result = parse_stream(cfg, path, stream);
	if (result == 0)
		result = parse_included(cfg, &failed);
	forget_included();
	if (result == 0) {
		*parsed = cfg;
		return 0;
	}
	if (cfg)
		cfg_free(cfg);
	*reason = take_pointer(parse_complaint);
	if (!failed && path)
		failed = strdup(path);
	if (!*reason &&
	    asprintf(reason, "%s: %s", failed ? failed : "configuration", strerror(-result)) < 0)
		*reason = NULL;
	return result;
}

/* ---- reading what was parsed ---- */

int configfile_choice(cfg_t *cfg, const char *key, int otherwise)
{
	const char *text = cfg_getstr(cfg, key);
	const struct word *word = text ? word_find(choice_words(key), text) : NULL;

	return word ? word->value : otherwise;
}

/* libconfuse prints titles as they are. */
static int escape_titles(cfg_t *cfg, const char *sections)
{
	for (unsigned index = 0; index < cfg_size(cfg, sections); index++) {
		cfg_t *section = cfg_getnsec(cfg, sections, index);
		char *escaped = calloc(2, strlen(section->title) + 1);
		char *end = escaped;

		if (!escaped)
			return -ENOMEM;
		for (const char *place = section->title; *place; place++) {
			if (*place == '"' || *place == '\\')
				*end++ = '\\';
			*end++ = *place;
		}
		free(section->title);
		section->title = escaped;
	}
	return 0;
}

/* In it no "${" stands for a variable any more. */
int configfile_print(cfg_t *cfg, char **printed)
{
	auto_free char *text = NULL;
	size_t length;
	FILE *stream;

	if (escape_titles(cfg, "plugin") != 0 || escape_titles(cfg, "container") != 0)
		return -ENOMEM;
	stream = open_memstream(&text, &length);
	if (!stream)
		return -ENOMEM;
	cfg_print(cfg, stream);
	if (fclose(stream) != 0)
		return -ENOMEM;
	stream = open_memstream(printed, &length);
	if (!stream)
		return -ENOMEM;
	for (const char *place = text; *place; place++) {
		if (place[0] == '$' && place[1] == '{')
			fputc('\\', stream);
		fputc(*place, stream);
	}
	return fclose(stream) == 0 ? 0 : -ENOMEM;
}
