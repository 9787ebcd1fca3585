/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages between the processes of a daemon: pairs of sequenced-packet sockets.
 *
 * The keeper holds what a successor needs and hands it to each new worker with the very messages by
 * which it got it.  A new keeper gets it from the last worker, or from the program that it replaces,
 * in the same way.  A process that serves one client of the control socket sends orders to the keeper.
 */
#ifndef LXCFS_CORE_CHANNEL_H
#define LXCFS_CORE_CHANNEL_H

#include <stdint.h>

#define CHANNEL_VERSION  1u
#define CHANNEL_NAME_MAX 64
#define CHANNEL_TEXT_MAX 1024

enum message_kind {
	/* Either way: with a descriptor. */
	MESSAGE_CONFIG, /* the text of the configuration that is served */
	MESSAGE_PLUGIN, /* the sealed code of plugin `name`, which was loaded from `text` */

	/* Worker to keeper. */
	MESSAGE_STARTED, /* it runs, and has what a predecessor left */
	MESSAGE_DROPPED, /* plugin `name` is no longer served */
	MESSAGE_READY,   /* it could serve now */
	MESSAGE_SERVING, /* it does */
	MESSAGE_YIELDED, /* it does no longer: no request is in service */
	MESSAGE_DYING,   /* a thread was hit by a fatal signal, or overran render-timeout */
	MESSAGE_FAILED,  /* it cannot serve, and `text` says why */
	MESSAGE_GONE,    /* the mount is gone */

	/* Keeper to worker. */
	MESSAGE_START, /* all that a predecessor left was sent: get ready, as `status` says */
	MESSAGE_SERVE, /* nobody else does any more: serve; `status` is how it came to that */
	/* A successor is ready (process `status`): stop reading requests, answer those in service. */
	MESSAGE_YIELD,

	/*
	 * Orders: from a control process to the keeper, which obeys or passes them on to the worker.
	 * What is said meanwhile comes back as lines, and at the end one result.
	 */
	MESSAGE_RELOAD,      /* SIGUSR1: changed plugins; or those that `text` names ("a b c") */
	MESSAGE_RECONFIGURE, /* SIGHUP */
	MESSAGE_PASSTHROUGH, /* SIGUSR2: `status` 0 off, 1 on, -1 the other way */
	MESSAGE_UPGRADE,     /* replace the program, keeper included */
	MESSAGE_UNMOUNT,     /* SIGTERM */
	MESSAGE_LINE,        /* `text`: something that the one who gave the order should know */
	MESSAGE_RESULT,      /* done: `status` 0, or -errno and `text` says why not */

	/* From one keeper to the next one (or to itself, over an exec): with a descriptor. */
	MESSAGE_WORKER,  /* the channel to the worker that serves; `status` its process id */
	MESSAGE_LOCK,    /* the lock that makes it the keeper */
	MESSAGE_CONTROL, /* the control socket */
	MESSAGE_CLIENT,  /* the channel to the control process that waits for this upgrade */
};

/* How a worker gets ready: `status` of MESSAGE_START. */
enum start_mode {
	START_RESUME,  /* with what served, as far as it was sent; else with what lies on disk */
	START_UPGRADE, /* with what lies on disk, where that is good; else with what served */
	START_RESCUE,  /* without plugins: every file answers by on-fault */
};

/* `status` of MESSAGE_SERVE. */
enum serve_kind { SERVE_FIRST, SERVE_AFTER_YIELD, SERVE_AFTER_DEATH };

struct message {
	uint32_t size;
	uint32_t version;
	uint32_t kind;
	int32_t status;
	char name[CHANNEL_NAME_MAX];
	char text[CHANNEL_TEXT_MAX];
};

/* Two connected ends, close-on-exec.  0 or -errno. */
int channel_open(int ends[2]);
/* Sending gives up after a second (-EAGAIN): an end that is not read must not hold up who writes to it. */
void channel_limit_sending(int channel);
/* `fd` is sent along unless it is -1; it stays the caller's.  `name`, `text`: NULL for "". */
int channel_send(int channel, enum message_kind kind, const char *name, const char *text, int fd);
/* The same with a status: and a text, or a descriptor. */
int channel_report(int channel, enum message_kind kind, int status, const char *text);
int channel_pass(int channel, enum message_kind kind, int status, int fd);
/* Wait for a message.  *fd is the caller's, -1 without one.  -EPIPE: the other end is gone. */
int channel_receive(int channel, struct message *message, int *fd);

#endif
