/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A recorded host in a folder of its own, made file by file, and one container on it.
 *
 * It begins as a machine with the CPUs 0-7, 4 GiB of memory and 6 GiB of swap that is up for 1000
 * seconds; its cgroups have no files.  Anything that goes wrong here fails the test.
 */
#ifndef LXCFS_TESTS_RECORDEDHOST_H
#define LXCFS_TESTS_RECORDEDHOST_H

#include "rendering.h"

#define RECORDEDHOST_MEMORY (UINT64_C(4) << 30)
#define RECORDEDHOST_SWAP   (UINT64_C(6) << 30)
#define RECORDEDHOST_UPTIME (UINT64_C(1000) * 1000000000)

enum recordedhost_layout {
	LAYOUT_V1,     /* cpu, cpuacct, cpuset, memory: a hierarchy each */
	LAYOUT_HYBRID, /* the same, and a unified one without controllers */
	LAYOUT_V2,
};

struct recordedhost {
	enum recordedhost_layout layout;
	char root[64];
	struct hostfs *hostfs; /* opened by the first enter */
	struct container_cache *cache;
	struct container *container;
	struct arena arena;
	struct policy policy; /* quota, auto, with swap and an uptime of its own */
	struct rendering rendering;
};

struct recordedhost *recordedhost_new(enum recordedhost_layout layout);
void recordedhost_free(struct recordedhost *host);

/* Write a file, its folders too; a text of NULL removes it. */
void recordedhost_set(struct recordedhost *host, const char *path, const char *text);
/* The same for a file of a cgroup; `controller` is as for hierarchies_find(). */
void recordedhost_set_cgroup(struct recordedhost *host, const char *controller, const char *cgroup,
			     const char *file, const char *text);

/* Begin a rendering for the container that has this cgroup in every hierarchy. */
void recordedhost_enter(struct recordedhost *host, const char *cgroup);
/* The same for lines as in /proc/PID/cgroup; the cgroups must be there. */
void recordedhost_enter_lines(struct recordedhost *host, const char *lines);
/* Begin another rendering for the same container. */
void recordedhost_renew(struct recordedhost *host);

#endif
