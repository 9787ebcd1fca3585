/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's own files: /proc, /sys and the cgroup hierarchies, seen through descriptors that
 * nobody else's mounts can cover.
 *
 * Live, these are detached clones of the existing mounts (open_tree(2), not recursive): our files
 * bound over the host's /proc are not in them, nothing shows in a mount table, no superblock option
 * is touched.  Recorded, they are folders below a root (`lxcfs render --root`).
 *
 * A hostfs is constant after it was opened; all functions may be called from any thread.
 */
#ifndef LXCFS_CORE_HOSTFS_H
#define LXCFS_CORE_HOSTFS_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "hierarchy.h"
#include "lxcfs/plugin.h"

struct hostfs {
	int proc_fd;
	int sys_fd;
	bool recorded;
	struct hierarchies hierarchies;
};

/*
 * 0 or -errno; what is wrong and what to do about it is logged.  No cgroup hierarchy at all is
 * -ENODEV.
 */
int hostfs_open_live(struct hostfs **hostfs);
int hostfs_open_recorded(const char *root, struct hostfs **hostfs);
void hostfs_free(struct hostfs *hostfs);

/*
 * A descriptor of the mount at `path` that nothing mounted over or below it can cover: a detached
 * clone; where that is not possible, the mount itself.  -errno.
 */
int hostfs_clone_mount(const char *path);

/*
 * The directory descriptor and the rest of a host path ("proc/stat" -> proc_fd, "stat"; "sys" ->
 * sys_fd, ".").  -ENOENT for a path that begins with neither, or that has a ".." component.
 */
int hostfs_resolve(const struct hostfs *hostfs, const char *path, const char **rest);

/*
 * Read the file `name` below `directory_fd` whole into the arena.  Regular files of /proc, /sys and
 * cgroupfs have no size, so it reads until the end; longer than 16 MiB is -EFBIG.  Symbolic links in
 * the last component are not followed.
 */
int hostfs_read_at(int directory_fd, const char *name, struct arena *arena,
		   struct lxcfs_text *text);
/* The same for a host path. */
int hostfs_read(const struct hostfs *hostfs, const char *path, struct arena *arena,
		struct lxcfs_text *text);

/* Nanoseconds; a recorded host answers with the clock of its /proc/uptime and /proc/stat (btime). */
uint64_t hostfs_boottime(const struct hostfs *hostfs);
uint64_t hostfs_realtime(const struct hostfs *hostfs);

#endif
