/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One who polls the test plugin over all that happens to the daemon, and one who wakes it.
 *
 *     watcher FILE FLAG    as long as the file FLAG is there
 *
 * The waker writes "wake" again and again, so whoever polls must come back: a poll that lasts
 * POLL_SECONDS was forgotten.  What a poll brings is read; every read must begin as the plugin's
 * file does.  Prints "polls N reads N writes N"; ends with 1 after the first thing that is wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_SECONDS 60
#define PAUSE_NS     20000000L

static struct {
	const char *file;
	const char *flag;
	atomic_bool failed;
	atomic_ulong writes;
} watcher;

static bool goes_on(void)
{
	return !atomic_load(&watcher.failed) && access(watcher.flag, F_OK) == 0;
}

static bool fail(const char *what, const char *why)
{
	printf("%s: %s\n", what, why);
	atomic_store(&watcher.failed, true);
	return false;
}

static void *wake(void *argument)
{
	static const char command[] = "wake";
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	int fd = *(const int *)argument;

	/* On until the one who polls has ended: it may be in a poll when the flag goes. */
	while (!atomic_load(&watcher.failed)) {
		if (pwrite(fd, command, sizeof(command) - 1, 0) != sizeof(command) - 1)
			fail("a write", strerror(errno));
		atomic_fetch_add(&watcher.writes, 1);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static bool await_event(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	int count = poll(&wait, 1, POLL_SECONDS * 1000);

	if (count < 0)
		return fail("poll", strerror(errno));
	if (count == 0)
		return fail("poll", "nobody was woken");
	if (wait.revents == POLLIN)
		return true;
	printf("poll: the events are %x\n", (unsigned)wait.revents);
	atomic_store(&watcher.failed, true);
	return false;
}

static bool read_event(int fd)
{
	char text[8192] = "";
	ssize_t length = pread(fd, text, sizeof(text) - 1, 0);

	if (length < 0)
		return fail("a read", strerror(errno));
	text[length] = '\0';
	return strncmp(text, "release ", 8) == 0 || fail("a read is not good", text);
}

static int watch(int fd)
{
	unsigned long polls = 0;
	unsigned long reads = 0;

	while (goes_on() && await_event(fd)) {
		polls++;
		if (!read_event(fd))
			break;
		reads++;
	}
	printf("polls %lu reads %lu writes %lu\n", polls, reads, atomic_load(&watcher.writes));
	return atomic_load(&watcher.failed) || reads == 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	pthread_t waker;
	int fds[2];

	if (argc != 3) {
		fputs("usage: watcher FILE FLAG\n", stderr);
		return 2;
	}
	watcher.file = argv[1];
	watcher.flag = argv[2];
	setvbuf(stdout, NULL, _IOLBF, 0);
	fds[0] = open(watcher.file, O_RDONLY | O_CLOEXEC);
	fds[1] = open(watcher.file, O_WRONLY | O_CLOEXEC);
	if (fds[0] < 0 || fds[1] < 0)
		return perror(watcher.file), 1;
	if (pthread_create(&waker, NULL, wake, &fds[1]) != 0)
		return 1;
	return watch(fds[0]);
}
