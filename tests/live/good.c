/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "good.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An uptime has hundredths of a second, and its clock is read a moment apart from ours. */
#define UPTIME_SLACK 0.03

const char *const file_paths[FILES] = {
	[FILE_CPUINFO] = "proc/cpuinfo",
	[FILE_DISKSTATS] = "proc/diskstats",
	[FILE_MEMINFO] = "proc/meminfo",
	[FILE_STAT] = "proc/stat",
	[FILE_SWAPS] = "proc/swaps",
	[FILE_UPTIME] = "proc/uptime",
	[FILE_ONLINE] = "sys/devices/system/cpu/online",
	[FILE_PRESENT] = "sys/devices/system/cpu/present",
	[FILE_POSSIBLE] = "sys/devices/system/cpu/possible",
};

struct check {
	const struct sample *sample;
	const struct expectation *expectation;
	struct history *history;
	char *why;
	size_t why_size;
};

static int bad(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int bad(struct check *check, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(check->why, check->why_size, format, list);
	va_end(list);
	return -1;
}

/* ---- parts of a line ---- */

/* A decimal number at *place, which moves behind it. */
static bool take_number(const char **place, uint64_t *number)
{
	char *end;

	if (!isdigit((unsigned char)**place))
		return false;
	*number = strtoull(*place, &end, 10);
	*place = end;
	return true;
}

static void skip_blanks(const char **place)
{
	while (**place == ' ' || **place == '\t')
		(*place)++;
}

/* Copy the line at *place and move behind it; false at the end, or for a line without an end. */
static bool take_line(const char **place, char *line, size_t size)
{
	const char *end = strchr(*place, '\n');
	size_t length;

	if (!end)
		return false;
	length = (size_t)(end - *place);
	if (length >= size)
		length = size - 1;
	memcpy(line, *place, length);
	line[length] = '\0';
	*place = end + 1;
	return true;
}

/* ---- what is allowed ---- */

enum quantity { CPUS, MEMORY, SWAP };

static uint64_t quantity_of(const struct limits *limits, enum quantity quantity)
{
	switch (quantity) {
	case CPUS:
		return limits->cpus;
	case MEMORY:
		return limits->memory;
	default:
		return limits->swap;
	}
}

static bool is_allowed(const struct check *check, enum quantity quantity, uint64_t value)
{
	for (size_t index = 0; index < check->expectation->count; index++)
		if (quantity_of(&check->expectation->limits[index], quantity) == value)
			return true;
	return check->expectation->count == 0;
}

/* ---- cpuinfo and the lists of sysfs ---- */

static int check_cpuinfo(struct check *check)
{
	const char *place = check->sample->text;
	uint64_t blocks = 0;
	char line[8192];

	while (take_line(&place, line, sizeof(line))) {
		if (line[0] != '\0' && !strchr(line, ':'))
			return bad(check, "cpuinfo: a line without a colon: %.80s", line);
		if (strncmp(line, "processor", 9) == 0 && (line[9] == '\t' || line[9] == ' '))
			blocks++;
	}
	if (!is_allowed(check, CPUS, blocks))
		return bad(check, "cpuinfo: %" PRIu64 " processors", blocks);
	return 0;
}

static int check_list(struct check *check, const char *name)
{
	const char *place = check->sample->text;
	uint64_t count = 0;
	uint64_t next = 0;

	do {
		uint64_t first;
		uint64_t last;

		if (*place == ',')
			place++;
		if (!take_number(&place, &first) || first < next)
			return bad(check, "%s: not a list in ascending order", name);
		last = first;
		if (*place == '-') {
			place++;
			if (!take_number(&place, &last) || last <= first)
				return bad(check, "%s: a bad range", name);
		}
		count += last - first + 1;
		next = last + 1;
	} while (*place == ',');
	if (strcmp(place, "\n") != 0)
		return bad(check, "%s: more than a list", name);
	if (!is_allowed(check, CPUS, count))
		return bad(check, "%s: %" PRIu64 " CPUs", name, count);
	return 0;
}

/* ---- meminfo and swaps ---- */

/* "Key:   123 kB" or "Key:  123" */
static bool split_meminfo(const char *line, char key[64], uint64_t *value)
{
	const char *colon = strchr(line, ':');
	const char *place;
	size_t length;

	if (!colon || colon == line || colon[1] != ' ')
		return false;
	length = (size_t)(colon - line);
	if (length >= 64)
		return false;
	memcpy(key, line, length);
	key[length] = '\0';
	place = colon + 1;
	skip_blanks(&place);
	return take_number(&place, value) && (*place == '\0' || strcmp(place, " kB") == 0);
}

static int check_meminfo_line(struct check *check, const char *key, uint64_t value, uint64_t *total)
{
	if (value >= (uint64_t)1 << 40 && strcmp(key, "VmallocTotal") != 0)
		return bad(check, "meminfo: %s is %" PRIu64, key, value);
	if (strcmp(key, "MemTotal") == 0) {
		*total = value;
		if (!is_allowed(check, MEMORY, value))
			return bad(check, "meminfo: MemTotal %" PRIu64, value);
	}
	if ((strcmp(key, "MemFree") == 0 || strcmp(key, "MemAvailable") == 0) && value > *total)
		return bad(check, "meminfo: %s %" PRIu64 " is above MemTotal", key, value);
	if (strcmp(key, "SwapTotal") == 0 && !is_allowed(check, SWAP, value))
		return bad(check, "meminfo: SwapTotal %" PRIu64, value);
	return 0;
}

static int check_meminfo(struct check *check)
{
	static const char *const needed[] = {"MemTotal", "MemFree",   "MemAvailable",
					     "Cached",   "SwapTotal", "SwapFree"};
	const char *place = check->sample->text;
	unsigned found = 0;
	uint64_t total = 0;
	char line[256];

	while (take_line(&place, line, sizeof(line))) {
		uint64_t value;
		char key[64];

		if (!split_meminfo(line, key, &value))
			return bad(check, "meminfo: not a line: %.80s", line);
		for (size_t index = 0; index < sizeof(needed) / sizeof(needed[0]); index++) {
			if (strcmp(key, needed[index]) != 0)
				continue;
			if (found & 1U << index)
				return bad(check, "meminfo: %s twice", key);
			found |= 1U << index;
		}
		if (check_meminfo_line(check, key, value, &total) != 0)
			return -1;
	}
	if (found != (1U << sizeof(needed) / sizeof(needed[0])) - 1)
		return bad(check, "meminfo: a key is missing");
	return 0;
}

static int check_swaps(struct check *check)
{
	const char *place = check->sample->text;
	uint64_t total = 0;
	char line[512];

	if (!take_line(&place, line, sizeof(line)) || strncmp(line, "Filename\t", 9) != 0 ||
	    !strstr(line, "Type") || !strstr(line, "Size") || !strstr(line, "Used") ||
	    !strstr(line, "Priority"))
		return bad(check, "swaps: no header");
	while (take_line(&place, line, sizeof(line))) {
		uint64_t size;
		uint64_t used;
		long priority;

		if (sscanf(line, "%*s %*s %" SCNu64 " %" SCNu64 " %ld", &size, &used, &priority) !=
		    3)
			return bad(check, "swaps: not a row: %.80s", line);
		if (used > size)
			return bad(check, "swaps: more used than there is");
		total += size;
	}
	if (!is_allowed(check, SWAP, total))
		return bad(check, "swaps: %" PRIu64 " kB", total);
	return 0;
}

/* ---- stat ---- */

/* Ten numbers behind a row's name. */
static bool split_times(const char *place, uint64_t times[10])
{
	for (int column = 0; column < 10; column++) {
		if (*place++ != ' ' || !take_number(&place, &times[column]))
			return false;
	}
	return *place == '\0';
}

static int compare_times(struct check *check, const char *row, uint64_t *before,
			 const uint64_t *now)
{
	/* iowait is the one column that the kernel itself lets go back. */
	for (int column = 0; column < 10; column++)
		if (check->history->has_stat && !check->expectation->moving && column != 4 &&
		    now[column] < before[column])
			return bad(check, "stat: %s column %d went from %" PRIu64 " to %" PRIu64,
				   row, column, before[column], now[column]);
	memcpy(before, now, 10 * sizeof(*now));
	return 0;
}

static int check_cpu_row(struct check *check, const char *line, uint64_t *rows)
{
	struct history *history = check->history;
	const char *place = line + 3;
	uint64_t times[10];
	uint64_t number;

	if (*place == ' ')
		return split_times(place + 1, times)
			       ? compare_times(check, "cpu", history->sum, times)
			       : bad(check, "stat: not a row: %.100s", line);
	if (!take_number(&place, &number) || number >= CPUS_MAX || !split_times(place, times))
		return bad(check, "stat: not a row: %.100s", line);
	(*rows)++;
	return compare_times(check, line, history->cpu[number], times);
}

static int check_btime(struct check *check, const char *line)
{
	uint64_t btime = strtoull(line + strlen("btime "), NULL, 10);
	uint64_t before = check->history->btime;

	if (btime == 0)
		return bad(check, "stat: no btime: %.80s", line);
	if (before != 0 && !check->expectation->moving && btime != before)
		return bad(check, "stat: btime went from %" PRIu64 " to %" PRIu64, before, btime);
	check->history->btime = btime;
	return 0;
}

static int check_stat(struct check *check)
{
	static const char *const needed[] = {"intr ",      "ctxt ",          "btime ",
					     "processes ", "procs_running ", "procs_blocked ",
					     "softirq "};
	const char *place = check->sample->text;
	unsigned found = 0;
	uint64_t rows = 0;
	/* The host's own intr line is long. */
	static _Thread_local char line[65536];

	if (strncmp(place, "cpu  ", 5) != 0)
		return bad(check, "stat: does not begin with the sum");
	while (take_line(&place, line, sizeof(line))) {
		if (strncmp(line, "cpu", 3) == 0 && check_cpu_row(check, line, &rows) != 0)
			return -1;
		if (strncmp(line, "btime ", 6) == 0 && check_btime(check, line) != 0)
			return -1;
		for (size_t index = 0; index < sizeof(needed) / sizeof(needed[0]); index++)
			if (strncmp(line, needed[index], strlen(needed[index])) == 0)
				found |= 1U << index;
	}
	check->history->has_stat = true;
	if (found != (1U << sizeof(needed) / sizeof(needed[0])) - 1)
		return bad(check, "stat: a line is missing");
	if (!is_allowed(check, CPUS, rows))
		return bad(check, "stat: %" PRIu64 " CPUs", rows);
	return 0;
}

int64_t good_busy_ticks(const char *text)
{
	uint64_t times[10];
	char line[512];

	if (strncmp(text, "cpu  ", 5) != 0 || !take_line(&text, line, sizeof(line)) ||
	    !split_times(line + 4, times))
		return -1;
	return (int64_t)(times[0] + times[1] + times[2]);
}

/* ---- uptime ---- */

/* "12.34", with exactly two digits behind the point */
static bool take_hundredths(const char **place, double *seconds)
{
	const char *start;
	uint64_t whole;
	uint64_t part;

	if (!take_number(place, &whole) || *(*place)++ != '.')
		return false;
	start = *place;
	if (!take_number(place, &part) || *place - start != 2)
		return false;
	*seconds = (double)whole + (double)part / 100.0;
	return true;
}

/*
 * The file was made between `before` and `after`, so the container started between before - uptime
 * and after - uptime.  All reads together must leave room for one start.
 */
static int check_start(struct check *check, double uptime)
{
	struct history *history = check->history;
	double least = check->sample->before - uptime - UPTIME_SLACK;
	double most = check->sample->after - uptime + UPTIME_SLACK;

	if (!history->has_uptime) {
		history->started_least = least;
		history->started_most = most;
		return 0;
	}
	if (least > history->started_most || most < history->started_least)
		return bad(check, "uptime: %.2f does not belong to a start at %.2f", uptime,
			   history->started_least);
	if (least > history->started_least)
		history->started_least = least;
	if (most < history->started_most)
		history->started_most = most;
	return 0;
}

static int check_uptime(struct check *check)
{
	const char *place = check->sample->text;
	double uptime;
	double idle;

	if (!take_hundredths(&place, &uptime) || *place++ != ' ' ||
	    !take_hundredths(&place, &idle) || strcmp(place, "\n") != 0)
		return bad(check, "uptime: not two times: %.60s", check->sample->text);
	if (check->expectation->moving)
		return 0;
	if (check_start(check, uptime) != 0)
		return -1;
	if (check->history->has_uptime && idle < check->history->idle)
		return bad(check, "uptime: idle went from %.2f to %.2f", check->history->idle,
			   idle);
	check->history->idle = idle;
	check->history->has_uptime = true;
	return 0;
}

/* ---- diskstats ---- */

static int check_diskstats(struct check *check)
{
	const char *place = check->sample->text;
	unsigned columns = 0;
	char line[1024];

	while (take_line(&place, line, sizeof(line))) {
		const char *word = line;
		unsigned numbers = 0;
		char name[64];
		int used = 0;
		uint64_t value;

		if (sscanf(line, " %*u %*u %63s%n", name, &used) != 1)
			return bad(check, "diskstats: not a row: %.80s", line);
		word += used;
		while (*word == ' ') {
			word++;
			if (!take_number(&word, &value))
				break;
			numbers++;
		}
		if (*word != '\0' || numbers < 11 || (columns != 0 && numbers != columns))
			return bad(check, "diskstats: not a row: %.80s", line);
		columns = numbers;
	}
	return 0;
}

/* ---- any file ---- */

static int check_file(enum file file, struct check *check)
{
	switch (file) {
	case FILE_CPUINFO:
		return check_cpuinfo(check);
	case FILE_DISKSTATS:
		return check_diskstats(check);
	case FILE_MEMINFO:
		return check_meminfo(check);
	case FILE_STAT:
		return check_stat(check);
	case FILE_SWAPS:
		return check_swaps(check);
	case FILE_UPTIME:
		return check_uptime(check);
	default:
		return check_list(check, file_paths[file]);
	}
}

int good_check(enum file file, const struct sample *sample, const struct expectation *expectation,
	       struct history *history, char *why, size_t why_size)
{
	struct check check = {.sample = sample,
			      .expectation = expectation,
			      .history = history,
			      .why = why,
			      .why_size = why_size};

	/* A container without disk traffic has an empty diskstats. */
	if (sample->length == 0)
		return file == FILE_DISKSTATS ? 0 : bad(&check, "%s: empty", file_paths[file]);
	if (strlen(sample->text) != sample->length)
		return bad(&check, "%s: a NUL byte", file_paths[file]);
	if (sample->text[sample->length - 1] != '\n')
		return bad(&check, "%s: does not end with a newline", file_paths[file]);
	return check_file(file, &check);
}
