/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which CPUs a container sees: the one rule behind every file that tells of CPUs.
 *
 * They are the host's online CPUs that are in the container's cpuset; with the policy "quota" only
 * as many of them as the tightest CPU bandwidth limit pays for, rounded up.  Where that cuts some
 * off, it is of no matter which CPUs are left (the tasks go on running on all of the cpuset), so the
 * numbers say nothing and are 0 to n - 1.
 */
#include "rendering.h"

#include <string.h>

#include "cpulist.h"

/* A CPU bandwidth limit: `quota` of each `period`; both 0: none. */
struct bandwidth {
	uint64_t quota;
	uint64_t period;
};

/* ---- the host's CPUs ---- */

/* The rows "cpuN ..." of /proc/stat are the online CPUs. */
static void add_stat_rows(struct lxcfs_text text, struct cpulist *online)
{
	struct lxcfs_text line;
	struct lxcfs_text word;
	uint64_t cpu;

	while (lxcfs_next_line(&text, &line)) {
		if (!lxcfs_next_word(&line, &word) || word.length < 3 ||
		    memcmp(word.data, "cpu", 3) != 0)
			continue;
		word.data += 3;
		word.length -= 3;
		if (lxcfs_parse_number(word, &cpu) && cpu < CPULIST_LIMIT)
			cpulist_add(online, (uint32_t)cpu);
	}
}

/* Without sysfs: the rows of /proc/stat; without them too: the CPU that every machine has. */
static int guess_online(struct rendering *rendering, struct cpulist *online)
{
	struct lxcfs_text text;
	int result = cpulist_new(rendering->arena, CPULIST_LIMIT, online);

	if (result != 0)
		return result;
	if (rendering_host_file(rendering, "proc/stat", &text) == 0)
		add_stat_rows(text, online);
	if (cpulist_count(online) == 0)
		cpulist_add(online, 0);
	return 0;
}

static int get_online(struct rendering *rendering, struct cpulist *online)
{
	struct lxcfs_text text;
	int result = rendering_host_file(rendering, "sys/devices/system/cpu/online", &text);

	if (result == 0)
		result = cpulist_parse(rendering->arena, text, online);
	if (result == -ENOMEM)
		return result;
	if (result != 0 || cpulist_count(online) == 0)
		return guess_online(rendering, online);
	return 0;
}

/* ---- the cpuset ---- */

static int read_cpuset_file(struct rendering *rendering, unsigned level, const char *file,
			    struct cpulist *cpuset)
{
	struct lxcfs_text text;
	int result = rendering_ancestor_file(rendering, "cpuset", level, file, &text);

	return result == 0 ? cpulist_parse(rendering->arena, text, cpuset) : result;
}

/* The CPUs that the kernel runs the tasks of this cgroup on.  -ENOENT: it has no say. */
static int read_cpuset(struct rendering *rendering, unsigned level, struct cpulist *cpuset)
{
	int result;

	if (rendering_cgroup_version(rendering, "cpuset") == LXCFS_CGROUP_V2)
		return read_cpuset_file(rendering, level, "cpuset.cpus.effective", cpuset);
	result = read_cpuset_file(rendering, level, "cpuset.effective_cpus", cpuset);
	if (!rendering_is_absent(result))
		return result;
	return read_cpuset_file(rendering, level, "cpuset.cpus", cpuset);
}

/*
 * A cgroup without the controller is in the cpuset of its nearest ancestor that has one.  So is, for
 * the kernel, one whose CPUs are all offline or that was given none; this is why an empty
 * intersection goes on upwards too, and ends at all that are online: a container always runs
 * somewhere.
 */
static int apply_cpuset(struct rendering *rendering, const struct cpulist *online,
			struct cpulist *visible)
{
	unsigned depth = rendering_cgroup_depth(rendering, "cpuset");

	for (unsigned level = 0; level <= depth; level++) {
		struct cpulist cpuset;
		int result = read_cpuset(rendering, level, &cpuset);

		if (rendering_is_absent(result))
			continue;
		if (result != 0)
			return result;
		cpulist_intersect(&cpuset, online);
		if (cpulist_count(&cpuset) == 0)
			continue;
		*visible = cpuset;
		return 0;
	}
	*visible = *online;
	return 0;
}

/* ---- the bandwidth limit ---- */

static int parse_limit(struct lxcfs_text word, uint64_t *limit)
{
	if (lxcfs_equals(word, "max") || lxcfs_equals(word, "-1")) {
		*limit = UINT64_MAX;
		return 0;
	}
	return lxcfs_parse_number(word, limit) ? 0 : -EINVAL;
}

static int read_number(struct rendering *rendering, unsigned level, const char *file,
		       uint64_t *number)
{
	struct lxcfs_text text;
	struct lxcfs_text word;
	int result = rendering_ancestor_file(rendering, "cpu", level, file, &text);

	if (result != 0)
		return result;
	return lxcfs_next_word(&text, &word) ? parse_limit(word, number) : -EINVAL;
}

/* "150000 100000" or "max 100000" */
static int read_bandwidth_v2(struct rendering *rendering, unsigned level,
			     struct bandwidth *bandwidth)
{
	struct lxcfs_text text;
	struct lxcfs_text word;
	int result = rendering_ancestor_file(rendering, "cpu", level, "cpu.max", &text);

	if (result != 0)
		return result;
	if (!lxcfs_next_word(&text, &word) || parse_limit(word, &bandwidth->quota) != 0)
		return -EINVAL;
	if (!lxcfs_next_word(&text, &word) || !lxcfs_parse_number(word, &bandwidth->period))
		return -EINVAL;
	return 0;
}

static int read_bandwidth_v1(struct rendering *rendering, unsigned level,
			     struct bandwidth *bandwidth)
{
	int result = read_number(rendering, level, "cpu.cfs_quota_us", &bandwidth->quota);

	bandwidth->period = 0;
	if (result != 0 || bandwidth->quota == UINT64_MAX)
		return result;
	return read_number(rendering, level, "cpu.cfs_period_us", &bandwidth->period);
}

static int read_bandwidth(struct rendering *rendering, unsigned level, struct bandwidth *bandwidth)
{
	int result = rendering_cgroup_version(rendering, "cpu") == LXCFS_CGROUP_V2
			     ? read_bandwidth_v2(rendering, level, bandwidth)
			     : read_bandwidth_v1(rendering, level, bandwidth);

	if (result != 0 || bandwidth->quota == UINT64_MAX)
		return result;
	/* The kernel takes neither as a limit. */
	return bandwidth->quota != 0 && bandwidth->period != 0 ? 0 : -EINVAL;
}

static bool is_tighter(const struct bandwidth *bandwidth, const struct bandwidth *than)
{
	if (bandwidth->quota == UINT64_MAX)
		return false;
	return than->period == 0 || (unsigned __int128)bandwidth->quota * than->period <
					    (unsigned __int128)than->quota * bandwidth->period;
}

static int get_bandwidth(struct rendering *rendering, struct bandwidth *tightest)
{
	unsigned depth = rendering_cgroup_depth(rendering, "cpu");

	*tightest = (struct bandwidth){0};
	for (unsigned level = 0; level <= depth; level++) {
		struct bandwidth bandwidth;
		int result = read_bandwidth(rendering, level, &bandwidth);

		if (rendering_is_absent(result))
			continue;
		if (result != 0)
			return result;
		if (is_tighter(&bandwidth, tightest))
			*tightest = bandwidth;
	}
	return 0;
}

/* ---- the view ---- */

/* How many of `count` CPUs the bandwidth pays for: a part of a CPU is one. */
static uint32_t cut_by_quota(const struct bandwidth *bandwidth, uint32_t count)
{
	uint64_t paid;

	if (bandwidth->period == 0)
		return count;
	paid = bandwidth->quota / bandwidth->period +
	       (bandwidth->quota % bandwidth->period != 0 ? 1 : 0);
	return (uint32_t)lxcfs_minimum(paid, count);
}

/* The host has its own numbers, whatever the configuration says of containers. */
static uint32_t choose_numbering(const struct rendering *rendering, bool cut)
{
	if (rendering->container->host)
		return LXCFS_CPU_NUMBERS_PHYSICAL;
	switch (rendering->policy->cpu_numbering) {
	case CPU_NUMBERING_PHYSICAL:
		return LXCFS_CPU_NUMBERS_PHYSICAL;
	case CPU_NUMBERING_CONTIGUOUS:
		return LXCFS_CPU_NUMBERS_CONTIGUOUS;
	case CPU_NUMBERING_AUTO:
		break;
	}
	return cut ? LXCFS_CPU_NUMBERS_CONTIGUOUS : LXCFS_CPU_NUMBERS_PHYSICAL;
}

static int fill_view(struct rendering *rendering, const struct cpulist *visible,
		     const struct bandwidth *bandwidth, struct lxcfs_cpu_view *view)
{
	uint32_t count = cpulist_count(visible);
	uint32_t shown = rendering->policy->cpu_policy == CPU_POLICY_QUOTA
				 ? cut_by_quota(bandwidth, count)
				 : count;
	uint32_t *physical = arena_allocate_array(rendering->arena, shown, sizeof(*physical));
	uint32_t *numbers = arena_allocate_array(rendering->arena, shown, sizeof(*numbers));
	uint32_t cpu = cpulist_next(visible, 0);

	if (!physical || !numbers)
		return -ENOMEM;
	*view = (struct lxcfs_cpu_view){
		.size = sizeof(*view),
		.version = LXCFS_ABI_VERSION,
		.count = shown,
		.numbering = choose_numbering(rendering, shown < count),
		.physical = physical,
		.shown = numbers,
		.quota = bandwidth->quota,
		.period = bandwidth->period,
	};
	for (uint32_t index = 0; index < shown; index++) {
		physical[index] = cpu;
		numbers[index] = view->numbering == LXCFS_CPU_NUMBERS_PHYSICAL ? cpu : index;
		cpu = cpulist_next(visible, cpu + 1);
	}
	return 0;
}

int cpu_view_get(struct rendering *rendering, const struct lxcfs_cpu_view **view)
{
	struct lxcfs_cpu_view *filled;
	struct bandwidth bandwidth;
	struct cpulist online = {0};
	struct cpulist visible;
	int result;

	if (rendering->cpu_view) {
		*view = rendering->cpu_view;
		return 0;
	}
	filled = arena_allocate_array(rendering->arena, 1, sizeof(*filled));
	if (!filled)
		return -ENOMEM;
	result = get_online(rendering, &online);
	visible = online;
	if (result == 0 && !rendering->container->host)
		result = apply_cpuset(rendering, &online, &visible);
	if (result == 0)
		result = get_bandwidth(rendering, &bandwidth);
	if (result == 0)
		result = fill_view(rendering, &visible, &bandwidth, filled);
	if (result != 0)
		return result;
	rendering->cpu_view = filled;
	*view = filled;
	return 0;
}
