/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adoption.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "program.h"

/* All messages wait in the socket at once: nobody reads while the program is replaced. */
#define SOCKET_BYTES (4 << 20)

void adoption_init(struct adoption *adoption)
{
	*adoption = (struct adoption){
		.worker_channel = -1, .lock_fd = -1, .control_fd = -1, .client_channel = -1};
}

int adoption_send(int channel, const struct inheritance *inheritance,
		  const struct adoption *adoption)
{
	int result = inheritance_send(inheritance, channel);

	if (result == 0 && adoption->worker_channel >= 0)
		result = channel_pass(channel, MESSAGE_WORKER, adoption->worker,
				      adoption->worker_channel);
	if (result == 0 && adoption->lock_fd >= 0)
		result = channel_pass(channel, MESSAGE_LOCK, 0, adoption->lock_fd);
	if (result == 0 && adoption->control_fd >= 0)
		result = channel_pass(channel, MESSAGE_CONTROL, 0, adoption->control_fd);
	if (result == 0 && adoption->client_channel >= 0)
		result = channel_pass(channel, MESSAGE_CLIENT, adoption->client,
				      adoption->client_channel);
	return result == 0 ? channel_report(channel, MESSAGE_START, 0, NULL) : result;
}

static void take(struct inheritance *inheritance, struct adoption *adoption,
		 const struct message *message, int fd)
{
	if (inheritance_take(inheritance, message, fd))
		return;
	switch (message->kind) {
	case MESSAGE_WORKER:
		adoption->worker = message->status;
		adoption->worker_channel = fd;
		break;
	case MESSAGE_LOCK:
		adoption->lock_fd = fd;
		break;
	case MESSAGE_CONTROL:
		adoption->control_fd = fd;
		break;
	case MESSAGE_CLIENT:
		adoption->client = message->status;
		adoption->client_channel = fd;
		break;
	default:
		if (fd >= 0)
			close(fd);
		break;
	}
}

int adoption_receive(int channel, struct inheritance *inheritance, struct adoption *adoption)
{
	for (;;) {
		struct message message;
		int fd;
		int result = channel_receive(channel, &message, &fd);

		if (result != 0)
			return result;
		if (message.kind == MESSAGE_START)
			return 0;
		take(inheritance, adoption, &message, fd);
	}
}

int adoption_execute(int program, char *const *argv, int fuse_fd, int state_fd,
		     const struct inheritance *inheritance, const struct adoption *adoption)
{
	/* If it cannot be made so large, all may not fit. */
	const int bytes = SOCKET_BYTES;
	int ends[2];
	int result = channel_open(ends);

	if (result != 0)
		return result;
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	channel_limit_sending(ends[0]);
	result = adoption_send(ends[0], inheritance, adoption);
	if (result == 0)
		result = program_execute(program, KEEPER_ARGUMENT, argv,
					 (const int[]){fuse_fd, state_fd, ends[1]});
	close(ends[0]);
	close(ends[1]);
	return result;
}
