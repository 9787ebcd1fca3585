/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/stat: the CPU time that the container used, on the CPUs that it sees.
 *
 * Every counter is kept in host memory and only ever grows.  At each read the time since the last
 * one is dealt out: each visible CPU gets what the container used on it, at most the time that has
 * passed, and the rest of that time as idle.  Where the kernel tells only the sum (v2), and for use
 * on CPUs that the container does not see, the time is spread evenly over the visible ones.
 *
 * A CPU that is taken away keeps its row, hidden: the sum line goes on holding it, as the kernel's
 * does for a CPU that is off, and it goes on from there when it comes back.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lxcfs/plugin.h"

#define SECOND        1000000000u
#define TICK          10000000u /* USER_HZ is 100 everywhere */
#define STATE_VERSION 1u
#define STATE_BYTES   65536u /* the most that host memory takes */

/*
 * The kernel books CPU time a little late, so a reading may hold more than there was room for since
 * the last one.  That much of it (per CPU) is kept for the next; more is the past of a container
 * that had more CPUs then, and is dropped.
 */
#define LATE_MAX SECOND

/* Kinds of CPU time, in the order in which room is given to them. */
enum kind { SYSTEM, USER, NICE, KINDS };

/* No physical CPU: what `booked` of a row holds is not known. */
#define NO_CPU UINT32_MAX

struct row {
	uint32_t number;   /* as shown */
	uint32_t physical; /* the CPU that `booked` is about */
	uint32_t hidden;   /* the container does not see it now */
	uint32_t reserved;
	uint64_t shown[KINDS];
	uint64_t idle;
	uint64_t booked[KINDS]; /* time used on `physical` that has been dealt out */
};

/* Counters of hidden rows that there was no place for, in ticks. */
struct retired {
	uint64_t shown[KINDS];
	uint64_t idle;
};

struct stat_state {
	uint64_t now;           /* LXCFS_CLOCK_BOOTTIME of the last update */
	uint64_t booked[KINDS]; /* of the container's time that has been dealt out */
	uint64_t btime;         /* seconds; 0: not known yet */
	struct retired retired;
	uint32_t row_count;
	uint32_t reserved;
	struct row rows[];
};

#define ROWS_MAX ((uint32_t)((STATE_BYTES - sizeof(struct stat_state)) / sizeof(struct row)))

/* What one read brings to the state, and the copy of the state that it gets. */
struct update {
	const struct lxcfs_cpu_view *view;
	const struct lxcfs_cpu_usage *usage;
	uint64_t now;
	uint64_t age;
	uint64_t btime;
	uint32_t capacity;         /* rows of the state and of the two below */
	uint32_t needed;           /* rows, where these are too few */
	uint64_t *room;            /* [capacity] scratch */
	struct stat_state *result; /* state_size(capacity) bytes */
};

static uint32_t state_size(uint32_t rows)
{
	return (uint32_t)(sizeof(struct stat_state) + rows * sizeof(struct row));
}

/* In steps, so that a container whose limit is changed seldom needs a larger place. */
static uint32_t capacity_for(uint32_t rows)
{
	uint32_t capacity = 8;

	while (capacity < rows)
		capacity *= 2;
	return capacity < ROWS_MAX ? capacity : ROWS_MAX;
}

static uint64_t time_of(const struct lxcfs_cpu_time *time, enum kind kind)
{
	switch (kind) {
	case SYSTEM:
		return time->system;
	case USER:
		return time->user;
	default:
		return time->nice;
	}
}

/* ---- CPUs that come and go ---- */

static void retire(struct stat_state *state, const struct row *row)
{
	for (int kind = 0; kind < KINDS; kind++)
		state->retired.shown[kind] += row->shown[kind] / TICK;
	state->retired.idle += row->idle / TICK;
}

/* The rows of a state and the numbers of a view, both in ascending order. */
struct walk {
	const struct stat_state *state;
	const struct lxcfs_cpu_view *view;
	uint32_t row;
	uint32_t index;
};

/* The next number of either: its row or NULL, and whether the view has it.  Returns 0 at the end. */
static int next_row(struct walk *walk, const struct row **row, int *seen)
{
	const struct row *old =
		walk->row < walk->state->row_count ? &walk->state->rows[walk->row] : NULL;
	int more = walk->index < walk->view->count;
	uint32_t number = more ? walk->view->shown[walk->index] : 0;

	if (!old && !more)
		return 0;
	*seen = more && (!old || number <= old->number);
	*row = old && (!*seen || number == old->number) ? old : NULL;
	walk->row += *row != NULL;
	walk->index += (uint32_t)*seen;
	return 1;
}

static uint32_t count_rows(const struct stat_state *before, const struct lxcfs_cpu_view *view)
{
	struct walk walk = {.state = before, .view = view};
	const struct row *row;
	uint32_t count = 0;
	int seen;

	while (next_row(&walk, &row, &seen))
		count++;
	return count;
}

/* Time that others' CPUs were given while a row was hidden may have been used on its CPU. */
static void hide(struct row *row)
{
	row->hidden = 1;
	row->physical = NO_CPU;
}

static void carry_rows(struct stat_state *after, const struct stat_state *before,
		       const struct lxcfs_cpu_view *view, int keep_hidden)
{
	struct walk walk = {.state = before, .view = view};
	const struct row *old;
	int seen;

	while (next_row(&walk, &old, &seen)) {
		struct row *row;

		if (!seen && !keep_hidden) {
			retire(after, old);
			continue;
		}
		row = &after->rows[after->row_count++];
		if (old)
			*row = *old;
		else
			row->physical = NO_CPU;
		row->hidden = 0;
		if (seen)
			row->number = view->shown[walk.index - 1];
		else
			hide(row);
	}
}

/* ---- dealing out time ---- */

/* What is left to give: room on each row, and the container's time that has not been booked. */
struct deal {
	struct stat_state *state;
	const struct update *update;
	uint64_t elapsed;
	uint64_t late_max;
	uint64_t pending[KINDS];
	uint64_t *room; /* [row_count] */
};

static void give(struct deal *deal, uint32_t index, enum kind kind, uint64_t time)
{
	struct row *row = &deal->state->rows[index];

	row->shown[kind] = lxcfs_add(row->shown[kind], time);
	deal->room[index] -= time;
	deal->pending[kind] -= time;
}

static const struct lxcfs_cpu_time *time_on(const struct update *update, uint32_t physical)
{
	const struct lxcfs_cpu_usage *usage = update->usage;

	return usage->per_cpu && physical < usage->per_cpu_count ? &usage->per_cpu[physical] : NULL;
}

/*
 * The booked time after a reading of `total`.  A reading that is a little older than the last one
 * (of two concurrent reads) changes nothing; one that is far behind is of counters that began anew.
 */
static uint64_t rebook(uint64_t booked, uint64_t total, uint64_t pending, uint64_t late_max)
{
	if (total < booked && booked - total <= late_max)
		return booked;
	return lxcfs_subtract(total, lxcfs_minimum(pending, late_max));
}

/* First what is known to have been used on the very CPU of a row. */
static void give_own(struct deal *deal, uint32_t index, uint32_t physical)
{
	const struct lxcfs_cpu_time *time = time_on(deal->update, physical);
	struct row *row = &deal->state->rows[index];
	int known = row->physical == physical;

	row->physical = time ? physical : NO_CPU;
	if (!time)
		return;
	for (int kind = 0; kind < KINDS; kind++) {
		uint64_t used = lxcfs_subtract(time_of(time, kind), row->booked[kind]);

		if (known)
			give(deal, index, kind,
			     lxcfs_minimum(lxcfs_minimum(used, deal->room[index]),
					   deal->pending[kind]));
		row->booked[kind] =
			known ? rebook(row->booked[kind], time_of(time, kind), 0, deal->late_max)
			      : time_of(time, kind);
	}
}

/*
 * Spread what is pending of one kind as evenly as the room allows.  A round that fills no row gives
 * everything, so that there are seldom more than two.
 */
static void spread(struct deal *deal, enum kind kind)
{
	uint32_t open = deal->update->view->count;

	while (deal->pending[kind] >= open && open > 0) {
		uint64_t share = deal->pending[kind] / open;
		uint32_t still_open = 0;

		for (uint32_t index = 0; index < deal->state->row_count; index++) {
			if (deal->room[index] == 0)
				continue;
			give(deal, index, kind,
			     lxcfs_minimum(lxcfs_minimum(share, deal->room[index]),
					   deal->pending[kind]));
			still_open += deal->room[index] != 0;
		}
		open = still_open;
	}
}

static void deal_out(struct deal *deal)
{
	struct stat_state *state = deal->state;
	const uint32_t *physical = deal->update->view->physical;

	for (uint32_t index = 0; index < state->row_count; index++)
		deal->room[index] = state->rows[index].hidden ? 0 : deal->elapsed;
	for (uint32_t index = 0; index < state->row_count; index++)
		if (!state->rows[index].hidden)
			give_own(deal, index, *physical++);
	for (int kind = 0; kind < KINDS; kind++)
		spread(deal, kind);
	for (uint32_t index = 0; index < state->row_count; index++)
		state->rows[index].idle = lxcfs_add(state->rows[index].idle, deal->room[index]);
}

/* ---- the update ---- */

static void deal_time(struct stat_state *state, const struct update *update, int first)
{
	struct deal deal = {.state = state, .update = update, .room = update->room};
	const struct lxcfs_cpu_time *total = &update->usage->total;

	/* What it used before its first process started is not carried into the time after. */
	deal.late_max = first ? 0 : lxcfs_multiply(LATE_MAX, update->view->count);
	deal.elapsed = first ? update->age : lxcfs_subtract(update->now, state->now);
	for (int kind = 0; kind < KINDS; kind++)
		deal.pending[kind] = lxcfs_subtract(time_of(total, kind), state->booked[kind]);
	deal_out(&deal);
	for (int kind = 0; kind < KINDS; kind++)
		state->booked[kind] = rebook(state->booked[kind], time_of(total, kind),
					     deal.pending[kind], deal.late_max);
	if (update->now > state->now)
		state->now = update->now;
}

/* The first read of a container: all of its time is dealt out over its age. */
static void start_state(struct stat_state *after, const struct update *update)
{
	after->row_count = update->view->count;
	for (uint32_t index = 0; index < update->view->count; index++) {
		after->rows[index].number = update->view->shown[index];
		after->rows[index].physical = update->view->physical[index];
	}
	after->btime = update->btime;
}

/*
 * Two clocks are never read at the same instant, so the start in seconds may come out one off: then
 * the earlier answer stays.  A clock that was set moves it, as in the kernel.
 */
static uint64_t steady_btime(uint64_t before, uint64_t now)
{
	return before + 1 >= now && now + 1 >= before ? before : now;
}

static int state_is_sound(const struct stat_state *state, uint32_t size, uint32_t version)
{
	return state && version == STATE_VERSION && size >= sizeof(*state) &&
	       state->row_count <= (size - sizeof(*state)) / sizeof(struct row);
}

static void continue_state(struct stat_state *after, const struct stat_state *before,
			   const struct update *update, int keep_hidden)
{
	after->now = before->now;
	memcpy(after->booked, before->booked, sizeof(after->booked));
	after->retired = before->retired;
	after->btime = steady_btime(before->btime, update->btime);
	carry_rows(after, before, update->view, keep_hidden);
}

/* -ENOSPC: update->needed rows are. */
static int32_t update_state(const void *before_memory, uint32_t before_size,
			    uint32_t before_version, void *after_memory, void *argument)
{
	const struct stat_state *before = before_memory;
	struct stat_state *after = after_memory;
	struct update *update = argument;
	int first = !state_is_sound(before, before_size, before_version);

	update->needed = first ? update->view->count : count_rows(before, update->view);
	if (update->needed > update->capacity && update->capacity < ROWS_MAX)
		return -ENOSPC;
	if (first)
		start_state(after, update);
	else
		continue_state(after, before, update, update->needed <= update->capacity);
	deal_time(after, update, first);
	memcpy(update->result, after, state_size(after->row_count));
	return 0;
}

/* ---- the text ---- */

/* user nice system idle, and six columns that a cgroup does not know: they are 0 */
static void append_times(struct lxcfs_output *output, const uint64_t *shown, uint64_t idle)
{
	const uint64_t columns[] = {shown[USER], shown[NICE], shown[SYSTEM], idle};

	for (size_t index = 0; index < sizeof(columns) / sizeof(columns[0]); index++) {
		lxcfs_append(output, " ", 1);
		lxcfs_append_number(output, columns[index], 1);
	}
	lxcfs_append_string(output, " 0 0 0 0 0 0\n");
}

static void append_sum(struct lxcfs_output *output, const struct stat_state *state)
{
	uint64_t idle = state->retired.idle;
	uint64_t shown[KINDS];

	memcpy(shown, state->retired.shown, sizeof(shown));
	for (uint32_t index = 0; index < state->row_count; index++) {
		for (int kind = 0; kind < KINDS; kind++)
			shown[kind] += state->rows[index].shown[kind] / TICK;
		idle += state->rows[index].idle / TICK;
	}
	lxcfs_append_string(output, "cpu ");
	append_times(output, shown, idle);
}

static void append_row(struct lxcfs_output *output, const struct row *row)
{
	uint64_t shown[KINDS];

	for (int kind = 0; kind < KINDS; kind++)
		shown[kind] = row->shown[kind] / TICK;
	lxcfs_append_string(output, "cpu");
	lxcfs_append_number(output, row->number, 1);
	append_times(output, shown, row->idle / TICK);
}

/*
 * Interrupts, context switches and forks are the host's, and a cgroup counts none of them.  One
 * process runs: the one that reads this.
 */
static void append_text(struct lxcfs_output *output, const struct stat_state *state)
{
	append_sum(output, state);
	for (uint32_t index = 0; index < state->row_count; index++)
		if (!state->rows[index].hidden)
			append_row(output, &state->rows[index]);
	lxcfs_append_string(output, "intr 0\nctxt 0\nbtime ");
	lxcfs_append_number(output, state->btime, 1);
	lxcfs_append_string(output, "\nprocesses 0\nprocs_running 1\nprocs_blocked 0\n"
				    "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
}

/* ---- the file ---- */

/* The container's first process starts at a whole tick of the time since boot. */
static uint64_t start_since_boot(uint64_t now, uint64_t age)
{
	return lxcfs_add(lxcfs_subtract(now, age), TICK / 2) / TICK * TICK;
}

static int32_t collect(const struct lxcfs_request *request, struct update *update)
{
	const struct lxcfs_host *host = request->host;
	uint64_t real;
	int32_t result = host->cpu_view(request, &update->view);

	if (result != 0)
		return lxcfs_fail(request, result, "the container's CPUs are not known");
	if (update->view->count > ROWS_MAX)
		return lxcfs_fail(request, -E2BIG, "the container has more than %u CPUs",
				  (unsigned)ROWS_MAX);
	result = host->cpu_usage(request, &update->usage);
	if (result != 0)
		return lxcfs_fail(request, result, "the container's CPU time is not known");
	update->now = host->now(host, LXCFS_CLOCK_BOOTTIME);
	result = host->age(request, &update->age);
	if (result != 0)
		return lxcfs_fail(request, result, "the container's age is not known");
	real = lxcfs_subtract(host->now(host, LXCFS_CLOCK_REALTIME),
			      host->now(host, LXCFS_CLOCK_BOOTTIME));
	update->btime = lxcfs_add(real, start_since_boot(update->now, update->age)) / SECOND;
	return 0;
}

/* One attempt with places for so many rows; the text is rendered when it succeeds. */
static int32_t try_update(const struct lxcfs_request *request, struct update *update, uint32_t rows,
			  struct lxcfs_output *output)
{
	int32_t result = -ENOMEM;

	update->capacity = capacity_for(rows);
	update->room = calloc(update->capacity, sizeof(*update->room));
	update->result = malloc(state_size(update->capacity));
	if (update->room && update->result)
		result = request->host->state_update(
			request, STATE_VERSION, state_size(update->capacity), update_state, update);
	if (result == 0)
		append_text(output, update->result);
	free(update->result);
	free(update->room);
	return result;
}

static int32_t render(const struct lxcfs_request *request, struct lxcfs_output *output)
{
	struct update update = {.view = NULL};
	int32_t result;

	if (lxcfs_is_host(request))
		return lxcfs_append_host_file(request, output, "proc/stat");
	result = collect(request, &update);
	if (result != 0)
		return result;
	update.needed = update.view->count;
	/* How many rows are hidden is known only when the state is at hand. */
	do
		result = try_update(request, &update, update.needed, output);
	while (result == -ENOSPC && update.needed > update.capacity);
	return result == 0 ? 0 : lxcfs_fail(request, result, "the counters cannot be kept");
}

static const struct lxcfs_file file = {
	.size = sizeof(file),
	.version = LXCFS_ABI_VERSION,
	.path = "proc/stat",
	.mode = 0444,
	.render = render,
};

static const struct lxcfs_plugin plugin = {
	.size = sizeof(plugin),
	.version = LXCFS_ABI_VERSION,
	.name = "stat",
	.release = PLUGIN_RELEASE,
	.threads = LXCFS_THREADS_PARALLEL,
	.on_fault = LXCFS_ON_FAULT_ERROR,
	.file_count = 1,
	.files = &file,
};

const struct lxcfs_plugin *lxcfs_plugin_init(const struct lxcfs_host *host)
{
	(void)host;
	return &plugin;
}
