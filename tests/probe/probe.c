/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plugin of the tests: it uses every member of lxcfs/plugin.h.
 *
 * proc/probe      what the host told of this request, counters, and commands by write(2):
 *                   wake                      let everyone who polls read
 *                   timer MILLISECONDS|off    another period of the ticks
 *                   mark NUMBER               says so in the log if this worker has done it before
 *                   spoil                     an update of the memory that is given up half-way
 *                   render FAULT|well         this container's renderings, until it says "well"
 *                   tick FAULT                at the next tick
 *                   FAULT                     at once, in the write
 *                 where FAULT is one of: fail crash abort hang loop update (die inside an update)
 *                 free (a block twice) overrun (a block of the heap) stuck (opens the file of that option)
 * probe/          a subtree: hello, directory/, link, hidden, host/ (a folder of the host's sysfs),
 *                 crash (nobody survives the lookup) and what is made by mkdir(2)
 *
 * Options: crash-if = PATH: the start ends in a crash while this is there.  greeting = TEXT, period =
 * MILLISECONDS of the ticks (0: none), padding = BYTES that the file is made longer by, stuck = PATH.
 * Environment: PROBE_CRASH_IF is the PATH while which is there it cannot even be loaded.
 */
#define _XOPEN_SOURCE 700 /* pause() */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tree.h"

#ifndef PROBE_THREADS
#define PROBE_THREADS LXCFS_THREADS_PARALLEL
#endif

/* Numbers that `mark` takes. */
#define MARKS 65536

#define STATE_VERSION      1u
#define NANOSECONDS_PER_MS 1000000u
#define PERIOD_MAX_MS      3600000u
#define PADDING_MAX        (64u << 20)
#define GREETING_BYTES     64
#define PATH_BYTES         256
#define HANDLES_MAX        64
#define BLOCK_BYTES        24
#define OVERRUN_BYTES      16384

enum fault {
	FAULT_NONE,
	FAULT_FAIL,
	FAULT_CRASH,
	FAULT_ABORT,
	FAULT_HANG,
	FAULT_LOOP,
	FAULT_UPDATE,
	FAULT_FREE,
	FAULT_OVERRUN,
	FAULT_STUCK,
};

/* What outlives a reload, for each container. */
struct probe_state {
	uint64_t renders;
	uint64_t writes;
	uint32_t fault; /* of this container's renderings */
	uint32_t reserved;
};

struct handle {
	uint64_t number; /* 0: this entry is free */
	int woken;
};

static struct {
	char lock; /* guards handles */
	uint64_t ticks;
	uint32_t tick_fault;  /* what the next tick commits */
	uint8_t marks[MARKS]; /* not 0: this worker was told to mark it */
	uint64_t timer;
	uint64_t period;
	uint64_t padding;
	char greeting[GREETING_BYTES];
	char crash_if[PATH_BYTES];
	char stuck[PATH_BYTES];
	struct handle handles[HANDLES_MAX];
} probe = {
	.greeting = "none",
};

/* ---- faults ---- */

static int32_t update_and_die(const void *before, uint32_t before_size, uint32_t before_version,
			      void *after, void *argument)
{
	(void)before;
	(void)before_size;
	(void)before_version;
	memset(after, 0xff, *(const uint32_t *)argument);
	abort();
}

static enum fault fault_of_name(const char *name)
{
	static const char *const names[] = {
		[FAULT_FAIL] = "fail", [FAULT_CRASH] = "crash",     [FAULT_ABORT] = "abort",
		[FAULT_HANG] = "hang", [FAULT_LOOP] = "loop",       [FAULT_UPDATE] = "update",
		[FAULT_FREE] = "free", [FAULT_OVERRUN] = "overrun", [FAULT_STUCK] = "stuck",
	};

	for (uint32_t fault = FAULT_FAIL; fault <= FAULT_STUCK; fault++)
		if (strcmp(name, names[fault]) == 0)
			return (enum fault)fault;
	return FAULT_NONE;
}

/* By a pointer: whoever sees what comes of it would refuse to compile. */
static void free_twice(void)
{
	static void (*volatile release)(void *) = free;
	void *block = malloc(BLOCK_BYTES);

	release(block);
	release(block);
}

/* Over whatever lies behind the block: the allocator finds out sooner or later. */
static void overrun_block(void)
{
	char *volatile block = malloc(BLOCK_BYTES);

	for (size_t index = 0; block && index < OVERRUN_BYTES; index++)
		((volatile char *)block)[index] = 'x';
	free(block);
}

/* The faults that need no request. */
static void commit_crash(enum fault fault)
{
	/* Not NULL: UndefinedBehaviorSanitizer would say so instead. */
	static int *volatile nowhere = (int *)8;

	switch (fault) {
	case FAULT_CRASH:
		*nowhere = 0;
		break;
	case FAULT_ABORT:
		abort();
	case FAULT_HANG:
		for (;;)
			pause();
	case FAULT_LOOP:
		for (volatile uint64_t turns = 0;; turns++)
			;
	case FAULT_FREE:
		free_twice();
		break;
	case FAULT_OVERRUN:
		overrun_block();
		break;
	case FAULT_STUCK:
		(void)open(probe.stuck, O_RDONLY | O_CLOEXEC);
		break;
	default:
		break;
	}
}

static int32_t commit_fault(const struct lxcfs_request *request, enum fault fault)
{
	uint32_t size = sizeof(struct probe_state);

	if (fault == FAULT_FAIL)
		return lxcfs_fail(request, -EIO, "it was told to fail");
	if (fault == FAULT_UPDATE)
		return request->host->state_update(request, STATE_VERSION, size, update_and_die,
						   &size);
	commit_crash(fault);
	return 0;
}

__attribute__((constructor)) static void crash_early(void)
{
	const char *path = getenv("PROBE_CRASH_IF");

	if (path && access(path, F_OK) == 0)
		commit_crash(FAULT_CRASH);
}

/* ---- memory of a container ---- */

/* What to add to the memory; the new content comes back in it. */
struct change {
	struct probe_state add;
	int set_fault;
	struct probe_state result;
};

static int32_t change_state(const void *before, uint32_t before_size, uint32_t before_version,
			    void *after, void *argument)
{
	struct probe_state state = {0};
	struct change *change = argument;

	if (before && before_version == STATE_VERSION && before_size == sizeof(state))
		memcpy(&state, before, sizeof(state));
	state.renders += change->add.renders;
	state.writes += change->add.writes;
	if (change->set_fault)
		state.fault = change->add.fault;
	memcpy(after, &state, sizeof(state));
	change->result = state;
	return 0;
}

static int32_t give_up(const void *before, uint32_t before_size, uint32_t before_version,
		       void *after, void *argument)
{
	(void)before;
	(void)before_size;
	(void)before_version;
	memset(after, 0xff, *(const uint32_t *)argument);
	return -ECANCELED;
}

static int32_t update_state(const struct lxcfs_request *request, struct change *change)
{
	int32_t result = request->host->state_update(
		request, STATE_VERSION, sizeof(struct probe_state), change_state, change);

	return result == 0 ? 0 : lxcfs_fail(request, result, "the counters cannot be kept");
}

/* ---- ticks ---- */

static void tick(const struct lxcfs_host *host, void *argument)
{
	(void)host;
	__atomic_add_fetch((uint64_t *)argument, 1, __ATOMIC_RELAXED);
	commit_crash(
		(enum fault)__atomic_exchange_n(&probe.tick_fault, FAULT_NONE, __ATOMIC_RELAXED));
}

/* Ticks every `period` milliseconds from now on; 0 ends them. */
static int32_t set_timer(const struct lxcfs_host *host, uint64_t period)
{
	uint64_t new = 0;
	uint64_t old;
	int32_t result = 0;

	if (period != 0)
		result = host->timer_start(host, period * NANOSECONDS_PER_MS, tick, &probe.ticks,
					   &new);
	if (result != 0)
		return result;
	old = __atomic_exchange_n(&probe.timer, new, __ATOMIC_ACQ_REL);
	if (old != 0)
		host->timer_stop(host, old);
	return 0;
}

static int parse_period(const char *text, uint64_t *period)
{
	struct lxcfs_text word = {text, strlen(text)};

	return lxcfs_parse_number(word, period) && *period <= PERIOD_MAX_MS;
}

/* ---- who polls ---- */

/* The entry of this handle, a free one for 0, or NULL.  Under the lock. */
static struct handle *find_handle(uint64_t number)
{
	for (size_t index = 0; index < HANDLES_MAX; index++)
		if (probe.handles[index].number == number)
			return &probe.handles[index];
	return NULL;
}

static int32_t poll_file(const struct lxcfs_request *request, uint32_t *events)
{
	struct handle *handle;

	probe_lock(&probe.lock);
	handle = find_handle(request->handle);
	if (!handle) {
		handle = find_handle(0);
		if (handle)
			*handle = (struct handle){.number = request->handle};
	}
	*events = handle && handle->woken ? POLLIN : 0;
	probe_unlock(&probe.lock);
	return handle ? 0 : lxcfs_fail(request, -ENOSPC, "too many poll");
}

static void wake_all(const struct lxcfs_host *host)
{
	uint64_t numbers[HANDLES_MAX];

	probe_lock(&probe.lock);
	for (size_t index = 0; index < HANDLES_MAX; index++) {
		numbers[index] = probe.handles[index].number;
		probe.handles[index].woken = numbers[index] != 0;
	}
	probe_unlock(&probe.lock);
	for (size_t index = 0; index < HANDLES_MAX; index++)
		if (numbers[index] != 0)
			host->poll_wake(host, numbers[index]);
}

/* What was announced is read now. */
static void calm(uint64_t number)
{
	struct handle *handle;

	probe_lock(&probe.lock);
	handle = number ? find_handle(number) : NULL;
	if (handle)
		handle->woken = 0;
	probe_unlock(&probe.lock);
}

static void release_file(const struct lxcfs_request *request)
{
	struct handle *handle;

	probe_lock(&probe.lock);
	handle = request->handle ? find_handle(request->handle) : NULL;
	if (handle)
		*handle = (struct handle){0};
	probe_unlock(&probe.lock);
	request->host->log(request->host, LXCFS_LOG_DEBUG, "handle %" PRIu64 " of %s is closed",
			   request->handle, request->path);
}

/* ---- the file ---- */

static void append_line(struct lxcfs_output *output, const char *name, uint64_t number)
{
	output->host->output_print(output, "%s %" PRIu64 "\n", name, number);
}

static void append_request(const struct lxcfs_request *request, struct lxcfs_output *output)
{
	output->host->output_print(output, "release %s\nhost-release %s\ngreeting %s\n",
				   PLUGIN_RELEASE, request->host->release, probe.greeting);
	append_line(output, "handle", request->handle);
	output->host->output_print(output, "tid %" PRIu32 " uid %" PRIu32 " gid %" PRIu32 "\n",
				   request->tid, request->uid, request->gid);
	append_line(output, "host", lxcfs_is_host(request) ? 1 : 0);
	append_line(output, "instance", request->instance == &probe ? 1 : 0);
	append_line(output, "ticks", __atomic_load_n(&probe.ticks, __ATOMIC_RELAXED));
	append_line(output, "boottime", request->host->now(request->host, LXCFS_CLOCK_BOOTTIME));
	append_line(output, "realtime", request->host->now(request->host, LXCFS_CLOCK_REALTIME));
}

static void append_versions(const struct lxcfs_request *request, struct lxcfs_output *output)
{
	static const char *const names[] = {"memory", "cpu", "cpuacct", "cpuset", "io", "blkio"};
	struct lxcfs_text text;
	int32_t result;

	for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++)
		output->host->output_print(output, "version-%s %" PRIu32 "\n", names[index],
					   request->host->cgroup_version(request, names[index]));
	append_line(output, "version-unified",
		    request->host->cgroup_version(request, LXCFS_CGROUP_UNIFIED));
	result = request->host->cgroup_file(request, "memory", "cgroup.procs", &text);
	output->host->output_print(output, "cgroup-file %s\n", result ? strerror(-result) : "read");
}

static int32_t append_views(const struct lxcfs_request *request, struct lxcfs_output *output)
{
	const struct lxcfs_memory_view *memory;
	const struct lxcfs_cpu_usage *usage;
	const struct lxcfs_cpu_view *cpus;
	struct lxcfs_text text;
	uint64_t age;
	int32_t result = request->host->cpu_view(request, &cpus);

	if (result == 0)
		result = request->host->cpu_usage(request, &usage);
	if (result == 0)
		result = request->host->memory_view(request, &memory);
	if (result == 0)
		result = request->host->age(request, &age);
	if (result == 0)
		result = request->host->host_file(request, "proc/version", &text);
	if (result != 0)
		return lxcfs_fail(request, result, "a view of the container fails");
	append_line(output, "age", age);
	append_line(output, "cpus", cpus->count);
	append_line(output, "cpu-time",
		    usage->total.user + usage->total.nice + usage->total.system);
	append_line(output, "memory", memory->total);
	append_line(output, "swap", memory->swap_total);
	lxcfs_append_text(output, text);
	return 0;
}

static int32_t append_padding(struct lxcfs_output *output)
{
	int32_t result = output->host->output_grow(output, probe.padding);

	if (result != 0)
		return result;
	memset(output->data + output->length, '.', (size_t)probe.padding);
	output->length += probe.padding;
	lxcfs_append_string(output, "\n");
	return 0;
}

static int32_t render_file(const struct lxcfs_request *request, struct lxcfs_output *output)
{
	struct change change = {.add = {.renders = 1}};
	int32_t result = update_state(request, &change);

	calm(request->handle);
	if (result == 0)
		result = commit_fault(request, (enum fault)change.result.fault);
	if (result != 0)
		return result;
	append_request(request, output);
	append_line(output, "renders", change.result.renders);
	append_line(output, "writes", change.result.writes);
	append_versions(request, output);
	result = append_views(request, output);
	if (result == 0 && probe.padding != 0)
		result = append_padding(output);
	return result;
}

static int32_t run_timer(const struct lxcfs_request *request, const char *text)
{
	uint64_t period = 0;
	int32_t result;

	if (strcmp(text, "off") != 0 && (!parse_period(text, &period) || period == 0))
		return lxcfs_fail(request, -EINVAL, "no such period: %s", text);
	result = set_timer(request->host, period);
	return result == 0 ? 0 : lxcfs_fail(request, result, "no timer of %s ms", text);
}

static int32_t run_mark(const struct lxcfs_request *request, const char *text)
{
	struct lxcfs_text word = {text, strlen(text)};
	uint64_t number;

	if (!lxcfs_parse_number(word, &number) || number >= MARKS)
		return lxcfs_fail(request, -EINVAL, "no such mark: %s", text);
	if (__atomic_exchange_n(&probe.marks[number], 1, __ATOMIC_RELAXED))
		request->host->log(request->host, LXCFS_LOG_ERROR,
				   "mark %" PRIu64 " is made a second time", number);
	return 0;
}

static int32_t run_render(const struct lxcfs_request *request, const char *name)
{
	struct change change = {.set_fault = 1};

	change.add.fault = (uint32_t)fault_of_name(name);
	if (change.add.fault == FAULT_NONE && strcmp(name, "well") != 0)
		return lxcfs_fail(request, -EINVAL, "no such fault: %s", name);
	return update_state(request, &change);
}

static int32_t run_tick(const struct lxcfs_request *request, const char *name)
{
	enum fault fault = fault_of_name(name);

	if (fault == FAULT_NONE)
		return lxcfs_fail(request, -EINVAL, "no such fault: %s", name);
	__atomic_store_n(&probe.tick_fault, (uint32_t)fault, __ATOMIC_RELAXED);
	return 0;
}

static int32_t run_command(const struct lxcfs_request *request, const char *command)
{
	uint32_t size = sizeof(struct probe_state);
	enum fault fault = fault_of_name(command);

	if (fault != FAULT_NONE)
		return commit_fault(request, fault);
	if (strcmp(command, "wake") == 0) {
		wake_all(request->host);
		return 0;
	}
	if (strncmp(command, "timer ", 6) == 0)
		return run_timer(request, command + 6);
	if (strncmp(command, "mark ", 5) == 0)
		return run_mark(request, command + 5);
	if (strncmp(command, "render ", 7) == 0)
		return run_render(request, command + 7);
	if (strncmp(command, "tick ", 5) == 0)
		return run_tick(request, command + 5);
	if (strcmp(command, "spoil") == 0)
		return request->host->state_update(request, STATE_VERSION, size, give_up, &size);
	return lxcfs_fail(request, -EINVAL, "no such command");
}

static int32_t write_file(const struct lxcfs_request *request, const char *data, uint32_t length)
{
	struct change change = {.add = {.writes = 1}};
	char command[64];
	int32_t result;

	if (length > 0 && data[length - 1] == '\n')
		length--;
	if (length >= sizeof(command))
		return lxcfs_fail(request, -EINVAL, "no such command");
	memcpy(command, data, length);
	command[length] = '\0';
	result = update_state(request, &change);
	return result == 0 ? run_command(request, command) : result;
}

/* ---- the plugin ---- */

static int32_t bad_value(const struct lxcfs_host *host, const char *key, uint64_t maximum)
{
	host->log(host, LXCFS_LOG_ERROR, "%s takes a number from 0 to %" PRIu64, key, maximum);
	return -EINVAL;
}

static int32_t configure(const struct lxcfs_host *host, const char *key, const char *value)
{
	struct lxcfs_text word = {value, strlen(value)};
	uint64_t number;

	if (strcmp(key, "greeting") == 0) {
		snprintf(probe.greeting, sizeof(probe.greeting), "%s", value);
		return 0;
	}
	if (strcmp(key, "crash-if") == 0) {
		snprintf(probe.crash_if, sizeof(probe.crash_if), "%s", value);
		return 0;
	}
	if (strcmp(key, "stuck") == 0) {
		snprintf(probe.stuck, sizeof(probe.stuck), "%s", value);
		return 0;
	}
	if (strcmp(key, "period") == 0) {
		if (!parse_period(value, &number))
			return bad_value(host, key, PERIOD_MAX_MS);
		probe.period = number;
		return 0;
	}
	if (strcmp(key, "padding") == 0) {
		if (!lxcfs_parse_number(word, &number) || number > PADDING_MAX)
			return bad_value(host, key, PADDING_MAX);
		probe.padding = number;
		return 0;
	}
	return -ENOENT;
}

static int32_t start(const struct lxcfs_host *host, void **instance)
{
	if (access(probe.crash_if, F_OK) == 0)
		commit_crash(FAULT_CRASH);
	*instance = &probe;
	return set_timer(host, probe.period);
}

static void stop(const struct lxcfs_host *host, void *instance)
{
	host->log(host, LXCFS_LOG_INFO, "release %s stops after %" PRIu64 " ticks%s",
		  PLUGIN_RELEASE, __atomic_load_n(&probe.ticks, __ATOMIC_RELAXED),
		  instance == &probe ? "" : ", with a wrong instance");
}

static const struct lxcfs_file file = {
	.size = sizeof(file),
	.version = LXCFS_ABI_VERSION,
	.path = "proc/probe",
	.mode = 0644,
	.reserved = 0,
	.render = render_file,
	.write = write_file,
	.poll = poll_file,
	.release = release_file,
};

static const struct lxcfs_plugin plugin = {
	.size = sizeof(plugin),
	.version = LXCFS_ABI_VERSION,
	.name = "probe",
	.release = PLUGIN_RELEASE,
	.threads = PROBE_THREADS,
	.on_fault = LXCFS_ON_FAULT_ERROR,
	.file_count = 1,
	.subtree_count = 1,
	.files = &file,
	.subtrees = &probe_subtree,
	.configure = configure,
	.start = start,
	.stop = stop,
};

const struct lxcfs_plugin *lxcfs_plugin_init(const struct lxcfs_host *host)
{
	if (host->size < sizeof(*host) || host->version != LXCFS_ABI_VERSION) {
		host->log(host, LXCFS_LOG_ERROR, "this host is of another version");
		return NULL;
	}
	return &plugin;
}
