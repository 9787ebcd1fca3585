/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pidnamespace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "hostfs.h"
#include "lxcfs/plugin.h"

/* Linux 6.11: the process that has this pid in the namespace, in the caller's numbers. */
#ifndef NS_GET_TGID_FROM_PIDNS
#define NS_GET_TGID_FROM_PIDNS _IOR(NSIO, 0x7, int)
#endif

/* More than the kernel lets namespaces nest (MAX_PID_NS_LEVEL, 32), and than processes usually do. */
#define NESTING_MAX   64
#define ANCESTORS_MAX 64

/* Of the state and of starttime in /proc/PID/stat (proc(5) numbers them from 1). */
#define FIELD_STATE 3
#define FIELD_START 22

/*
 * The parts of a group, from the lowest bit: the inode, the first process (Linux has 22 bits for a pid), and
 * of its start as much as there is room for.  Without the uppermost bit: LEDGER_NO_READER is no group.
 */
#define GROUP_PID_SHIFT   32
#define GROUP_PID_MASK    UINT64_C(0x3fffff)
#define GROUP_START_SHIFT 54
#define GROUP_START_MASK  UINT64_C(0x1ff)

static bool is_in_namespace(int proc_fd, uint32_t pid, uint64_t inode)
{
	char name[64];
	struct stat status;

	snprintf(name, sizeof(name), "%u/ns/pid", pid);
	return fstatat(proc_fd, name, &status, 0) == 0 && status.st_ino == inode;
}

/* What /proc/PID/status tells: the parent, and the pid in the innermost namespace. */
static int read_status(int proc_fd, uint32_t pid, struct arena *arena, uint64_t *parent,
		       uint64_t *innermost)
{
	struct lxcfs_text text;
	struct lxcfs_text line;
	char name[64];
	int result;

	snprintf(name, sizeof(name), "%u/status", pid);
	result = hostfs_read_at(proc_fd, name, arena, &text);
	if (result != 0)
		return result;
	*parent = 0;
	*innermost = 0;
	while (lxcfs_next_line(&text, &line)) {
		struct lxcfs_text word;

		if (!lxcfs_next_word(&line, &word))
			continue;
		if (lxcfs_equals(word, "PPid:") && lxcfs_next_word(&line, &word))
			lxcfs_parse_number(word, parent);
		if (!lxcfs_equals(word, "NSpid:"))
			continue;
		while (lxcfs_next_word(&line, &word))
			lxcfs_parse_number(word, innermost);
		return 0;
	}
	return 0;
}

static bool is_init(int proc_fd, uint32_t pid, uint64_t inode, struct arena *arena)
{
	uint64_t parent;
	uint64_t innermost;

	return is_in_namespace(proc_fd, pid, inode) &&
	       read_status(proc_fd, pid, arena, &parent, &innermost) == 0 && innermost == 1;
}

/* Most processes descend from their pid 1, and from that of an outer namespace. */
static uint32_t search_ancestors(int proc_fd, uint32_t pid, uint64_t inode, struct arena *arena)
{
	bool was_inside = false;

	for (int step = 0; step < ANCESTORS_MAX && pid != 0; step++) {
		bool inside = is_in_namespace(proc_fd, pid, inode);
		uint64_t parent;
		uint64_t innermost;

		if ((was_inside && !inside) ||
		    read_status(proc_fd, pid, arena, &parent, &innermost) != 0)
			return 0;
		if (inside && innermost == 1)
			return pid;
		was_inside = inside;
		pid = (uint32_t)parent;
	}
	return 0;
}

/* One that was put into the namespace from outside (docker exec, lxc-attach) does not. */
static uint32_t search_all(int proc_fd, uint64_t inode, struct arena *arena)
{
	auto_close int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_directory DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!stream)
		return 0;
	take_fd(&fd);
	while ((entry = readdir(stream))) {
		struct lxcfs_text name = {entry->d_name, strlen(entry->d_name)};
		uint64_t pid;

		if (lxcfs_parse_number(name, &pid) && pid <= INT_MAX &&
		    is_init(proc_fd, (uint32_t)pid, inode, arena))
			return (uint32_t)pid;
	}
	return 0;
}

uint32_t pid_namespace_init(int proc_fd, int namespace_fd, uint32_t tid, struct arena *arena)
{
	int pid = ioctl(namespace_fd, NS_GET_TGID_FROM_PIDNS, 1);
	struct stat status;
	uint32_t found;

	if (pid > 0)
		return (uint32_t)pid;
	if (fstat(namespace_fd, &status) != 0)
		return 0;
	found = search_ancestors(proc_fd, tid, status.st_ino, arena);
	return found != 0 ? found : search_all(proc_fd, status.st_ino, arena);
}

/*
 * The second field, "(NAME)", is what the process calls itself and may hold blanks and parentheses:
 * the fields behind it begin at the last one.
 */
bool pid_parse_start(struct lxcfs_text text, uint64_t *ticks)
{
	const char *end = memrchr(text.data, ')', (size_t)text.length);
	struct lxcfs_text word = {"", 0};

	if (!end)
		return false;
	text.length -= (uint64_t)(end + 1 - text.data);
	text.data = end + 1;
	for (int field = FIELD_STATE; field <= FIELD_START; field++)
		if (!lxcfs_next_word(&text, &word))
			return false;
	return lxcfs_parse_number(word, ticks);
}

static uint64_t start_of(int proc_fd, uint32_t pid, struct arena *arena)
{
	struct lxcfs_text text;
	uint64_t ticks;
	char name[64];

	snprintf(name, sizeof(name), "%u/stat", pid);
	if (pid == 0 || hostfs_read_at(proc_fd, name, arena, &text) != 0 ||
	    !pid_parse_start(text, &ticks))
		return 0;
	return ticks;
}

/* A descriptor of the ancestor that is a child of the host's namespace; -1: there is none. */
static int open_outermost(int namespace_fd, uint64_t host_inode)
{
	auto_close int current = fcntl(namespace_fd, F_DUPFD_CLOEXEC, 0);
	auto_close int outermost = -1;

	for (int step = 0; step < NESTING_MAX && current >= 0; step++) {
		struct stat status;

		if (fstat(current, &status) != 0)
			return -1;
		if (status.st_ino == host_inode)
			return take_fd(&outermost);
		if (outermost >= 0)
			close(outermost);
		outermost = current;
		current = ioctl(outermost, NS_GET_PARENT);
	}
	return -1;
}

uint64_t pid_namespace_group(int proc_fd, int namespace_fd, uint64_t host_inode, uint32_t tid,
			     struct arena *arena)
{
	auto_close int fd = open_outermost(namespace_fd, host_inode);
	struct stat status;
	uint32_t init;

	if (fd < 0 || fstat(fd, &status) != 0)
		return 0;
	init = pid_namespace_init(proc_fd, fd, tid, arena);
	return (uint32_t)status.st_ino | (init & GROUP_PID_MASK) << GROUP_PID_SHIFT |
	       (start_of(proc_fd, init, arena) & GROUP_START_MASK) << GROUP_START_SHIFT;
}

bool pid_namespace_has_ended(uint64_t group)
{
	uint64_t init = group >> GROUP_PID_SHIFT & GROUP_PID_MASK;
	struct stat status;
	char name[64];

	if (init == 0)
		return false;
	snprintf(name, sizeof(name), "/proc/%u/ns/pid", (unsigned)init);
	if (stat(name, &status) != 0)
		return errno == ENOENT || errno == ESRCH;
	return (uint32_t)status.st_ino != (uint32_t)group;
}
