/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of /proc/PID/mountinfo: Documentation/filesystems/proc.rst, section 3.5. */
#ifndef LXCFS_CORE_MOUNTINFO_H
#define LXCFS_CORE_MOUNTINFO_H

#include <stdbool.h>

/* One mount.  The strings point into the text that was parsed. */
struct mount {
	unsigned major; /* of the file system's device */
	unsigned minor;
	const char *root;    /* what of the file system is mounted */
	const char *point;   /* where */
	const char *type;    /* "cgroup2" */
	const char *options; /* of the superblock: "rw,cpu,cpuacct" */
};

/*
 * Cut the next mount off the NUL-terminated text behind *rest, which is changed in place.  Lines of
 * another form are passed over.  false: there is none left.
 */
bool mountinfo_next(char **rest, struct mount *mount);

/* Whether a list of options separated by commas has exactly this one. */
bool mountinfo_has_option(const char *options, const char *option);

#endif
