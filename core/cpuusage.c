/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CPU time that a container used.
 *
 * A v1 cpuacct hierarchy tells it per CPU and is asked first, then cpu.stat of the unified hierarchy,
 * which every v2 cgroup has, with the controller or without it.
 *
 * The total is exact in both; how it is divided between user and system comes from ticks or is
 * scaled by the kernel.  So the system time is taken as told, but never above the total, and the user
 * time is the rest: the parts always add up to the total.
 *
 * The root of a hierarchy counts what the whole host uses, which no container must learn.  A
 * container that has a cgroup of its own in neither hierarchy is shown that it used nothing.
 */
#include "rendering.h"

#include "cpulist.h"

#define NANOSECONDS_PER_MICROSECOND 1000u
#define NANOSECONDS_PER_TICK        10000000u /* USER_HZ is 100 everywhere */

static struct lxcfs_cpu_time divide(uint64_t total, uint64_t nice, uint64_t system)
{
	struct lxcfs_cpu_time time;

	time.system = lxcfs_minimum(system, total);
	time.nice = lxcfs_minimum(nice, total - time.system);
	time.user = total - time.system - time.nice;
	return time;
}

static void add_time(struct lxcfs_cpu_time *sum, const struct lxcfs_cpu_time *time)
{
	sum->user = lxcfs_add(sum->user, time->user);
	sum->nice = lxcfs_add(sum->nice, time->nice);
	sum->system = lxcfs_add(sum->system, time->system);
}

static bool next_number(struct lxcfs_text *rest, uint64_t *number)
{
	struct lxcfs_text word;

	return lxcfs_next_word(rest, &word) && lxcfs_parse_number(word, number);
}

/* ---- v2 ---- */

static int read_unified(struct rendering *rendering, struct lxcfs_cpu_usage *usage)
{
	struct lxcfs_text text;
	uint64_t total;
	uint64_t nice = 0;
	uint64_t system = 0;
	int result = rendering_cgroup_file(rendering, LXCFS_CGROUP_UNIFIED, "cpu.stat", &text);

	if (result != 0)
		return result;
	if (!lxcfs_find_number(text, "usage_usec", &total))
		return -EINVAL;
	/* nice_usec is a part of user_usec, and there since Linux 6.11. */
	lxcfs_find_number(text, "nice_usec", &nice);
	lxcfs_find_number(text, "system_usec", &system);
	usage->total = divide(lxcfs_multiply(total, NANOSECONDS_PER_MICROSECOND),
			      lxcfs_multiply(nice, NANOSECONDS_PER_MICROSECOND),
			      lxcfs_multiply(system, NANOSECONDS_PER_MICROSECOND));
	return 0;
}

/* ---- v1: per CPU ---- */

/* What the v1 files tell of each CPU; a file that is not there is an empty text. */
struct cpu_table {
	struct lxcfs_text sums;  /* cpuacct.usage_percpu: a number for each possible CPU */
	struct lxcfs_text parts; /* cpuacct.usage_all, lines "cpu user system" */
};

struct cpu_row {
	uint32_t cpu;
	uint64_t total;
	uint64_t system;
};

static int read_optional(struct rendering *rendering, const char *file, struct lxcfs_text *text)
{
	int result = rendering_cgroup_file(rendering, "cpuacct", file, text);

	if (!rendering_is_absent(result))
		return result;
	*text = (struct lxcfs_text){"", 0};
	return 0;
}

static int read_table(struct rendering *rendering, struct cpu_table *table)
{
	struct lxcfs_text heading;
	int result = read_optional(rendering, "cpuacct.usage_percpu", &table->sums);

	if (result == 0)
		result = read_optional(rendering, "cpuacct.usage_all", &table->parts);
	if (result == 0)
		lxcfs_next_line(&table->parts, &heading);
	return result;
}

static int next_parts(struct lxcfs_text *parts, struct cpu_row *row)
{
	struct lxcfs_text line;
	uint64_t cpu;
	uint64_t user;

	row->system = 0;
	if (!lxcfs_next_line(parts, &line))
		return 0;
	if (!next_number(&line, &cpu) || !next_number(&line, &user) ||
	    !next_number(&line, &row->system) || cpu >= CPULIST_LIMIT)
		return -EINVAL;
	row->cpu = (uint32_t)cpu;
	row->total = lxcfs_add(user, row->system);
	return 1;
}

static int next_sum(struct lxcfs_text *sums, struct cpu_row *row)
{
	struct lxcfs_text word;

	if (!lxcfs_next_word(sums, &word))
		return 0;
	return lxcfs_parse_number(word, &row->total) ? 1 : -EINVAL;
}

/*
 * The next CPU of the table.  1: there is one; 0: the end; -EINVAL.  Both files go through the
 * possible CPUs in the same order.  The sum is exact; the parts come from ticks in newer kernels and
 * miss it by a little.
 */
static int next_row(struct cpu_table *table, struct cpu_row *row)
{
	int parts = next_parts(&table->parts, row);
	int sum = parts < 0 ? parts : next_sum(&table->sums, row);

	return sum != 0 ? sum : parts;
}

/* Without usage_all a CPU's place in usage_percpu is taken for its number. */
static int walk_table(struct cpu_table table, struct lxcfs_cpu_time *times, uint32_t *limit)
{
	struct cpu_row row = {0};
	int result;

	*limit = 0;
	while ((result = next_row(&table, &row)) == 1) {
		if (row.cpu >= CPULIST_LIMIT)
			return -EINVAL;
		if (times)
			times[row.cpu] = divide(row.total, 0, row.system);
		if (row.cpu >= *limit)
			*limit = row.cpu + 1;
		row.cpu++;
	}
	return result;
}

/* cpuacct.stat tells the user and system time of all CPUs together, in ticks. */
static int read_ticks(struct rendering *rendering, uint64_t *user, uint64_t *system)
{
	struct lxcfs_text text;
	int result = rendering_cgroup_file(rendering, "cpuacct", "cpuacct.stat", &text);

	if (result != 0)
		return result;
	if (!lxcfs_find_number(text, "user", user) || !lxcfs_find_number(text, "system", system))
		return -EINVAL;
	*user = lxcfs_multiply(*user, NANOSECONDS_PER_TICK);
	*system = lxcfs_multiply(*system, NANOSECONDS_PER_TICK);
	return 0;
}

/* Without usage_all each CPU gets its part of the system time by its part of the total. */
static int spread_system(struct rendering *rendering, struct lxcfs_cpu_time *times, uint32_t count)
{
	uint64_t total = 0;
	uint64_t user;
	uint64_t system;
	int result = read_ticks(rendering, &user, &system);

	if (result != 0)
		return rendering_is_absent(result) ? 0 : result;
	for (uint32_t cpu = 0; cpu < count; cpu++)
		total = lxcfs_add(total, times[cpu].user);
	system = lxcfs_minimum(system, total);
	for (uint32_t cpu = 0; cpu < count && total != 0; cpu++)
		times[cpu] =
			divide(times[cpu].user, 0,
			       (uint64_t)((unsigned __int128)times[cpu].user * system / total));
	return 0;
}

static int fill_per_cpu(struct rendering *rendering, const struct cpu_table *table, uint32_t count,
			struct lxcfs_cpu_usage *usage)
{
	struct lxcfs_cpu_time *times =
		arena_allocate_array(rendering->arena, count, sizeof(*times));
	int result;

	if (!times)
		return -ENOMEM;
	walk_table(*table, times, &count);
	if (table->parts.length == 0) {
		result = spread_system(rendering, times, count);
		if (result != 0)
			return result;
	}
	for (uint32_t cpu = 0; cpu < count; cpu++)
		add_time(&usage->total, &times[cpu]);
	usage->per_cpu = times;
	usage->per_cpu_count = count;
	return 0;
}

/* ---- v1: the sum only ---- */

static int read_sum(struct rendering *rendering, struct lxcfs_cpu_usage *usage)
{
	struct lxcfs_text text;
	struct lxcfs_text word;
	uint64_t total;
	uint64_t user = 0;
	uint64_t system = 0;
	int sum = rendering_cgroup_file(rendering, "cpuacct", "cpuacct.usage", &text);
	int ticks = read_ticks(rendering, &user, &system);

	if (ticks != 0 && !(rendering_is_absent(ticks) && sum == 0))
		return ticks;
	if (sum != 0 && !rendering_is_absent(sum))
		return sum;
	if (sum != 0)
		total = lxcfs_add(user, system);
	else if (!lxcfs_next_word(&text, &word) || !lxcfs_parse_number(word, &total))
		return -EINVAL;
	usage->total = divide(total, 0, system);
	return 0;
}

static int read_cpuacct(struct rendering *rendering, struct lxcfs_cpu_usage *usage)
{
	struct cpu_table table;
	uint32_t count = 0;
	int result = read_table(rendering, &table);

	if (result == 0)
		result = walk_table(table, NULL, &count);
	if (result != 0)
		return result;
	return count != 0 ? fill_per_cpu(rendering, &table, count, usage)
			  : read_sum(rendering, usage);
}

/* ---- both ---- */

static int read_used(struct rendering *rendering, struct lxcfs_cpu_usage *usage)
{
	uint32_t cpuacct = rendering_cgroup_version(rendering, "cpuacct");
	uint32_t unified = rendering_cgroup_version(rendering, LXCFS_CGROUP_UNIFIED);
	bool owns_cpuacct =
		cpuacct == LXCFS_CGROUP_V1 && rendering_owns_cgroup(rendering, "cpuacct");
	bool owns_unified = rendering_owns_cgroup(rendering, LXCFS_CGROUP_UNIFIED);
	int result = -ENODEV;

	if (owns_cpuacct)
		result = read_cpuacct(rendering, usage);
	if (owns_unified && rendering_is_absent(result))
		result = read_unified(rendering, usage);
	if (owns_cpuacct || owns_unified)
		return result;
	return cpuacct == LXCFS_CGROUP_V1 || unified == LXCFS_CGROUP_V2 ? 0 : -ENODEV;
}

/* Without a controller, or without a quota, nothing is held back. */
static int read_throttled(struct rendering *rendering, uint64_t *nanoseconds)
{
	struct lxcfs_text text;
	int result;

	if (!rendering_owns_cgroup(rendering, "cpu"))
		return 0;
	result = rendering_cgroup_file(rendering, "cpu", "cpu.stat", &text);
	if (result != 0)
		return rendering_is_absent(result) ? 0 : result;
	if (lxcfs_find_number(text, "throttled_usec", nanoseconds))
		*nanoseconds = lxcfs_multiply(*nanoseconds, NANOSECONDS_PER_MICROSECOND);
	else
		lxcfs_find_number(text, "throttled_time", nanoseconds);
	return 0;
}

int cpu_usage_get(struct rendering *rendering, const struct lxcfs_cpu_usage **usage)
{
	struct lxcfs_cpu_usage *filled;
	int result;

	if (rendering->cpu_usage) {
		*usage = rendering->cpu_usage;
		return 0;
	}
	filled = arena_allocate_array(rendering->arena, 1, sizeof(*filled));
	if (!filled)
		return -ENOMEM;
	filled->size = sizeof(*filled);
	filled->version = LXCFS_ABI_VERSION;
	result = read_used(rendering, filled);
	if (result == 0)
		result = read_throttled(rendering, &filled->throttled);
	if (result != 0)
		return result;
	rendering->cpu_usage = filled;
	*usage = filled;
	return 0;
}
