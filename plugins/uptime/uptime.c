/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/uptime: the container's age, and the time that its CPUs were idle meanwhile.
 *
 * The idle time is carried on from read to read in host memory: it grows by the time that the visible
 * CPUs had, without what the container used of it, and so never goes back when CPUs are taken away.
 */
#include <stdint.h>

#include "lxcfs/plugin.h"

#define NANOSECONDS_PER_SECOND    1000000000u
#define NANOSECONDS_PER_HUNDREDTH 10000000u
#define STATE_VERSION             1u

/*
 * The kernel books CPU time a little late, so a reading may hold more than there was room for since
 * the last one.  That much of it is taken from the idle time of the next.
 */
#define LATE_MAX 1000000000u

struct uptime_state {
	uint64_t now;  /* LXCFS_CLOCK_BOOTTIME of the last update */
	uint64_t used; /* CPU time of the container that `idle` has accounted for */
	uint64_t idle;
};

struct uptime_update {
	uint64_t now;
	uint64_t age;
	uint64_t used;
	uint64_t cpus;
	uint64_t idle; /* the result */
};

/* The first read: what the CPUs had since the container started, less what it used. */
static struct uptime_state start_state(const struct uptime_update *update)
{
	struct uptime_state state;

	state.now = update->now;
	state.used = update->used;
	state.idle = lxcfs_subtract(lxcfs_multiply(update->age, update->cpus), update->used);
	return state;
}

/*
 * A reading of the use that is a little older than the last one (of two concurrent reads) is not
 * taken; one that is far behind is of a counter that began anew.
 */
static uint64_t latest_use(uint64_t before, uint64_t now)
{
	return now < before && before - now <= LATE_MAX ? before : now;
}

static struct uptime_state advance(const struct uptime_state *before,
				   const struct uptime_update *update)
{
	struct uptime_state state = *before;
	uint64_t latest = latest_use(before->used, update->used);
	uint64_t had;
	uint64_t used;
	uint64_t late;

	if (update->now <= before->now)
		return state;
	had = lxcfs_multiply(update->now - before->now, update->cpus);
	used = lxcfs_subtract(latest, before->used);
	late = lxcfs_minimum(lxcfs_subtract(used, had), LATE_MAX);
	state.now = update->now;
	state.used = lxcfs_subtract(latest, late);
	state.idle = lxcfs_add(before->idle, lxcfs_subtract(had, used));
	return state;
}

static int32_t update_idle(const void *before, uint32_t before_size, uint32_t before_version,
			   void *after, void *argument)
{
	struct uptime_update *update = argument;
	struct uptime_state state;

	if (before && before_size == sizeof(state) && before_version == STATE_VERSION) {
		memcpy(&state, before, sizeof(state));
		state = advance(&state, update);
	} else {
		state = start_state(update);
	}
	memcpy(after, &state, sizeof(state));
	update->idle = state.idle;
	return 0;
}

static void append_seconds(struct lxcfs_output *output, uint64_t nanoseconds, char end)
{
	uint64_t hundredths = nanoseconds % NANOSECONDS_PER_SECOND / NANOSECONDS_PER_HUNDREDTH;
	const char tail[] = {'.', (char)('0' + hundredths / 10), (char)('0' + hundredths % 10),
			     end};

	lxcfs_append_number(output, nanoseconds / NANOSECONDS_PER_SECOND, 1);
	lxcfs_append(output, tail, sizeof(tail));
}

static int32_t render(const struct lxcfs_request *request, struct lxcfs_output *output)
{
	const struct lxcfs_host *host = request->host;
	const struct lxcfs_cpu_usage *usage;
	const struct lxcfs_cpu_view *view;
	struct uptime_update update = {0};
	int32_t result;

	if (lxcfs_is_host(request))
		return lxcfs_append_host_file(request, output, "proc/uptime");
	result = host->cpu_view(request, &view);
	if (result != 0)
		return lxcfs_fail(request, result, "the container's CPUs are not known");
	result = host->cpu_usage(request, &usage);
	if (result != 0)
		return lxcfs_fail(request, result, "the container's CPU time is not known");
	result = host->age(request, &update.age);
	if (result != 0)
		return lxcfs_fail(request, result, "the container's age is not known");
	update.now = host->now(host, LXCFS_CLOCK_BOOTTIME);
	update.cpus = view->count;
	update.used =
		lxcfs_add(lxcfs_add(usage->total.user, usage->total.nice), usage->total.system);
	result = host->state_update(request, STATE_VERSION, sizeof(struct uptime_state),
				    update_idle, &update);
	if (result != 0)
		return lxcfs_fail(request, result, "the idle time cannot be kept");
	append_seconds(output, update.age, ' ');
	append_seconds(output, update.idle, '\n');
	return 0;
}

static const struct lxcfs_file file = {
	.size = sizeof(file),
	.version = LXCFS_ABI_VERSION,
	.path = "proc/uptime",
	.mode = 0444,
	.render = render,
};

static const struct lxcfs_plugin plugin = {
	.size = sizeof(plugin),
	.version = LXCFS_ABI_VERSION,
	.name = "uptime",
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
