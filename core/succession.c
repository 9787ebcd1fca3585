/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "succession.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "ownership.h"
#include "program.h"

/* A planned successor may try plugins that hang first; but a program that is no worker says nothing. */
#define FIRST_WORD_MILLISECONDS 10000
#define PLANNED_MILLISECONDS    120000
/* One that nobody serves in place of has to be quick, so that another way can still be tried. */
#define TAKEOVER_MILLISECONDS    4000
#define YIELD_MILLISECONDS       2000
#define END_MILLISECONDS         1000
#define DYING_MILLISECONDS       100
#define BACKOFF_MILLISECONDS     50
#define FAILURES_BEFORE_RESCUE   3u
#define RETRY_MILLISECONDS       5000
#define RETRY_LIMIT_MILLISECONDS 300000

/* In place of a status as of waitpid(2): neither a signal nor a status. */
#define NOT_ENDED (-1)

void succession_init(struct succession *succession)
{
	worker_process_init(&succession->current);
	worker_process_init(&succession->next);
	ledger_open(succession->state, &succession->ledger);
	journal_open(&succession->journal, succession->state);
	succession->retry_pause = RETRY_MILLISECONDS;
}

static struct state_header *header_of(const struct succession *succession)
{
	return succession->state->header;
}

static void set_phase(struct succession *succession, enum succession_phase phase,
		      int64_t milliseconds)
{
	succession->phase = phase;
	succession->deadline = milliseconds ? clock_milliseconds() + milliseconds : 0;
}

/* If it sits in the kernel it never ends, and nobody is to wait for it. */
void succession_doom(struct succession *succession, struct worker_process *process)
{
	int64_t soon = clock_milliseconds() + DYING_MILLISECONDS;

	process->dying = true;
	if (succession->deadline == 0 || succession->deadline > soon)
		succession->deadline = soon;
}

/* The current one serves. */
static void set_idle(struct succession *succession)
{
	set_phase(succession, PHASE_IDLE, succession->rescue ? succession->retry_pause : 0);
	if (succession->current.dying)
		succession_doom(succession, &succession->current);
}

static void give_reason(struct succession *succession, const char *reason)
{
	snprintf(succession->reason, sizeof(succession->reason), "%s", reason);
}

/* Enter the death of a worker that was serving, or would have, into the ledger. */
static void record_death(struct succession *succession, pid_t pid, int status)
{
	uint64_t before = ledger_deaths(&succession->ledger);

	ledger_record_death(&succession->ledger, &succession->journal, (uint32_t)pid, status);
	if (ledger_deaths(&succession->ledger) != before)
		succession->deaths[succession->death_count++ % STORM_DEATHS] = clock_milliseconds();
}

/* ---- starting one ---- */

static int start_next(struct succession *succession, enum start_mode mode, int program)
{
	int result = worker_process_start(&succession->next, program, succession->argv,
					  succession->fuse_fd, succession->state->fd);

	if (result != 0)
		return result;
	succession->reason[0] = '\0';
	succession->next_is_rescue = mode == START_RESCUE;
	result = inheritance_send(succession->inheritance, succession->next.channel);
	if (result == 0)
		result = channel_report(succession->next.channel, MESSAGE_START, mode, NULL);
	/* One that died meanwhile is found by its end. */
	if (result != 0 && result != -EPIPE) {
		worker_process_kill(&succession->next);
		return result;
	}
	set_phase(succession, PHASE_PREPARING,
		  succession->outage ? TAKEOVER_MILLISECONDS : FIRST_WORD_MILLISECONDS);
	return 0;
}

static bool is_storm(const struct succession *succession)
{
	int64_t oldest = succession->deaths[succession->death_count % STORM_DEATHS];

	return succession->death_count >= STORM_DEATHS &&
	       clock_milliseconds() - oldest < STORM_MILLISECONDS;
}

/* Nobody serves: the next one, from what this program is. */
static void start_successor(struct succession *succession)
{
	auto_close int program = program_open_own();
	bool rescue = succession->failures >= FAILURES_BEFORE_RESCUE || is_storm(succession);
	int result =
		program < 0 ? program
			    : start_next(succession, rescue ? START_RESCUE : START_RESUME, program);

	if (result == 0)
		return;
	log_error("the next worker cannot be started: %s", strerror(-result));
	worker_process_forget(&succession->next);
	set_phase(succession, PHASE_IDLE, BACKOFF_MILLISECONDS);
}

int succession_begin(struct succession *succession)
{
	auto_close int program = program_open_own();

	return program < 0 ? program : start_next(succession, START_RESUME, program);
}

int succession_replace(struct succession *succession, enum start_mode mode, int program)
{
	int result;

	if (!succession_is_settled(succession))
		return -EBUSY;
	result = start_next(succession, mode, program);
	if (result != 0)
		worker_process_forget(&succession->next);
	return result;
}

void succession_resume(struct succession *succession)
{
	succession->mounted = true;
	succession->outage = clock_milliseconds();
	/* Nobody was there to see how it ended. */
	record_death(succession, 0, 0);
	start_successor(succession);
}

int succession_adopt(struct succession *succession, pid_t pid, int channel)
{
	int result = worker_process_adopt(&succession->current, pid, channel);

	if (result != 0)
		return result;
	succession->mounted = true;
	succession->rescue = atomic_load(&header_of(succession)->rescue);
	set_phase(succession, PHASE_IDLE, succession->rescue ? succession->retry_pause : 0);
	return 0;
}

void succession_end_current(struct succession *succession)
{
	worker_process_kill(&succession->current);
	succession_doom(succession, &succession->current);
}

bool succession_is_settled(const struct succession *succession)
{
	return succession->phase == PHASE_IDLE && succession->current.pid != 0 &&
	       !succession->current.dying;
}

/* ---- from one to the next ---- */

static enum serve_kind serve_kind(const struct succession *succession)
{
	if (!succession->mounted)
		return SERVE_FIRST;
	return succession->phase == PHASE_YIELDING || succession->phase == PHASE_ENDING
		       ? SERVE_AFTER_YIELD
		       : SERVE_AFTER_DEATH;
}

void succession_serve(struct succession *succession)
{
	enum serve_kind kind = serve_kind(succession);

	succession->mounted = true;
	if (!succession->outage)
		succession->outage = clock_milliseconds();
	ownership_pass(succession->state, succession->predecessor, succession->next.pid);
	channel_report(succession->next.channel, MESSAGE_SERVE, kind, NULL);
	set_phase(succession, PHASE_STARTING, TAKEOVER_MILLISECONDS);
	if (succession->next.dying)
		succession_doom(succession, &succession->next);
}

static void end_current(struct succession *succession)
{
	worker_process_kill(&succession->current);
	set_phase(succession, PHASE_ENDING, END_MILLISECONDS);
}

static enum succession_event next_is_ready(struct succession *succession)
{
	if (!succession->mounted) {
		set_phase(succession, PHASE_READY, 0);
		return SUCCESSION_READY;
	}
	if (succession->current.pid == 0) {
		succession_serve(succession);
		return SUCCESSION_NONE;
	}
	set_phase(succession, PHASE_YIELDING, YIELD_MILLISECONDS);
	if (succession->current.dying || channel_report(succession->current.channel, MESSAGE_YIELD,
							succession->next.pid, NULL) != 0)
		end_current(succession);
	return SUCCESSION_NONE;
}

static int64_t longer_pause(int64_t pause)
{
	return pause * 2 > RETRY_LIMIT_MILLISECONDS ? RETRY_LIMIT_MILLISECONDS : pause * 2;
}

static enum succession_event next_serves(struct succession *succession)
{
	worker_process_forget(&succession->current);
	succession->current = succession->next;
	worker_process_init(&succession->next);
	succession->outage = 0;
	succession->since = clock_milliseconds();
	succession->rescue = succession->next_is_rescue;
	atomic_store(&header_of(succession)->rescue, succession->rescue);
	set_idle(succession);
	if (!succession->rescue) {
		succession->failures = 0;
		return SUCCESSION_SERVES;
	}
	log_error("no worker can serve with the plugins: every file answers by on-fault; the next"
		  " try is in %lld s",
		  (long long)succession->retry_pause / 1000);
	succession->retry_pause = longer_pause(succession->retry_pause);
	return SUCCESSION_SERVES;
}

enum succession_event succession_take(struct succession *succession, struct worker_process *from,
				      const struct message *message)
{
	bool is_next = from == &succession->next;

	switch (message->kind) {
	case MESSAGE_STARTED:
		if (is_next && succession->phase == PHASE_PREPARING && !succession->outage)
			set_phase(succession, PHASE_PREPARING, PLANNED_MILLISECONDS);
		break;
	case MESSAGE_READY:
		if (is_next && succession->phase == PHASE_PREPARING)
			return next_is_ready(succession);
		break;
	case MESSAGE_SERVING:
		if (is_next && succession->phase == PHASE_STARTING)
			return next_serves(succession);
		break;
	case MESSAGE_YIELDED:
		if (!is_next && succession->phase == PHASE_YIELDING)
			end_current(succession);
		break;
	case MESSAGE_FAILED:
		give_reason(succession, message->text);
		break;
	case MESSAGE_DYING:
		succession_doom(succession, from);
		break;
	default:
		break;
	}
	return SUCCESSION_NONE;
}

/* ---- when one ends ---- */

static void describe_end(char *text, size_t size, int status)
{
	if (status == NOT_ENDED)
		snprintf(text, size, "it does not end; going on without it");
	else if (WIFSIGNALED(status))
		snprintf(text, size, "it was ended by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(text, size, "it ended with status %d", WEXITSTATUS(status));
}

static void log_death(struct succession *succession, const struct worker_process *process,
		      int status)
{
	char text[CHANNEL_TEXT_MAX / 2];

	describe_end(text, sizeof(text), status);
	log_error("worker %d: %s", (int)process->pid, text);
	if (succession->reason[0] == '\0')
		give_reason(succession, text);
}

void succession_forgive(struct succession *succession, int64_t milliseconds)
{
	if (succession->outage)
		succession->outage += milliseconds;
	if (succession->deadline)
		succession->deadline += milliseconds;
}

static void end_process(struct worker_process *process)
{
	int status;

	worker_process_kill(process);
	worker_process_await_end(process, 2 * END_MILLISECONDS, &status);
	worker_process_forget(process);
}

static enum succession_event current_ended(struct succession *succession, int status)
{
	bool planned = succession->phase == PHASE_ENDING;

	if (!planned) {
		give_reason(succession, "");
		log_death(succession, &succession->current, status);
		record_death(succession, succession->current.pid, status);
	}
	succession->predecessor = succession->current.pid;
	worker_process_forget(&succession->current);
	if (planned || succession->phase == PHASE_YIELDING) {
		succession_serve(succession);
		return SUCCESSION_NONE;
	}
	succession->outage = clock_milliseconds();
	if (!succession->rescue && succession->outage - succession->since >= STORM_MILLISECONDS)
		succession->retry_pause = RETRY_MILLISECONDS;
	/* One that is being prepared was not in a hurry. */
	if (succession->phase == PHASE_PREPARING)
		end_process(&succession->next);
	start_successor(succession);
	return SUCCESSION_DIED;
}

static enum succession_event next_ended(struct succession *succession, int status)
{
	bool was_hit = succession->next.dying;
	pid_t pid = succession->next.pid;

	log_death(succession, &succession->next, status);
	if (succession->phase == PHASE_STARTING)
		succession->predecessor = succession->next.pid;
	worker_process_forget(&succession->next);
	if (!succession->mounted)
		return SUCCESSION_LOST;
	if (succession->current.pid != 0 && succession->phase == PHASE_PREPARING) {
		if (succession->rescue) {
			/* One that ends by a plugin goes without it next time. */
			record_death(succession, pid, status);
		} else {
			ledger_forget_death(&succession->ledger, (uint32_t)pid);
		}
		set_idle(succession);
		succession->retry_pause = longer_pause(succession->retry_pause);
		return SUCCESSION_REFUSED;
	}
	/* One that was told to yield does not go on. */
	end_process(&succession->current);
	if (!succession->outage)
		succession->outage = clock_milliseconds();
	record_death(succession, pid, status);
	/* Without plugins a worker is killed as well as with them. */
	if (was_hit || !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		succession->failures++;
	set_phase(succession, PHASE_IDLE,
		  BACKOFF_MILLISECONDS * ((int64_t)succession->failures + 1));
	return SUCCESSION_REFUSED;
}

enum succession_event succession_ended(struct succession *succession,
				       struct worker_process *process, int status)
{
	if (process == &succession->current)
		return current_ended(succession, status);
	return next_ended(succession, status);
}

/* ---- when something takes too long ---- */

/* It was hit by a signal and has not ended: it sits in the kernel, or its core is written. */
static enum succession_event give_up_dying(struct succession *succession)
{
	int status = 0;

	if (!worker_process_dumps_core(&succession->current))
		worker_process_kill(&succession->current);
	if (!worker_process_await_end(&succession->current, DYING_MILLISECONDS, &status))
		status = NOT_ENDED;
	return current_ended(succession, status);
}

/* The same for the next one. */
static enum succession_event give_up_next(struct succession *succession)
{
	int status = 0;

	if (!worker_process_dumps_core(&succession->next))
		worker_process_kill(&succession->next);
	if (!worker_process_await_end(&succession->next, DYING_MILLISECONDS, &status))
		log_error("worker %d does not end; going on without it", (int)succession->next.pid);
	return next_ended(succession, status);
}

static enum succession_event next_is_late(struct succession *succession)
{
	int status = 0;

	log_error("worker %d does not begin to serve; it is ended", (int)succession->next.pid);
	give_reason(succession, "it did not begin to serve in time");
	if (succession->current.pid == 0)
		succession->failures = FAILURES_BEFORE_RESCUE;
	worker_process_kill(&succession->next);
	if (!worker_process_await_end(&succession->next, END_MILLISECONDS, &status))
		status = NOT_ENDED;
	return next_ended(succession, status);
}

static enum succession_event retry_with_plugins(struct succession *succession)
{
	auto_close int program = program_open_own();

	if (program < 0 || start_next(succession, START_RESUME, program) != 0) {
		worker_process_forget(&succession->next);
		set_phase(succession, PHASE_IDLE, succession->retry_pause);
	}
	return SUCCESSION_NONE;
}

enum succession_event succession_timeout(struct succession *succession)
{
	int64_t now = clock_milliseconds();

	if (succession->outage && succession->mounted &&
	    now - succession->outage >= OUTAGE_MILLISECONDS)
		return SUCCESSION_LOST;
	if (succession->deadline == 0 || now < succession->deadline)
		return SUCCESSION_NONE;
	succession->deadline = 0;
	if (succession->current.dying &&
	    (succession->phase == PHASE_IDLE || succession->phase == PHASE_PREPARING))
		return give_up_dying(succession);
	switch (succession->phase) {
	case PHASE_IDLE:
		if (succession->current.pid != 0)
			return retry_with_plugins(succession);
		start_successor(succession);
		return SUCCESSION_NONE;
	case PHASE_YIELDING:
		if (succession->next.dying)
			return give_up_next(succession);
		end_current(succession);
		return SUCCESSION_NONE;
	case PHASE_ENDING:
		log_error("worker %d does not end; going on without it",
			  (int)succession->current.pid);
		return current_ended(succession, 0);
	case PHASE_PREPARING:
	case PHASE_STARTING:
		return succession->next.dying ? give_up_next(succession) : next_is_late(succession);
	default:
		return SUCCESSION_NONE;
	}
}

void succession_end(struct succession *succession)
{
	end_process(&succession->next);
	end_process(&succession->current);
}
