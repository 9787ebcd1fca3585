/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A worker, as the keeper sees it: a process, and a channel to it. */
#ifndef LXCFS_CORE_WORKERPROCESS_H
#define LXCFS_CORE_WORKERPROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct worker_process {
	pid_t pid;   /* 0: there is none */
	int pidfd;   /* readable when it has ended */
	int channel; /* -1: it closed its end */
	bool dying;  /* it was hit by a fatal signal, or was killed */
};

void worker_process_init(struct worker_process *process);

/*
 * Start one that executes `program`.  `argv` is the command line of the daemon.  -errno.
 */
int worker_process_start(struct worker_process *process, int program, char *const *argv,
			 int fuse_fd, int state_fd);
/* One that somebody else started.  Owns `channel` on success.  -ESRCH: it has ended. */
int worker_process_adopt(struct worker_process *process, pid_t pid, int channel);

void worker_process_kill(struct worker_process *process);
/*
 * Whether it has ended; *status is as of waitpid(2), 0 when it was not our child.  It is then reaped.
 */
bool worker_process_has_ended(struct worker_process *process, int *status);
/* Wait at most so long for that. */
bool worker_process_await_end(struct worker_process *process, int milliseconds, int *status);
/* Whether the kernel is writing its core: none of its threads runs any more. */
bool worker_process_dumps_core(const struct worker_process *process);
/* There is none any more, or it is of no interest. */
void worker_process_forget(struct worker_process *process);

#endif
