/* SPDX-License-Identifier: MIT */
/*
 * lxcfs/plugin.h - the one header of an lxcfs plugin.
 *
 * A plugin is a shared object that serves one virtual file (or one subtree).  It exports one
 * symbol, lxcfs_plugin_init(), gets the host's functions as a table, and returns a description of
 * itself.  Everything a plugin may know of the machine and of the container that asks comes through
 * that table.
 *
 * Rules that hold for every member of this header
 *
 *   Layout     Each structure begins with its size and a version.  Members are only ever added at
 *              the end.  Who fills a structure writes sizeof() of the structure as it knew it; who
 *              reads it looks at no member beyond that size.
 *   Version    LXCFS_ABI_VERSION 0 may still change between releases; from 1 on it will not.
 *   Errors     Functions return 0 or a negative errno value.  A plugin says why by
 *              request->host->error(), which also returns the value, so that
 *              `return lxcfs_fail(request, -EIO, "...")` is the usual form.
 *   Threads    A callback may run on any thread.  With LXCFS_THREADS_SERIAL the host never runs two
 *              callbacks of one plugin at the same time; with LXCFS_THREADS_PARALLEL it may.  Host
 *              functions may be called from any callback, from any thread that runs one.
 *   Never      A plugin starts no threads, installs no signal handlers, registers nothing with
 *              atexit() and uses no thread-local destructors: its code can be unmapped as soon as
 *              no callback runs.  Periodic work is asked of the host (timer_start).
 *   State      A plugin keeps nothing per open file, and nothing per container that it could not
 *              lose at any moment.  What must survive a reload or a crash goes into host memory
 *              (state_update).
 */
#ifndef LXCFS_PLUGIN_H
#define LXCFS_PLUGIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LXCFS_ABI_VERSION 0u

#if defined(__GNUC__)
#define LXCFS_PUBLIC              __attribute__((visibility("default")))
#define LXCFS_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define LXCFS_PUBLIC
#define LXCFS_PRINTF(text, first)
#endif

struct lxcfs_host;
struct lxcfs_request;
struct lxcfs_output;
struct lxcfs_directory;

/* ---- values ---------------------------------------------------------------------------------- */

/* Log levels, as syslog(3) numbers them. */
#define LXCFS_LOG_ERROR   3u
#define LXCFS_LOG_WARNING 4u
#define LXCFS_LOG_NOTICE  5u
#define LXCFS_LOG_INFO    6u
#define LXCFS_LOG_DEBUG   7u

/* Thread models (lxcfs_plugin.threads). */
#define LXCFS_THREADS_SERIAL   0u
#define LXCFS_THREADS_PARALLEL 1u

/* What a reader gets when a rendering fails and the configuration does not say (lxcfs_plugin.on_fault). */
#define LXCFS_ON_FAULT_ERROR       0u /* EIO */
#define LXCFS_ON_FAULT_PASSTHROUGH 1u /* the host's own file */

/* Clocks of lxcfs_host.now. */
#define LXCFS_CLOCK_BOOTTIME 0u /* since the host booted, suspend included */
#define LXCFS_CLOCK_REALTIME 1u /* since 1970-01-01 00:00:00 UTC */

/* Which cgroup version holds a controller (lxcfs_host.cgroup_version). */
#define LXCFS_CGROUP_NONE 0u
#define LXCFS_CGROUP_V1   1u
#define LXCFS_CGROUP_V2   2u

/*
 * The "controller" that stands for the unified (v2) hierarchy itself: its cgroup.* files, and the
 * files that every v2 cgroup has without a controller (cpu.stat, *.pressure).
 */
#define LXCFS_CGROUP_UNIFIED ""

/* How visible CPUs are numbered (lxcfs_cpu_view.numbering). */
#define LXCFS_CPU_NUMBERS_PHYSICAL   0u /* the host's own numbers */
#define LXCFS_CPU_NUMBERS_CONTIGUOUS 1u /* 0 to count - 1 */

/* lxcfs_memory_view.flags */
#define LXCFS_MEMORY_LIMITED 1u /* a cgroup limit below the host's size applies */
#define LXCFS_MEMORY_USAGE_KNOWN \
	2u /* the container has a memory controller of its own: usage is its */
#define LXCFS_MEMORY_SWAP_KNOWN 4u /* the same for swap_usage */

/* lxcfs_request.flags: the asker is a host process under no limit, and gets the host's own values. */
#define LXCFS_REQUEST_HOST 1u

/* lxcfs_attributes.valid: which members a setattr changes. */
#define LXCFS_ATTRIBUTE_MODE 1u
#define LXCFS_ATTRIBUTE_UID  2u
#define LXCFS_ATTRIBUTE_GID  4u

/* ---- data ------------------------------------------------------------------------------------ */

/*
 * Text read from the host or from a cgroup.  Owned by the host, valid until the callback returns.
 * data[length] is 0; the text itself may hold any byte.
 */
struct lxcfs_text {
	const char *data;
	uint64_t length;
};

/*
 * What a plugin renders into.  Owned by the host and bounded by it (16 MiB).  Use the lxcfs_append
 * functions below: after a failure (no memory, too long) they do nothing, and the host reports
 * `status` itself, so a renderer need not look at each result.
 */
struct lxcfs_output {
	uint32_t size;
	uint32_t version;
	const struct lxcfs_host *host;
	char *data;
	uint64_t length;
	uint64_t capacity;
	int32_t status; /* 0, or the first error of an append */
	uint32_t reserved;
};

/* Attributes of a node.  Times are the host's affair. */
struct lxcfs_attributes {
	uint32_t size;
	uint32_t version;
	uint32_t mode; /* type and permissions, as st_mode */
	uint32_t uid;
	uint32_t gid;
	uint32_t valid;     /* setattr only: LXCFS_ATTRIBUTE_* */
	uint64_t file_size; /* st_size of the host's; a file of a plugin is shown with 0 */
};

/*
 * The CPUs that a container sees.  One view serves every file that tells of CPUs, so that they
 * can never disagree.  CPUs are in ascending order of both numbers.
 */
struct lxcfs_cpu_view {
	uint32_t size;
	uint32_t version;
	uint32_t count;           /* visible CPUs, at least 1 */
	uint32_t numbering;       /* LXCFS_CPU_NUMBERS_* */
	const uint32_t *physical; /* [count] the host's number of each visible CPU */
	const uint32_t *shown;    /* [count] the number that files show for it */
	uint64_t quota;  /* tightest CPU bandwidth limit of the container and its ancestors: */
	uint64_t period; /* quota microseconds of CPU time per period; both 0 when unlimited */
};

/*
 * Memory as a container may use it, in bytes.  Limits are the minimum over the container's cgroup
 * and its ancestors, capped by the host.  Sources: v2 memory.max, memory.current, memory.swap.max,
 * memory.swap.current; v1 memory.limit_in_bytes, memory.usage_in_bytes, memory.memsw.*; host
 * /proc/meminfo MemTotal, SwapTotal.
 */
struct lxcfs_memory_view {
	uint32_t size;
	uint32_t version;
	uint32_t flags; /* LXCFS_MEMORY_* */
	uint32_t reserved;
	uint64_t total;      /* never 0 */
	uint64_t usage;      /* never above total; 0 unless LXCFS_MEMORY_USAGE_KNOWN */
	uint64_t swap_total; /* 0: the container has no swap */
	uint64_t swap_usage; /* never above swap_total */
};

/* CPU time, in nanoseconds. */
struct lxcfs_cpu_time {
	uint64_t user; /* without `nice` */
	uint64_t nice; /* 0, and part of `user`, where the kernel does not tell it apart */
	uint64_t system;
};

/*
 * CPU time that the container used since its cgroup was made.  Sources: v2 cpu.stat; v1
 * cpuacct.usage_all, cpuacct.usage, cpuacct.stat, cpu.stat.
 */
struct lxcfs_cpu_usage {
	uint32_t size;
	uint32_t version;
	struct lxcfs_cpu_time total;
	uint64_t throttled;                   /* nanoseconds for which the quota held tasks back */
	const struct lxcfs_cpu_time *per_cpu; /* [per_cpu_count] by the host's CPU number; */
	uint32_t per_cpu_count; /* NULL and 0 where the kernel tells only the sum (v2) */
	uint32_t reserved;
};

/* ---- what a plugin describes ------------------------------------------------------------------ */

/* Who asks, and for what.  Owned by the host, valid until the callback returns. */
struct lxcfs_request {
	uint32_t size;
	uint32_t version;
	const struct lxcfs_host *host;
	void *instance; /* what lxcfs_plugin.start stored */
	const char *
		path; /* a file: its path as registered; in a subtree: below its root, "" the root */
	uint64_t handle; /* the open file, unique over restarts; 0 where no file is open */
	uint32_t tid;    /* the asking thread in the host's pid namespace; 0 in a self-test */
	uint32_t
		uid; /* the asking thread's fsuid and fsgid, as the host's user namespace has them */
	uint32_t gid;
	uint32_t flags; /* LXCFS_REQUEST_* */
};

/* One virtual file. */
struct lxcfs_file {
	uint32_t size;
	uint32_t version;
	const char *path; /* below the mount point, without a leading slash: "proc/meminfo" */
	uint32_t mode;    /* permissions, which the kernel enforces: 0444, 0644 ... */
	uint32_t reserved;
	/* Render the whole file.  Called for every read at offset 0; slices are the host's affair. */
	int32_t (*render)(const struct lxcfs_request *request, struct lxcfs_output *output);
	/*
	 * Optional.  One write(2), at most 4096 bytes, whole; NUL-terminated at data[length].  Once,
	 * but again if the worker dies at it.  Without this function the
	 * file cannot be opened for writing.
	 */
	int32_t (*write)(const struct lxcfs_request *request, const char *data, uint32_t length);
	/*
	 * Optional.  Store the poll(2) events that are ready now into *events.  A handle that polls
	 * is woken by host->poll_wake().  Without it a file is always ready, as in procfs.
	 */
	int32_t (*poll)(const struct lxcfs_request *request, uint32_t *events);
	/* Optional.  The handle of an earlier write or poll was closed. */
	void (*release)(const struct lxcfs_request *request);
};

/*
 * A directory whose entries the plugin makes up.
 *
 * Directory entries are shared by all containers in the kernel.  So lookup() and readlink() get no
 * request: their answer must be the same for everyone, and a name that was once given out must not
 * fail later for a passing reason.  What a container may not see is left out by readdir() and refused
 * by open().
 */
struct lxcfs_subtree {
	uint32_t size;
	uint32_t version;
	const char *path; /* of the root: "sys/devices/system/cpu" */
	/* Attributes of `path` below the root ("" is the root), or -ENOENT. */
	int32_t (*lookup)(const struct lxcfs_host *host, const char *path,
			  struct lxcfs_attributes *attributes);
	int32_t (*readlink)(const struct lxcfs_host *host, const char *path,
			    struct lxcfs_output *output);
	/* Add each visible entry by host->directory_add(); "." and ".." are the host's affair. */
	int32_t (*readdir)(const struct lxcfs_request *request, struct lxcfs_directory *directory);
	/* Optional.  0 or why not.  `flags` as in open(2); called for files and directories. */
	int32_t (*open)(const struct lxcfs_request *request, uint32_t flags);
	int32_t (*render)(const struct lxcfs_request *request, struct lxcfs_output *output);
	/* Optional, as in lxcfs_file; a subtree without them cannot be changed. */
	int32_t (*write)(const struct lxcfs_request *request, const char *data, uint32_t length);
	int32_t (*mkdir)(const struct lxcfs_request *request, uint32_t mode);
	int32_t (*rmdir)(const struct lxcfs_request *request);
	int32_t (*setattr)(const struct lxcfs_request *request,
			   const struct lxcfs_attributes *attributes);
};

/*
 * The plugin.  Constant, and valid as long as the object is loaded.  Life cycle of one generation:
 *
 *   lxcfs_plugin_init -> configure, once per key -> start -> callbacks -> stop -> unmapped
 *
 * A replacement runs through start() before the old generation is taken away, so for a moment both
 * generations exist, each in its own mapping with its own static data.
 */
struct lxcfs_plugin {
	uint32_t size;
	uint32_t version;    /* LXCFS_ABI_VERSION that it was built with */
	const char *name;    /* as in the configuration and in NAME.so */
	const char *release; /* free text, shown in log lines and by lxcfsctl */
	uint32_t threads;    /* LXCFS_THREADS_* */
	uint32_t on_fault;   /* LXCFS_ON_FAULT_*: the default of `on-fault` */
	uint32_t file_count;
	uint32_t subtree_count;
	const struct lxcfs_file *files;       /* each of files[0].size bytes */
	const struct lxcfs_subtree *subtrees; /* each of subtrees[0].size bytes */
	/*
	 * Optional.  One key of the plugin's section.  -ENOENT: no such key; -EINVAL: bad value
	 * (say what is accepted by host->log()).  Without it every key is refused.
	 */
	int32_t (*configure)(const struct lxcfs_host *host, const char *key, const char *value);
	/* Optional.  All keys are known; *instance comes back in each request. */
	int32_t (*start)(const struct lxcfs_host *host, void **instance);
	/* Optional.  No callback of this generation runs now or will run again. */
	void (*stop)(const struct lxcfs_host *host, void *instance);
};

/* ---- what the host offers ---------------------------------------------------------------------- */

/*
 * See lxcfs_host.state_update.  `before` holds what the last update stored (NULL, and 0 and 0, at the
 * first one); `after` is the new content, zeroed, to be filled whole.  Not 0: nothing changes.
 */
typedef int32_t (*lxcfs_state_function)(const void *before, uint32_t before_size,
					uint32_t before_version, void *after, void *argument);

typedef void (*lxcfs_timer_function)(const struct lxcfs_host *host, void *argument);

/*
 * The host's functions.  The table belongs to one generation of one plugin and is valid from
 * lxcfs_plugin_init() until stop() has returned.
 */
struct lxcfs_host {
	uint32_t size;
	uint32_t version;
	const char *release; /* of the host program, free text */

	/* One line, without a newline; the host adds the plugin's name and limits the rate. */
	void (*log)(const struct lxcfs_host *host, uint32_t level, const char *format, ...)
		LXCFS_PRINTF(3, 4);
	/* The same for a failed request, with the file and the container; returns `error`. */
	int32_t (*error)(const struct lxcfs_request *request, int32_t error, const char *format,
			 ...) LXCFS_PRINTF(3, 4);
	/* Nanoseconds on LXCFS_CLOCK_*.  A recorded host has the time at which it was recorded. */
	uint64_t (*now)(const struct lxcfs_host *host, uint32_t clock);

	/* Make room for `more` bytes behind output->length.  0, -ENOMEM or -EFBIG (also in status). */
	int32_t (*output_grow)(struct lxcfs_output *output, uint64_t more);
	/* Formatted text, locale "C". */
	int32_t (*output_print)(struct lxcfs_output *output, const char *format, ...)
		LXCFS_PRINTF(2, 3);
	/* Add an entry to a listing; `mode` gives the type (S_IFDIR, S_IFREG, S_IFLNK). */
	int32_t (*directory_add)(struct lxcfs_directory *directory, const char *name,
				 uint32_t mode);

	/*
	 * The host's own file, whole: `path` as "proc/meminfo" or "sys/...".  Read at most once per
	 * request, however often it is asked for.  Never goes through our own mount.
	 */
	int32_t (*host_file)(const struct lxcfs_request *request, const char *path,
			     struct lxcfs_text *text);
	/*
	 * Attributes, entries and link text of a host path; the same path rules.  The caller sets
	 * attributes->size to what it knows of the structure.
	 */
	int32_t (*host_attributes)(const struct lxcfs_host *host, const char *path,
				   struct lxcfs_attributes *attributes);
	int32_t (*host_directory)(const struct lxcfs_request *request, const char *path,
				  struct lxcfs_directory *directory);
	int32_t (*host_link)(const struct lxcfs_host *host, const char *path,
			     struct lxcfs_output *output);

	/* LXCFS_CGROUP_* that holds `controller` ("memory", "cpu", "cpuacct", "cpuset", "io", "blkio"). */
	uint32_t (*cgroup_version)(const struct lxcfs_request *request, const char *controller);
	/*
	 * A file of the container's boundary cgroup, whole, in the hierarchy of `controller`.  Read
	 * at most once per request.  -ENODEV: no hierarchy has the controller; -ENOENT: the cgroup
	 * has no such file (the controller is off there, or the kernel does not know it), or the
	 * container has no cgroup of its own in that hierarchy: the root's files tell of the host.
	 */
	int32_t (*cgroup_file)(const struct lxcfs_request *request, const char *controller,
			       const char *file, struct lxcfs_text *text);

	/* The rules that several files share; results are owned by the host as lxcfs_text is. */
	int32_t (*cpu_view)(const struct lxcfs_request *request,
			    const struct lxcfs_cpu_view **view);
	int32_t (*cpu_usage)(const struct lxcfs_request *request,
			     const struct lxcfs_cpu_usage **usage);
	int32_t (*memory_view)(const struct lxcfs_request *request,
			       const struct lxcfs_memory_view **view);
	/*
	 * Nanoseconds since the container started: since the first process of the asking thread's
	 * pid namespace did (/proc/PID/stat field 22), the host's uptime in the host's namespace.
	 */
	int32_t (*age)(const struct lxcfs_request *request, uint64_t *nanoseconds);

	/*
	 * Update the plugin's memory of this container: `size` bytes (at most 64 KiB) of layout
	 * `version`.  It outlives reloads and crashes.  The update is one step: a crash in the
	 * middle leaves what was before.  Updates of one container exclude each other.  The host may
	 * drop the memory of a container that has not asked for long; `before` is NULL then.
	 */
	int32_t (*state_update)(const struct lxcfs_request *request, uint32_t version,
				uint32_t size, lxcfs_state_function function, void *argument);

	/* Wake whoever polls `handle`.  A handle that nobody polls is no error. */
	void (*poll_wake)(const struct lxcfs_host *host, uint64_t handle);

	/*
	 * Call `function` every `period` nanoseconds (at least 1 ms) on a thread of the host, until
	 * timer_stop(), or until the generation is stopped.  A call that already runs at timer_stop()
	 * goes on to its end.  *id is never 0.  -ENOSPC: more than 64 timers.
	 */
	int32_t (*timer_start)(const struct lxcfs_host *host, uint64_t period,
			       lxcfs_timer_function function, void *argument, uint64_t *id);
	void (*timer_stop)(const struct lxcfs_host *host, uint64_t id);
};

/*
 * The one symbol that a plugin exports.  Returns NULL when it cannot run here (having said why by
 * host->log()).  It must have no side effect but to remember `host`.
 */
LXCFS_PUBLIC const struct lxcfs_plugin *lxcfs_plugin_init(const struct lxcfs_host *host);

typedef const struct lxcfs_plugin *(*lxcfs_plugin_init_function)(const struct lxcfs_host *host);

/* ---- helpers ------------------------------------------------------------------------------------ */

/* return lxcfs_fail(request, -EIO, "what happened"); */
#define lxcfs_fail(request, error_number, ...) \
	((request)->host->error((request), (error_number), __VA_ARGS__))

static inline int lxcfs_is_host(const struct lxcfs_request *request)
{
	return (request->flags & LXCFS_REQUEST_HOST) != 0;
}

/* Arithmetic that stops at the ends of the range instead of wrapping. */
static inline uint64_t lxcfs_add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static inline uint64_t lxcfs_subtract(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static inline uint64_t lxcfs_multiply(uint64_t a, uint64_t b)
{
	return b != 0 && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

static inline uint64_t lxcfs_minimum(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline void lxcfs_append(struct lxcfs_output *output, const char *data, uint64_t length)
{
	if (output->status != 0 || length == 0)
		return;
	if (output->capacity - output->length < length &&
	    output->host->output_grow(output, length) != 0)
		return;
	memcpy(output->data + output->length, data, (size_t)length);
	output->length += length;
}

static inline void lxcfs_append_string(struct lxcfs_output *output, const char *string)
{
	lxcfs_append(output, string, strlen(string));
}

static inline void lxcfs_append_text(struct lxcfs_output *output, struct lxcfs_text text)
{
	lxcfs_append(output, text.data, text.length);
}

/* The host's own file, as it is. */
static inline int32_t lxcfs_append_host_file(const struct lxcfs_request *request,
					     struct lxcfs_output *output, const char *path)
{
	struct lxcfs_text text;
	int32_t result = request->host->host_file(request, path, &text);

	if (result != 0)
		return lxcfs_fail(request, result, "the host's %s cannot be read", path);
	lxcfs_append_text(output, text);
	return 0;
}

/* A decimal number, right-aligned in at least `width` columns. */
static inline void lxcfs_append_number(struct lxcfs_output *output, uint64_t number, uint32_t width)
{
	char digits[64];
	uint32_t start = sizeof(digits);

	do {
		digits[--start] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	while (start > 0 && sizeof(digits) - start < width)
		digits[--start] = ' ';
	lxcfs_append(output, digits + start, sizeof(digits) - start);
}

/*
 * Cut the next line off *rest into *line, without its newline.  Returns 0 at the end of the text.
 */
static inline int lxcfs_next_line(struct lxcfs_text *rest, struct lxcfs_text *line)
{
	const char *end;

	if (rest->length == 0)
		return 0;
	end = (const char *)memchr(rest->data, '\n', (size_t)rest->length);
	line->data = rest->data;
	line->length = end ? (uint64_t)(end - rest->data) : rest->length;
	rest->data += line->length + (end ? 1 : 0);
	rest->length -= line->length + (end ? 1 : 0);
	return 1;
}

static inline int lxcfs_is_space(char character)
{
	return character == ' ' || character == '\t' || character == '\n';
}

/* Cut the next word off *rest into *word.  Returns 0 when there is none. */
static inline int lxcfs_next_word(struct lxcfs_text *rest, struct lxcfs_text *word)
{
	uint64_t start = 0;
	uint64_t end;

	while (start < rest->length && lxcfs_is_space(rest->data[start]))
		start++;
	end = start;
	while (end < rest->length && !lxcfs_is_space(rest->data[end]))
		end++;
	word->data = rest->data + start;
	word->length = end - start;
	rest->data += end;
	rest->length -= end;
	return word->length != 0;
}

/* Whether the text is exactly this string. */
static inline int lxcfs_equals(struct lxcfs_text text, const char *string)
{
	return text.length == strlen(string) && memcmp(text.data, string, (size_t)text.length) == 0;
}

/*
 * The whole text as an unsigned decimal number.  Returns 0 (and leaves *number alone) if it is not
 * one; a number too large for 64 bits becomes UINT64_MAX.
 */
static inline int lxcfs_parse_number(struct lxcfs_text text, uint64_t *number)
{
	uint64_t value = 0;
	uint64_t index;

	for (index = 0; index < text.length; index++) {
		unsigned digit = (unsigned)(unsigned char)text.data[index] - '0';

		if (digit > 9)
			return 0;
		value = lxcfs_add(lxcfs_multiply(value, 10), digit);
	}
	if (text.length == 0)
		return 0;
	*number = value;
	return 1;
}

/*
 * The number behind the word `key` at the start of a line, in files of lines "KEY VALUE ..." such as
 * memory.stat and cpu.stat.  The key is compared whole.  Returns 0 if there is no such line.
 */
static inline int lxcfs_find_number(struct lxcfs_text text, const char *key, uint64_t *number)
{
	struct lxcfs_text line;
	struct lxcfs_text word;

	while (lxcfs_next_line(&text, &line)) {
		if (!lxcfs_next_word(&line, &word) || !lxcfs_equals(word, key))
			continue;
		return lxcfs_next_word(&line, &word) && lxcfs_parse_number(word, number);
	}
	return 0;
}

#ifdef __cplusplus
}
#endif

#endif
