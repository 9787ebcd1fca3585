/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "workerprocess.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "program.h"
#include "worker.h"

void worker_process_init(struct worker_process *process)
{
	*process = (struct worker_process){.pidfd = -1, .channel = -1};
}

static int hold(struct worker_process *process, pid_t pid, int channel)
{
	int pidfd = pidfd_open(pid, 0);

	if (pidfd < 0)
		return -errno;
	channel_limit_sending(channel);
	*process = (struct worker_process){.pid = pid, .pidfd = pidfd, .channel = channel};
	return 0;
}

int worker_process_adopt(struct worker_process *process, pid_t pid, int channel)
{
	struct pollfd other_end = {.fd = channel};
	int result = hold(process, pid, channel);

	if (result != 0 || poll(&other_end, 1, 0) == 0)
		return result;
	/* It closed its end when it ended, so its process id may be somebody else's by now. */
	close(process->pidfd);
	worker_process_init(process);
	return -ESRCH;
}

static _Noreturn void become_worker(int program, char *const *argv,
				    const int descriptors[PROGRAM_DESCRIPTORS])
{
	char text[CHANNEL_TEXT_MAX];
	int result = program_execute(program, WORKER_ARGUMENT, argv, descriptors);

	snprintf(text, sizeof(text), "the program cannot be executed: %s", strerror(-result));
	channel_send(descriptors[2], MESSAGE_FAILED, NULL, text, -1);
	_exit(EXIT_FAILURE);
}

int worker_process_start(struct worker_process *process, int program, char *const *argv,
			 int fuse_fd, int state_fd)
{
	int ends[2];
	int result = channel_open(ends);
	pid_t pid;

	if (result != 0)
		return result;
	pid = fork();
	if (pid == 0)
		become_worker(program, argv, (const int[]){fuse_fd, state_fd, ends[1]});
	result = -errno;
	close(ends[1]);
	if (pid > 0)
		result = hold(process, pid, ends[0]);
	if (result == 0)
		return 0;
	close(ends[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return result;
}

void worker_process_kill(struct worker_process *process)
{
	if (process->pid == 0)
		return;
	process->dying = true;
	pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
}

bool worker_process_has_ended(struct worker_process *process, int *status)
{
	return worker_process_await_end(process, 0, status);
}

bool worker_process_await_end(struct worker_process *process, int milliseconds, int *status)
{
	struct pollfd poll_fd = {.fd = process->pidfd, .events = POLLIN};

	*status = 0;
	if (process->pid == 0 || poll(&poll_fd, 1, milliseconds) <= 0)
		return false;
	/* ECHILD: somebody else started it, and reaps it. */
	while (waitpid(process->pid, status, 0) < 0 && errno == EINTR)
		;
	return true;
}

bool worker_process_dumps_core(const struct worker_process *process)
{
	auto_free char *line = NULL;
	auto_file FILE *file = NULL;
	char path[64];
	size_t size = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)process->pid);
	file = fopen(path, "re");
	while (file && getline(&line, &size, file) > 0)
		if (strncmp(line, "CoreDumping:", strlen("CoreDumping:")) == 0)
			return strchr(line, '1') != NULL;
	return false;
}

void worker_process_forget(struct worker_process *process)
{
	if (process->channel >= 0)
		close(process->channel);
	if (process->pidfd >= 0)
		close(process->pidfd);
	worker_process_init(process);
}
