/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a command in a container made of namespaces and cgroups only, as a runtime would: enter the
 * cgroups, make (or join) the namespaces, mount /proc, put the files of lxcfs over it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CGROUPS_MAX   64
#define STATUS_BROKEN 125

struct container {
	const char *cgroups[CGROUPS_MAX];
	const char *
		inner[CGROUPS_MAX]; /* entered by the first process, once the namespaces are made */
	size_t cgroup_count;
	size_t inner_count;
	const char *namespaces; /* letters, see flag_of() */
	const char *files;      /* mount point of lxcfs */
	const char *name;       /* of the first process */
	const char *report;     /* where the first process's pid is written */
	long join;              /* a process whose namespaces are joined */
	bool init;              /* the first process only reaps; the command is its child */
	char **command;
};

static const char usage[] =
	"usage: container [OPTION]... [COMMAND [ARGUMENT]...]\n"
	"  --cgroup DIR        enter this cgroup first; once for each hierarchy\n"
	"  --inner DIR         enter this one when the namespaces are made\n"
	"  --namespaces LIST   letters of c(group) m(ount) p(id); default cmp, \"\" none\n"
	"  --join PID          join those namespaces of a process instead of making them\n"
	"  --files DIR         bind the files below DIR over /proc and /sys\n"
	"  --init              the first process only reaps; COMMAND is a child of it\n"
	"  --name NAME         its name (with --init)\n"
	"  --report FILE       write the first process's pid there when all is ready\n";

static const char *const files[] = {
	"proc/cpuinfo", "proc/diskstats", "proc/loadavg", "proc/meminfo",           "proc/slabinfo",
	"proc/stat",    "proc/swaps",     "proc/uptime",  "sys/devices/system/cpu",
};

#ifdef __SANITIZE_ADDRESS__
/* LeakSanitizer waits for ever for a tracer of its own that is in another pid namespace. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static _Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

static _Noreturn void die(const char *format, ...)
{
	int error = errno;
	va_list list;

	fputs("container: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fprintf(stderr, ": %s\n", strerror(error));
	_exit(STATUS_BROKEN);
}

static int flag_of(char letter)
{
	switch (letter) {
	case 'c':
		return CLONE_NEWCGROUP;
	case 'm':
		return CLONE_NEWNS;
	case 'p':
		return CLONE_NEWPID;
	default:
		errno = EINVAL;
		die("namespace %c", letter);
	}
}

static const char *link_of(char letter)
{
	switch (letter) {
	case 'c':
		return "cgroup";
	case 'm':
		return "mnt";
	default:
		return "pid";
	}
}

static int open_cgroup(const char *directory)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		die("%s", path);
	return fd;
}

static void enter_cgroup(const char *directory, int fd)
{
	if (write(fd, "0", 1) != 1)
		die("entering %s", directory);
	close(fd);
}

static void make_namespaces(const struct container *container)
{
	int flags = 0;

	for (const char *letter = container->namespaces; *letter; letter++)
		flags |= flag_of(*letter);
	if (flags != 0 && unshare(flags) != 0)
		die("unshare");
}

/* All links are opened first: behind the mount namespace /proc is another one. */
static void join_namespaces(const struct container *container)
{
	int fds[8];
	size_t count = 0;

	for (const char *letter = container->namespaces; *letter && count < 8; letter++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%ld/ns/%s", container->join, link_of(*letter));
		fds[count] = open(path, O_RDONLY | O_CLOEXEC);
		if (fds[count++] < 0)
			die("%s", path);
	}
	for (size_t index = 0; index < count; index++)
		if (setns(fds[index], 0) != 0)
			die("setns");
}

static bool has(const struct container *container, char letter)
{
	return strchr(container->namespaces, letter) != NULL;
}

/* The mount point itself is looked at before /proc is changed, so it may lie anywhere. */
static void bind_files(const char *mountpoint)
{
	for (size_t index = 0; index < sizeof(files) / sizeof(files[0]); index++) {
		char from[PATH_MAX];
		char to[PATH_MAX];
		struct stat status;

		snprintf(from, sizeof(from), "%s/%s", mountpoint, files[index]);
		snprintf(to, sizeof(to), "/%s", files[index]);
		if (stat(from, &status) != 0 || stat(to, &status) != 0)
			continue;
		if (mount(from, to, NULL, MS_BIND, NULL) != 0)
			die("binding %s", to);
	}
}

static void set_up_mounts(const struct container *container)
{
	if (!has(container, 'm') || container->join)
		return;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		die("making mounts private");
	if (has(container, 'p') && mount("proc", "/proc", "proc", 0, NULL) != 0)
		die("mounting /proc");
	if (container->files)
		bind_files(container->files);
}

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The work of pid 1: reap what is left, end with the command. */
static int reap(pid_t command)
{
	for (;;) {
		int status;
		pid_t pid = wait(&status);

		if (pid > 0 && pid == command)
			return status_of(status);
		if (pid < 0 && errno == ECHILD)
			pause();
	}
}

static _Noreturn void run_command(const struct container *container)
{
	execvp(container->command[0], container->command);
	die("%s", container->command[0]);
}

static _Noreturn void first_process(const struct container *container, int ready)
{
	pid_t command = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		die("prctl");
	set_up_mounts(container);
	if (container->name && prctl(PR_SET_NAME, container->name) != 0)
		die("prctl");
	close(ready);
	if (!container->init)
		run_command(container);
	if (container->command[0])
		command = fork();
	if (command < 0)
		die("fork");
	if (command == 0 && container->command[0])
		run_command(container);
	_exit(reap(command));
}

static void write_report(const char *path, pid_t pid)
{
	char temporary[PATH_MAX];
	FILE *file;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	file = fopen(temporary, "we");
	if (!file || fprintf(file, "%ld\n", (long)pid) < 0 || fclose(file) != 0 ||
	    rename(temporary, path) != 0)
		die("%s", path);
}

/* Returns when the first process has set everything up, or has died. */
static void await_ready(int fd)
{
	char byte;

	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
}

static int run(const struct container *container)
{
	int inner[CGROUPS_MAX];
	int ends[2];
	int status;
	pid_t pid;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		die("prctl");
	for (size_t index = 0; index < container->cgroup_count; index++)
		enter_cgroup(container->cgroups[index], open_cgroup(container->cgroups[index]));
	/* With nsdelegate the way out of a cgroup namespace must be opened outside of it. */
	for (size_t index = 0; index < container->inner_count; index++)
		inner[index] = open_cgroup(container->inner[index]);
	if (container->join)
		join_namespaces(container);
	else
		make_namespaces(container);
	/* Both processes go, and the child is born there. */
	for (size_t index = 0; index < container->inner_count; index++)
		enter_cgroup(container->inner[index], inner[index]);
	if (pipe2(ends, O_CLOEXEC) != 0)
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		close(ends[0]);
		first_process(container, ends[1]);
	}
	close(ends[1]);
	await_ready(ends[0]);
	if (container->report)
		write_report(container->report, pid);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	return status_of(status);
}

static void add_cgroup(const char **cgroups, size_t *count, const char *directory)
{
	if (*count == CGROUPS_MAX) {
		errno = E2BIG;
		die("%s", directory);
	}
	cgroups[(*count)++] = directory;
}

static const struct option options[] = {
	{"cgroup", required_argument, NULL, 'c'},
	{"inner", required_argument, NULL, 'I'},
	{"namespaces", required_argument, NULL, 'n'},
	{"join", required_argument, NULL, 'j'},
	{"files", required_argument, NULL, 'f'},
	{"init", no_argument, NULL, 'i'},
	{"name", required_argument, NULL, 'N'},
	{"report", required_argument, NULL, 'r'},
	{NULL, 0, NULL, 0},
};

static bool parse(int argc, char **argv, struct container *container)
{
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
		switch (option) {
		case 'c':
			add_cgroup(container->cgroups, &container->cgroup_count, optarg);
			break;
		case 'I':
			add_cgroup(container->inner, &container->inner_count, optarg);
			break;
		case 'n':
			container->namespaces = optarg;
			break;
		case 'j':
			container->join = strtol(optarg, NULL, 10);
			break;
		case 'f':
			container->files = optarg;
			break;
		case 'i':
			container->init = true;
			break;
		case 'N':
			container->name = optarg;
			break;
		case 'r':
			container->report = optarg;
			break;
		default:
			return false;
		}
	}
	container->command = argv + optind;
	return container->init || container->command[0];
}

int main(int argc, char **argv)
{
	struct container container = {.namespaces = "cmp"};

	if (!parse(argc, argv, &container)) {
		fputs(usage, stderr);
		return STATUS_BROKEN;
	}
	return run(&container);
}
