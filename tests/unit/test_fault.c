/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a thread leaves behind when a signal ends its process: each is raised in a child. */
#include <errno.h>
#include <linux/fuse.h>
#include <linux/sched.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "channel.h"
#include "container.h"
#include "fault.h"
#include "log.h"

#define SLOT  3
#define GROUP 77

#define NO_SUCH_CALL     77
#define PATIENCE_SECONDS 10

struct fixture {
	struct server server;
	struct server_thread thread;
	struct container container;
	struct generation generation;
	int ends[2]; /* of the channel */
};

typedef void (*crash_function)(struct fixture *fixture);

static void write_request(struct fixture *fixture, int slot, uint64_t unique)
{
	struct fuse_in_header *header = journal_request(&fixture->server.journal, slot);

	*header = (struct fuse_in_header){.len = sizeof(*header), .unique = unique};
}

static int set_up(void **state)
{
	static struct fixture fixture;
	const struct ledger_plugin plugin = {.name = "plugin"};
	struct server *server = &fixture.server;

	fixture = (struct fixture){.container = {.group = GROUP},
				   .generation = {.plugin = {.threads = LXCFS_THREADS_PARALLEL}}};
	assert_int_equal(state_create(&server->state), 0);
	journal_open(&server->journal, &server->state);
	ledger_open(&server->state, &server->ledger);
	fixture.generation.row = ledger_serve(&server->ledger, &plugin, false);
	assert_int_equal(fixture.generation.row, 0);
	fixture.thread = (struct server_thread){.server = server, .slot = SLOT};
	write_request(&fixture, SLOT, 10);
	assert_int_equal(channel_open(fixture.ends), 0);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	close(fixture->ends[0]);
	close(fixture->ends[1]);
	journal_close(&fixture->server.journal);
	state_close(&fixture->server.state);
	return 0;
}

/* How a child ends that does this. */
static int end_of(struct fixture *fixture, crash_function crash)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (fault_catch(fixture->ends[1]) == 0)
			crash(fixture);
		_exit(100);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void serve_as(struct server_thread *thread, uint32_t timeout)
{
	if (fault_thread_open(thread, timeout) != 0)
		_exit(101);
	server_thread_set_current(thread);
	fault_begin(thread);
}

static struct journal_mark *mark_of(const struct fixture *fixture, int slot)
{
	return journal_mark(&fixture->server.journal, slot);
}

/* The messages that came, all of which must be of this kind. */
static unsigned count_messages(const struct fixture *fixture, enum message_kind kind)
{
	struct message message;
	unsigned count = 0;

	while (recv(fixture->ends[0], &message, sizeof(message), MSG_DONTWAIT) == sizeof(message)) {
		assert_int_equal(message.size, sizeof(message));
		assert_int_equal(message.version, CHANNEL_VERSION);
		assert_int_equal(message.kind, kind);
		count++;
	}
	return count;
}

/* ---- threads that serve ---- */

static void crash_in_plugin(struct fixture *fixture)
{
	static int *volatile nowhere = (int *)8;

	serve_as(&fixture->thread, 0);
	fixture->thread.caller.container = &fixture->container;
	generation_enter(&fixture->generation);
	*nowhere = 1;
}

static void a_crash_marks_its_request(void **state)
{
	struct fixture *fixture = *state;
	int status = end_of(fixture, crash_in_plugin);
	const struct journal_mark *mark = mark_of(fixture, SLOT);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	assert_int_equal(mark->charges, 1);
	assert_int_equal(mark->signal, SIGSEGV);
	assert_int_equal(mark->unique, 10);
	assert_int_equal(mark->plugin, fixture->generation.row + 1);
	assert_int_equal(mark->group, GROUP);
	assert_int_equal(count_messages(fixture, MESSAGE_DYING), 1);
	assert_int_equal(mark_of(fixture, SLOT + 1)->charges, 0);
}

static void abort_after_plugin(struct fixture *fixture)
{
	serve_as(&fixture->thread, 0);
	generation_enter(&fixture->generation);
	generation_leave(&fixture->generation);
	abort();
}

static void what_a_plugin_spoilt_is_its_own(void **state)
{
	struct fixture *fixture = *state;
	int status = end_of(fixture, abort_after_plugin);
	const struct journal_mark *mark = mark_of(fixture, SLOT);

	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_int_equal(mark->signal, SIGABRT);
	assert_int_equal(mark->plugin, fixture->generation.row + 1);
	assert_int_equal(mark->group, LEDGER_NO_READER);
}

static void abort_before_plugin(struct fixture *fixture)
{
	serve_as(&fixture->thread, 0);
	abort();
}

static void before_a_plugin_is_called_none_is_named(void **state)
{
	struct fixture *fixture = *state;

	/* Of an earlier request in the same slot. */
	mark_of(fixture, SLOT)->plugin = 1;
	mark_of(fixture, SLOT)->group = GROUP;
	write_request(fixture, SLOT, 12);
	end_of(fixture, abort_before_plugin);
	assert_int_equal(mark_of(fixture, SLOT)->charges, 1);
	assert_int_equal(mark_of(fixture, SLOT)->plugin, 0);
	assert_int_equal(mark_of(fixture, SLOT)->group, 0);
}

static void abort_between_requests(struct fixture *fixture)
{
	serve_as(&fixture->thread, 0);
	fault_end(&fixture->thread);
	abort();
}

static void an_idle_thread_marks_nothing(void **state)
{
	struct fixture *fixture = *state;

	end_of(fixture, abort_between_requests);
	assert_int_equal(mark_of(fixture, SLOT)->charges, 0);
	assert_int_equal(count_messages(fixture, MESSAGE_DYING), 1);
}

/* Without an end; the compiler must not see it. */
static int recurse(volatile int depth)
{
	volatile char frame[4096];

	frame[0] = (char)depth;
	return depth < 0 ? frame[0] : recurse(depth + 1) + frame[0];
}

static void overflow_the_stack(struct fixture *fixture)
{
	serve_as(&fixture->thread, 0);
	generation_enter(&fixture->generation);
	recurse(0);
}

static void an_overflown_stack_is_marked(void **state)
{
	struct fixture *fixture = *state;
	int status = end_of(fixture, overflow_the_stack);

	assert_int_equal(WTERMSIG(status), SIGSEGV);
	assert_int_equal(mark_of(fixture, SLOT)->charges, 1);
	assert_int_equal(mark_of(fixture, SLOT)->plugin, 1);
}

static void loop_for_ever(struct fixture *fixture)
{
	serve_as(&fixture->thread, 20);
	generation_enter(&fixture->generation);
	for (volatile unsigned turns = 0;; turns++)
		;
}

static void an_overrun_of_time_is_marked(void **state)
{
	struct fixture *fixture = *state;
	int status = end_of(fixture, loop_for_ever);

	assert_int_equal(WTERMSIG(status), SIGALRM);
	assert_int_equal(mark_of(fixture, SLOT)->charges, 1);
	assert_int_equal(mark_of(fixture, SLOT)->signal, SIGALRM);
	assert_int_equal(mark_of(fixture, SLOT)->plugin, 1);
	assert_int_equal(count_messages(fixture, MESSAGE_DYING), 1);
}

/* Until its child has ended the thread sits in the kernel, where it runs no signal handler. */
static void wait_in_the_kernel(struct fixture *fixture)
{
	struct clone_args arguments = {.flags = CLONE_VFORK, .exit_signal = SIGCHLD};
	pid_t child;

	serve_as(&fixture->thread, 20);
	generation_enter(&fixture->generation);
	child = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (child < 0)
		_exit(NO_SUCH_CALL);
	if (child > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sleep(PATIENCE_SECONDS);
	kill(getppid(), SIGKILL);
	_exit(0);
}

static void an_overrun_in_the_kernel_is_marked_too(void **state)
{
	struct fixture *fixture = *state;
	int status = end_of(fixture, wait_in_the_kernel);

	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SUCH_CALL)
		skip();
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGALRM);
	assert_int_equal(mark_of(fixture, SLOT)->charges, 1);
	assert_int_equal(mark_of(fixture, SLOT)->plugin, 1);
	assert_int_equal(count_messages(fixture, MESSAGE_DYING), 1);
}

static void serve_often(struct fixture *fixture)
{
	serve_as(&fixture->thread, 400);
	for (int round = 0; round < 50; round++) {
		usleep(10000);
		fault_end(&fixture->thread);
		fault_begin(&fixture->thread);
	}
	fault_end(&fixture->thread);
	_exit(7);
}

static void many_short_requests_are_no_long_one(void **state)
{
	struct fixture *fixture = *state;
	int status = end_of(fixture, serve_often);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(mark_of(fixture, SLOT)->charges, 0);
}

/* ---- several threads ---- */

#define CRASHERS 8

static pthread_barrier_t barrier;

static void *crash_together(void *argument)
{
	static int *volatile nowhere = (int *)8;

	serve_as(argument, 0);
	fault_enter_plugin(0);
	pthread_barrier_wait(&barrier);
	*nowhere = 1;
	return NULL;
}

static void crash_on_many_threads(struct fixture *fixture)
{
	static struct server_thread threads[CRASHERS];
	pthread_t handle;

	pthread_barrier_init(&barrier, NULL, CRASHERS);
	for (int index = 0; index < CRASHERS; index++) {
		threads[index] = (struct server_thread){.server = &fixture->server, .slot = index};
		write_request(fixture, index, 20 + (uint64_t)index);
		if (pthread_create(&handle, NULL, crash_together, &threads[index]) != 0)
			_exit(102);
	}
	pause();
}

static void of_many_at_once_each_is_marked_once(void **state)
{
	struct fixture *fixture = *state;
	int status = end_of(fixture, crash_on_many_threads);
	unsigned marked = 0;

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	for (int slot = 0; slot < CRASHERS; slot++) {
		assert_true(mark_of(fixture, slot)->charges <= 1);
		marked += mark_of(fixture, slot)->charges;
	}
	/* The first that got so far; the end of it may have come before the others. */
	assert_true(marked >= 1);
	assert_int_equal(count_messages(fixture, MESSAGE_DYING), 1);
}

/* ---- a plugin that takes one call at a time ---- */

#define WAIT_TIMEOUT 600

static void sleep_milliseconds(long milliseconds)
{
	const struct timespec time = {.tv_nsec = milliseconds * 1000000};

	/* The clock rings meanwhile. */
	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* Each takes less than render-timeout, all of them together more. */
static void *take_a_while(void *argument)
{
	struct server_thread *thread = argument;
	struct fixture *fixture =
		(struct fixture *)((char *)thread->server - offsetof(struct fixture, server));

	serve_as(thread, WAIT_TIMEOUT);
	generation_enter(&fixture->generation);
	sleep_milliseconds(WAIT_TIMEOUT / 4);
	generation_leave(&fixture->generation);
	fault_end(thread);
	return NULL;
}

static void open_serial(struct fixture *fixture)
{
	fixture->generation.plugin.threads = LXCFS_THREADS_SERIAL;
	pthread_mutex_init(&fixture->generation.serial, NULL);
}

static void wait_for_each_other(struct fixture *fixture)
{
	static struct server_thread threads[CRASHERS];
	pthread_t handles[CRASHERS];

	open_serial(fixture);
	for (int index = 0; index < CRASHERS; index++) {
		threads[index] = (struct server_thread){.server = &fixture->server, .slot = index};
		write_request(fixture, index, 20 + (uint64_t)index);
		if (pthread_create(&handles[index], NULL, take_a_while, &threads[index]) != 0)
			_exit(102);
	}
	for (int index = 0; index < CRASHERS; index++)
		pthread_join(handles[index], NULL);
	_exit(0);
}

static void to_wait_for_others_is_no_overrun(void **state)
{
	struct fixture *fixture = *state;
	int status = end_of(fixture, wait_for_each_other);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(count_messages(fixture, MESSAGE_DYING), 0);
}

static void *hang_in_timer(void *argument)
{
	struct fixture *fixture = argument;

	if (fault_outside_open(&fixture->server.ledger, LEDGER_TIMERS) != 0)
		_exit(101);
	generation_enter(&fixture->generation);
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();
	return NULL;
}

static void wait_for_a_timer(struct fixture *fixture)
{
	pthread_t handle;

	open_serial(fixture);
	pthread_barrier_init(&barrier, NULL, 2);
	if (pthread_create(&handle, NULL, hang_in_timer, fixture) != 0)
		_exit(102);
	pthread_barrier_wait(&barrier);
	serve_as(&fixture->thread, 20);
	generation_enter(&fixture->generation);
}

static uint32_t faults_outside(struct fixture *fixture);

static void who_waits_for_a_timer_in_vain_marks_the_timer(void **state)
{
	struct fixture *fixture = *state;
	int status = end_of(fixture, wait_for_a_timer);

	assert_int_equal(WTERMSIG(status), SIGALRM);
	assert_int_equal(mark_of(fixture, SLOT)->charges, 0);
	assert_int_equal(faults_outside(fixture), 1);
	assert_int_equal(count_messages(fixture, MESSAGE_DYING), 1);
}

/* ---- threads that do not serve ---- */

static void crash_outside(struct fixture *fixture)
{
	if (fault_outside_open(&fixture->server.ledger, LEDGER_TIMERS) != 0)
		_exit(101);
	generation_enter(&fixture->generation);
	abort();
}

static void crash_after_outside(struct fixture *fixture)
{
	if (fault_outside_open(&fixture->server.ledger, LEDGER_TIMERS) != 0)
		_exit(101);
	generation_enter(&fixture->generation);
	generation_leave(&fixture->generation);
	abort();
}

static uint32_t faults_outside(struct fixture *fixture)
{
	struct ledger_plugin plugin;

	ledger_record_death(&fixture->server.ledger, &fixture->server.journal, 0, SIGABRT);
	assert_int_equal(ledger_plugin_get(&fixture->server.ledger, 0, &plugin), 0);
	return plugin.outside;
}

static void a_timer_is_marked_in_the_ledger(void **state)
{
	struct fixture *fixture = *state;
	int status = end_of(fixture, crash_outside);

	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_int_equal(faults_outside(fixture), 1);
	assert_int_equal(mark_of(fixture, SLOT)->charges, 0);
	assert_int_equal(count_messages(fixture, MESSAGE_DYING), 1);
}

static void outside_of_a_plugin_nobody_is_marked(void **state)
{
	struct fixture *fixture = *state;

	end_of(fixture, crash_after_outside);
	assert_int_equal(faults_outside(fixture), 0);
	assert_int_equal(ledger_deaths(&fixture->server.ledger), 1);
}

static void abort_unknown(struct fixture *fixture)
{
	(void)fixture;
	abort();
}

static void a_thread_that_nobody_knows_only_says_so(void **state)
{
	struct fixture *fixture = *state;
	int status = end_of(fixture, abort_unknown);

	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_int_equal(faults_outside(fixture), 0);
	assert_int_equal(count_messages(fixture, MESSAGE_DYING), 1);
}

/* ---- the channel ---- */

static void a_channel_that_is_full_does_not_hold_it_up(void **state)
{
	struct fixture *fixture = *state;
	struct message message = {
		.size = sizeof(message), .version = CHANNEL_VERSION, .kind = MESSAGE_LINE};
	int status;

	while (send(fixture->ends[1], &message, sizeof(message), MSG_DONTWAIT) > 0)
		;
	status = end_of(fixture, crash_in_plugin);
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	assert_int_equal(mark_of(fixture, SLOT)->charges, 1);
}

static void a_keeper_that_is_gone_does_not_matter(void **state)
{
	struct fixture *fixture = *state;
	int status;

	close(fixture->ends[0]);
	status = end_of(fixture, crash_in_plugin);
	fixture->ends[0] = -1;
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	assert_int_equal(mark_of(fixture, SLOT)->charges, 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_crash_marks_its_request),
		TEST(what_a_plugin_spoilt_is_its_own),
		TEST(before_a_plugin_is_called_none_is_named),
		TEST(an_idle_thread_marks_nothing),
		TEST(an_overflown_stack_is_marked),
		TEST(an_overrun_of_time_is_marked),
		TEST(an_overrun_in_the_kernel_is_marked_too),
		TEST(many_short_requests_are_no_long_one),
		TEST(of_many_at_once_each_is_marked_once),
		TEST(to_wait_for_others_is_no_overrun),
		TEST(who_waits_for_a_timer_in_vain_marks_the_timer),
		TEST(a_timer_is_marked_in_the_ledger),
		TEST(outside_of_a_plugin_nobody_is_marked),
		TEST(a_thread_that_nobody_knows_only_says_so),
		TEST(a_channel_that_is_full_does_not_hold_it_up),
		TEST(a_keeper_that_is_gone_does_not_matter),
	};

	log_open(LOG_TARGET_STDERR, 0);
	return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
