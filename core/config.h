/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The configuration: a libconfuse file, or the defaults.  An object is constant after loading and
 * reference counted, so that a reload never changes it under a reader.
 *
 * etc/lxcfs.conf shows every key.
 */
#ifndef LXCFS_CORE_CONFIG_H
#define LXCFS_CORE_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy.h"

enum on_fault { ON_FAULT_DEFAULT, ON_FAULT_ERROR, ON_FAULT_PASSTHROUGH };

/* One free key of a plugin's section. */
struct config_option {
	char *key;
	char *value;
};

struct config_plugin {
	char *name;
	enum on_fault on_fault;
	size_t option_count;
	struct config_option *options;
};

/* container "GLOB" { ... }: what is said there goes before what is said globally. */
struct config_container {
	char *glob;
	struct policy policy;
	size_t passthrough_count;
	char **passthrough; /* names of plugins that show this container the host's files */
};

struct config {
	atomic_uint references;
	char *text; /* the whole configuration as one file without includes: what a successor reads */
	size_t plugin_count;
	struct config_plugin *plugins; /* those to load, in order */
	size_t directory_count;
	char **directories; /* where NAME.so is looked for, first match */
	struct policy policy;
	size_t container_count;
	struct config_container *containers;
	uint32_t render_timeout; /* milliseconds; 0: none */
	uint32_t threads;
};

/* What the command line says; it goes before the file. */
struct config_overrides {
	bool cfs;          /* --enable-cfs */
	bool disable_swap; /* -u */
	size_t directory_count;
	char *const *directories; /* --plugin-dir */
};

/*
 * Load `path`; NULL: the defaults (cpu-policy = cpuset, as upstream's).  On failure *reason is a
 * message with file, line and what is wrong, to be freed by the caller.  Returns 0, -EINVAL for a bad
 * file, another -errno when it cannot be read.
 *
 * libconfuse keeps parser state in statics: one call at a time.
 */
int config_load(const char *path, const struct config_overrides *overrides, struct config **config,
		char **reason);
/* The same from a descriptor that holds config.text of an earlier load. */
int config_load_text(int fd, const struct config_overrides *overrides, struct config **config,
		     char **reason);
struct config *config_get(struct config *config);
void config_put(struct config *config);
void config_cleanup(struct config **config);

const struct config_plugin *config_find_plugin(const struct config *config, const char *name);
/* The section of the first glob that matches this container's cgroup path, or NULL. */
const struct config_container *config_find_container(const struct config *config,
						     const char *cgroup);
/* The policy for a container: its section's, else the global one. */
const struct policy *config_policy(const struct config *config, const char *cgroup);
/* Whether the configuration lets this container see the host's file of this plugin. */
bool config_passthrough(const struct config *config, const char *cgroup, const char *plugin);

/*
 * Whether this can be the name of a plugin, which becomes a file name, and a word in messages of limited
 * length.
 */
bool config_is_plugin_name(const char *name, size_t length);

#endif
