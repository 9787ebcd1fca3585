/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arithmetic on cgroup paths: the pure part of "which cgroup is this container's boundary".
 * Paths are as in struct cgroup_paths.
 */
#ifndef LXCFS_CORE_BOUNDARY_H
#define LXCFS_CORE_BOUNDARY_H

#include <stdbool.h>
#include <stddef.h>

/* Number of components: 0 for "/", 2 for "/lxc/ct1". */
unsigned boundary_depth(const char *path);

/* Length of the first `depth` components of `path` ("/lxc/ct1/x", 2 -> 8); 1 for depth 0 ("/"). */
size_t boundary_prefix(const char *path, unsigned depth);

/* Whether `path` is `ancestor` or lies below it. */
bool boundary_contains(const char *ancestor, const char *path);

/* Cut a last component "init.scope" off: systemd's own place inside of a container. */
void boundary_strip_init_scope(char *path);

/*
 * Depth of a cgroup namespace's root, from the path of one process as that namespace shows it
 * (`inside`: leading ".." components lead from the root up to a common ancestor) and as the host
 * shows it (`host`).  -EINVAL when the two cannot belong together.
 */
int boundary_root_depth(const char *inside, const char *host);

#endif
