/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <json.h>

#include "cleanup.h"
#include "varlink.h"

/* ---- values ---- */

struct json_object *output_member(struct json_object *object, const char *key)
{
	struct json_object *member = NULL;

	json_object_object_get_ex(object, key, &member);
	return member;
}

static const char *text_of(struct json_object *object, const char *key)
{
	const char *text = varlink_text(object, key);

	return text ? text : "";
}

static int64_t number_of(struct json_object *object, const char *key)
{
	return json_object_get_int64(output_member(object, key));
}

static bool flag_of(struct json_object *object, const char *key)
{
	return json_object_get_boolean(output_member(object, key));
}

/* "-" for what is not there. */
static const char *or_dash(const char *text)
{
	return text[0] ? text : "-";
}

static void print_time(char *text, size_t size, int64_t seconds)
{
	time_t when = (time_t)seconds;
	struct tm parts;

	if (seconds == 0 || !localtime_r(&when, &parts) ||
	    strftime(text, size, "%Y-%m-%d %H:%M:%S", &parts) == 0)
		snprintf(text, size, "-");
}

/* ---- lines ---- */

/* Nothing of what comes from outside steers the terminal. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static void print_list(FILE *stream, const char *format, va_list list) LXCFS_PRINTF(2, 0);

static void print_list(FILE *stream, const char *format, va_list list)
{
	auto_free char *line = NULL;

	if (vasprintf(&line, format, list) < 0) {
		line = NULL;
		return;
	}
	make_printable(line);
	fprintf(stream, "%s\n", line);
}

static void print_line(const char *format, ...) LXCFS_PRINTF(1, 2);

static void print_line(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	print_list(stdout, format, list);
	va_end(list);
}

void output_line(const char *line)
{
	print_line("%s", line);
	/* It may be long until the next one. */
	fflush(stdout);
}

void output_error(const char *format, ...)
{
	va_list list;

	fputs("lxcfsctl: ", stderr);
	va_start(list, format);
	print_list(stderr, format, list);
	va_end(list);
}

void output_json(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
							    JSON_C_TO_STRING_SPACED |
							    JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* ---- plugins ---- */

enum column {
	COLUMN_NAME,
	COLUMN_STATE,
	COLUMN_GENERATION,
	COLUMN_RELEASE,
	COLUMN_BUILD_ID,
	COLUMN_LOADED,
	COLUMN_FAULTS,
	COLUMN_FILE,
	COLUMNS,
};

/* What stands in one field of the table; NULL for `plugin`: its heading. */
static void print_field(char *text, size_t size, enum column column, struct json_object *plugin)
{
	static const char *const headings[COLUMNS] = {"PLUGIN",   "STATE",  "GEN",    "VERSION",
						      "BUILD ID", "LOADED", "FAULTS", "FILE"};

	if (!plugin)
		snprintf(text, size, "%s", headings[column]);
	else if (column == COLUMN_NAME)
		snprintf(text, size, "%s", text_of(plugin, "name"));
	else if (column == COLUMN_STATE && number_of(plugin, "quarantinedFor") != 0 &&
		 strcmp(text_of(plugin, "state"), "restricted") == 0)
		snprintf(text, size, "quarantined for %" PRId64,
			 number_of(plugin, "quarantinedFor"));
	else if (column == COLUMN_STATE)
		snprintf(text, size, "%s", text_of(plugin, "state"));
	else if (column == COLUMN_GENERATION)
		snprintf(text, size, "%" PRId64, number_of(plugin, "generation"));
	else if (column == COLUMN_RELEASE)
		snprintf(text, size, "%s", or_dash(text_of(plugin, "release")));
	else if (column == COLUMN_BUILD_ID)
		/* As long as people compare it by eye. */
		snprintf(text, size, "%.12s", or_dash(text_of(plugin, "buildId")));
	else if (column == COLUMN_LOADED)
		print_time(text, size, number_of(plugin, "loaded"));
	else if (column == COLUMN_FAULTS)
		snprintf(text, size, "%" PRId64, number_of(plugin, "faults"));
	else
		snprintf(text, size, "%s", text_of(plugin, "file"));
}

static void widen(size_t widths[COLUMNS], struct json_object *plugin)
{
	char text[256];

	for (enum column column = 0; column < COLUMNS; column++) {
		print_field(text, sizeof(text), column, plugin);
		if (strlen(text) > widths[column])
			widths[column] = strlen(text);
	}
}

static void print_row(const size_t widths[COLUMNS], struct json_object *plugin)
{
	char text[2048];

	for (enum column column = 0; column < COLUMNS; column++) {
		print_field(text, sizeof(text), column, plugin);
		make_printable(text);
		if (column == COLUMN_FILE)
			puts(text);
		else
			printf("%-*s  ", (int)widths[column], text);
	}
}

static void print_fault(struct json_object *plugin, struct json_object *fault)
{
	const char *group = varlink_text(fault, "group");
	const char *kind = group && strspn(group, "0123456789") != 0 ? "pid namespace " : "";
	char last[32];

	print_time(last, sizeof(last), number_of(fault, "last"));
	print_line("  %s: %" PRId64 " faults at %s%s, the last one at %s by signal %d (%s)%s",
		   text_of(plugin, "name"), number_of(fault, "charges"), kind,
		   group ? group : "lookups", last, (int)number_of(fault, "signal"),
		   strsignal((int)number_of(fault, "signal")),
		   flag_of(fault, "quarantined") ? "; quarantined for it" : "");
}

static void print_faults(struct json_object *plugin)
{
	struct json_object *list = output_member(plugin, "faultyContainers");

	for (size_t index = 0;
	     json_object_is_type(list, json_type_array) && index < json_object_array_length(list);
	     index++)
		print_fault(plugin, json_object_array_get_idx(list, index));
}

void output_plugins(struct json_object *plugins)
{
	struct json_object *list = output_member(plugins, "plugins");
	size_t count =
		json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	size_t widths[COLUMNS] = {0};

	widen(widths, NULL);
	for (size_t index = 0; index < count; index++)
		widen(widths, json_object_array_get_idx(list, index));
	print_row(widths, NULL);
	for (size_t index = 0; index < count; index++)
		print_row(widths, json_object_array_get_idx(list, index));
	for (size_t index = 0; index < count; index++)
		print_faults(json_object_array_get_idx(list, index));
}

/* ---- status ---- */

static void print_program(const char *what, struct json_object *program)
{
	char since[32];

	if (!program) {
		print_line("%-11s none", what);
		return;
	}
	print_time(since, sizeof(since), number_of(program, "since"));
	print_line("%-11s pid %" PRId64 ", since %s, version %s, build id %s", what,
		   number_of(program, "pid"), since, or_dash(text_of(program, "release")),
		   or_dash(text_of(program, "buildId")));
}

/* "a, b"; "nothing" for an empty list. */
static void print_names(char *text, size_t size, struct json_object *list)
{
	size_t count =
		json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	size_t length = 0;

	snprintf(text, size, "nothing");
	for (size_t index = 0; index < count && length < size; index++) {
		const char *name = json_object_get_string(json_object_array_get_idx(list, index));

		length += (size_t)snprintf(text + length, size - length, "%s%s", index ? ", " : "",
					   name ? name : "");
	}
}

static void print_death(struct json_object *death)
{
	bool by_signal = output_member(death, "signal") != NULL;
	int number = (int)number_of(death, by_signal ? "signal" : "status");
	char when[32];
	char ran[512];

	print_time(when, sizeof(when), number_of(death, "when"));
	print_names(ran, sizeof(ran), output_member(death, "ran"));
	print_line("  %s: %s %d%s%s%s; %s ran", when, by_signal ? "signal" : "exit status", number,
		   by_signal ? " (" : "", by_signal ? strsignal(number) : "", by_signal ? ")" : "",
		   ran);
}

static void print_deaths(struct json_object *status)
{
	struct json_object *list = output_member(status, "deaths");

	print_line("%-11s %" PRId64 " (deaths of a worker that no plugin was charged for)",
		   "unexplained", number_of(status, "unattributedDeaths"));
	for (size_t index = 0;
	     json_object_is_type(list, json_type_array) && index < json_object_array_length(list);
	     index++)
		print_death(json_object_array_get_idx(list, index));
}

static const char *service_of(struct json_object *status)
{
	if (!flag_of(status, "serving"))
		return "NOT SERVING: no worker answers; see the log";
	return flag_of(status, "rescue") ? "serving without plugins: no worker could run with them;"
					   " see the log"
					 : "serving";
}

void output_status(struct json_object *status)
{
	char since[32];

	print_time(since, sizeof(since), number_of(status, "since"));
	print_line("%-11s %s", "lxcfs", service_of(status));
	print_line("%-11s since %s", "mounted", since);
	print_program("keeper", output_member(status, "keeper"));
	print_program("worker", output_member(status, "worker"));
	print_line("%-11s %" PRId64 "; %" PRId64 " took over from one that had died, %" PRId64
		   " from one that yielded",
		   "generation", number_of(status, "generation"), number_of(status, "takeovers"),
		   number_of(status, "handOvers"));
	print_line("%-11s %s", "supervisor",
		   flag_of(status, "supervised") ? "starts the next keeper"
						 : "none: a worker starts the next keeper");
	print_line("%-11s %s; %" PRId64 " answers were the host's in place of a container's",
		   "passthrough", flag_of(status, "passthrough") ? "ON for all files" : "off",
		   number_of(status, "passthroughAnswers"));
	print_deaths(status);
	puts("");
	output_plugins(status);
}

/* ---- check ---- */

static void print_paths(struct json_object *list, const char *suffix)
{
	for (size_t index = 0;
	     json_object_is_type(list, json_type_array) && index < json_object_array_length(list);
	     index++) {
		struct json_object *entry = json_object_array_get_idx(list, index);

		print_line("%-9s %s %s%s%s%s", "path", or_dash(text_of(entry, "mode")),
			   text_of(entry, "path"), suffix,
			   flag_of(entry, "write") ? ", can be written" : "",
			   flag_of(entry, "poll") ? ", can be polled" : "");
	}
}

void output_description(struct json_object *description)
{
	print_line("%-9s %s", "plugin", text_of(description, "name"));
	print_line("%-9s %s", "file", text_of(description, "file"));
	print_line("%-9s %" PRId64, "ABI", number_of(description, "abi"));
	print_line("%-9s %s", "version", or_dash(text_of(description, "release")));
	print_line("%-9s %s", "build id", or_dash(text_of(description, "buildId")));
	print_line("%-9s %s", "threads", text_of(description, "threads"));
	print_line("%-9s %s", "on-fault", text_of(description, "onFault"));
	print_paths(output_member(description, "files"), "");
	print_paths(output_member(description, "subtrees"), "/...");
}
