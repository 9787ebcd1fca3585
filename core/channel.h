/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages between keeper and worker: a pair of sequenced-packet sockets.
 *
 * The keeper holds what a successor needs and hands it to each new worker with the very messages by
 * which it got it.
 */
#ifndef LXCFS_CORE_CHANNEL_H
#define LXCFS_CORE_CHANNEL_H

#include <stdint.h>

#define CHANNEL_NAME_MAX 64
#define CHANNEL_TEXT_MAX 1024

enum message_kind {
	/* Either way: with a descriptor. */
	MESSAGE_CONFIG, /* the text of the configuration that is served */
	MESSAGE_PLUGIN, /* the sealed code of plugin `name`, which was loaded from `text` */
	/* Worker to keeper. */
	MESSAGE_DROPPED, /* plugin `name` is no longer served */
	MESSAGE_READY,   /* it could serve now */
	MESSAGE_SERVING, /* it does */
	MESSAGE_FAILED,  /* it cannot, and `text` says why */
	MESSAGE_GONE,    /* the mount is gone */
	/* Keeper to worker. */
	MESSAGE_START,       /* all that a predecessor left was sent: get ready */
	MESSAGE_SERVE,       /* it is mounted: serve */
	MESSAGE_RELOAD,      /* SIGUSR1 */
	MESSAGE_RECONFIGURE, /* SIGHUP */
	MESSAGE_PASSTHROUGH, /* SIGUSR2 */
};

struct message {
	uint32_t size;
	uint32_t kind;
	char name[CHANNEL_NAME_MAX];
	char text[CHANNEL_TEXT_MAX];
};

/* Two connected ends, close-on-exec.  0 or -errno. */
int channel_open(int ends[2]);
/* `fd` is sent along unless it is -1; it stays the caller's.  `name`, `text`: NULL for "". */
int channel_send(int channel, enum message_kind kind, const char *name, const char *text, int fd);
/* Wait for a message.  *fd is the caller's, -1 without one.  -EPIPE: the other end is gone. */
int channel_receive(int channel, struct message *message, int *fd);

#endif
