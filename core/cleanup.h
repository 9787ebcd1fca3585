/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resources that are given back when their variable goes out of scope. */
#ifndef LXCFS_CORE_CLEANUP_H
#define LXCFS_CORE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

static inline void cleanup_directory(DIR **directory)
{
	if (*directory)
		closedir(*directory);
}

#define auto_free      __attribute__((cleanup(cleanup_free)))
#define auto_close     __attribute__((cleanup(cleanup_close)))
#define auto_file      __attribute__((cleanup(cleanup_file)))
#define auto_directory __attribute__((cleanup(cleanup_directory)))

/* Hand the descriptor on: the variable no longer owns it. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* The same for a pointer. */
#define take_pointer(pointer)                                 \
	({                                                    \
		__typeof__(pointer) *place_here = &(pointer); \
		__typeof__(pointer) taken_here = *place_here; \
		*place_here = NULL;                           \
		taken_here;                                   \
	})

#endif
