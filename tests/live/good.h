/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the text of a virtual file is one that this container may see. */
#ifndef LXCFS_TESTS_LIVE_GOOD_H
#define LXCFS_TESTS_LIVE_GOOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMITS_MAX 4
#define CPUS_MAX   1024

enum file {
	FILE_CPUINFO,
	FILE_DISKSTATS,
	FILE_MEMINFO,
	FILE_STAT,
	FILE_SWAPS,
	FILE_UPTIME,
	FILE_ONLINE,
	FILE_PRESENT,
	FILE_POSSIBLE,
	FILES
};

extern const char *const file_paths[FILES]; /* without a leading slash */

/* What a reader may see; more than one where it moves between containers. */
struct limits {
	uint64_t cpus;
	uint64_t memory; /* kB */
	uint64_t swap;   /* kB */
};

struct expectation {
	struct limits limits[LIMITS_MAX];
	size_t count;
	bool moving; /* the container changes while it is read: counters are not compared */
};

/* What one thread saw before; zeroed at first. */
struct history {
	uint64_t cpu[CPUS_MAX][10]; /* the rows cpuN */
	uint64_t sum[10];
	uint64_t btime;
	bool has_stat;
	double started_least; /* bounds of the container's start on the clock of `before`, `after` */
	double started_most;
	double idle;
	bool has_uptime;
};

/* The text of one read, and the boot clock before and after it. */
struct sample {
	const char *text; /* text[length] is 0 */
	size_t length;
	double before;
	double after;
};

/* Returns 0, or -1 with what is wrong in `why`. */
int good_check(enum file file, const struct sample *sample, const struct expectation *expectation,
	       struct history *history, char *why, size_t why_size);

/* Ticks that the sum line of stat shows as used (user, nice, system); -1: no such line. */
int64_t good_busy_ticks(const char *text);

#endif
