/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /sys/devices/system/cpu: the host's folder with the CPUs that the container sees.
 *
 * A container is unrestricted when it sees every CPU that is online, under its own number.  It gets
 * the host's folder as it is, with the CPUs that are offline.  For any other container the visible
 * CPUs are all there are: online = present = possible = the cpuN folders.
 *
 * Names are the same for everyone (see struct lxcfs_subtree): lookup() and readlink() answer by the
 * host's folder.  What a container may not see is left out of the listing and refused by open().
 * With contiguous numbers the files of cpuN tell of the CPU that is behind it.
 */
#define _XOPEN_SOURCE 700 /* S_IFDIR */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lxcfs/plugin.h"

#define ROOT "sys/devices/system/cpu"

/* Every file of sysfs has this size, whatever it holds. */
#define FILE_SIZE 4096u

#define PATH_BYTES 4096

#define NO_CPU UINT32_MAX

/*
 * A number that the host has no folder for can still be shown, when CPUs below the largest one were
 * removed: then fewer than these follow before the next folder.
 */
#define GAP_MAX 256u

/* The CPUs of a request. */
struct cpus {
	const struct lxcfs_cpu_view *view;
	int unrestricted;
};

enum form {
	FORM_TEXT,
	FORM_LIST,  /* "0-3,8" */
	FORM_MASK,  /* "000000ff,ffffffff" */
	FORM_WORDS, /* "0 1 2 3 " */
};

/* Files that name CPUs, wherever they lie in the tree. */
static const struct {
	const char *name;
	enum form form;
} cpu_files[] = {
	{"thread_siblings", FORM_MASK},  {"thread_siblings_list", FORM_LIST},
	{"core_cpus", FORM_MASK},        {"core_cpus_list", FORM_LIST},
	{"core_siblings", FORM_MASK},    {"core_siblings_list", FORM_LIST},
	{"cluster_cpus", FORM_MASK},     {"cluster_cpus_list", FORM_LIST},
	{"die_cpus", FORM_MASK},         {"die_cpus_list", FORM_LIST},
	{"package_cpus", FORM_MASK},     {"package_cpus_list", FORM_LIST},
	{"book_siblings", FORM_MASK},    {"book_siblings_list", FORM_LIST},
	{"drawer_siblings", FORM_MASK},  {"drawer_siblings_list", FORM_LIST},
	{"shared_cpu_map", FORM_MASK},   {"shared_cpu_list", FORM_LIST},
	{"affected_cpus", FORM_WORDS},   {"related_cpus", FORM_WORDS},
	{"freqdomain_cpus", FORM_WORDS}, {"enabled", FORM_LIST},
	{"isolated", FORM_LIST},         {"nohz_full", FORM_LIST},
};

/* ---- paths ---- */

/* "cpuN" or "cpuN/REST": N, and *rest = "" or "/REST".  NO_CPU for any other path. */
static uint32_t cpu_of_path(const char *path, const char **rest)
{
	struct lxcfs_text digits;
	uint64_t number;

	if (strncmp(path, "cpu", 3) != 0)
		return NO_CPU;
	digits.data = path + 3;
	digits.length = strcspn(digits.data, "/");
	if (digits.length > 1 && digits.data[0] == '0')
		return NO_CPU;
	if (!lxcfs_parse_number(digits, &number) || number > INT32_MAX)
		return NO_CPU;
	*rest = digits.data + digits.length;
	return (uint32_t)number;
}

static int32_t host_path(char *result, const char *path)
{
	int length = snprintf(result, PATH_BYTES, "%s%s%s", ROOT, *path ? "/" : "", path);

	return length < 0 || length >= PATH_BYTES ? -ENAMETOOLONG : 0;
}

static int32_t host_cpu_path(char *result, uint32_t cpu, const char *rest)
{
	int length = snprintf(result, PATH_BYTES, "%s/cpu%" PRIu32 "%s", ROOT, cpu, rest);

	return length < 0 || length >= PATH_BYTES ? -ENAMETOOLONG : 0;
}

static int cpu_exists(const struct lxcfs_host *host, uint32_t cpu)
{
	struct lxcfs_attributes attributes;
	char path[PATH_BYTES];

	return host_cpu_path(path, cpu, "") == 0 &&
	       host->host_attributes(host, path, &attributes) == 0;
}

static int path_exists(const struct lxcfs_host *host, const char *path)
{
	struct lxcfs_attributes attributes;

	return host->host_attributes(host, path, &attributes) == 0;
}

/* Of a number that the host has no folder for: whether it has one with a larger number. */
static int is_gap(const struct lxcfs_host *host, uint32_t cpu)
{
	for (uint32_t more = 1; more <= GAP_MAX; more++)
		if (cpu_exists(host, cpu + more))
			return 1;
	return 0;
}

/*
 * `rest` of the first CPU that has it.  What one CPU has, the first or the second has too: the first
 * often lacks `online`.  Only links to memory nodes are of any CPU.
 */
static int32_t other_cpu_path(const struct lxcfs_host *host, const char *rest, char *result)
{
	uint32_t tries = strncmp(rest, "/node", 5) == 0 ? UINT32_MAX : 2;
	uint32_t missing = 0;

	for (uint32_t cpu = 0; tries > 0 && missing < GAP_MAX; cpu++) {
		int32_t status = host_cpu_path(result, cpu, rest);

		if (status != 0 || path_exists(host, result))
			return status;
		missing = cpu_exists(host, cpu) ? 0 : missing + 1;
		tries -= missing == 0;
	}
	return host_cpu_path(result, 0, rest);
}

/*
 * The host's path that stands for `path`, the same for every container: its own, or that of another
 * CPU where the number is a gap, or where this one lacks what others have.  A container for which
 * another CPU is behind the number may see it.
 */
static int32_t named_path(const struct lxcfs_host *host, const char *path, char *result)
{
	const char *rest;
	uint32_t cpu = cpu_of_path(path, &rest);
	int32_t status = host_path(result, path);

	if (status != 0 || cpu == NO_CPU || path_exists(host, result))
		return status;
	if (!cpu_exists(host, cpu) && !is_gap(host, cpu))
		return 0;
	return other_cpu_path(host, rest, result);
}

/* ---- which CPUs ---- */

/* Cut the next range off a list "0-3,8\n".  1: there is one; 0: the end; -1: not a list. */
static int next_range(struct lxcfs_text *list, uint64_t *first, uint64_t *last)
{
	struct lxcfs_text part = {list->data, 0};
	const char *dash;

	while (part.length < list->length && list->data[part.length] != ',' &&
	       list->data[part.length] != '\n')
		part.length++;
	if (part.length == 0)
		return list->length == 0 || list->data[0] == '\n' ? 0 : -1;
	list->data += part.length;
	list->length -= part.length;
	if (list->length > 0 && list->data[0] == ',') {
		list->data++;
		list->length--;
	}
	dash = memchr(part.data, '-', (size_t)part.length);
	if (dash) {
		struct lxcfs_text end = {dash + 1, part.length - (uint64_t)(dash + 1 - part.data)};

		part.length = (uint64_t)(dash - part.data);
		return lxcfs_parse_number(part, first) && lxcfs_parse_number(end, last) &&
				       *first <= *last
			       ? 1
			       : -1;
	}
	if (!lxcfs_parse_number(part, first))
		return -1;
	*last = *first;
	return 1;
}

static uint64_t count_list(struct lxcfs_text list)
{
	uint64_t count = 0;
	uint64_t first;
	uint64_t last;

	while (next_range(&list, &first, &last) == 1)
		count = lxcfs_add(count, lxcfs_add(last - first, 1));
	return count;
}

static int32_t get_cpus(const struct lxcfs_request *request, struct cpus *cpus)
{
	struct lxcfs_text online;
	int32_t result = request->host->cpu_view(request, &cpus->view);

	if (result != 0)
		return lxcfs_fail(request, result, "the container's CPUs are not known");
	cpus->unrestricted = 0;
	if (cpus->view->numbering != LXCFS_CPU_NUMBERS_PHYSICAL)
		return 0;
	result = request->host->host_file(request, ROOT "/online", &online);
	if (result != 0)
		return lxcfs_fail(request, result, "the host's list of CPUs cannot be read");
	/* The view holds no CPU that is not online: as many are all. */
	cpus->unrestricted = count_list(online) == cpus->view->count;
	return 0;
}

/* Where in the view this number is shown, or NO_CPU. */
static uint32_t find_shown(const struct lxcfs_cpu_view *view, uint32_t number)
{
	uint32_t low = 0;
	uint32_t high = view->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (view->shown[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < view->count && view->shown[low] == number ? low : NO_CPU;
}

static int is_visible(const struct cpus *cpus, const char *path)
{
	const char *rest;
	uint32_t cpu = cpu_of_path(path, &rest);

	return cpu == NO_CPU || cpus->unrestricted || find_shown(cpus->view, cpu) != NO_CPU;
}

/* The host's path that is behind `path` for this container.  -ENOENT: it has none. */
static int32_t visible_path(const struct lxcfs_host *host, const struct cpus *cpus,
			    const char *path, char *result)
{
	const char *rest;
	uint32_t cpu = cpu_of_path(path, &rest);
	uint32_t index = cpu == NO_CPU ? NO_CPU : find_shown(cpus->view, cpu);
	int32_t status;

	if (index == NO_CPU || cpus->view->physical[index] == cpu) {
		status = host_path(result, path);
	} else {
		status = host_cpu_path(result, cpus->view->physical[index], rest);
		/* Not every CPU has every file: `online` is often missing from the first. */
		if (status == 0 && !path_exists(host, result))
			status = host_path(result, path);
	}
	if (status != 0)
		return status;
	return path_exists(host, result) ? 0 : -ENOENT;
}

/* ---- numbers of CPUs in text ---- */

/* A list that is written number by number, in ascending order. */
struct list {
	struct lxcfs_output *output;
	uint32_t first;
	uint32_t last;
	int open;    /* first to last is not written yet */
	int written; /* something is */
};

static void close_range(struct list *list)
{
	if (!list->open)
		return;
	if (list->written)
		lxcfs_append(list->output, ",", 1);
	lxcfs_append_number(list->output, list->first, 1);
	if (list->last != list->first) {
		lxcfs_append(list->output, "-", 1);
		lxcfs_append_number(list->output, list->last, 1);
	}
	list->open = 0;
	list->written = 1;
}

static void add_number(struct list *list, uint32_t number)
{
	if (list->open && list->last + 1 == number) {
		list->last = number;
		return;
	}
	close_range(list);
	list->first = number;
	list->last = number;
	list->open = 1;
}

static void append_visible(struct lxcfs_output *output, const struct lxcfs_cpu_view *view)
{
	struct list list = {.output = output};

	for (uint32_t index = 0; index < view->count; index++)
		add_number(&list, view->shown[index]);
	close_range(&list);
	lxcfs_append(output, "\n", 1);
}

static void append_list(struct lxcfs_output *output, struct lxcfs_text text,
			const struct lxcfs_cpu_view *view)
{
	struct list list = {.output = output};
	struct lxcfs_text rest = text;
	uint32_t index = 0;
	uint64_t first;
	uint64_t last;
	int result;

	for (;;) {
		result = next_range(&rest, &first, &last);
		if (result != 1)
			break;
		while (index < view->count && view->physical[index] < first)
			index++;
		for (; index < view->count && view->physical[index] <= last; index++)
			add_number(&list, view->shown[index]);
	}
	/* nohz_full says "(null)" where there is none. */
	if (result < 0) {
		lxcfs_append_text(output, text);
		return;
	}
	close_range(&list);
	lxcfs_append(output, "\n", 1);
}

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

/* The place of a bit in a mask of `length` characters, 8 digits to a comma; NO_CPU beyond it. */
static uint32_t digit_of_bit(uint64_t length, uint32_t bit)
{
	uint64_t from_end = (uint64_t)bit / 4 + bit / 32 + 1;

	return from_end > length ? NO_CPU : (uint32_t)(length - from_end);
}

/* The mask keeps its width: a number that is shown is never above the physical one. */
static void append_mask(struct lxcfs_output *output, struct lxcfs_text text,
			const struct lxcfs_cpu_view *view)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t length = text.length;
	char *mask;

	lxcfs_append_text(output, text);
	if (output->status != 0)
		return;
	mask = output->data + output->length - text.length;
	while (length > 0 && lxcfs_is_space(mask[length - 1]))
		length--;
	for (uint64_t place = 0; place < length; place++)
		if (hex_value(mask[place]) >= 0)
			mask[place] = '0';
	for (uint32_t index = 0; index < view->count; index++) {
		uint32_t from = digit_of_bit(length, view->physical[index]);
		uint32_t to = digit_of_bit(length, view->shown[index]);

		if (from == NO_CPU || to == NO_CPU || hex_value(text.data[from]) < 0 ||
		    !(hex_value(text.data[from]) >> view->physical[index] % 4 & 1) ||
		    hex_value(mask[to]) < 0)
			continue;
		mask[to] = digits[hex_value(mask[to]) | 1 << view->shown[index] % 4];
	}
}

static void append_words(struct lxcfs_output *output, struct lxcfs_text text,
			 const struct lxcfs_cpu_view *view)
{
	struct lxcfs_text word;
	const char *separator = "";

	while (lxcfs_next_word(&text, &word)) {
		uint64_t number;

		if (!lxcfs_parse_number(word, &number))
			continue;
		for (uint32_t index = 0; index < view->count; index++) {
			if (view->physical[index] != number)
				continue;
			lxcfs_append_string(output, separator);
			lxcfs_append_number(output, view->shown[index], 1);
			separator = " ";
		}
	}
	lxcfs_append(output, "\n", 1);
}

static enum form form_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	for (size_t index = 0; index < sizeof(cpu_files) / sizeof(cpu_files[0]); index++)
		if (strcmp(name, cpu_files[index].name) == 0)
			return cpu_files[index].form;
	return FORM_TEXT;
}

/* ---- the callbacks ---- */

static int32_t lookup(const struct lxcfs_host *host, const char *path,
		      struct lxcfs_attributes *attributes)
{
	char name[PATH_BYTES];
	int32_t result = named_path(host, path, name);

	if (result == 0)
		result = host->host_attributes(host, name, attributes);
	if (result == 0 && S_ISREG(attributes->mode))
		attributes->file_size = FILE_SIZE;
	return result;
}

static int32_t read_link(const struct lxcfs_host *host, const char *path,
			 struct lxcfs_output *output)
{
	char name[PATH_BYTES];
	int32_t result = named_path(host, path, name);

	return result == 0 ? host->host_link(host, name, output) : result;
}

static int32_t open_node(const struct lxcfs_request *request, uint32_t flags)
{
	struct lxcfs_attributes attributes;
	char path[PATH_BYTES];
	struct cpus cpus;
	int32_t result;

	if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC))
		return -EACCES;
	/* Then rendering and listing fail too, and the host decides what the reader gets. */
	if (get_cpus(request, &cpus) != 0)
		return 0;
	if (!is_visible(&cpus, request->path))
		return -ENOENT;
	result = visible_path(request->host, &cpus, request->path, path);
	if (result == 0)
		result = request->host->host_attributes(request->host, path, &attributes);
	if (result != 0)
		return result;
	return S_ISREG(attributes.mode) && !(attributes.mode & 0444) ? -EACCES : 0;
}

/* Entries of the root that are not CPUs.  Those that this host has not are left out. */
static const char *const root_entries[] = {"aarch32_el0",
					   "amd_pstate",
					   "cpufreq",
					   "cpuidle",
					   "crash_hotplug",
					   "dispatching",
					   "dscr_default",
					   "enabled",
					   "hotplug",
					   "intel_pstate",
					   "isolated",
					   "kernel_max",
					   "microcode",
					   "modalias",
					   "nohz_full",
					   "offline",
					   "online",
					   "possible",
					   "power",
					   "present",
					   "probe",
					   "release",
					   "rescan",
					   "smt",
					   "subcores_per_core",
					   "svm",
					   "uevent",
					   "umwait_control",
					   "vulnerabilities"};

static int32_t list_cpus(const struct lxcfs_host *host, const struct lxcfs_cpu_view *view,
			 struct lxcfs_directory *directory)
{
	for (uint32_t index = 0; index < view->count; index++) {
		char name[16];
		int32_t result;

		snprintf(name, sizeof(name), "cpu%" PRIu32, view->shown[index]);
		result = host->directory_add(directory, name, S_IFDIR);
		if (result != 0)
			return result;
	}
	return 0;
}

static int32_t list_root(const struct lxcfs_host *host, const struct lxcfs_cpu_view *view,
			 struct lxcfs_directory *directory)
{
	int32_t result = list_cpus(host, view, directory);

	for (size_t index = 0; index < sizeof(root_entries) / sizeof(root_entries[0]); index++) {
		struct lxcfs_attributes attributes;

		if (result != 0)
			return result;
		if (lookup(host, root_entries[index], &attributes) == 0)
			result = host->directory_add(directory, root_entries[index],
						     attributes.mode & S_IFMT);
	}
	return result;
}

static int32_t read_directory(const struct lxcfs_request *request,
			      struct lxcfs_directory *directory)
{
	char name[PATH_BYTES];
	struct cpus cpus;
	int32_t result = get_cpus(request, &cpus);

	if (result != 0)
		return result;
	if (!is_visible(&cpus, request->path))
		return -ENOENT;
	if (request->path[0] == '\0' && !cpus.unrestricted)
		return list_root(request->host, cpus.view, directory);
	result = visible_path(request->host, &cpus, request->path, name);
	return result == 0 ? request->host->host_directory(request, name, directory) : result;
}

/* The files of the root that the view decides.  Returns 0 for any other. */
static int append_root_file(const char *path, const struct lxcfs_cpu_view *view,
			    struct lxcfs_output *output)
{
	if (strcmp(path, "online") == 0 || strcmp(path, "present") == 0 ||
	    strcmp(path, "possible") == 0) {
		append_visible(output, view);
	} else if (strcmp(path, "offline") == 0) {
		lxcfs_append(output, "\n", 1);
	} else if (strcmp(path, "kernel_max") == 0 &&
		   view->numbering == LXCFS_CPU_NUMBERS_CONTIGUOUS) {
		lxcfs_append_number(output, view->shown[view->count - 1], 1);
		lxcfs_append(output, "\n", 1);
	} else {
		return 0;
	}
	return 1;
}

static int32_t render(const struct lxcfs_request *request, struct lxcfs_output *output)
{
	struct lxcfs_text text;
	char path[PATH_BYTES];
	struct cpus cpus;
	int32_t result = get_cpus(request, &cpus);

	if (result != 0)
		return result;
	if (!cpus.unrestricted && append_root_file(request->path, cpus.view, output))
		return 0;
	result = visible_path(request->host, &cpus, request->path, path);
	if (result == 0)
		result = request->host->host_file(request, path, &text);
	if (result != 0)
		return lxcfs_fail(request, result, "the host's file cannot be read");
	switch (cpus.unrestricted ? FORM_TEXT : form_of(request->path)) {
	case FORM_LIST:
		append_list(output, text, cpus.view);
		break;
	case FORM_MASK:
		append_mask(output, text, cpus.view);
		break;
	case FORM_WORDS:
		append_words(output, text, cpus.view);
		break;
	case FORM_TEXT:
		lxcfs_append_text(output, text);
		break;
	}
	return 0;
}

static const struct lxcfs_subtree subtree = {
	.size = sizeof(subtree),
	.version = LXCFS_ABI_VERSION,
	.path = ROOT,
	.lookup = lookup,
	.readlink = read_link,
	.readdir = read_directory,
	.open = open_node,
	.render = render,
};

static const struct lxcfs_plugin plugin = {
	.size = sizeof(plugin),
	.version = LXCFS_ABI_VERSION,
	.name = "sysfs_cpu",
	.release = PLUGIN_RELEASE,
	.threads = LXCFS_THREADS_PARALLEL,
	.on_fault = LXCFS_ON_FAULT_PASSTHROUGH,
	.subtree_count = 1,
	.subtrees = &subtree,
};

const struct lxcfs_plugin *lxcfs_plugin_init(const struct lxcfs_host *host)
{
	(void)host;
	return &plugin;
}
