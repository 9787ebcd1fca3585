/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sets of CPUs, from lists as the kernel writes them: "0-3,8\n". */
#ifndef LXCFS_CORE_CPULIST_H
#define LXCFS_CORE_CPULIST_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "lxcfs/plugin.h"

/* CPU numbers are below this: more than any kernel can be built for (NR_CPUS is at most 8192). */
#define CPULIST_LIMIT 65536u

/* What cpulist_next() answers behind the last CPU. */
#define CPULIST_END UINT32_MAX

struct cpulist {
	uint64_t *words; /* one bit for each CPU, in an arena */
	uint32_t count;  /* of words */
};

/* An empty set with room for the CPUs 0 to limit - 1.  -ENOMEM; -EINVAL above CPULIST_LIMIT. */
int cpulist_new(struct arena *arena, uint32_t limit, struct cpulist *list);

/*
 * Parse a whole text: numbers and ranges "FIRST-LAST" with commas between, and a newline at the end
 * or none.  An empty text is the empty set.  The order does not matter, and a CPU that is named
 * twice is in the set once.  -EINVAL: not such a list (blanks, signs, a stray comma, a range whose
 * end comes first), or a number of CPULIST_LIMIT or more.
 */
int cpulist_parse(struct arena *arena, struct lxcfs_text text, struct cpulist *list);

/* A CPU that there is no room for is left out. */
void cpulist_add(struct cpulist *list, uint32_t cpu);
bool cpulist_has(const struct cpulist *list, uint32_t cpu);
/* Take out of `list` what is not in `other`. */
void cpulist_intersect(struct cpulist *list, const struct cpulist *other);
uint32_t cpulist_count(const struct cpulist *list);
/* The first CPU of the set that is `from` or above, or CPULIST_END. */
uint32_t cpulist_next(const struct cpulist *list, uint32_t from);

#endif
