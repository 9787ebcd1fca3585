/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/swaps: one row for all the swap that the container may use, of meminfo's SwapTotal.
 *
 * A container that a memory cgroup holds is never told which devices and files the host swaps to.
 */
#include <inttypes.h>
#include <stdint.h>

#include "lxcfs/plugin.h"

/* A number as long as this fills its column in the kernel's form (mm/swapfile.c). */
#define WIDE_NUMBER 10000000u

static const char header[] = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

static void append_row(struct lxcfs_output *output, uint64_t size, uint64_t used)
{
	output->host->output_print(output, "%-40s%s\t\t%" PRIu64 "\t%s%" PRIu64 "\t%s%d\n", "none",
				   "virtual", size, size < WIDE_NUMBER ? "\t" : "", used,
				   used < WIDE_NUMBER ? "\t" : "", 0);
}

static int32_t render(const struct lxcfs_request *request, struct lxcfs_output *output)
{
	const struct lxcfs_memory_view *view;
	int32_t result;

	if (lxcfs_is_host(request))
		return lxcfs_append_host_file(request, output, "proc/swaps");
	result = request->host->memory_view(request, &view);
	if (result != 0)
		return lxcfs_fail(request, result, "the container's swap limit is not known");
	/* No memory cgroup has a say here, as in meminfo. */
	if (view->flags == 0 && view->swap_total != 0)
		return lxcfs_append_host_file(request, output, "proc/swaps");
	lxcfs_append_string(output, header);
	if (view->swap_total != 0)
		append_row(output, view->swap_total / 1024,
			   view->swap_total / 1024 -
				   lxcfs_subtract(view->swap_total, view->swap_usage) / 1024);
	return 0;
}

static const struct lxcfs_file file = {
	.size = sizeof(file),
	.version = LXCFS_ABI_VERSION,
	.path = "proc/swaps",
	.mode = 0444,
	.render = render,
};

static const struct lxcfs_plugin plugin = {
	.size = sizeof(plugin),
	.version = LXCFS_ABI_VERSION,
	.name = "swaps",
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
