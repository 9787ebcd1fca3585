/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "calls.h"
#include "channel.h"
#include "cleanup.h"
#include "ledger.h"
#include "program.h"
#include "varlink.h"

#define BACKLOG         64
#define CLIENT_PATIENCE 30

/* ---- the socket ---- */

/* By a descriptor of the directory: its path may be longer than an address. */
static int make_address(const char *runtime_directory, struct sockaddr_un *address, int *directory)
{
	*directory = open(runtime_directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*directory < 0)
		return -errno;
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", *directory,
		 CONTROL_SOCKET);
	return 0;
}

/* With the lock held nobody listens there. */
static void remove_stale(int directory)
{
	struct stat status;

	if (fstatat(directory, CONTROL_SOCKET, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISSOCK(status.st_mode))
		unlinkat(directory, CONTROL_SOCKET, 0);
}

/* A socket of its own, and where the control socket is. */
static int open_socket(const char *runtime_directory, int flags, struct sockaddr_un *address,
		       int *directory)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	int result;

	if (fd < 0)
		return -errno;
	result = make_address(runtime_directory, address, directory);
	return result != 0 ? result : take_fd(&fd);
}

int control_listen(const char *runtime_directory)
{
	auto_close int directory = -1;
	struct sockaddr_un address;
	auto_close int fd = open_socket(runtime_directory, SOCK_NONBLOCK, &address, &directory);

	if (fd < 0)
		return fd;
	remove_stale(directory);
	/* Before bind(): there is no moment in which others could connect. */
	if (fchmod(fd, 0600) != 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fd, BACKLOG) != 0)
		return -errno;
	return take_fd(&fd);
}

int control_connect(const char *runtime_directory, const struct timeval *patience)
{
	auto_close int directory = -1;
	struct sockaddr_un address;
	auto_close int fd = open_socket(runtime_directory, 0, &address, &directory);

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, patience, sizeof(*patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return -errno;
	return take_fd(&fd);
}

/* ---- in the keeper ---- */

static bool is_allowed(int client)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	return getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static _Noreturn void become_control(const char *path, const int descriptors[PROGRAM_DESCRIPTORS])
{
	char *const arguments[] = {(char *)"lxcfs", NULL};
	int program = open(path, O_RDONLY | O_CLOEXEC);
	sigset_t none;

	/* The keeper takes its signals from a descriptor. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	program_execute(program, CONTROL_ARGUMENT, arguments, descriptors);
	_exit(EXIT_FAILURE);
}

pid_t control_accept(int listener, const struct state *state, const char *program, int *channel)
{
	auto_close int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	int ends[2];
	pid_t pid;
	int result;

	if (client < 0)
		return -errno;
	if (!is_allowed(client))
		return -EPERM;
	result = channel_open(ends);
	if (result != 0)
		return result;
	pid = fork();
	if (pid == 0)
		become_control(program, (const int[]){client, state->fd, ends[1]});
	result = -errno;
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return result;
	}
	channel_limit_sending(ends[0]);
	*channel = ends[0];
	return pid;
}

/* ---- in the process of one client ---- */

/* All calls that are whole.  Not 0: the connection ends. */
static int answer_all(struct control *control)
{
	for (;;) {
		auto_json struct json_object *message = NULL;
		int result = varlink_take(&control->client, &message);

		if (result == -EAGAIN)
			return 0;
		if (result == 0)
			result = calls_answer(control, message);
		else
			calls_refuse_message(control);
		if (result != 0)
			return result;
	}
}

/* The keeper was not asked for anything.  -EPIPE: it is gone, or another one took its place. */
static int drop_message(int channel)
{
	struct message message;
	auto_close int fd = -1;
	int result = channel_receive(channel, &message, &fd);

	return result == -EPROTO ? 0 : result;
}

static int serve(struct control *control)
{
	struct pollfd fds[] = {{.fd = control->client.fd, .events = POLLIN},
			       {.fd = control->channel, .events = POLLIN}};

	for (;;) {
		int ready = poll(fds, 2, CLIENT_PATIENCE * 1000);
		int result;

		if (ready < 0 && errno == EINTR)
			continue;
		/* There is room for a few clients only. */
		if (ready <= 0)
			return ready < 0 ? -errno : -EPIPE;
		if (fds[1].revents) {
			result = drop_message(control->channel);
		} else {
			result = varlink_fill(&control->client);
			if (result == 0)
				result = answer_all(control);
		}
		if (result != 0)
			return result;
	}
}

static int open_control(struct control *control)
{
	static const struct timeval patience = {.tv_sec = CLIENT_PATIENCE};
	int result = varlink_open(&control->client, CONTROL_CLIENT_FD, VARLINK_CALL_MAX);

	/* A client that does not read is left. */
	setsockopt(CONTROL_CLIENT_FD, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	control->channel = CONTROL_CHANNEL_FD;
	if (result == 0)
		result = state_map(CONTROL_STATE_FD, &control->state);
	if (result == 0)
		ledger_open(&control->state, &control->ledger);
	return result;
}

int control_main(void)
{
	struct control control = {0};
	int result = open_control(&control);

	if (result == 0)
		result = serve(&control);
	varlink_close(&control.client);
	state_close(&control.state);
	return result == 0 || result == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
}
