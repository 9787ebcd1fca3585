/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ownership.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"
#include "pidnamespace.h"

#define END_MILLISECONDS 1000

/* Numbers of processes come again; with the time of its start one is told from another. */
static uint64_t identity_of(pid_t pid)
{
	auto_close int fd = -1;
	uint64_t start = 0;
	char line[1024];
	char path[64];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	length = fd < 0 ? -1 : read(fd, line, sizeof(line));
	if (length < 0 ||
	    !pid_parse_start((struct lxcfs_text){.data = line, .length = (uint64_t)length}, &start))
		return 0;
	return start << 32 | (uint32_t)pid;
}

static pid_t pid_of(uint64_t owner)
{
	return (pid_t)(uint32_t)owner;
}

/* A descriptor of the process, or -1 when it has ended; whether it was waited for or not. */
static int open_living(uint64_t owner)
{
	auto_close int pidfd = owner == 0 ? -1 : pidfd_open(pid_of(owner), 0);
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

	if (pidfd < 0 || poll(&poll_fd, 1, 0) != 0 || identity_of(pid_of(owner)) != owner)
		return -1;
	return take_fd(&pidfd);
}

static bool is_alive(uint64_t owner)
{
	auto_close int pidfd = open_living(owner);

	return pidfd >= 0;
}

bool ownership_is_held(const struct state *state)
{
	return is_alive(atomic_load(&state->header->owner));
}

int ownership_claim(const struct state *state)
{
	_Atomic uint64_t *owner = &state->header->owner;
	uint64_t own = identity_of(getpid());
	uint64_t before = atomic_load(owner);

	do {
		if (before != own && is_alive(before))
			return -EBUSY;
	} while (!atomic_compare_exchange_weak(owner, &before, own));
	return 0;
}

void ownership_yield(const struct state *state, pid_t heir)
{
	uint64_t own = identity_of(getpid());

	atomic_compare_exchange_strong(&state->header->owner, &own, heir ? identity_of(heir) : 0);
}

static void end_owner(uint64_t owner)
{
	auto_close int pidfd = open_living(owner);
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

	if (pidfd < 0)
		return;
	log_error("worker %d serves, which another keeper left; it is ended", (int)pid_of(owner));
	pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	poll(&poll_fd, 1, END_MILLISECONDS);
}

void ownership_pass(const struct state *state, pid_t predecessor, pid_t heir)
{
	_Atomic uint64_t *owner = &state->header->owner;
	uint64_t next = identity_of(heir);
	uint64_t before = atomic_load(owner);

	do {
		if (before != next && pid_of(before) != predecessor)
			end_owner(before);
	} while (!atomic_compare_exchange_weak(owner, &before, next));
}
