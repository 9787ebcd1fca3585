/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The service manager (systemd), if one watches over the keeper: it holds descriptors for the next
 * start.  Built without libsystemd, or not started by it, all of this does nothing.  Keeper only.
 */
#ifndef LXCFS_CORE_SUPERVISOR_H
#define LXCFS_CORE_SUPERVISOR_H

#include <stdbool.h>

/* Names of what it holds; plugins are "plugin-" and their name. */
#define SUPERVISOR_FUSE          "fuse"
#define SUPERVISOR_STATE         "state"
#define SUPERVISOR_CONFIG        "config"
#define SUPERVISOR_PLUGIN_PREFIX "plugin-"

/* Whether this very process is the main one of a unit that is told of its state. */
bool supervisor_present(void);

/* Whether it held descriptors for this start that were not taken yet. */
bool supervisor_holds(void);
/*
 * Call `take` for each descriptor that was held for this start, close-on-exec; it owns the descriptor.
 * Once: the environment that tells of them is cleared, so that no child believes they are its own.
 */
void supervisor_take(void (*take)(void *argument, const char *name, int fd), void *argument);

/* Have it hold a duplicate of `fd` under this name, in place of what it held so.  0 or -errno. */
int supervisor_store(const char *name, int fd);
void supervisor_drop(const char *name);

/* It serves; `status` is a line for people. */
void supervisor_ready(const char *status);
void supervisor_status(const char *status);
void supervisor_stopping(void);

#endif
