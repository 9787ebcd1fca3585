/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plugins that the loader must refuse, each for the one reason that REFUSED names.  All of them are
 * called "probe", as the file that they are copied to.
 */
#define _XOPEN_SOURCE 700 /* pause() */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lxcfs/plugin.h"

#define REFUSED_NOTHING     0 /* a plain plugin: what the others would be without their fault */
#define REFUSED_VERSION     1
#define REFUSED_NAME        2
#define REFUSED_NULL        3
#define REFUSED_NO_SYMBOL   4
#define REFUSED_CONSTRUCTOR 5
#define REFUSED_CRASH       6
#define REFUSED_HANG        7
#define REFUSED_ERROR       8
#define REFUSED_START       9
#define REFUSED_UNIQUE      10
#define REFUSED_SIZE        11
#define REFUSED_PATH        12
#define REFUSED_EMPTY       13

#if REFUSED == REFUSED_VERSION
#define ABI_VERSION (LXCFS_ABI_VERSION + 1)
#else
#define ABI_VERSION LXCFS_ABI_VERSION
#endif

#if REFUSED == REFUSED_UNIQUE
/* As C++ compilers make of an inline function's static variable. */
__asm__(".pushsection .data\n"
	".globl refused_unique\n"
	".type refused_unique, %gnu_unique_object\n"
	".size refused_unique, 4\n"
	"refused_unique: .long 1\n"
	".popsection\n");
#endif

#if REFUSED == REFUSED_CONSTRUCTOR
__attribute__((constructor)) static void die_early(void)
{
	abort();
}
#endif

static int32_t render(const struct lxcfs_request *request, struct lxcfs_output *output)
{
	lxcfs_append_string(output, "refused\n");
	switch (REFUSED) {
	case REFUSED_CRASH:
		abort();
	case REFUSED_HANG:
		for (;;)
			pause();
	case REFUSED_ERROR:
		return lxcfs_fail(request, -EIO, "it never works");
	default:
		return 0;
	}
}

static int32_t start(const struct lxcfs_host *host, void **instance)
{
	*instance = NULL;
	host->log(host, LXCFS_LOG_DEBUG, "started");
	return REFUSED == REFUSED_START ? -ENXIO : 0;
}

static const struct lxcfs_file file = {
	.size = REFUSED == REFUSED_SIZE ? 8 : sizeof(file),
	.version = ABI_VERSION,
	.path = REFUSED == REFUSED_PATH ? "proc/../probe" : "proc/probe",
	.mode = 0444,
	.render = render,
};

static const struct lxcfs_plugin plugin = {
	.size = sizeof(plugin),
	.version = ABI_VERSION,
	.name = REFUSED == REFUSED_NAME ? "prober" : "probe",
	.release = PLUGIN_RELEASE,
	.threads = LXCFS_THREADS_PARALLEL,
	.on_fault = LXCFS_ON_FAULT_ERROR,
	.file_count = REFUSED == REFUSED_EMPTY ? 0 : 1,
	.files = &file,
	.start = start,
};

#if REFUSED == REFUSED_NO_SYMBOL
#define lxcfs_plugin_init refused_plugin_init
LXCFS_PUBLIC const struct lxcfs_plugin *lxcfs_plugin_init(const struct lxcfs_host *host);
#endif

const struct lxcfs_plugin *lxcfs_plugin_init(const struct lxcfs_host *host)
{
	(void)host;
	return REFUSED == REFUSED_NULL ? NULL : &plugin;
}
