/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "election.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "adoption.h"
#include "channel.h"
#include "cleanup.h"
#include "program.h"

int election_start_keeper(char *const *argv, int fuse_fd, const struct state *state)
{
	static const struct timeval patience = {.tv_sec = 1};
	auto_close int program = program_open_own();
	int ends[2];
	pid_t pid;
	int result = program < 0 ? program : channel_open(ends);

	if (result != 0)
		return result;
	pid = fork();
	if (pid == 0) {
		program_execute(program, KEEPER_ARGUMENT, argv,
				(const int[]){fuse_fd, state->fd, ends[1]});
		_exit(EXIT_FAILURE);
	}
	result = -errno;
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return result;
	}
	/* One that does not read must not hold up whoever serves. */
	setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return ends[0];
}

bool election_is_alive(pid_t pid)
{
	auto_close int pidfd = pidfd_open(pid, 0);
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

	return pidfd >= 0 && poll(&poll_fd, 1, 0) == 0;
}

int election_claim(const struct state *state)
{
	_Atomic uint32_t *owner = &state->header->owner;
	uint32_t before = atomic_load(owner);

	do {
		if (before != 0 && before != (uint32_t)getpid() && election_is_alive((pid_t)before))
			return -EBUSY;
	} while (!atomic_compare_exchange_weak(owner, &before, (uint32_t)getpid()));
	return 0;
}
