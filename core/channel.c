/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "channel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define SOCKET_BYTES (1 << 20)

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

int channel_open(int ends[2])
{
	static const int bytes = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -errno;
	/* A message for each plugin: none of them has to wait until the other end reads. */
	for (int end = 0; end < 2; end++)
		setsockopt(ends[end], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	return 0;
}

void channel_limit_sending(int channel)
{
	static const struct timeval patience = {.tv_sec = 1};

	setsockopt(channel, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static int send_message(int channel, const struct message *message, int fd)
{
	struct iovec vector = {.iov_base = (void *)(uintptr_t)message, .iov_len = sizeof(*message)};
	union control control = {.space = {0}};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *part;

		header.msg_control = control.space;
		header.msg_controllen = sizeof(control.space);
		part = CMSG_FIRSTHDR(&header);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(part), &fd, sizeof(fd));
	}
	while (sendmsg(channel, &header, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static struct message make_message(enum message_kind kind, const char *name, const char *text)
{
	struct message message = {
		.size = sizeof(message), .version = CHANNEL_VERSION, .kind = kind};

	snprintf(message.name, sizeof(message.name), "%s", name ? name : "");
	snprintf(message.text, sizeof(message.text), "%s", text ? text : "");
	return message;
}

int channel_send(int channel, enum message_kind kind, const char *name, const char *text, int fd)
{
	struct message message = make_message(kind, name, text);

	return send_message(channel, &message, fd);
}

int channel_report(int channel, enum message_kind kind, int status, const char *text)
{
	struct message message = make_message(kind, NULL, text);

	message.status = status;
	return send_message(channel, &message, -1);
}

int channel_pass(int channel, enum message_kind kind, int status, int fd)
{
	struct message message = make_message(kind, NULL, NULL);

	message.status = status;
	return send_message(channel, &message, fd);
}

static int fd_of(struct msghdr *header)
{
	const struct cmsghdr *part = CMSG_FIRSTHDR(header);
	int fd = -1;

	if (part && part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS &&
	    part->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(part), sizeof(fd));
	return fd;
}

int channel_receive(int channel, struct message *message, int *fd)
{
	struct iovec vector = {.iov_base = message, .iov_len = sizeof(*message)};
	union control control = {.space = {0}};
	struct msghdr header = {.msg_iov = &vector,
				.msg_iovlen = 1,
				.msg_control = control.space,
				.msg_controllen = sizeof(control.space)};
	ssize_t length;

	*fd = -1;
	/* ECONNRESET, once: the other end went without reading all; what it said before is still here. */
	do
		length = recvmsg(channel, &header, MSG_CMSG_CLOEXEC);
	while (length < 0 && (errno == EINTR || errno == ECONNRESET));
	if (length < 0)
		return -errno;
	if (length == 0)
		return -EPIPE;
	*fd = fd_of(&header);
	if (length != sizeof(*message) || message->size != sizeof(*message) ||
	    message->version != CHANNEL_VERSION) {
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		return -EPROTO;
	}
	message->name[CHANNEL_NAME_MAX - 1] = '\0';
	message->text[CHANNEL_TEXT_MAX - 1] = '\0';
	return 0;
}
