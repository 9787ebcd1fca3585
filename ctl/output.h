/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lxcfsctl prints for people. */
#ifndef LXCFS_CTL_OUTPUT_H
#define LXCFS_CTL_OUTPUT_H

#include "lxcfs/plugin.h"

struct json_object;

/* "lxcfsctl: ..." on standard error. */
void output_error(const char *format, ...) LXCFS_PRINTF(1, 2);
/* On one line, whatever stands in it. */
void output_line(const char *line);

/* NULL when there is no such member, or `object` is none. */
struct json_object *output_member(struct json_object *object, const char *key);

void output_json(struct json_object *object);
/* The reply of Status; of Plugins; what describe_generation() says. */
void output_status(struct json_object *status);
void output_plugins(struct json_object *plugins);
void output_description(struct json_object *description);

#endif
