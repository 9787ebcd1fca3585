/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cgroup hierarchies of a host: each v1 hierarchy, and the unified (v2) one where it exists.
 * Constant after opening.
 */
#ifndef LXCFS_CORE_HIERARCHY_H
#define LXCFS_CORE_HIERARCHY_H

#include <stdint.h>

#include "lxcfs/plugin.h"

#define HIERARCHY_MAX 16

struct hierarchy {
	uint32_t version; /* LXCFS_CGROUP_V1 or LXCFS_CGROUP_V2 */
	char *controllers; /* as in the second field of /proc/PID/cgroup: "cpu,cpuacct", "name=systemd", "" */
	char *available; /* v2: the root's cgroup.controllers, "cpuset cpu io memory"; v1: NULL */
	char *root;      /* path of the cgroup that fd stands for: "/" but in nested mounts */
	int fd;          /* of that directory */
};

struct hierarchies {
	unsigned count;
	struct hierarchy items[HIERARCHY_MAX];
};

/*
 * The paths of one process in each hierarchy, in the order of `items`; NULL where its file has no
 * such line.  Each path begins with '/', has no trailing slash but for "/" itself, and may begin with
 * "/.." for a process outside of the reader's cgroup namespace.  Points into the parsed text.
 */
struct cgroup_paths {
	char *path[HIERARCHY_MAX];
};

/* Open live hierarchies by detached clones of their mounts (fsmount(2) for a v1 one mounted nowhere). */
int hierarchies_open_live(struct hierarchies *hierarchies, int proc_fd);
/* Open recorded hierarchies below `root` (its proc/self/mountinfo tells where they lie). */
int hierarchies_open_recorded(struct hierarchies *hierarchies, const char *root);
void hierarchies_close(struct hierarchies *hierarchies);

/*
 * Index of the hierarchy that has `controller` ("memory", "cpu", "cpuacct", "cpuset", "io", "blkio",
 * LXCFS_CGROUP_UNIFIED), or -1.  A v1 hierarchy wins over the unified one.
 */
int hierarchies_find(const struct hierarchies *hierarchies, const char *controller);

/*
 * Parse the text of a /proc/PID/cgroup file, which is cut up in place.  -EINVAL when no line of it
 * belongs to a known hierarchy.
 */
int cgroup_paths_parse(const struct hierarchies *hierarchies, char *text,
		       struct cgroup_paths *paths);

#endif
