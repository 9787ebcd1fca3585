/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One operation on a file, as a program that uses it would do it.  What it returned goes to stdout:
 * data, or "ok", or the name of the error.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define DATA_MAX (1U << 20)

static const char usage[] =
	"usage: fileops pread FILE LENGTH OFFSET\n"
	"       fileops mmap FILE\n"
	"       fileops look FILE           (through a private mapping)\n"
	"       fileops open FILE READ|WRITE|BOTH|TRUNCATE\n"
	"       fileops write FILE TEXT [OFFSET]\n"
	"       fileops straddle FILE TEXT  (the text lies across two pages)\n"
	"       fileops fill FILE LENGTH    (one write of so many bytes)\n"
	"       fileops poll FILE SECONDS [TEXT]  (TEXT is written first)\n"
	"       fileops kill PID FILE       (and how many ms later FILE is read)\n";

static int say(long result)
{
	puts(result < 0 ? strerrorname_np(errno) : "ok");
	return result < 0 ? 1 : 0;
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0) {
		say(-1);
		exit(1);
	}
	return fd;
}

static int do_pread(const char *path, size_t length, long offset)
{
	char *data = malloc(length);
	int fd = open_file(path, O_RDONLY);
	ssize_t count = data ? pread(fd, data, length, offset) : -1;
	int result;

	if (count < 0)
		result = say(-1);
	else
		result = fwrite(data, 1, (size_t)count, stdout) == (size_t)count ? 0 : 1;
	free(data);
	return result;
}

static int do_mmap(const char *path)
{
	void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, open_file(path, O_RDONLY), 0);

	return say(map == MAP_FAILED ? -1 : 0);
}

static void on_bus_error(int signal_number)
{
	static const char text[] = "SIGBUS\n";

	(void)signal_number;
	(void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
	_exit(1);
}

/* Pages of a mapping belong to the file, and so to everybody who maps it. */
static int do_look(const char *path)
{
	char *map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open_file(path, O_RDONLY), 0);

	if (map == MAP_FAILED)
		return say(-1);
	signal(SIGBUS, on_bus_error);
	printf("it holds %.*s\n", (int)strnlen(map, 80), map);
	return 0;
}

static int do_open(const char *path, const char *how)
{
	int flags = O_RDONLY;

	if (strcmp(how, "WRITE") == 0)
		flags = O_WRONLY;
	if (strcmp(how, "BOTH") == 0)
		flags = O_RDWR;
	if (strcmp(how, "TRUNCATE") == 0)
		flags = O_WRONLY | O_TRUNC;
	open_file(path, flags);
	return say(0);
}

static int do_write(const char *path, const char *text, long offset)
{
	int fd = open_file(path, O_WRONLY);
	size_t length = strlen(text);
	ssize_t count = offset ? pwrite(fd, text, length, offset) : write(fd, text, length);

	if (count >= 0 && (size_t)count != length)
		return fprintf(stderr, "%zd of %zu bytes\n", count, length), 1;
	return say(count);
}

/* The first byte is the last one of a page. */
static int do_straddle(const char *path, const char *text)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = open_file(path, O_WRONLY);
	char *pages =
		mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t length = strlen(text);
	ssize_t count;

	if (pages == MAP_FAILED || length > 2 * page)
		return 2;
	memcpy(pages + page - 1, text, length);
	count = write(fd, pages + page - 1, length);
	if (count >= 0 && (size_t)count != length)
		return fprintf(stderr, "%zd of %zu bytes\n", count, length), 1;
	return say(count);
}

static int do_fill(const char *path, size_t length)
{
	static char data[DATA_MAX];
	int fd = open_file(path, O_WRONLY);

	if (length > sizeof(data))
		return 2;
	memset(data, 'x', length);
	return say(write(fd, data, length));
}

/* Prints the events that came, as hexadecimal number; 0: none in that time. */
static int do_poll(const char *path, double seconds, const char *text)
{
	int fd = open_file(path, text ? O_RDWR : O_RDONLY);
	struct pollfd wait = {.fd = fd, .events = POLLPRI | POLLIN};

	if (text && write(fd, text, strlen(text)) < 0)
		return say(-1);
	/* The script that waits for this line knows that the descriptor is open. */
	puts("polling");
	fflush(stdout);
	if (poll(&wait, 1, (int)(seconds * 1000)) < 0)
		return say(-1);
	printf("%x\n", (unsigned)wait.revents);
	return 0;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

/* The file is open before: its reader asks only for what is in it. */
static int do_kill(long pid, const char *path)
{
	static char data[DATA_MAX];
	int fd = open_file(path, O_RDONLY);
	double start = now();

	if (pid <= 1 || kill((pid_t)pid, SIGKILL) != 0 || pread(fd, data, sizeof(data), 0) <= 0)
		return say(-1);
	printf("%.1f\n", now() - start);
	return 0;
}

int main(int argc, char **argv)
{
	const char *operation = argc > 2 ? argv[1] : "";

	if (strcmp(operation, "pread") == 0 && argc == 5)
		return do_pread(argv[2], strtoul(argv[3], NULL, 10), strtol(argv[4], NULL, 10));
	if (strcmp(operation, "mmap") == 0 && argc == 3)
		return do_mmap(argv[2]);
	if (strcmp(operation, "look") == 0 && argc == 3)
		return do_look(argv[2]);
	if (strcmp(operation, "open") == 0 && argc == 4)
		return do_open(argv[2], argv[3]);
	if (strcmp(operation, "write") == 0 && (argc == 4 || argc == 5))
		return do_write(argv[2], argv[3], argc == 5 ? strtol(argv[4], NULL, 10) : 0);
	if (strcmp(operation, "straddle") == 0 && argc == 4)
		return do_straddle(argv[2], argv[3]);
	if (strcmp(operation, "fill") == 0 && argc == 4)
		return do_fill(argv[2], strtoul(argv[3], NULL, 10));
	if (strcmp(operation, "poll") == 0 && (argc == 4 || argc == 5))
		return do_poll(argv[2], strtod(argv[3], NULL), argc == 5 ? argv[4] : NULL);
	if (strcmp(operation, "kill") == 0 && argc == 4)
		return do_kill(strtol(argv[2], NULL, 10), argv[3]);
	fputs(usage, stderr);
	return 2;
}
