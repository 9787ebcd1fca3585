/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plugin's shared object as it was when it was loaded: a sealed copy in a memfd.
 *
 * Nothing that happens to the file afterwards (cp over it, truncation) reaches the loaded code.  The
 * memfd stays open as long as the code is mapped: glibc knows objects by the path they were opened by,
 * and would hand out the old code for a reused "/proc/self/fd/N".
 */
#ifndef LXCFS_CORE_IMAGE_H
#define LXCFS_CORE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "elfcheck.h"
#include "lxcfs/plugin.h"

/* What tells whether a file changed. */
struct file_stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
	struct timespec changed;
};

struct image {
	int memfd;
	char build_id[BUILD_ID_TEXT];
	struct file_stamp stamp; /* of the file it was copied from; zero: a predecessor copied it */
	void *handle;            /* of dlopen(); NULL: not mapped */
	lxcfs_plugin_init_function init;
};

/* All zero means: no such file. */
int file_stamp_get(const char *path, struct file_stamp *stamp);
bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b);

/*
 * Copy `path` into a sealed memfd and check it.  Refused (-EACCES): a file, or a directory that holds
 * it, that others than root can write to, or that somebody else owns.  -ENOEXEC: elf_check().  *reason is
 * text to be freed by the caller, also on success it may be NULL.
 */
int image_read(const char *path, struct image *image, char **reason);
/* Take over a memfd that image_read() made (of a predecessor).  Owns `memfd` on success. */
int image_adopt(int memfd, struct image *image, char **reason);
/* Map the code and find lxcfs_plugin_init. */
int image_map(struct image *image, char **reason);
/* What tells other code from this: of the build id, or where there is none of the file it was copied from. */
uint64_t image_number(const struct image *image);
/* Whether the file at `path` is still what the image was copied from. */
bool image_is_current(const struct image *image, const char *path);
void image_close(struct image *image);

#endif
