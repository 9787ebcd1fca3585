/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fault.h"

#include <errno.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define STACK_BYTES    65536u
#define TIMEOUT_SIGNAL SIGALRM
#define SECOND         1000000000ull

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* Only stores into shared memory: this runs in signal handlers. */
static void charge(const struct server_thread *thread, int signal_number)
{
	struct journal_mark *mark;

	if (!thread->clock.busy)
		return;
	mark = journal_mark(&thread->server->journal, thread->slot);
	atomic_store(&mark->signal, (uint32_t)signal_number);
	atomic_fetch_add(&mark->charges, 1);
}

/* End the process by this signal, as if nobody had caught it. */
static void die(int signal_number)
{
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static void on_fatal_signal(int signal_number)
{
	const struct server_thread *thread = server_thread_current();

	if (thread)
		charge(thread, signal_number);
	die(signal_number);
}

static void arm(struct server_thread *thread, uint64_t nanoseconds)
{
	const struct itimerspec time = {.it_value = {.tv_sec = (time_t)(nanoseconds / SECOND),
						     .tv_nsec = (long)(nanoseconds % SECOND)}};

	thread->clock.armed = timer_settime(thread->clock.timer, 0, &time, NULL) == 0;
}

/*
 * The clock is not set anew for each request: it is left running, and what it finds when it rings tells
 * what to do.  An idle thread is woken once, and not again.
 */
static void on_timeout(int signal_number)
{
	struct server_thread *thread = server_thread_current();
	uint64_t running;

	if (!thread)
		return;
	thread->clock.armed = false;
	if (!thread->clock.busy)
		return;
	running = now() - thread->clock.started;
	if (running < thread->clock.timeout) {
		arm(thread, thread->clock.timeout - running);
		return;
	}
	charge(thread, signal_number);
	die(signal_number);
}

int fault_catch(void)
{
	struct sigaction fatal = {.sa_handler = on_fatal_signal,
				  .sa_flags = SA_ONSTACK | SA_RESETHAND | SA_NODEFER};
	struct sigaction timeout = {.sa_handler = on_timeout, .sa_flags = SA_RESTART | SA_ONSTACK};

	for (size_t index = 0; index < sizeof(fatal_signals) / sizeof(fatal_signals[0]); index++)
		if (sigaction(fatal_signals[index], &fatal, NULL) != 0)
			return -errno;
	return sigaction(TIMEOUT_SIGNAL, &timeout, NULL) == 0 ? 0 : -errno;
}

int fault_thread_open(struct server_thread *thread, uint32_t timeout)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TIMEOUT_SIGNAL};
	stack_t stack = {.ss_sp = malloc(STACK_BYTES), .ss_size = STACK_BYTES};

	if (!stack.ss_sp)
		return -ENOMEM;
	/* Belongs to the thread for as long as the process lives. */
	if (sigaltstack(&stack, NULL) != 0) {
		free(stack.ss_sp);
		return -errno;
	}
	thread->clock = (struct thread_clock){.timeout = (uint64_t)timeout * 1000000};
	if (timeout == 0)
		return 0;
	event._sigev_un._tid = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, &thread->clock.timer) != 0) {
		log_warning("render-timeout does not work: no timer");
		thread->clock.timeout = 0;
	}
	return 0;
}

void fault_begin(struct server_thread *thread)
{
	thread->clock.started = now();
	thread->clock.busy = true;
	if (thread->clock.timeout != 0 && !thread->clock.armed)
		arm(thread, thread->clock.timeout);
}

void fault_end(struct server_thread *thread)
{
	thread->clock.busy = false;
}

bool fault_is_charged(const struct server_thread *thread)
{
	const struct journal_mark *mark;

	/* `lxcfs render` serves no requests and has no journal. */
	if (!thread->server->journal.marks)
		return false;
	mark = journal_mark(&thread->server->journal, thread->slot);
	return atomic_load_explicit(&mark->charges, memory_order_relaxed) >= FAULT_CHARGES_MAX ||
	       atomic_load_explicit(&mark->replays, memory_order_relaxed) > FAULT_REPLAYS_MAX;
}
