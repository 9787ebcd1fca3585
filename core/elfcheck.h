/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks at a shared object before dlopen() does.
 *
 * A truncated object would crash the loader (or the daemon later), and an object with GNU_UNIQUE
 * symbols or the NODELETE flag is never unmapped: a "reload" would go on with the old code.
 */
#ifndef LXCFS_CORE_ELFCHECK_H
#define LXCFS_CORE_ELFCHECK_H

#include <stddef.h>

#define BUILD_ID_TEXT 65 /* hex digits of at most 32 bytes, and the NUL */

/*
 * Check the image of a whole file.  On success build_id has the hex digits of its build id ("" when it
 * has none).  On failure returns -ENOEXEC, and *reason says what is wrong (constant text).
 */
int elf_check(const void *image, size_t length, char build_id[BUILD_ID_TEXT], const char **reason);

/* The same for any ELF file, without checks: its build id, "" when none can be found. */
void elf_build_id(const void *image, size_t length, char build_id[BUILD_ID_TEXT]);

#endif
