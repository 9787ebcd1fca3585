/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of sysfs that name CPUs: lists, masks and words, reduced to the CPUs of a view and with the
 * numbers that it shows.
 */
#ifndef LXCFS_PLUGINS_SYSFS_CPU_CPUTEXT_H
#define LXCFS_PLUGINS_SYSFS_CPU_CPUTEXT_H

#include <stdint.h>

#include "lxcfs/plugin.h"

/* How many CPUs a list "0-3,8" has. */
uint64_t cpu_text_count(struct lxcfs_text list);

/* The visible CPUs as a list and a newline. */
void cpu_text_append_visible(struct lxcfs_output *output, const struct lxcfs_cpu_view *view);

/* The host's text of the file `path`, in the form that its name gives it; other files as they are. */
void cpu_text_append(struct lxcfs_output *output, const char *path, struct lxcfs_text text,
		     const struct lxcfs_cpu_view *view);

#endif
