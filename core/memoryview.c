/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much memory and swap a container may use, and how much of it it does.
 *
 * A limit is the smallest one of the container's cgroup and its ancestors, as the kernel enforces it.
 * A cgroup without the controller has no limit of its own: its ancestors' still hold.  Use is counted
 * at the container's own cgroup only: an ancestor counts its neighbours too.
 *
 * LXCFS_MEMORY_LIMITED is about memory.  Only where nothing of a container's own is known is it also
 * set by a limit on swap, so that no flag at all always means: the host's values hold.
 */
#include "rendering.h"

/* A total of 0 makes programs divide by it: a limit of nothing is shown as one page. */
#define TOTAL_MIN 4096u

/* What the host has, in bytes. */
struct host_memory {
	uint64_t memory;
	uint64_t swap;
};

/* The file names of one cgroup version. */
struct memory_files {
	const char *limit;
	const char *usage;
	const char *swap_limit; /* v1: of memory and swap together; so with the usage */
	const char *swap_usage;
	const char *inherited_limit; /* keys in memory.stat: the limits that hold; NULL: none */
	const char *inherited_swap_limit;
};

static const struct memory_files files_v1 = {
	.limit = "memory.limit_in_bytes",
	.usage = "memory.usage_in_bytes",
	.swap_limit = "memory.memsw.limit_in_bytes",
	.swap_usage = "memory.memsw.usage_in_bytes",
	.inherited_limit = "hierarchical_memory_limit",
	.inherited_swap_limit = "hierarchical_memsw_limit",
};

static const struct memory_files files_v2 = {
	.limit = "memory.max",
	.usage = "memory.current",
	.swap_limit = "memory.swap.max",
	.swap_usage = "memory.swap.current",
};

/* Where the rule reads, and what it has found. */
struct sources {
	struct rendering *rendering;
	const struct memory_files *files;
	bool is_v1;
	struct host_memory host;
};

/* ---- reading ---- */

static int read_host(struct rendering *rendering, struct host_memory *host)
{
	struct lxcfs_text text;
	int result = rendering_host_file(rendering, "proc/meminfo", &text);

	if (result != 0)
		return result;
	host->swap = 0;
	if (!lxcfs_find_number(text, "MemTotal:", &host->memory) || host->memory == 0)
		return -EINVAL;
	/* A kernel without swap has no such line. */
	lxcfs_find_number(text, "SwapTotal:", &host->swap);
	host->memory = lxcfs_multiply(host->memory, 1024);
	host->swap = lxcfs_multiply(host->swap, 1024);
	return 0;
}

/* A number of bytes, or "max". */
static int read_bytes(struct rendering *rendering, unsigned level, const char *file,
		      uint64_t *bytes)
{
	struct lxcfs_text text;
	struct lxcfs_text word;
	int result = rendering_ancestor_file(rendering, "memory", level, file, &text);

	if (result != 0)
		return result;
	if (!lxcfs_next_word(&text, &word))
		return -EINVAL;
	if (lxcfs_equals(word, "max")) {
		*bytes = UINT64_MAX;
		return 0;
	}
	return lxcfs_parse_number(word, bytes) ? 0 : -EINVAL;
}

/* The smallest value of this file up to the root.  -ENOENT: no cgroup on the way has it. */
static int smallest_limit(struct rendering *rendering, const char *file, uint64_t *limit)
{
	unsigned depth = rendering_cgroup_depth(rendering, "memory");
	bool known = false;

	*limit = UINT64_MAX;
	for (unsigned level = 0; level <= depth; level++) {
		uint64_t bytes;
		int result = read_bytes(rendering, level, file, &bytes);

		if (rendering_is_absent(result))
			continue;
		if (result != 0)
			return result;
		*limit = lxcfs_minimum(*limit, bytes);
		known = true;
	}
	return known ? 0 : -ENOENT;
}

/* -ENOENT: memory.stat does not tell. */
static int read_inherited(struct rendering *rendering, const char *key, uint64_t *limit)
{
	struct lxcfs_text text;
	int result = rendering_cgroup_file(rendering, "memory", "memory.stat", &text);

	if (result != 0)
		return rendering_is_absent(result) ? -ENOENT : result;
	return lxcfs_find_number(text, key, limit) ? 0 : -ENOENT;
}

/*
 * On v1 memory.stat tells the limit that the kernel enforces: it knows the ancestors beyond the root
 * of the mount that we read through, and in older kernels those that limit only themselves
 * (memory.use_hierarchy).  It is read for other numbers anyway.
 */
static int read_limit(const struct sources *sources, const char *file, const char *inherited,
		      uint64_t *limit)
{
	int result = -ENOENT;

	if (inherited)
		result = read_inherited(sources->rendering, inherited, limit);
	if (rendering_is_absent(result))
		result = smallest_limit(sources->rendering, file, limit);
	return result;
}

/* ---- the view ---- */

/* Use of memory, of the container's own cgroup.  -ENOENT: it does not count. */
static int read_own(const struct sources *sources, const char *file, uint64_t *bytes)
{
	if (!rendering_owns_cgroup(sources->rendering, "memory"))
		return -ENOENT;
	return read_bytes(sources->rendering, 0, file, bytes);
}

static int fill_usage(const struct sources *sources, struct lxcfs_memory_view *view)
{
	uint64_t usage;
	int result = read_own(sources, sources->files->usage, &usage);

	if (result != 0)
		return rendering_is_absent(result) ? 0 : result;
	view->flags |= LXCFS_MEMORY_USAGE_KNOWN;
	view->usage = lxcfs_minimum(usage, view->total);
	return 0;
}

/*
 * How much of the host's swap may be used.  A v1 limit is on memory and swap together, and is never
 * below the one on memory: what is left for swap is the difference to the memory that can be used at
 * all.  Without accounting of swap no limit holds.
 */
static int read_swap_limit(const struct sources *sources, uint64_t memory, uint64_t *limit)
{
	int result = read_limit(sources, sources->files->swap_limit,
				sources->files->inherited_swap_limit, limit);

	if (rendering_is_absent(result)) {
		*limit = UINT64_MAX;
		return 0;
	}
	if (result == 0 && sources->is_v1)
		*limit = lxcfs_subtract(*limit, memory);
	return result;
}

static int fill_swap_usage(const struct sources *sources, struct lxcfs_memory_view *view)
{
	uint64_t memory = 0;
	uint64_t usage;
	int result = read_own(sources, sources->files->swap_usage, &usage);

	if (result == 0 && sources->is_v1)
		result = read_own(sources, sources->files->usage, &memory);
	if (result != 0)
		return rendering_is_absent(result) ? 0 : result;
	view->flags |= LXCFS_MEMORY_SWAP_KNOWN;
	view->swap_usage = lxcfs_minimum(lxcfs_subtract(usage, memory), view->swap_total);
	return 0;
}

/* Where there is no swap, nothing need be asked about it. */
static int fill_swap(const struct sources *sources, struct lxcfs_memory_view *view)
{
	uint64_t limit;
	int result;

	if (!sources->rendering->policy->swap || sources->host.swap == 0)
		return 0;
	result = read_swap_limit(sources, view->total, &limit);
	if (result != 0)
		return result;
	view->swap_total = lxcfs_minimum(sources->host.swap, limit);
	result = fill_swap_usage(sources, view);
	if (view->flags == 0 && view->swap_total < sources->host.swap)
		view->flags |= LXCFS_MEMORY_LIMITED;
	return result;
}

static int fill_total(const struct sources *sources, struct lxcfs_memory_view *view)
{
	uint64_t limit = UINT64_MAX;
	int result =
		read_limit(sources, sources->files->limit, sources->files->inherited_limit, &limit);

	if (result != 0 && !rendering_is_absent(result))
		return result;
	view->total = lxcfs_minimum(sources->host.memory, limit);
	if (view->total < sources->host.memory)
		view->flags |= LXCFS_MEMORY_LIMITED;
	if (view->total < TOTAL_MIN)
		view->total = TOTAL_MIN;
	return 0;
}

static int fill_view(struct rendering *rendering, struct lxcfs_memory_view *view)
{
	struct sources sources = {.rendering = rendering};
	int result = read_host(rendering, &sources.host);

	sources.is_v1 = rendering_cgroup_version(rendering, "memory") == LXCFS_CGROUP_V1;
	sources.files = sources.is_v1 ? &files_v1 : &files_v2;
	if (result == 0)
		result = fill_total(&sources, view);
	if (result == 0)
		result = fill_usage(&sources, view);
	return result == 0 ? fill_swap(&sources, view) : result;
}

int memory_view_get(struct rendering *rendering, const struct lxcfs_memory_view **view)
{
	struct lxcfs_memory_view *filled;
	int result;

	if (rendering->memory_view) {
		*view = rendering->memory_view;
		return 0;
	}
	filled = arena_allocate_array(rendering->arena, 1, sizeof(*filled));
	if (!filled)
		return -ENOMEM;
	filled->size = sizeof(*filled);
	filled->version = LXCFS_ABI_VERSION;
	result = fill_view(rendering, filled);
	if (result != 0)
		return result;
	rendering->memory_view = filled;
	*view = filled;
	return 0;
}
