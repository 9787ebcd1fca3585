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

/* Most processes descend from their pid 1. */
static uint32_t search_ancestors(int proc_fd, uint32_t pid, uint64_t inode, struct arena *arena)
{
	for (int step = 0; step < ANCESTORS_MAX && is_in_namespace(proc_fd, pid, inode); step++) {
		uint64_t parent;
		uint64_t innermost;

		if (read_status(proc_fd, pid, arena, &parent, &innermost) != 0)
			return 0;
		if (innermost == 1)
			return pid;
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

uint64_t pid_namespace_outermost(int namespace_fd, uint64_t host_inode)
{
	auto_close int current = fcntl(namespace_fd, F_DUPFD_CLOEXEC, 0);
	uint64_t outermost = 0;

	for (int step = 0; step < NESTING_MAX && current >= 0; step++) {
		struct stat status;
		int parent;

		if (fstat(current, &status) != 0)
			return 0;
		if (status.st_ino == host_inode)
			return outermost;
		outermost = status.st_ino;
		parent = ioctl(current, NS_GET_PARENT);
		close(current);
		current = parent;
	}
	return 0;
}
