/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "control.h"
#include "log.h"

#define LOOK_MICROSECONDS 20000

static int lock_within(int fd, int milliseconds)
{
	int64_t deadline = clock_milliseconds() + milliseconds;

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK || clock_milliseconds() >= deadline)
			return -errno;
		usleep(LOOK_MICROSECONDS);
	}
	return 0;
}

int runtime_lock(const struct options *options, int milliseconds)
{
	const char *directory = options->runtime_directory;
	auto_close int fd = -1;
	char path[PATH_MAX];
	int result;

	if (mkdir(directory, 0755) != 0 && errno != EEXIST) {
		result = -errno;
		log_error("the runtime directory %s: %s", directory, strerror(-result));
		return result;
	}
	if (snprintf(path, sizeof(path), "%s/lxcfs.lock", directory) >= (int)sizeof(path)) {
		log_error("the name of the runtime directory %s is too long", directory);
		return -ENAMETOOLONG;
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	result = fd < 0 ? -errno : lock_within(fd, milliseconds);
	if (result == 0)
		return take_fd(&fd);
	if (result == -EWOULDBLOCK)
		log_error("another lxcfs runs with the runtime directory %s; choose another"
			  " --runtime-dir for a second one",
			  directory);
	else
		log_error("the lock %s: %s", path, strerror(-result));
	return result;
}

static int name_pidfile(const struct options *options, char path[PATH_MAX])
{
	int length = options->pidfile
			     ? snprintf(path, PATH_MAX, "%s", options->pidfile)
			     : snprintf(path, PATH_MAX, "%s/lxcfs.pid", options->runtime_directory);

	if (length < PATH_MAX)
		return 0;
	log_error("the name of the pidfile is too long");
	return -ENAMETOOLONG;
}

int runtime_write_pidfile(const struct options *options)
{
	auto_close int fd = -1;
	char path[PATH_MAX];
	int result = name_pidfile(options, path);

	if (result != 0)
		return result;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd >= 0 && dprintf(fd, "%d\n", (int)getpid()) > 0)
		return 0;
	result = -errno;
	log_error("the pidfile %s: %s", path, strerror(-result));
	return result;
}

void runtime_clean(const struct options *options)
{
	char path[PATH_MAX];

	if (name_pidfile(options, path) == 0)
		unlink(path);
	if (snprintf(path, sizeof(path), "%s/" CONTROL_SOCKET, options->runtime_directory) <
	    (int)sizeof(path))
		unlink(path);
}
