/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/cpuinfo: the host's text with the blocks of the visible CPUs, renumbered.
 *
 * A block begins with a line "processor : N" (x86, arm, arm64, ppc, riscv, loongarch, mips) or
 * "cpu number : N" (s390x) and ends at an empty line.  Text outside of the blocks is about the whole
 * machine and stays; in it s390x counts the CPUs ("# processors : N") and has a line for each
 * ("processor N: ...").
 *
 * "siblings" and "cpu cores" count what is shown of a package, so that tools which multiply sockets,
 * cores and threads arrive at the number of CPUs.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lxcfs/plugin.h"

#define NOT_VISIBLE UINT32_MAX

/* Where a visible CPU sits.  What its block does not tell is 0. */
struct place {
	uint32_t index;      /* in the CPU view */
	uint64_t package[3]; /* drawer, book, package: the first two on s390x only */
	uint64_t core;
};

struct topology {
	struct place *places; /* [count] in the order of the view */
	uint64_t *siblings;   /* [count] visible CPUs in the package of each */
	uint64_t *cores;      /* [count] cores that they belong to */
	uint32_t count;
};

/* The line "KEY : VALUE"; both without the blanks around them.  Returns 0 for another form. */
static int split_line(struct lxcfs_text line, struct lxcfs_text *key, struct lxcfs_text *value)
{
	const char *colon = memchr(line.data, ':', (size_t)line.length);

	if (!colon)
		return 0;
	key->data = line.data;
	key->length = (uint64_t)(colon - line.data);
	while (key->length > 0 && lxcfs_is_space(key->data[key->length - 1]))
		key->length--;
	value->data = colon + 1;
	value->length = line.length - (uint64_t)(value->data - line.data);
	while (value->length > 0 && lxcfs_is_space(value->data[0])) {
		value->data++;
		value->length--;
	}
	return 1;
}

/* The CPU whose block the line begins; returns 0 for any other line. */
static int begins_block(struct lxcfs_text line, uint64_t *cpu)
{
	struct lxcfs_text key;
	struct lxcfs_text value;

	if (line.length == 0 || (line.data[0] != 'p' && line.data[0] != 'c'))
		return 0;
	return split_line(line, &key, &value) &&
	       (lxcfs_equals(key, "processor") || lxcfs_equals(key, "cpu number")) &&
	       lxcfs_parse_number(value, cpu);
}

/* The CPU of a line "processor N: ..." in the head of s390x; returns 0 for any other line. */
static int names_processor(struct lxcfs_text line, uint64_t *cpu)
{
	struct lxcfs_text key;
	struct lxcfs_text value;
	struct lxcfs_text word;

	return split_line(line, &key, &value) && lxcfs_next_word(&key, &word) &&
	       lxcfs_equals(word, "processor") && lxcfs_next_word(&key, &word) &&
	       lxcfs_parse_number(word, cpu);
}

static uint32_t find_index(const struct lxcfs_cpu_view *view, uint64_t physical)
{
	uint32_t low = 0;
	uint32_t high = view->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (view->physical[middle] < physical)
			low = middle + 1;
		else
			high = middle;
	}
	return low < view->count && view->physical[low] == physical ? low : NOT_VISIBLE;
}

/* ---- topology ---- */

static int compare_places(const void *left_place, const void *right_place)
{
	const struct place *left = left_place;
	const struct place *right = right_place;

	for (int level = 0; level < 3; level++)
		if (left->package[level] != right->package[level])
			return left->package[level] < right->package[level] ? -1 : 1;
	if (left->core != right->core)
		return left->core < right->core ? -1 : 1;
	return 0;
}

static int same_package(const struct place *left, const struct place *right)
{
	return memcmp(left->package, right->package, sizeof(left->package)) == 0;
}

static void note_place(struct place *place, struct lxcfs_text line)
{
	static const char *const keys[] = {"drawer id", "book id", "physical id"};
	struct lxcfs_text key;
	struct lxcfs_text value;

	if (!split_line(line, &key, &value))
		return;
	for (int level = 0; level < 3; level++)
		if (lxcfs_equals(key, keys[level]))
			lxcfs_parse_number(value, &place->package[level]);
	if (lxcfs_equals(key, "core id"))
		lxcfs_parse_number(value, &place->core);
}

static void read_places(struct lxcfs_text text, const struct lxcfs_cpu_view *view,
			struct place *places)
{
	struct place *place = NULL;
	struct lxcfs_text line;
	uint64_t cpu;

	for (uint32_t index = 0; index < view->count; index++)
		places[index].index = index;
	while (lxcfs_next_line(&text, &line)) {
		if (begins_block(line, &cpu)) {
			uint32_t index = find_index(view, cpu);

			place = index == NOT_VISIBLE ? NULL : &places[index];
		} else if (line.length == 0) {
			place = NULL;
		} else if (place) {
			note_place(place, line);
		}
	}
}

/* The places are sorted, so that a package is one run of them. */
static void count_package(const struct place *run, uint32_t length, struct topology *topology)
{
	uint64_t cores = 1;

	for (uint32_t index = 1; index < length; index++)
		cores += run[index].core != run[index - 1].core;
	for (uint32_t index = 0; index < length; index++) {
		topology->siblings[run[index].index] = length;
		topology->cores[run[index].index] = cores;
	}
}

static int32_t topology_read(struct lxcfs_text text, const struct lxcfs_cpu_view *view,
			     struct topology *topology)
{
	uint32_t start = 0;

	topology->count = view->count;
	topology->places = calloc(view->count, sizeof(*topology->places));
	topology->siblings = calloc(view->count, sizeof(*topology->siblings));
	topology->cores = calloc(view->count, sizeof(*topology->cores));
	if (!topology->places || !topology->siblings || !topology->cores)
		return -ENOMEM;
	read_places(text, view, topology->places);
	qsort(topology->places, topology->count, sizeof(*topology->places), compare_places);
	for (uint32_t index = 1; index <= topology->count; index++) {
		const struct place *run = &topology->places[start];

		if (index < topology->count && same_package(run, &topology->places[index]))
			continue;
		count_package(run, index - start, topology);
		start = index;
	}
	return 0;
}

static void topology_free(struct topology *topology)
{
	free(topology->places);
	free(topology->siblings);
	free(topology->cores);
}

/* ---- the text ---- */

struct filter {
	struct lxcfs_output *output;
	const struct lxcfs_cpu_view *view;
	const struct topology *topology;
	int in_block;
	uint32_t index;  /* of the block's CPU in the view, or NOT_VISIBLE */
	int empty_line;  /* one waits: it separates what comes next */
	uint32_t blocks; /* shown */
};

static void begin_line(struct filter *filter)
{
	if (filter->empty_line)
		lxcfs_append(filter->output, "\n", 1);
	filter->empty_line = 0;
}

static void append_line(struct filter *filter, struct lxcfs_text line)
{
	begin_line(filter);
	lxcfs_append_text(filter->output, line);
	lxcfs_append(filter->output, "\n", 1);
}

/* The line with another number in place of `old`, which lies in it. */
static void append_renumbered(struct filter *filter, struct lxcfs_text line, const char *old,
			      uint64_t number)
{
	struct lxcfs_text head = {line.data, (uint64_t)(old - line.data)};
	struct lxcfs_text tail = {old, line.length - head.length};

	while (tail.length > 0 && tail.data[0] >= '0' && tail.data[0] <= '9') {
		tail.data++;
		tail.length--;
	}
	begin_line(filter);
	lxcfs_append_text(filter->output, head);
	lxcfs_append_number(filter->output, number, 1);
	lxcfs_append_text(filter->output, tail);
	lxcfs_append(filter->output, "\n", 1);
}

static void filter_block_line(struct filter *filter, struct lxcfs_text line)
{
	struct lxcfs_text key;
	struct lxcfs_text value;

	/* Most lines are long lists that nothing is looked up in. */
	if ((line.data[0] != 's' && line.data[0] != 'c') || !split_line(line, &key, &value))
		append_line(filter, line);
	else if (lxcfs_equals(key, "siblings"))
		append_renumbered(filter, line, value.data,
				  filter->topology->siblings[filter->index]);
	else if (lxcfs_equals(key, "cpu cores"))
		append_renumbered(filter, line, value.data, filter->topology->cores[filter->index]);
	else
		append_line(filter, line);
}

static void filter_machine_line(struct filter *filter, struct lxcfs_text line)
{
	struct lxcfs_text key;
	struct lxcfs_text value;
	uint64_t cpu;

	if (names_processor(line, &cpu)) {
		uint32_t index = find_index(filter->view, cpu);

		if (index != NOT_VISIBLE)
			append_renumbered(filter, line, line.data + strlen("processor "),
					  filter->view->shown[index]);
		return;
	}
	if (split_line(line, &key, &value) && lxcfs_equals(key, "# processors"))
		append_renumbered(filter, line, value.data, filter->view->count);
	else
		append_line(filter, line);
}

static void filter_line(struct filter *filter, struct lxcfs_text line)
{
	struct lxcfs_text key;
	struct lxcfs_text value;
	uint64_t cpu;

	if (begins_block(line, &cpu) && split_line(line, &key, &value)) {
		filter->in_block = 1;
		filter->index = find_index(filter->view, cpu);
		if (filter->index == NOT_VISIBLE)
			return;
		filter->blocks++;
		append_renumbered(filter, line, value.data, filter->view->shown[filter->index]);
	} else if (line.length == 0) {
		/* Behind a block that is left out, the line before it still stands. */
		if (!filter->in_block || filter->index != NOT_VISIBLE)
			filter->empty_line = 1;
		filter->in_block = 0;
	} else if (!filter->in_block) {
		filter_machine_line(filter, line);
	} else if (filter->index != NOT_VISIBLE) {
		filter_block_line(filter, line);
	}
}

static int32_t filter_text(const struct lxcfs_request *request, struct lxcfs_text text,
			   struct filter *filter)
{
	struct lxcfs_text rest = text;
	struct lxcfs_text line;

	while (lxcfs_next_line(&rest, &line))
		filter_line(filter, line);
	if (text.length > 1 && memcmp(text.data + text.length - 2, "\n\n", 2) == 0)
		begin_line(filter);
	if (filter->blocks == 0)
		return lxcfs_fail(request, -EIO,
				  "the host's cpuinfo has none of the container's CPUs");
	return 0;
}

/* ---- the file ---- */

/* The fast way: a text that has exactly the visible CPUs under their own numbers. */
static int shows_all(struct lxcfs_text text, const struct lxcfs_cpu_view *view)
{
	uint32_t blocks = 0;
	struct lxcfs_text line;
	uint64_t cpu;

	while (lxcfs_next_line(&text, &line)) {
		if (!begins_block(line, &cpu))
			continue;
		if (blocks == view->count || view->physical[blocks] != cpu ||
		    view->shown[blocks] != cpu)
			return 0;
		blocks++;
	}
	return blocks == view->count;
}

static int32_t render(const struct lxcfs_request *request, struct lxcfs_output *output)
{
	const struct lxcfs_cpu_view *view;
	struct topology topology = {.places = NULL};
	struct lxcfs_text text;
	int32_t result = request->host->host_file(request, "proc/cpuinfo", &text);

	if (result != 0)
		return lxcfs_fail(request, result, "the host's cpuinfo cannot be read");
	result = request->host->cpu_view(request, &view);
	if (result != 0)
		return lxcfs_fail(request, result, "the container's CPUs are not known");
	if (shows_all(text, view)) {
		lxcfs_append_text(output, text);
		return 0;
	}
	result = topology_read(text, view, &topology);
	if (result == 0) {
		struct filter filter = {.output = output, .view = view, .topology = &topology};

		result = filter_text(request, text, &filter);
	}
	topology_free(&topology);
	return result;
}

static const struct lxcfs_file file = {
	.size = sizeof(file),
	.version = LXCFS_ABI_VERSION,
	.path = "proc/cpuinfo",
	.mode = 0444,
	.render = render,
};

static const struct lxcfs_plugin plugin = {
	.size = sizeof(plugin),
	.version = LXCFS_ABI_VERSION,
	.name = "cpuinfo",
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
