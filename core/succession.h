/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which worker serves, and which one comes next.  Keeper only.
 *
 * A worker that dies is followed by the next one at once (a takeover).  A planned hand-over first lets
 * the next one get ready, then has the old one yield.  A next one that fails leaves the old one serving;
 * when there is no old one it is tried again after a pause, and then without plugins (rescue), so that
 * readers get answers.  When nobody has served for OUTAGE_MILLISECONDS it is lost.
 */
#ifndef LXCFS_CORE_SUCCESSION_H
#define LXCFS_CORE_SUCCESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "inheritance.h"
#include "journal.h"
#include "ledger.h"
#include "state.h"
#include "workerprocess.h"

#define OUTAGE_MILLISECONDS 10000
/* Deaths that nobody was charged for, within STORM_MILLISECONDS, after which plugins are left out. */
#define STORM_DEATHS       8u
#define STORM_MILLISECONDS 30000

enum succession_phase {
	PHASE_IDLE, /* the current one serves, or the next one is to be started at `deadline` */
	PHASE_PREPARING, /* the next one gets ready */
	PHASE_READY,     /* it is; the first one waits for the mount */
	PHASE_YIELDING,  /* the current one answers what it has in service */
	PHASE_ENDING,    /* it was killed */
	PHASE_STARTING,  /* the next one takes over */
};

enum succession_event {
	SUCCESSION_NONE,
	SUCCESSION_READY,  /* the first worker: mount, and then succession_serve() */
	SUCCESSION_SERVES, /* a worker began to serve */
	SUCCESSION_DIED,   /* the one that served died; the next is being started */
	SUCCESSION_REFUSED, /* the next one cannot; `reason` says why.  The old one, if any, goes on */
	SUCCESSION_LOST,    /* nobody serves, and it is no use to try any more */
};

struct succession {
	/* Given by the keeper, which owns them. */
	char *const *argv;
	int fuse_fd;
	const struct state *state;
	const struct inheritance *inheritance;
	/* Its own. */
	struct ledger ledger;
	struct journal journal;
	enum succession_phase phase;
	struct worker_process current;
	struct worker_process next;
	int64_t deadline;  /* of the phase; 0: none */
	pid_t predecessor; /* the last that served, or began to; it has ended, or is past running */
	int64_t since;     /* when the current one began to serve */
	int64_t outage;    /* since when nobody serves; 0: somebody does */
	bool mounted;      /* before that nothing is tried twice */
	bool rescue;       /* the current worker serves without plugins */
	bool next_is_rescue;
	unsigned failures;   /* of next ones in a row */
	int64_t retry_pause; /* of rescue */
	int64_t deaths[STORM_DEATHS];
	unsigned death_count;
	char reason[CHANNEL_TEXT_MAX];
};

/* `argv`, `fuse_fd`, `state` and `inheritance` are set. */
void succession_init(struct succession *succession);

/* The first worker.  -errno. */
int succession_begin(struct succession *succession);
/* After SUCCESSION_READY. */
void succession_serve(struct succession *succession);
/* The mount exists, and nobody serves it. */
void succession_resume(struct succession *succession);
/* Go on with a worker that serves already.  Owns `channel` on success. */
int succession_adopt(struct succession *succession, pid_t pid, int channel);
/*
 * A planned hand-over to a worker that executes `program` (not kept).  -EBUSY: not now, for another one is
 * under way.
 */
int succession_replace(struct succession *succession, enum start_mode mode, int program);
/* End the one that serves, which hangs: another one follows. */
void succession_end_current(struct succession *succession);
/* Whether a worker serves and nothing is under way. */
bool succession_is_settled(const struct succession *succession);

/* What happened. */
enum succession_event succession_take(struct succession *succession, struct worker_process *from,
				      const struct message *message);
enum succession_event succession_ended(struct succession *succession,
				       struct worker_process *process, int status);
enum succession_event succession_timeout(struct succession *succession);

/* The machine stood still for so long: nobody could have done anything meanwhile. */
void succession_forgive(struct succession *succession, int64_t milliseconds);

/* It is as good as dead: soon it is not waited for any more. */
void succession_doom(struct succession *succession, struct worker_process *process);

/* Take all workers down.  One that sits in the kernel is not waited for. */
void succession_end(struct succession *succession);

#endif
