/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One rendering of one file for one container: what it reads, each input at most once.
 *
 * Belongs to one thread for the time of a request; everything it hands out lives in its arena.
 */
#ifndef LXCFS_CORE_RENDERING_H
#define LXCFS_CORE_RENDERING_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "container.h"
#include "hostfs.h"
#include "lxcfs/plugin.h"
#include "policy.h"

struct rendering_text;

struct rendering {
	const struct hostfs *hostfs;
	const struct container *container; /* NULL: only host files can be asked for */
	const struct policy *policy;       /* NULL without a container */
	uint32_t init_pid;                 /* as in struct caller */
	struct arena *arena;
	struct rendering_text *texts; /* what was read so far */
	/* Results that several callers of one rendering share; NULL until asked for. */
	const struct lxcfs_cpu_view *cpu_view;
	const struct lxcfs_cpu_usage *cpu_usage;
	const struct lxcfs_memory_view *memory_view;
};

/*
 * See lxcfs_host.host_file and lxcfs_host.cgroup_file for what these return.  What was read once is
 * given again, failures included, so that all rules of one rendering see the same.
 */
int rendering_host_file(struct rendering *rendering, const char *path, struct lxcfs_text *text);
int rendering_cgroup_file(struct rendering *rendering, const char *controller, const char *file,
			  struct lxcfs_text *text);
/*
 * The same file of the level-th ancestor.  Returns -ENOENT beyond the root: walk the ancestors with
 * rendering_cgroup_depth() when a missing file must not end the walk.
 */
int rendering_ancestor_file(struct rendering *rendering, const char *controller, unsigned level,
			    const char *file, struct lxcfs_text *text);
unsigned rendering_cgroup_depth(const struct rendering *rendering, const char *controller);
uint32_t rendering_cgroup_version(const struct rendering *rendering, const char *controller);
/*
 * Whether what the container's cgroup counts is the container's.  The root of a hierarchy counts
 * what the whole host uses, which is no container's business: true there for the host only.
 */
bool rendering_owns_cgroup(const struct rendering *rendering, const char *controller);

/* Whether a result means that a cgroup has no say: no such hierarchy, no such file, or it is gone. */
static inline bool rendering_is_absent(int result)
{
	return result == -ENODEV || result == -ENOENT;
}

/*
 * The rules: one file each (cpuview.c, cpuusage.c, memoryview.c, age.c).  0 or -errno: -EINVAL for a
 * file whose text is not what the kernel writes (no number is better than a wrong one), -ENOMEM, or
 * what reading gave.  See include/lxcfs/plugin.h for the results.
 */
int cpu_view_get(struct rendering *rendering, const struct lxcfs_cpu_view **view);
int cpu_usage_get(struct rendering *rendering, const struct lxcfs_cpu_usage **usage);
int memory_view_get(struct rendering *rendering, const struct lxcfs_memory_view **view);
int age_get(struct rendering *rendering, uint64_t *nanoseconds);
/* Nanoseconds from boot to the start of the container's first process; 0 when it has none. */
uint64_t start_get(struct rendering *rendering);

#endif
