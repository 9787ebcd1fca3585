/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "election.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "adoption.h"
#include "channel.h"
#include "cleanup.h"
#include "program.h"

int election_start_keeper(char *const *argv, int fuse_fd, const struct state *state)
{
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
	channel_limit_sending(ends[0]);
	return ends[0];
}
