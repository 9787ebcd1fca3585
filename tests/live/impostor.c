/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Readers that are hard to tell from others: one whose thread group leader has ended, and processes of
 * two containers that have the same pid one after the other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GROUPS_MAX 2

static const char usage[] =
	"usage: impostor leaderless FILE    print FILE from a thread whose leader has ended\n"
	"       impostor recycle ROUNDS FILE KEY VALUE:DIR[:DIR...] VALUE:DIR[:DIR...]\n"
	"           processes with one pid, by turns in the cgroups of either set, find KEY's\n"
	"           VALUE in FILE; 77 if the kernel does not let a pid be chosen\n";

/* ---- leaderless ---- */

static const char *leaderless_path;

static int copy(const char *path)
{
	char data[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t count;

	if (fd < 0)
		return perror(path), 1;
	while ((count = read(fd, data, sizeof(data))) > 0)
		if (write(STDOUT_FILENO, data, (size_t)count) != count)
			return 1;
	if (count < 0)
		perror(path);
	return count < 0;
}

static void *read_without_leader(void *leader)
{
	char path[64];

	pthread_join(*(pthread_t *)leader, NULL);
	/* Joined is not yet ended: the kernel still takes the thread down. */
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)getpid());
	for (;;) {
		char text[512] = "";
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t count = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
		const char *state = count > 0 ? strrchr(text, ')') : NULL;

		if (fd >= 0)
			close(fd);
		if (!state || state[2] == 'Z')
			break;
		usleep(1000);
	}
	_exit(copy(leaderless_path));
}

static int leaderless(const char *path)
{
	static pthread_t self;
	pthread_t thread;

	leaderless_path = path;
	self = pthread_self();
	if (pthread_create(&thread, NULL, read_without_leader, &self) != 0)
		return 1;
	pthread_exit(NULL);
}

/* ---- recycle ---- */

struct group {
	uint64_t value;
	char *directories;
};

static int enter(const struct group *group)
{
	char *directories = strdup(group->directories);
	char *rest = NULL;

	for (char *directory = strtok_r(directories, ":", &rest); directory;
	     directory = strtok_r(NULL, ":", &rest)) {
		char path[PATH_MAX];
		int fd;

		snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) != 1)
			return perror(path), -1;
		close(fd);
	}
	free(directories);
	return 0;
}

/* The number behind KEY, or UINT64_MAX. */
static uint64_t find(const char *path, const char *key)
{
	FILE *file = fopen(path, "re");
	uint64_t found = UINT64_MAX;
	char line[4096];

	if (!file)
		return perror(path), UINT64_MAX;
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0)
			found = strtoull(line + strlen(key), NULL, 10);
	fclose(file);
	return found;
}

static pid_t clone_as(pid_t pid)
{
	struct clone_args arguments = {
		.exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&pid, .set_tid_size = 1};

	return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

static pid_t free_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

static _Noreturn void be_reader(const struct group *group, const char *path, const char *key)
{
	uint64_t found;

	if (enter(group) != 0)
		_exit(2);
	found = find(path, key);
	if (found == group->value)
		_exit(0);
	fprintf(stderr, "%s%llu where it is %llu\n", key, (unsigned long long)found,
		(unsigned long long)group->value);
	_exit(1);
}

static int recycle(unsigned long rounds, const char *path, const char *key, struct group *groups)
{
	pid_t pid = free_pid();
	unsigned long taken = 0;

	for (unsigned long round = 0; round < rounds; round++) {
		int status;
		pid_t child = clone_as(pid);

		if (child == 0)
			be_reader(&groups[round % GROUPS_MAX], path, key);
		/* Somebody else's process got it: take another. */
		if (child < 0 && errno == EEXIST && taken++ < rounds) {
			pid = free_pid();
			continue;
		}
		if (child < 0)
			return perror("clone3 with a pid"), errno == EEXIST ? 1 : 77;
		if (waitpid(child, &status, 0) != child || status != 0)
			return fprintf(stderr, "round %lu of pid %d\n", round, (int)pid), 1;
	}
	return 0;
}

static int parse_group(char *text, struct group *group)
{
	char *colon = strchr(text, ':');

	if (!colon)
		return -1;
	group->value = strtoull(text, NULL, 10);
	group->directories = colon + 1;
	return 0;
}

int main(int argc, char **argv)
{
	struct group groups[GROUPS_MAX];

	if (argc == 3 && strcmp(argv[1], "leaderless") == 0)
		return leaderless(argv[2]);
	if (argc == 7 && strcmp(argv[1], "recycle") == 0 && parse_group(argv[5], &groups[0]) == 0 &&
	    parse_group(argv[6], &groups[1]) == 0)
		return recycle(strtoul(argv[2], NULL, 10), argv[3], argv[4], groups);
	fputs(usage, stderr);
	return 2;
}
