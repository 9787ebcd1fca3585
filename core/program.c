/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

#define LAST_FD      (PROGRAM_FIRST_FD + PROGRAM_DESCRIPTORS - 1)
#define DELETED      " (deleted)"
#define ATTEMPTS_MAX 20

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4U
#endif

extern char **environ;

void program_reserve_descriptors(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	while (fd >= 0 && fd < LAST_FD)
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd > LAST_FD)
		close(fd);
}

int program_path(char path[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
	size_t suffix = strlen(DELETED);

	if (length < 0)
		return -errno;
	path[length] = '\0';
	if ((size_t)length > suffix && strcmp(path + length - suffix, DELETED) == 0)
		path[(size_t)length - suffix] = '\0';
	return 0;
}

static int refuse(char **reason, const char *path, int error, const char *what)
{
	if (asprintf(reason, "%s: %s", path, what) < 0)
		*reason = NULL;
	return -error;
}

int program_open(const char *path, char **reason)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;

	*reason = NULL;
	if (fd < 0 || fstat(fd, &status) != 0)
		return refuse(reason, path, errno, strerror(errno));
	if (!S_ISREG(status.st_mode) || !(status.st_mode & S_IXUSR))
		return refuse(reason, path, EACCES, "not an executable file");
	if ((status.st_uid != 0 && status.st_uid != geteuid()) ||
	    (status.st_mode & (S_IWGRP | S_IWOTH)))
		return refuse(reason, path, EACCES,
			      "it must belong to root, and nobody else may be able to write it");
	return take_fd(&fd);
}

int program_open_own(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* First out of the way, so that none overwrites another. */
static int place(const int descriptors[PROGRAM_DESCRIPTORS])
{
	int high[PROGRAM_DESCRIPTORS];
	int result = 0;

	for (int index = 0; index < PROGRAM_DESCRIPTORS; index++)
		high[index] = fcntl(descriptors[index], F_DUPFD_CLOEXEC, LAST_FD + 1);
	for (int index = 0; index < PROGRAM_DESCRIPTORS; index++) {
		if (high[index] < 0 || dup2(high[index], PROGRAM_FIRST_FD + index) < 0)
			result = -errno;
		if (high[index] >= 0)
			close(high[index]);
	}
	return result;
}

int program_execute(int program, const char *role, char *const *argv,
		    const int descriptors[PROGRAM_DESCRIPTORS])
{
	auto_free const char **arguments = NULL;
	size_t count = 0;
	int result;

	while (argv[count])
		count++;
	arguments = calloc(count + 2, sizeof(char *));
	if (!arguments)
		return -ENOMEM;
	arguments[0] = argv[0];
	arguments[1] = role;
	for (size_t index = 1; index < count; index++)
		arguments[index + 1] = argv[index];
	result = place(descriptors);
	/* Also what a plugin opened, or whoever started this left open. */
	syscall(SYS_close_range, LAST_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	if (result == 0) {
		execveat(program, "", (char *const *)(uintptr_t)arguments, environ, AT_EMPTY_PATH);
		result = -errno;
	}
	for (int fd = PROGRAM_FIRST_FD; fd <= LAST_FD; fd++)
		close(fd);
	program_reserve_descriptors();
	return result;
}

void program_open_standard_descriptors(void)
{
	int fd = open("/dev/null", O_RDWR);

	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = dup(fd);
	if (fd >= 0)
		close(fd);
}

void program_set_name(void)
{
	/* Else it would be the number of the descriptor that it was executed from. */
	prctl(PR_SET_NAME, "lxcfs");
}

void program_build_id(char build_id[BUILD_ID_TEXT])
{
	auto_close int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *map;

	build_id[0] = '\0';
	if (fd < 0 || fstat(fd, &status) != 0 || status.st_size == 0)
		return;
	map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return;
	elf_build_id(map, (size_t)status.st_size, build_id);
	munmap(map, (size_t)status.st_size);
}

void program_fill(struct state_program *program)
{
	char build_id[BUILD_ID_TEXT];

	program_build_id(build_id);
	/* Without a process id while the rest changes. */
	atomic_store(&program->pid, 0);
	program->since = (uint64_t)time(NULL);
	snprintf(program->release, sizeof(program->release), "%s", PACKAGE_VERSION);
	snprintf(program->build_id, sizeof(program->build_id), "%.*s", STATE_BUILD_MAX - 1,
		 build_id);
	atomic_store(&program->pid, (uint32_t)getpid());
}

void program_get(const struct state_program *program, struct state_program *copy)
{
	for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		uint32_t pid = atomic_load(&program->pid);

		*copy = (struct state_program){.since = program->since};
		memcpy(copy->release, program->release, sizeof(copy->release));
		memcpy(copy->build_id, program->build_id, sizeof(copy->build_id));
		copy->release[sizeof(copy->release) - 1] = '\0';
		copy->build_id[sizeof(copy->build_id) - 1] = '\0';
		atomic_init(&copy->pid, pid);
		if (pid != 0 && atomic_load(&program->pid) == pid)
			return;
		usleep(1000);
	}
	*copy = (struct state_program){0};
}
