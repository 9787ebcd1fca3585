/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a plugin tells of itself, for `lxcfsctl check`. */
#ifndef LXCFS_CORE_DESCRIBE_H
#define LXCFS_CORE_DESCRIBE_H

#include "generation.h"

/* One JSON object, to be freed; NULL: no memory.  Calls the plugin. */
char *describe_generation(const struct generation *generation);

#endif
