/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fault.h"

#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"

#define STACK_BYTES    65536u
#define TIMEOUT_SIGNAL SIGALRM
/* What is late gets this part of its time once more. */
#define GRACE_PART 4u
#define SECOND     1000000000ull

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};

/* What signal handlers need, set before they can run. */
static int keeper_channel = -1;
static const struct message dying = {
	.size = sizeof(dying), .version = CHANNEL_VERSION, .kind = MESSAGE_DYING};

/* Of a thread that calls plugins outside of any request; ledger NULL: it is none. */
static _Thread_local struct {
	struct ledger *ledger;
	enum ledger_thread thread;
} outside;
static _Thread_local volatile sig_atomic_t is_hit;

/* Orders what the clocks are set to before what is seen when they ring, which only the kernel would. */
static atomic_uint clocks;

/* When the lock of the plugin of each row was taken last: CLOCK_MONOTONIC nanoseconds. */
static _Atomic uint64_t taken[LEDGER_PLUGINS_MAX];

/* Only stores into shared memory: this runs in signal handlers. */
static void charge(const struct server_thread *thread, int signal_number)
{
	struct journal_mark *mark;

	mark = journal_mark(&thread->server->journal, thread->slot);
	atomic_store(&mark->signal, (uint32_t)signal_number);
	atomic_fetch_add(&mark->charges, 1);
}

/* A process with a thread that sits in the kernel does not end: the keeper would wait for it. */
static void tell_keeper(void)
{
	static atomic_flag told = ATOMIC_FLAG_INIT;

	if (keeper_channel >= 0 && !atomic_flag_test_and_set(&told))
		(void)!send(keeper_channel, &dying, sizeof(dying), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* End the process by this signal, as if nobody had caught it. */
static void die(int signal_number)
{
	sigset_t signals;

	tell_keeper();
	signal(signal_number, SIG_DFL);
	sigemptyset(&signals);
	sigaddset(&signals, signal_number);
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
	raise(signal_number);
}

/*
 * It stays set while it runs, for another thread that is hit meanwhile must be able to mark itself too.
 * A thread that is hit in here dies at once.
 */
static void on_fatal_signal(int signal_number)
{
	const struct server_thread *thread = server_thread_current();

	if (!is_hit) {
		is_hit = 1;
		if (thread && thread->clock.busy)
			charge(thread, signal_number);
		else if (outside.ledger)
			ledger_mark(outside.ledger, outside.thread, signal_number);
	}
	die(signal_number);
}

/* ---- the clocks ---- */

static void arm(struct server_thread *thread, uint64_t nanoseconds)
{
	const struct itimerspec time = {.it_value = {.tv_sec = (time_t)(nanoseconds / SECOND),
						     .tv_nsec = (long)(nanoseconds % SECOND)}};

	/* Before it can ring, which is the end of it. */
	atomic_store(&thread->clock.armed, true);
	if (timer_settime(thread->clock.timer, 0, &time, NULL) != 0)
		atomic_store(&thread->clock.armed, false);
}

/*
 * When its time is over: of one that waits, twice as long after who has the lock came to it, for that one
 * has a clock of its own if it serves a request.
 */
static uint64_t end_of_time(const struct thread_clock *clock, uint64_t started, uint32_t waits_for)
{
	uint64_t since;

	if (waits_for == 0)
		return started + clock->timeout;
	since = atomic_load_explicit(&taken[waits_for - 1], memory_order_relaxed);
	return (since > started ? since : started) + 2 * clock->timeout;
}

/* Of the request that is served: its mark is made before the request is begun. */
static uint64_t unique_of(const struct server_thread *thread)
{
	return atomic_load(&thread->server->journal.marks[thread->slot].unique);
}

/*
 * The clock is not set anew for each request: it is left running, and what it finds when it rings tells
 * what to do.  For an idle thread it rings once, and not again.
 */
static void look_at_clock(struct server_thread *thread)
{
	uint64_t started;
	uint64_t unique;
	uint32_t waits_for;
	uint64_t time;
	uint64_t end;

	/* First: then either this sees that the thread is busy, or the thread that it has to arm. */
	atomic_store(&thread->clock.armed, false);
	started = atomic_load(&thread->clock.started);
	if (!atomic_load(&thread->clock.busy))
		return;
	unique = unique_of(thread);
	waits_for = atomic_load(&thread->clock.waits_for);
	end = end_of_time(&thread->clock, started, waits_for);
	time = clock_nanoseconds();
	if (time < end) {
		arm(thread, end - time);
		return;
	}
	/* It goes on while it is looked at, and the next request is not late. */
	if (atomic_load(&thread->clock.started) != started || unique_of(thread) != unique ||
	    !atomic_load(&thread->clock.busy)) {
		arm(thread, thread->clock.timeout);
		return;
	}
	/* The machine may have stood still, and the clock rings before anybody can go on. */
	if (thread->clock.late != unique) {
		thread->clock.late = unique;
		arm(thread, thread->clock.timeout / GRACE_PART);
		return;
	}
	/* A timer of the plugin that is waited for has no clock. */
	if (waits_for == 0 || !ledger_mark_other(&thread->server->ledger, LEDGER_TIMERS,
						 (int)waits_for - 1, TIMEOUT_SIGNAL))
		charge(thread, TIMEOUT_SIGNAL);
	die(TIMEOUT_SIGNAL);
}

static sigset_t timeout_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, TIMEOUT_SIGNAL);
	return signals;
}

/* A thread that sits in the kernel runs no signal handler, so its clock is looked at by this one. */
static void *watch(void *argument)
{
	const sigset_t signals = timeout_signals();
	siginfo_t information;

	(void)argument;
	for (;;)
		if (sigwaitinfo(&signals, &information) > 0 && information.si_code == SI_TIMER &&
		    atomic_load(&clocks) != 0)
			look_at_clock(information.si_value.sival_ptr);
	return NULL;
}

static int start_watch(void)
{
	const sigset_t signals = timeout_signals();
	pthread_t handle;
	int result;

	/* All threads that are started from now on inherit it. */
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	result = pthread_create(&handle, NULL, watch, NULL);
	if (result == 0)
		pthread_detach(handle);
	return -result;
}

int fault_catch(int channel)
{
	struct sigaction fatal = {.sa_handler = on_fatal_signal,
				  .sa_flags = SA_ONSTACK | SA_NODEFER};

	keeper_channel = channel;
	for (size_t index = 0; index < sizeof(fatal_signals) / sizeof(fatal_signals[0]); index++)
		if (sigaction(fatal_signals[index], &fatal, NULL) != 0)
			return -errno;
	return start_watch();
}

/* A stack for handlers, which belongs to the thread for as long as the process lives. */
static int open_stack(void)
{
	static _Thread_local void *memory;
	stack_t stack = {.ss_size = STACK_BYTES};
	int result;

	if (memory)
		return 0;
	memory = stack.ss_sp = malloc(STACK_BYTES);
	if (!memory)
		return -ENOMEM;
	if (sigaltstack(&stack, NULL) == 0)
		return 0;
	result = -errno;
	free(take_pointer(memory));
	return result;
}

int fault_outside_open(struct ledger *ledger, enum ledger_thread thread)
{
	int result;

	if (!ledger || !ledger->section)
		return 0;
	result = open_stack();
	ledger_enter(ledger, thread, -1);
	outside.thread = thread;
	outside.ledger = ledger;
	return result;
}

int fault_thread_open(struct server_thread *thread, uint32_t timeout)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
				 .sigev_signo = TIMEOUT_SIGNAL,
				 .sigev_value = {.sival_ptr = thread}};
	int result = open_stack();

	if (result != 0)
		return result;
	thread->clock = (struct thread_clock){.timeout = (uint64_t)timeout * 1000000};
	if (timeout == 0)
		return 0;
	atomic_fetch_add(&clocks, 1);
	if (timer_create(CLOCK_MONOTONIC, &event, &thread->clock.timer) != 0) {
		log_warning("render-timeout does not work: no timer");
		thread->clock.timeout = 0;
	}
	return 0;
}

void fault_begin(struct server_thread *thread)
{
	atomic_store_explicit(&thread->clock.started, clock_nanoseconds(), memory_order_relaxed);
	atomic_store(&thread->clock.busy, true);
	if (thread->clock.timeout != 0 && !atomic_load(&thread->clock.armed))
		arm(thread, thread->clock.timeout);
}

void fault_end(struct server_thread *thread)
{
	atomic_store_explicit(&thread->clock.busy, false, memory_order_release);
}

void fault_wait(const struct generation *generation)
{
	struct server_thread *thread = server_thread_current();

	if (thread && generation->row >= 0)
		atomic_store(&thread->clock.waits_for, (uint32_t)generation->row + 1);
}

void fault_go_on(const struct generation *generation)
{
	struct server_thread *thread = server_thread_current();

	if (generation->row >= 0)
		atomic_store_explicit(&taken[generation->row], clock_nanoseconds(),
				      memory_order_relaxed);
	if (!thread)
		return;
	fault_begin(thread);
	atomic_store(&thread->clock.waits_for, 0);
}

/* ---- which plugin ---- */

static uint64_t group_of(const struct server_thread *thread)
{
	return thread->caller.container ? thread->caller.container->group : LEDGER_NO_READER;
}

void fault_enter_plugin(int row)
{
	const struct server_thread *thread = server_thread_current();
	struct journal_mark *mark;

	if (!thread) {
		if (outside.ledger)
			ledger_enter(outside.ledger, outside.thread, row);
		return;
	}
	if (!thread->server->journal.marks)
		return;
	mark = journal_mark(&thread->server->journal, thread->slot);
	atomic_store_explicit(&mark->group, group_of(thread), memory_order_relaxed);
	atomic_store_explicit(&mark->plugin, row < 0 ? 0 : (uint32_t)row + 1, memory_order_relaxed);
}

void fault_leave_plugin(void)
{
	if (!server_thread_current() && outside.ledger)
		ledger_enter(outside.ledger, outside.thread, -1);
}

void fault_enter_trial(int row, uint64_t code)
{
	if (!server_thread_current() && outside.ledger)
		ledger_enter_trial(outside.ledger, outside.thread, row, code);
}

bool fault_is_quarantined(const struct server_thread *thread, const struct generation *generation)
{
	return generation->row >= 0 &&
	       ledger_is_quarantined(&thread->server->ledger, (unsigned)generation->row,
				     group_of(thread));
}

/* Whether it ended more workers than it may, and `extra` on top of that. */
static bool is_over(const struct server_thread *thread, uint32_t extra)
{
	const struct journal_mark *mark;

	/* `lxcfs render` serves no requests and has no journal. */
	if (!thread->server->journal.marks)
		return false;
	mark = journal_mark(&thread->server->journal, thread->slot);
	return atomic_load_explicit(&mark->charges, memory_order_relaxed) >=
		       FAULT_CHARGES_MAX + extra ||
	       atomic_load_explicit(&mark->replays, memory_order_relaxed) >
		       FAULT_REPLAYS_MAX + extra;
}

bool fault_is_charged(const struct server_thread *thread)
{
	return is_over(thread, 0);
}

bool fault_is_hopeless(const struct server_thread *thread)
{
	return is_over(thread, 1);
}
