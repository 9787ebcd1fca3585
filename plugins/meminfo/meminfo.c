/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/meminfo: the host's lines, in the host's order, with the container's values.
 *
 * Each key has a rule in `rules`.  A key without one (of a newer kernel) shows 0: the host's value
 * would be another's memory, and could make a sum exceed MemTotal.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "lxcfs/plugin.h"

/* The kernel's columns (fs/proc/meminfo.c): a label of 16 characters, then a number of 8. */
#define LABEL_COLUMNS 16u
#define VALUE_COLUMNS 8u

/* What memory.stat tells, in bytes. */
enum counter {
	ANON,
	FILE_CACHE,
	KERNEL_STACK,
	PAGE_TABLES,
	SECONDARY_PAGE_TABLES,
	PERCPU,
	VMALLOC,
	SHMEM,
	ZSWAP,
	ZSWAPPED,
	FILE_MAPPED,
	FILE_DIRTY,
	FILE_WRITEBACK,
	SWAP_CACHED,
	ANON_HUGE,
	FILE_HUGE,
	SHMEM_HUGE,
	INACTIVE_ANON,
	ACTIVE_ANON,
	INACTIVE_FILE,
	ACTIVE_FILE,
	UNEVICTABLE,
	SLAB_RECLAIMABLE,
	SLAB,
	COUNTERS
};

/* In the order of v2's memory.stat, so that the next key is usually the next line. */
static const struct {
	const char *v2;
	const char *v1;
} counter_keys[COUNTERS] = {
	[ANON] = {"anon", "total_rss"},
	[FILE_CACHE] = {"file", "total_cache"},
	[KERNEL_STACK] = {"kernel_stack", NULL},
	[PAGE_TABLES] = {"pagetables", NULL},
	[SECONDARY_PAGE_TABLES] = {"sec_pagetables", NULL},
	[PERCPU] = {"percpu", NULL},
	[VMALLOC] = {"vmalloc", NULL},
	[SHMEM] = {"shmem", "total_shmem"},
	[ZSWAP] = {"zswap", NULL},
	[ZSWAPPED] = {"zswapped", NULL},
	[FILE_MAPPED] = {"file_mapped", "total_mapped_file"},
	[FILE_DIRTY] = {"file_dirty", "total_dirty"},
	[FILE_WRITEBACK] = {"file_writeback", "total_writeback"},
	[SWAP_CACHED] = {"swapcached", "total_swapcached"},
	[ANON_HUGE] = {"anon_thp", "total_rss_huge"},
	[FILE_HUGE] = {"file_thp", NULL},
	[SHMEM_HUGE] = {"shmem_thp", NULL},
	[INACTIVE_ANON] = {"inactive_anon", "total_inactive_anon"},
	[ACTIVE_ANON] = {"active_anon", "total_active_anon"},
	[INACTIVE_FILE] = {"inactive_file", "total_inactive_file"},
	[ACTIVE_FILE] = {"active_file", "total_active_file"},
	[UNEVICTABLE] = {"unevictable", "total_unevictable"},
	[SLAB_RECLAIMABLE] = {"slab_reclaimable", NULL},
	[SLAB] = {"slab", NULL},
};

/* What one rendering knows of the container, in bytes. */
struct memory {
	const struct lxcfs_memory_view *view;
	uint64_t counters[COUNTERS];
	uint64_t used; /* MemTotal without MemFree */
	uint64_t free;
	uint64_t available;
};

enum rule_kind {
	RULE_ZERO,
	RULE_HOST,    /* what the kernel is built or configured with, nobody's use of it */
	RULE_COUNTER, /* one counter */
	RULE_VALUE,   /* a function */
};

struct rule {
	const char *key;
	enum rule_kind kind;
	enum counter counter;
	uint64_t (*value)(const struct memory *memory);
};

static uint64_t total(const struct memory *memory)
{
	return memory->view->total;
}

static uint64_t free_memory(const struct memory *memory)
{
	return memory->free;
}

static uint64_t available(const struct memory *memory)
{
	return memory->available;
}

static uint64_t active(const struct memory *memory)
{
	return lxcfs_add(memory->counters[ACTIVE_ANON], memory->counters[ACTIVE_FILE]);
}

static uint64_t inactive(const struct memory *memory)
{
	return lxcfs_add(memory->counters[INACTIVE_ANON], memory->counters[INACTIVE_FILE]);
}

static uint64_t swap_total(const struct memory *memory)
{
	return memory->view->swap_total;
}

static uint64_t swap_free(const struct memory *memory)
{
	return lxcfs_subtract(memory->view->swap_total, memory->view->swap_usage);
}

/* Swap that is hidden, or was taken away, is not told of here either. */
static uint64_t swap_cached(const struct memory *memory)
{
	return lxcfs_minimum(memory->counters[SWAP_CACHED], memory->view->swap_total);
}

/*
 * memory.stat is a little older than the usage.  What tools subtract from MemTotal together with
 * MemFree is kept below the usage, so that their "used" is never negative.
 */
static uint64_t cached(const struct memory *memory)
{
	return lxcfs_minimum(memory->counters[FILE_CACHE], memory->used);
}

/* A part of `Cached`, which programs take out of it again. */
static uint64_t shared(const struct memory *memory)
{
	return lxcfs_minimum(memory->counters[SHMEM], cached(memory));
}

static uint64_t slab_reclaimable(const struct memory *memory)
{
	return lxcfs_minimum(memory->counters[SLAB_RECLAIMABLE],
			     lxcfs_subtract(memory->used, cached(memory)));
}

static uint64_t slab_unreclaimable(const struct memory *memory)
{
	return lxcfs_subtract(memory->counters[SLAB], slab_reclaimable(memory));
}

/* The most that the container can have before its limits stop it. */
static uint64_t commit_limit(const struct memory *memory)
{
	return lxcfs_add(memory->view->total, memory->view->swap_total);
}

/* The least that it has been promised: what of it is in use. */
static uint64_t committed(const struct memory *memory)
{
	uint64_t used = lxcfs_add(memory->counters[ANON], memory->counters[SHMEM]);

	return lxcfs_minimum(lxcfs_add(used, memory->view->swap_usage), commit_limit(memory));
}

#define ZERO(key)                              \
	{                                      \
		key, RULE_ZERO, COUNTERS, NULL \
	}
#define HOST(key)                              \
	{                                      \
		key, RULE_HOST, COUNTERS, NULL \
	}
#define COUNTER(key, name)                    \
	{                                     \
		key, RULE_COUNTER, name, NULL \
	}
#define VALUE(key, function)                        \
	{                                           \
		key, RULE_VALUE, COUNTERS, function \
	}

/* In the kernel's order, so that the next key is usually the next line. */
static const struct rule rules[] = {
	VALUE("MemTotal", total),
	VALUE("MemFree", free_memory),
	VALUE("MemAvailable", available),
	ZERO("Buffers"),
	VALUE("Cached", cached),
	VALUE("SwapCached", swap_cached),
	VALUE("Active", active),
	VALUE("Inactive", inactive),
	COUNTER("Active(anon)", ACTIVE_ANON),
	COUNTER("Inactive(anon)", INACTIVE_ANON),
	COUNTER("Active(file)", ACTIVE_FILE),
	COUNTER("Inactive(file)", INACTIVE_FILE),
	COUNTER("Unevictable", UNEVICTABLE),
	ZERO("Mlocked"),
	ZERO("HighTotal"),
	ZERO("HighFree"),
	VALUE("LowTotal", total),
	VALUE("LowFree", free_memory),
	ZERO("MmapCopy"),
	VALUE("SwapTotal", swap_total),
	VALUE("SwapFree", swap_free),
	COUNTER("Zswap", ZSWAP),
	COUNTER("Zswapped", ZSWAPPED),
	COUNTER("Dirty", FILE_DIRTY),
	COUNTER("Writeback", FILE_WRITEBACK),
	COUNTER("AnonPages", ANON),
	COUNTER("Mapped", FILE_MAPPED),
	VALUE("Shmem", shared),
	VALUE("KReclaimable", slab_reclaimable),
	COUNTER("Slab", SLAB),
	VALUE("SReclaimable", slab_reclaimable),
	VALUE("SUnreclaim", slab_unreclaimable),
	COUNTER("KernelStack", KERNEL_STACK),
	ZERO("ShadowCallStack"),
	COUNTER("PageTables", PAGE_TABLES),
	COUNTER("SecPageTables", SECONDARY_PAGE_TABLES),
	ZERO("NFS_Unstable"),
	ZERO("Bounce"),
	ZERO("WritebackTmp"),
	VALUE("CommitLimit", commit_limit),
	VALUE("Committed_AS", committed),
	HOST("VmallocTotal"),
	COUNTER("VmallocUsed", VMALLOC),
	ZERO("VmallocChunk"),
	COUNTER("Percpu", PERCPU),
	ZERO("EarlyMemtestBad"),
	ZERO("HardwareCorrupted"),
	COUNTER("AnonHugePages", ANON_HUGE),
	COUNTER("ShmemHugePages", SHMEM_HUGE),
	ZERO("ShmemPmdMapped"),
	COUNTER("FileHugePages", FILE_HUGE),
	ZERO("FilePmdMapped"),
	ZERO("CmaTotal"),
	ZERO("CmaFree"),
	ZERO("Unaccepted"),
	ZERO("Balloon"),
	ZERO("HugePages_Total"),
	ZERO("HugePages_Free"),
	ZERO("HugePages_Rsvd"),
	ZERO("HugePages_Surp"),
	HOST("Hugepagesize"),
	ZERO("Hugetlb"),
	ZERO("DirectMap4k"),
	ZERO("DirectMap4M"),
	ZERO("DirectMap2M"),
	ZERO("DirectMap1G"),
};

#define RULES (sizeof(rules) / sizeof(rules[0]))

static const struct rule *find_rule(struct lxcfs_text key, size_t *next)
{
	for (size_t tried = 0; tried < RULES; tried++) {
		size_t index = (*next + tried) % RULES;

		if (!lxcfs_equals(key, rules[index].key))
			continue;
		*next = index + 1;
		return &rules[index];
	}
	return NULL;
}

/* "Key:   NUMBER kB" into its parts; returns 0 for a line of another form. */
static int split_line(struct lxcfs_text line, struct lxcfs_text *key, uint64_t *number,
		      struct lxcfs_text *unit)
{
	const char *colon = memchr(line.data, ':', (size_t)line.length);
	struct lxcfs_text word;

	if (!colon)
		return 0;
	key->data = line.data;
	key->length = (uint64_t)(colon - line.data);
	line.data += key->length + 1;
	line.length -= key->length + 1;
	if (!lxcfs_next_word(&line, &word) || !lxcfs_parse_number(word, number))
		return 0;
	*unit = line;
	return 1;
}

static void append_line(struct lxcfs_output *output, struct lxcfs_text key, uint64_t number,
			struct lxcfs_text unit)
{
	uint64_t label = key.length + 1;
	uint64_t columns = LABEL_COLUMNS + VALUE_COLUMNS;
	uint32_t pad = label < LABEL_COLUMNS ? (uint32_t)(LABEL_COLUMNS - label) : 1;
	uint32_t width = label + pad < columns ? (uint32_t)(columns - label - pad) : 1;

	lxcfs_append_text(output, key);
	lxcfs_append(output, ":               ", 1 + pad);
	lxcfs_append_number(output, number, width);
	lxcfs_append_text(output, unit);
	lxcfs_append(output, "\n", 1);
}

static void read_counters(struct lxcfs_text text, uint32_t version, uint64_t *counters)
{
	struct lxcfs_text line;
	size_t next = 0;

	while (lxcfs_next_line(&text, &line)) {
		struct lxcfs_text key;

		if (!lxcfs_next_word(&line, &key))
			continue;
		for (size_t tried = 0; tried < COUNTERS; tried++) {
			size_t index = (next + tried) % COUNTERS;
			const char *name = version == LXCFS_CGROUP_V2 ? counter_keys[index].v2
								      : counter_keys[index].v1;
			struct lxcfs_text value;

			if (!name || !lxcfs_equals(key, name))
				continue;
			if (lxcfs_next_word(&line, &value))
				lxcfs_parse_number(value, &counters[index]);
			next = index + 1;
			break;
		}
	}
}

/* A cgroup without the controller has no memory.stat: its counters stay 0. */
static int32_t get_counters(const struct lxcfs_request *request, uint64_t *counters)
{
	struct lxcfs_text text;
	int32_t result = request->host->cgroup_file(request, "memory", "memory.stat", &text);

	if (result == -ENOENT || result == -ENODEV)
		return 0;
	if (result != 0)
		return lxcfs_fail(request, result, "memory.stat cannot be read");
	read_counters(text, request->host->cgroup_version(request, "memory"), counters);
	return 0;
}

/* A value of the host's file in bytes, UINT64_MAX when it has none. */
static uint64_t host_value(struct lxcfs_text text, const char *name)
{
	struct lxcfs_text line;

	while (lxcfs_next_line(&text, &line)) {
		struct lxcfs_text key;
		struct lxcfs_text unit;
		uint64_t number;

		if (split_line(line, &key, &number, &unit) && lxcfs_equals(key, name))
			return lxcfs_multiply(number, 1024);
	}
	return UINT64_MAX;
}

/* A counter above all that the container can have is none: in the kernel it fell below zero. */
static void bound_counters(struct memory *memory)
{
	uint64_t most = lxcfs_add(memory->view->total, memory->view->swap_total);

	for (int counter = 0; counter < COUNTERS; counter++)
		memory->counters[counter] = lxcfs_minimum(memory->counters[counter], most);
}

static void derive(struct memory *memory, struct lxcfs_text host)
{
	const uint64_t *counters = memory->counters;
	uint64_t reclaimable = lxcfs_add(lxcfs_add(counters[ACTIVE_FILE], counters[INACTIVE_FILE]),
					 counters[SLAB_RECLAIMABLE]);
	uint64_t limit = memory->view->total;

	memory->free = lxcfs_subtract(memory->view->total, memory->view->usage);
	/* Without a limit or a count of its own the container shares what the host still has. */
	if (!(memory->view->flags & LXCFS_MEMORY_LIMITED) ||
	    !(memory->view->flags & LXCFS_MEMORY_USAGE_KNOWN)) {
		memory->free = lxcfs_minimum(memory->free, host_value(host, "MemFree"));
		limit = lxcfs_minimum(limit, host_value(host, "MemAvailable"));
	}
	memory->used = lxcfs_subtract(memory->view->total, memory->free);
	memory->available = lxcfs_minimum(lxcfs_add(memory->free, reclaimable), limit);
}

static uint64_t shown_value(const struct memory *memory, const struct rule *rule, uint64_t host)
{
	if (!rule)
		return 0;
	switch (rule->kind) {
	case RULE_HOST:
		return host;
	case RULE_COUNTER:
		return memory->counters[rule->counter] / 1024;
	case RULE_VALUE:
		return rule->value(memory) / 1024;
	case RULE_ZERO:
		break;
	}
	return 0;
}

static void append_lines(struct lxcfs_output *output, const struct memory *memory,
			 struct lxcfs_text host)
{
	struct lxcfs_text line;
	size_t next = 0;

	while (lxcfs_next_line(&host, &line)) {
		struct lxcfs_text key;
		struct lxcfs_text unit;
		uint64_t number;

		if (!split_line(line, &key, &number, &unit))
			continue;
		number = shown_value(memory, find_rule(key, &next), number);
		append_line(output, key, number, unit);
	}
}

/* No memory cgroup has a say here: the host's lines, but for swap that is hidden. */
static void append_host_lines(struct lxcfs_output *output, const struct lxcfs_memory_view *view,
			      struct lxcfs_text host)
{
	struct lxcfs_text line;

	while (lxcfs_next_line(&host, &line)) {
		struct lxcfs_text key;
		struct lxcfs_text unit;
		uint64_t number;

		if (!split_line(line, &key, &number, &unit))
			continue;
		if (view->swap_total == 0 &&
		    (lxcfs_equals(key, "SwapTotal") || lxcfs_equals(key, "SwapFree") ||
		     lxcfs_equals(key, "SwapCached"))) {
			append_line(output, key, 0, unit);
			continue;
		}
		lxcfs_append_text(output, line);
		lxcfs_append(output, "\n", 1);
	}
}

static int32_t render(const struct lxcfs_request *request, struct lxcfs_output *output)
{
	const struct lxcfs_host *host = request->host;
	struct memory memory = {.view = NULL};
	struct lxcfs_text text;
	int32_t result = host->host_file(request, "proc/meminfo", &text);

	if (result != 0)
		return lxcfs_fail(request, result, "the host's meminfo cannot be read");
	if (lxcfs_is_host(request)) {
		lxcfs_append_text(output, text);
		return 0;
	}
	result = host->memory_view(request, &memory.view);
	if (result != 0)
		return lxcfs_fail(request, result, "the container's memory limits are not known");
	if (memory.view->flags == 0) {
		append_host_lines(output, memory.view, text);
	} else {
		result = get_counters(request, memory.counters);
		if (result != 0)
			return result;
		bound_counters(&memory);
		derive(&memory, text);
		append_lines(output, &memory, text);
	}
	if (output->length == 0)
		return lxcfs_fail(request, -EIO, "the host's meminfo has no line that is known");
	return 0;
}

static const struct lxcfs_file file = {
	.size = sizeof(file),
	.version = LXCFS_ABI_VERSION,
	.path = "proc/meminfo",
	.mode = 0444,
	.render = render,
};

static const struct lxcfs_plugin plugin = {
	.size = sizeof(plugin),
	.version = LXCFS_ABI_VERSION,
	.name = "meminfo",
	.release = PLUGIN_RELEASE,
	.threads = LXCFS_THREADS_PARALLEL,
	.on_fault = LXCFS_ON_FAULT_PASSTHROUGH,
	.file_count = 1,
	.files = &file,
};

const struct lxcfs_plugin *lxcfs_plugin_init(const struct lxcfs_host *host)
{
	(void)host;
	return &plugin;
}
