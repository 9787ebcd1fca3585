/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a node id in a request to what it stands for. */
#ifndef LXCFS_CORE_TARGET_H
#define LXCFS_CORE_TARGET_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "server.h"

struct target {
	uint64_t id;
	const struct tree_node *node; /* a directory, a file, or the subtree that it lies in */
	char path[PATH_MAX];          /* below the subtree's root; "" for its root and for others */
};

/* -ESTALE: no such node. */
int target_find(const struct server_thread *thread, uint64_t id, struct target *target);
/* The child `name`, with its attributes.  Does not depend on who asks.  -ENOENT. */
int target_lookup(const struct server_thread *thread, const struct target *parent, const char *name,
		  struct target *target, struct stat *attributes);
int target_attributes(const struct server_thread *thread, const struct target *target,
		      struct stat *attributes);
/* Whether its plugin is there and may be called for what does not depend on who asks. */
bool target_has_plugin(const struct server_thread *thread, const struct target *target);
/* The path below the subtree's root of an entry of `parent`. */
int target_join(const struct target *parent, const char *name, char path[PATH_MAX]);
/* The host's path of the same name: "proc/meminfo", "sys/devices/system/cpu/online". */
int target_host_path(const struct target *target, char path[PATH_MAX]);
/* Append what the host's symbolic link of the same name points to. */
int target_host_link(const struct server_thread *thread, const struct target *target,
		     struct lxcfs_output *output);
/* The path that a plugin knows it by. */
const char *target_plugin_path(const struct target *target);

#endif
