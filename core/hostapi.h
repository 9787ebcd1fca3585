/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions that the host offers to plugins: include/lxcfs/plugin.h says what each does. */
#ifndef LXCFS_CORE_HOSTAPI_H
#define LXCFS_CORE_HOSTAPI_H

#include <stddef.h>

#include "hostfs.h"
#include "lxcfs/plugin.h"

/* Fill the table of a new generation. */
void hostapi_fill(struct lxcfs_host *host);

#define OUTPUT_LIMIT ((uint64_t)16 << 20)

/* An empty output whose buffer is kept from one request to the next; see lxcfs_output. */
void output_reset(struct lxcfs_output *output, const struct lxcfs_host *host);
void output_free(struct lxcfs_output *output);
/* As lxcfs_append(), for the host itself.  Returns output->status. */
int32_t output_append(struct lxcfs_output *output, const char *data, uint64_t length);

/* A listing: an output of records, in the order in which the entries were added. */
struct lxcfs_directory {
	struct lxcfs_output output;
};

struct directory_record {
	uint32_t mode;
	uint32_t name_length;
	char name[]; /* NUL-terminated, padded to a multiple of 4 */
};

/* See lxcfs_host.directory_add. */
int32_t directory_add(struct lxcfs_directory *directory, const char *name, uint32_t mode);
/* Add the entries of a host's directory, without "." and "..". */
int32_t hostapi_list(const struct hostfs *hostfs, const char *path,
		     struct lxcfs_directory *directory);
/* Append what a host's symbolic link points to. */
int32_t hostapi_read_link(const struct hostfs *hostfs, const char *path,
			  struct lxcfs_output *output);
/* The record behind `record`; NULL at the end.  With NULL: the first. */
const struct directory_record *directory_next(const char *data, uint64_t length,
					      const struct directory_record *record);

#endif
