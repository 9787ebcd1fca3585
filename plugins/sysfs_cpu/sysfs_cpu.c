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

#include "cputext.h"
#include "lxcfs/plugin.h"

#define ROOT "sys/devices/system/cpu"

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
	struct lxcfs_attributes attributes = {.size = sizeof(attributes)};
	char path[PATH_BYTES];

	return host_cpu_path(path, cpu, "") == 0 &&
	       host->host_attributes(host, path, &attributes) == 0;
}

static int path_exists(const struct lxcfs_host *host, const char *path)
{
	struct lxcfs_attributes attributes = {.size = sizeof(attributes)};

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
	cpus->unrestricted = cpu_text_count(online) == cpus->view->count;
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

/* ---- the callbacks ---- */

static int32_t lookup(const struct lxcfs_host *host, const char *path,
		      struct lxcfs_attributes *attributes)
{
	char name[PATH_BYTES];
	int32_t result = named_path(host, path, name);

	return result == 0 ? host->host_attributes(host, name, attributes) : result;
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
	struct lxcfs_attributes attributes = {.size = sizeof(attributes)};
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
		struct lxcfs_attributes attributes = {.size = sizeof(attributes)};

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
		cpu_text_append_visible(output, view);
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
	if (cpus.unrestricted)
		lxcfs_append_text(output, text);
	else
		cpu_text_append(output, request->path, text, cpus.view);
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
