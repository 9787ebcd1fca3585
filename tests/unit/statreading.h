/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A container on a fake host whose CPU use is told to the plugin `stat`, and what a reader finds. */
#ifndef LXCFS_TESTS_STATREADING_H
#define LXCFS_TESTS_STATREADING_H

#include "fakehost.h"

#define PHYSICAL    LXCFS_CPU_NUMBERS_PHYSICAL
#define CONTIGUOUS  LXCFS_CPU_NUMBERS_CONTIGUOUS
#define SECOND      UINT64_C(1000000000)
#define MILLISECOND UINT64_C(1000000)
#define TICKS       100 /* per second */
#define CPUS        64
#define COLUMNS     10

enum column { USER, NICE, SYSTEM, IDLE };

/* What a reader makes of the text; rows by the number that is shown. */
struct reading {
	uint64_t sum[COLUMNS];
	int has[CPUS];
	uint64_t rows[CPUS][COLUMNS];
	unsigned count;
	uint64_t btime;
};

extern struct lxcfs_cpu_usage stat_usage;
extern struct lxcfs_cpu_time stat_per_cpu[CPUS];

/* A container that is 300 s old on a host that is up for 1000 s, and has used nothing. */
struct fakehost *stat_host(uint32_t version, const char *cpus, uint32_t numbering);

/* All clocks go on. */
void stat_pass(struct fakehost *fake, uint64_t time);

/* Use on one CPU; on v2 the kernel tells only the sum. */
void stat_use(unsigned cpu, uint64_t user, uint64_t nice, uint64_t system);

/* Render and parse; fails the test when the form is wrong. */
struct reading stat_read(struct fakehost *fake);

uint64_t stat_busy(const uint64_t *columns);

/* In any sequence of use, limits and clocks nothing goes back or grows by more than time has passed. */
void nothing_goes_back_in_any_sequence(void **state);

#endif
