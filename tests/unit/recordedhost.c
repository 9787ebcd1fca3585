/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "recordedhost.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define CACHE_LIMIT 16

static const char *const controllers_v1[] = {"cpu", "cpuacct", "cpuset", "memory"};

#define CONTROLLERS_V1 (sizeof(controllers_v1) / sizeof(controllers_v1[0]))

/* ---- files ---- */

/* Make the folders above the last component of `path`, which is cut up and put together again. */
static void make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) != 0)
			assert_int_equal(errno, EEXIST);
		*slash = '/';
	}
}

void recordedhost_set(struct recordedhost *host, const char *path, const char *text)
{
	char full[PATH_MAX];
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", host->root, path);
	if (!text) {
		assert_int_equal(unlink(full), 0);
		return;
	}
	make_folders(full);
	file = fopen(full, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static const char *folder_of(const struct recordedhost *host, const char *controller)
{
	if (host->layout == LAYOUT_V2)
		return "";
	return *controller ? controller : "unified";
}

void recordedhost_set_cgroup(struct recordedhost *host, const char *controller, const char *cgroup,
			     const char *file, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "sys/fs/cgroup/%s%s/%s", folder_of(host, controller), cgroup,
		 file);
	recordedhost_set(host, path, text);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	return remove(path);
}

/* ---- the machine ---- */

static void record_hierarchies(struct recordedhost *host)
{
	char cgroups[1024] = "";
	char mounts[1024] = "";
	size_t cgroups_used = 0;
	size_t mounts_used = 0;

	for (size_t index = 0; index < CONTROLLERS_V1 && host->layout != LAYOUT_V2; index++) {
		const char *name = controllers_v1[index];

		cgroups_used +=
			(size_t)snprintf(cgroups + cgroups_used, sizeof(cgroups) - cgroups_used,
					 "%zu:%s:/\n", index + 1, name);
		mounts_used += (size_t)snprintf(
			mounts + mounts_used, sizeof(mounts) - mounts_used,
			"%zu 20 0:%zu / /sys/fs/cgroup/%s rw - cgroup cgroup rw,%s\n", index + 30,
			index + 40, name, name);
	}
	if (host->layout != LAYOUT_V1) {
		const char *folder = host->layout == LAYOUT_V2 ? "" : "/unified";

		snprintf(cgroups + cgroups_used, sizeof(cgroups) - cgroups_used, "0::/\n");
		snprintf(mounts + mounts_used, sizeof(mounts) - mounts_used,
			 "50 20 0:60 / /sys/fs/cgroup%s rw - cgroup2 cgroup2 rw\n", folder);
	}
	recordedhost_set(host, "proc/self/cgroup", cgroups);
	recordedhost_set(host, "proc/self/mountinfo", mounts);
}

static void record_machine(struct recordedhost *host)
{
	recordedhost_set(host, "proc/meminfo",
			 "MemTotal:        4194304 kB\nMemFree:         2097152 kB\n"
			 "MemAvailable:    3145728 kB\nSwapTotal:       6291456 kB\n"
			 "SwapFree:        6291456 kB\n");
	recordedhost_set(host, "proc/uptime", "1000.00 7000.00\n");
	recordedhost_set(host, "proc/stat", "cpu  1 0 1 1 0 0 0 0 0 0\nbtime 1700000000\n");
	recordedhost_set(host, "sys/devices/system/cpu/online", "0-7\n");
	for (size_t index = 0; index < CONTROLLERS_V1 && host->layout != LAYOUT_V2; index++)
		recordedhost_set_cgroup(host, controllers_v1[index], "", "cgroup.procs", "");
	if (host->layout != LAYOUT_V1)
		recordedhost_set_cgroup(host, LXCFS_CGROUP_UNIFIED, "", "cgroup.controllers",
					host->layout == LAYOUT_V2 ? "cpuset cpu io memory pids\n"
								  : "\n");
}

struct recordedhost *recordedhost_new(enum recordedhost_layout layout)
{
	struct recordedhost *host = calloc(1, sizeof(*host));
	const char *folder = getenv("TMPDIR");

	assert_non_null(host);
	host->layout = layout;
	snprintf(host->root, sizeof(host->root), "%s/lxcfs-test-XXXXXX",
		 folder && strlen(folder) < 40 ? folder : "/tmp");
	assert_non_null(mkdtemp(host->root));
	host->policy = (struct policy){.swap = true, .virtual_uptime = true};
	record_hierarchies(host);
	record_machine(host);
	return host;
}

void recordedhost_free(struct recordedhost *host)
{
	container_put(host->container);
	container_cache_free(host->cache);
	hostfs_free(host->hostfs);
	arena_free(&host->arena);
	nftw(host->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(host);
}

/* ---- the container ---- */

void recordedhost_renew(struct recordedhost *host)
{
	arena_reset(&host->arena);
	host->rendering = (struct rendering){
		.hostfs = host->hostfs,
		.container = host->container,
		.policy = &host->policy,
		.init_pid = host->rendering.init_pid,
		.arena = &host->arena,
	};
}

void recordedhost_enter_lines(struct recordedhost *host, const char *lines)
{
	struct cgroup_paths paths;
	char *copy = strdup(lines);

	assert_non_null(copy);
	if (!host->hostfs) {
		assert_int_equal(hostfs_open_recorded(host->root, &host->hostfs), 0);
		assert_int_equal(container_cache_new(host->hostfs, CACHE_LIMIT, &host->cache), 0);
	}
	assert_int_equal(cgroup_paths_parse(&host->hostfs->hierarchies, copy, &paths), 0);
	container_put(host->container);
	host->container = NULL;
	assert_int_equal(container_get(host->cache, &paths, 0, &host->container), 0);
	free(copy);
	recordedhost_renew(host);
}

void recordedhost_enter(struct recordedhost *host, const char *cgroup)
{
	const char *below = strcmp(cgroup, "/") == 0 ? "" : cgroup;
	char lines[1024] = "";
	size_t used = 0;

	for (size_t index = 0; index < CONTROLLERS_V1 && host->layout != LAYOUT_V2; index++) {
		recordedhost_set_cgroup(host, controllers_v1[index], below, "cgroup.procs", "");
		used += (size_t)snprintf(lines + used, sizeof(lines) - used, "%zu:%s:%s\n",
					 index + 1, controllers_v1[index], cgroup);
	}
	if (host->layout != LAYOUT_V1) {
		recordedhost_set_cgroup(host, LXCFS_CGROUP_UNIFIED, below, "cgroup.procs", "");
		snprintf(lines + used, sizeof(lines) - used, "0::%s\n", cgroup);
	}
	recordedhost_enter_lines(host, lines);
}
