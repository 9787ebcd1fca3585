/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mountpoint.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"
#include "mountinfo.h"

#define FUSE_MAGIC    0x65735546
#define FILE_SYSTEM   "fuse.lxcfs"
#define DEFAULT_FLAGS (MS_NOSUID | MS_NODEV)

static bool is_empty(const char *path)
{
	auto_directory DIR *directory = opendir(path);
	const struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return false;
	return true;
}

/* Nobody serves the mount that is there: its connection was aborted. */
static int reclaim(const char *path)
{
	if (umount2(path, MNT_DETACH) != 0) {
		int error = errno;

		log_error("%s is a dead mount and cannot be unmounted: %s; run umount -l %s", path,
			  strerror(error), path);
		return -error;
	}
	log_notice("%s was a dead mount; it was unmounted", path);
	return 0;
}

/* Whether a mount of our kind begins at this very path. */
static bool is_our_mount(const char *path)
{
	auto_free char *real = realpath(path, NULL);
	auto_file FILE *mounts = fopen("/proc/self/mountinfo", "re");
	auto_free char *line = NULL;
	size_t size = 0;

	while (real && mounts && getline(&line, &size, mounts) > 0) {
		char *rest = line;
		struct mount mount;

		if (mountinfo_next(&rest, &mount) && strcmp(mount.point, real) == 0 &&
		    strcmp(mount.type, FILE_SYSTEM) == 0)
			return true;
	}
	return false;
}

/* The kernel may still know the attributes of a dead mount, so stat(2) alone would find it alive. */
static int look_at(const char *path, struct stat *status, struct statfs *system)
{
	return stat(path, status) != 0 || statfs(path, system) != 0 ? errno : 0;
}

bool mountpoint_is_dead(const char *path)
{
	struct stat status;
	struct statfs system;
	int error = look_at(path, &status, &system);

	return error == ENOTCONN || error == ECONNABORTED;
}

int mountpoint_prepare(const char *path)
{
	struct stat status;
	struct statfs system;
	int error;

	while ((error = look_at(path, &status, &system)) != 0) {
		if (error == ENOTCONN || error == ECONNABORTED) {
			int result = reclaim(path);

			if (result != 0)
				return result;
			continue;
		}
		if (error == ENOENT)
			log_error("the mount point %s does not exist; run mkdir -p %s", path, path);
		else
			log_error("the mount point %s: %s", path, strerror(error));
		return -error;
	}
	if (!S_ISDIR(status.st_mode)) {
		log_error("the mount point %s is not a directory", path);
		return -ENOTDIR;
	}
	if ((unsigned long)system.f_type == FUSE_MAGIC && is_our_mount(path)) {
		log_error("%s is already served by an lxcfs; stop that one, or choose another"
			  " mount point and --runtime-dir",
			  path);
		return -EBUSY;
	}
	if (!is_empty(path))
		log_warning("%s is not empty; what is in it is hidden while lxcfs is mounted",
			    path);
	return 0;
}

struct mount_flag {
	const char *name;
	unsigned long set;
	unsigned long clear;
};

/* Options of -o that are flags of mount(2); others go to the file system (context=, max_read=). */
static const struct mount_flag mount_flags[] = {
	{"ro", MS_RDONLY, 0},
	{"rw", 0, MS_RDONLY},
	{"nosuid", MS_NOSUID, 0},
	{"nodev", MS_NODEV, 0},
	{"noexec", MS_NOEXEC, 0},
	{"exec", 0, MS_NOEXEC},
	{"noatime", MS_NOATIME, 0},
	{"relatime", MS_RELATIME, 0},
	{"allow_other", 0, 0},
	{"default_permissions", 0, 0},
	{NULL, 0, 0},
};

/* What libfuse took from -o of older command lines, and what mount(2) does not know. */
static const char *const library_options[] = {
	"nonempty",          "direct_io", "auto_unmount", "entry_timeout=", "attr_timeout=",
	"negative_timeout=", "fsname=",   "subtype=",     "big_writes",     "use_ino",
};

static bool is_library_option(const char *option)
{
	for (size_t index = 0; index < sizeof(library_options) / sizeof(library_options[0]);
	     index++) {
		const char *name = library_options[index];
		size_t length = strlen(name);

		/* A name that ends in '=' stands before any value. */
		if (strncmp(option, name, length) == 0 &&
		    (name[length - 1] == '=' || option[length] == '\0'))
			return true;
	}
	return false;
}

static const struct mount_flag *find_flag(const char *name)
{
	for (const struct mount_flag *flag = mount_flags; flag->name; flag++)
		if (strcmp(flag->name, name) == 0)
			return flag;
	return NULL;
}

/* Split "ro,context=a,b" into flags and the text that the file system gets. */
static int split_options(const char *options, unsigned long *flags, char *data, size_t size)
{
	auto_free char *copy = strdup(options ? options : "");
	size_t used = strlen(data);
	char *rest = NULL;

	if (!copy)
		return -ENOMEM;
	for (char *option = strtok_r(copy, ",", &rest); option;
	     option = strtok_r(NULL, ",", &rest)) {
		const struct mount_flag *flag = find_flag(option);
		int length;

		if (flag) {
			*flags = (*flags | flag->set) & ~flag->clear;
			continue;
		}
		if (is_library_option(option)) {
			log_notice("-o %s has no effect; going on without it", option);
			continue;
		}
		length = snprintf(data + used, size - used, ",%s", option);
		if (length < 0 || (size_t)length >= size - used)
			return -E2BIG;
		used += (size_t)length;
	}
	return 0;
}

int mountpoint_mount(const char *path, int fuse_fd, const char *options)
{
	unsigned long flags = DEFAULT_FLAGS;
	char data[4096];
	int result;

	/* The kernel holds everyone to the permissions that files show, as in procfs. */
	snprintf(data, sizeof(data),
		 "fd=%d,rootmode=%o,user_id=%u,group_id=%u,default_permissions,allow_other",
		 fuse_fd, S_IFDIR | 0555, (unsigned)geteuid(), (unsigned)getegid());
	result = split_options(options, &flags, data, sizeof(data));
	if (result == 0 && mount("lxcfs", path, FILE_SYSTEM, flags, data) != 0)
		result = -errno;
	if (result != 0)
		log_error("mounting on %s with options %s: %s", path, data, strerror(-result));
	return result;
}

int mountpoint_unmount(const char *path)
{
	/*
	 * By force: the connection ends now, wherever it is mounted, and not when the last descriptor of
	 * it is closed.  A worker that sits in the kernel would keep that open, and readers waiting.
	 */
	return umount2(path, MNT_FORCE | MNT_DETACH) == 0 ? 0 : -errno;
}

int mountpoint_abort(const char *path)
{
	/* Closing the descriptor would not do while a dead worker sits in the kernel with it. */
	return umount2(path, MNT_FORCE | MNT_DETACH) == 0 ? 0 : -errno;
}
