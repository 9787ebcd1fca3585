/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hostfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"

#define SECOND     1000000000ull
#define FIRST_READ ((size_t)16384)
#define READ_LIMIT ((size_t)16 << 20)

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef OPEN_TREE_CLOEXEC
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#endif

/* ---- opening ---- */

int hostfs_clone_mount(const char *path)
{
	int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd >= 0)
		return fd;
	/*
	 * Without CAP_SYS_ADMIN, on Linux before 5.2, or where a mount below is locked: the mount
	 * itself.  Only our own files bound over it could be met then.
	 */
	log_debug("%s cannot be cloned: %s; it is used as it is mounted", path, strerror(errno));
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_special(const char *path, unsigned long magic)
{
	int fd = hostfs_clone_mount(path);
	struct statfs system;

	if (fd < 0) {
		log_error("%s cannot be opened: %s", path, strerror(-fd));
		return fd;
	}
	if (fstatfs(fd, &system) == 0 && (unsigned long)system.f_type == magic)
		return fd;
	log_error("what is mounted on %s is not the kernel's; mount it there, or start lxcfs where"
		  " it is",
		  path);
	close(fd);
	return -ENODEV;
}

static int open_live(struct hostfs *hostfs)
{
	int result;

	hostfs->proc_fd = open_special("/proc", PROC_SUPER_MAGIC);
	if (hostfs->proc_fd < 0)
		return hostfs->proc_fd;
	hostfs->sys_fd = open_special("/sys", SYSFS_MAGIC);
	if (hostfs->sys_fd < 0)
		return hostfs->sys_fd;
	result = hierarchies_open_live(&hostfs->hierarchies, hostfs->proc_fd);
	if (result == -ENODEV)
		log_error("no cgroup hierarchy is mounted; mount one, usually by mount -t cgroup2"
			  " cgroup2 /sys/fs/cgroup");
	else if (result != 0)
		log_error("the cgroup hierarchies cannot be opened: %s", strerror(-result));
	return result;
}

static int open_folder(const char *root, int root_fd, const char *name)
{
	int fd = openat(root_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	log_error("%s is no recorded host: its folder %s: %s", root, name, strerror(errno));
	return -errno;
}

static int open_recorded(const char *root, struct hostfs *hostfs)
{
	auto_close int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int result;

	hostfs->recorded = true;
	if (root_fd < 0) {
		result = -errno;
		log_error("%s: %s", root, strerror(-result));
		return result;
	}
	hostfs->proc_fd = open_folder(root, root_fd, "proc");
	if (hostfs->proc_fd < 0)
		return hostfs->proc_fd;
	hostfs->sys_fd = open_folder(root, root_fd, "sys");
	if (hostfs->sys_fd < 0)
		return hostfs->sys_fd;
	result = hierarchies_open_recorded(&hostfs->hierarchies, root);
	if (result != 0)
		log_error("%s: its proc/self/cgroup and proc/self/mountinfo tell of no cgroup"
			  " hierarchy that is in it: %s",
			  root, strerror(-result));
	return result;
}

static int open_any(const char *root, struct hostfs **opened)
{
	struct hostfs *hostfs = calloc(1, sizeof(*hostfs));
	int result;

	if (!hostfs)
		return -ENOMEM;
	hostfs->proc_fd = -1;
	hostfs->sys_fd = -1;
	result = root ? open_recorded(root, hostfs) : open_live(hostfs);
	if (result != 0) {
		hostfs_free(hostfs);
		return result;
	}
	*opened = hostfs;
	return 0;
}

int hostfs_open_live(struct hostfs **hostfs)
{
	return open_any(NULL, hostfs);
}

int hostfs_open_recorded(const char *root, struct hostfs **hostfs)
{
	return open_any(root, hostfs);
}

void hostfs_free(struct hostfs *hostfs)
{
	if (!hostfs)
		return;
	hierarchies_close(&hostfs->hierarchies);
	if (hostfs->proc_fd >= 0)
		close(hostfs->proc_fd);
	if (hostfs->sys_fd >= 0)
		close(hostfs->sys_fd);
	free(hostfs);
}

/* ---- paths ---- */

static bool has_parent_component(const char *path)
{
	while (path) {
		path += *path == '/';
		if (path[0] == '.' && path[1] == '.' && (path[2] == '/' || path[2] == '\0'))
			return true;
		path = strchr(path, '/');
	}
	return false;
}

/* Whether the first component is `name`; *rest is what follows. */
static bool begins_with(const char *path, const char *name, const char **rest)
{
	size_t length = strlen(name);

	if (strncmp(path, name, length) != 0 || (path[length] != '/' && path[length] != '\0'))
		return false;
	path += length;
	path += strspn(path, "/");
	*rest = *path ? path : ".";
	return true;
}

int hostfs_resolve(const struct hostfs *hostfs, const char *path, const char **rest)
{
	if (has_parent_component(path))
		return -ENOENT;
	if (begins_with(path, "proc", rest))
		return hostfs->proc_fd;
	if (begins_with(path, "sys", rest))
		return hostfs->sys_fd;
	return -ENOENT;
}

/* ---- reading ---- */

/* Fill the buffer; the number of bytes, or -errno.  As many as there is room for: there may be more. */
static ssize_t fill(int fd, char *buffer, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t count = read(fd, buffer + length, size - length);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		if (count == 0)
			break;
		length += (size_t)count;
	}
	return (ssize_t)length;
}

/* Most files fit into the first buffer: the arena then takes no more than what was read. */
static int read_whole(int fd, struct arena *arena, struct lxcfs_text *text)
{
	char first[FIRST_READ];
	char *data = first;
	size_t size = sizeof(first);
	size_t length = 0;
	char *kept;

	for (;;) {
		ssize_t count = fill(fd, data + length, size - length);
		char *larger;

		if (count < 0)
			return (int)count;
		length += (size_t)count;
		if (length < size)
			break;
		if (size >= READ_LIMIT)
			return -EFBIG;
		larger = arena_allocate(arena, size * 2);
		if (!larger)
			return -ENOMEM;
		memcpy(larger, data, length);
		data = larger;
		size *= 2;
	}
	kept = data == first ? arena_allocate(arena, length + 1) : data;
	if (!kept)
		return -ENOMEM;
	if (data == first)
		memcpy(kept, first, length);
	kept[length] = '\0';
	*text = (struct lxcfs_text){.data = kept, .length = length};
	return 0;
}

int hostfs_read_at(int directory_fd, const char *name, struct arena *arena, struct lxcfs_text *text)
{
	auto_close int fd =
		openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd < 0 ? -errno : read_whole(fd, arena, text);
}

int hostfs_read(const struct hostfs *hostfs, const char *path, struct arena *arena,
		struct lxcfs_text *text)
{
	const char *rest;
	int directory = hostfs_resolve(hostfs, path, &rest);

	return directory < 0 ? directory : hostfs_read_at(directory, rest, arena, text);
}

/* ---- clocks ---- */

static uint64_t clock_now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* "12345.67" in nanoseconds; 0 for anything else. */
static uint64_t parse_seconds(struct lxcfs_text text)
{
	struct lxcfs_text seconds = {text.data, strcspn(text.data, ".")};
	struct lxcfs_text hundredths = {text.data + seconds.length + 1, 2};
	uint64_t whole;
	uint64_t part;

	if (seconds.length + 3 > text.length || !lxcfs_parse_number(seconds, &whole) ||
	    !lxcfs_parse_number(hundredths, &part))
		return 0;
	return lxcfs_add(lxcfs_multiply(whole, SECOND), part * (SECOND / 100));
}

static uint64_t recorded_boottime(const struct hostfs *hostfs)
{
	struct arena arena = {0};
	struct lxcfs_text text;
	uint64_t time = 0;

	if (hostfs_read(hostfs, "proc/uptime", &arena, &text) == 0)
		time = parse_seconds(text);
	arena_free(&arena);
	return time;
}

static uint64_t recorded_btime(const struct hostfs *hostfs)
{
	struct arena arena = {0};
	struct lxcfs_text text;
	uint64_t seconds = 0;

	if (hostfs_read(hostfs, "proc/stat", &arena, &text) == 0)
		lxcfs_find_number(text, "btime", &seconds);
	arena_free(&arena);
	return lxcfs_multiply(seconds, SECOND);
}

uint64_t hostfs_boottime(const struct hostfs *hostfs)
{
	return hostfs->recorded ? recorded_boottime(hostfs) : clock_now(CLOCK_BOOTTIME);
}

uint64_t hostfs_realtime(const struct hostfs *hostfs)
{
	if (!hostfs->recorded)
		return clock_now(CLOCK_REALTIME);
	return lxcfs_add(recorded_btime(hostfs), recorded_boottime(hostfs));
}
