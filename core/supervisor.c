/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "supervisor.h"

#ifdef HAVE_LIBSYSTEMD

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "log.h"

#define NAME_MAX_LENGTH 255
#define MESSAGE_MAX     1024

bool supervisor_present(void)
{
	const char *main_process = getenv("SYSTEMD_EXEC_PID");

	/* A child inherits both; older versions tell only of the socket. */
	if (!getenv("NOTIFY_SOCKET"))
		return false;
	return !main_process || strtol(main_process, NULL, 10) == (long)getpid();
}

static int notify(const char *message, const int *fds, unsigned count)
{
	int result;

	if (!supervisor_present())
		return 0;
	result = sd_pid_notify_with_fds(0, 0, message, fds, count);
	return result < 0 ? result : 0;
}

/* systemd ignores a descriptor whose name it does not like, and the next start would not get it. */
static bool is_good_name(const char *name)
{
	size_t length = strlen(name);

	for (const char *letter = name; *letter; letter++)
		if (*letter <= ' ' || *letter > '~' || *letter == ':')
			return false;
	return length > 0 && length <= NAME_MAX_LENGTH;
}

/* As the descriptor of a connection that was aborted is. */
static bool is_dead(int fd)
{
	struct pollfd entry = {.fd = fd};

	return poll(&entry, 1, 0) > 0 && (entry.revents & (POLLERR | POLLHUP | POLLNVAL));
}

bool supervisor_holds(void)
{
	return sd_listen_fds(0) > 0;
}

void supervisor_take(void (*take)(void *argument, const char *name, int fd), void *argument)
{
	char **names = NULL;
	int count = sd_listen_fds_with_names(1, &names);

	if (count < 0)
		log_error("what systemd held for this start cannot be had: %s", strerror(-count));
	for (int index = 0; index < count; index++) {
		int fd = SD_LISTEN_FDS_START + index;

		if (is_dead(fd)) {
			log_warning("the %s that systemd held is dead; going on without it",
				    names[index]);
			supervisor_drop(names[index]);
			close(fd);
		} else {
			take(argument, names[index], fd);
		}
		free(names[index]);
	}
	free(names);
}

/*
 * FDPOLL=0: systemd would wait for errors of the descriptor, and be woken by each request of FUSE.
 * In two messages: with both words in one it only removes.
 */
int supervisor_store(const char *name, int fd)
{
	char message[MESSAGE_MAX];

	if (!is_good_name(name))
		return -EINVAL;
	supervisor_drop(name);
	snprintf(message, sizeof(message), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	return notify(message, &fd, 1);
}

void supervisor_drop(const char *name)
{
	char message[MESSAGE_MAX];

	if (!is_good_name(name))
		return;
	snprintf(message, sizeof(message), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	notify(message, NULL, 0);
}

/* A line only: what stands behind it would be taken for more words. */
static void tell(const char *words, const char *status)
{
	char message[MESSAGE_MAX];

	snprintf(message, sizeof(message), "%sSTATUS=%.*s", words, (int)strcspn(status, "\n"),
		 status);
	notify(message, NULL, 0);
}

void supervisor_ready(const char *status)
{
	tell("READY=1\n", status);
}

void supervisor_status(const char *status)
{
	tell("", status);
}

void supervisor_stopping(void)
{
	notify("STOPPING=1", NULL, 0);
}

#else

bool supervisor_present(void)
{
	return false;
}

bool supervisor_holds(void)
{
	return false;
}

void supervisor_take(void (*take)(void *argument, const char *name, int fd), void *argument)
{
	(void)take;
	(void)argument;
}

int supervisor_store(const char *name, int fd)
{
	(void)name;
	(void)fd;
	return 0;
}

void supervisor_drop(const char *name)
{
	(void)name;
}

void supervisor_ready(const char *status)
{
	(void)status;
}

void supervisor_status(const char *status)
{
	(void)status;
}

void supervisor_stopping(void)
{
}

#endif
