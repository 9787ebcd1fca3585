/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A request as plugins see it, with what stands behind it. */
#ifndef LXCFS_CORE_REQUEST_H
#define LXCFS_CORE_REQUEST_H

#include "lxcfs/plugin.h"
#include "rendering.h"

struct generation;

struct request {
	struct lxcfs_request shown; /* first: the host functions get a pointer to it */
	struct rendering rendering;
	struct generation *generation;
};

/* The request behind what a plugin was given. */
static inline struct request *request_of(const struct lxcfs_request *shown)
{
	return (struct request *)(uintptr_t)shown;
}

#endif
