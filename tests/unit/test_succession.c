/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which worker serves and which one comes next, with workers that fail in every way. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "fakeworker.h"
#include "log.h"
#include "program.h"
#include "succession.h"
#include "worker.h"

/* A test that waits longer hangs. */
#define PATIENCE_MILLISECONDS 60000

static char name[] = "test_succession";
static char *const arguments[] = {name, NULL};

struct fixture {
	struct state state;
	struct inheritance inheritance;
	struct succession succession;
	int fuse_fd;
};

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture.fuse_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(state_create(&fixture.state), 0);
	inheritance_init(&fixture.inheritance);
	fixture.succession = (struct succession){.argv = arguments,
						 .fuse_fd = fixture.fuse_fd,
						 .state = &fixture.state,
						 .inheritance = &fixture.inheritance};
	succession_init(&fixture.succession);
	fake_worker_script(FAKE_GOOD, FAKE_GOOD);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	succession_end(&fixture->succession);
	journal_close(&fixture->succession.journal);
	state_close(&fixture->state);
	close(fixture->state.fd);
	close(fixture->fuse_fd);
	return 0;
}

/* ---- as the keeper does ---- */

static enum succession_event take_message(struct fixture *fixture, struct worker_process *from)
{
	struct message message;
	int fd;
	int result = channel_receive(from->channel, &message, &fd);

	if (result == 0)
		return succession_take(&fixture->succession, from, &message);
	assert_int_equal(result, -EPIPE);
	close(from->channel);
	from->channel = -1;
	return SUCCESSION_NONE;
}

static bool has_message(const struct worker_process *process)
{
	struct pollfd fd = {.fd = process->channel, .events = POLLIN};

	return process->channel >= 0 && poll(&fd, 1, 0) > 0;
}

/* What it said before it ended comes first. */
static enum succession_event look_at(struct fixture *fixture, struct worker_process *process)
{
	enum succession_event event = SUCCESSION_NONE;
	int status;

	while (event == SUCCESSION_NONE && has_message(process))
		event = take_message(fixture, process);
	if (event != SUCCESSION_NONE || !worker_process_has_ended(process, &status))
		return event;
	if (has_message(process))
		return take_message(fixture, process);
	return succession_ended(&fixture->succession, process, status);
}

static int time_left(const struct succession *succession, int64_t end)
{
	int64_t now = clock_milliseconds();
	int64_t until = end;

	if (succession->deadline != 0 && succession->deadline < until)
		until = succession->deadline;
	if (succession->outage != 0 && succession->outage + OUTAGE_MILLISECONDS < until)
		until = succession->outage + OUTAGE_MILLISECONDS;
	return until <= now ? 0 : (int)(until - now);
}

static enum succession_event wait_step(struct fixture *fixture, int64_t end)
{
	struct succession *succession = &fixture->succession;
	struct pollfd fds[] = {{.fd = succession->current.channel, .events = POLLIN},
			       {.fd = succession->current.pidfd, .events = POLLIN},
			       {.fd = succession->next.channel, .events = POLLIN},
			       {.fd = succession->next.pidfd, .events = POLLIN}};
	enum succession_event event;

	poll(fds, 4, time_left(succession, end));
	event = look_at(fixture, &succession->current);
	if (event == SUCCESSION_NONE)
		event = look_at(fixture, &succession->next);
	if (event == SUCCESSION_NONE)
		event = succession_timeout(succession);
	return event;
}

static enum succession_event next_event(struct fixture *fixture)
{
	int64_t end = clock_milliseconds() + PATIENCE_MILLISECONDS;
	enum succession_event event = SUCCESSION_NONE;

	while (event == SUCCESSION_NONE && clock_milliseconds() < end)
		event = wait_step(fixture, end);
	return event;
}

#define assert_event(fixture, expected) assert_int_equal(next_event(fixture), expected)

/* Until this phase, in which nothing that is told of has happened yet. */
static void await_phase(struct fixture *fixture, enum succession_phase phase)
{
	int64_t end = clock_milliseconds() + PATIENCE_MILLISECONDS;

	while (fixture->succession.phase != phase && clock_milliseconds() < end)
		assert_int_equal(wait_step(fixture, end), SUCCESSION_NONE);
	assert_int_equal(fixture->succession.phase, phase);
}

/* As if that much time had passed. */
static void pass_deadline(struct fixture *fixture)
{
	assert_int_not_equal(fixture->succession.deadline, 0);
	fixture->succession.deadline = 1;
}

static void serve(struct fixture *fixture)
{
	assert_int_equal(succession_begin(&fixture->succession), 0);
	assert_event(fixture, SUCCESSION_READY);
	succession_serve(&fixture->succession);
	assert_event(fixture, SUCCESSION_SERVES);
}

/* The first one does this, those after it are good. */
static void serve_by(struct fixture *fixture, const char *script)
{
	fake_worker_script(script, FAKE_GOOD);
	serve(fixture);
	fake_worker_script(FAKE_GOOD, FAKE_GOOD);
}

static int replace(struct fixture *fixture)
{
	int program = program_open_own();
	int result = succession_replace(&fixture->succession, START_RESUME, program);

	close(program);
	return result;
}

static void end_current(const struct fixture *fixture, int signal_number)
{
	assert_int_equal(kill(fixture->succession.current.pid, signal_number), 0);
}

static bool is_gone(pid_t pid)
{
	waitpid(pid, NULL, WNOHANG);
	return kill(pid, 0) != 0 && errno == ESRCH;
}

/* A worker of this kind serves, and all is well. */
static void assert_settled(const struct fixture *fixture, bool rescue)
{
	const struct succession *succession = &fixture->succession;

	assert_true(succession_is_settled(succession));
	assert_int_equal(succession->outage, 0);
	assert_int_equal(succession->next.pid, 0);
	assert_int_equal(succession->rescue, rescue);
	assert_int_equal(fixture->state.header->rescue, rescue);
	assert_int_equal(succession->deadline != 0, rescue);
	assert_int_equal(kill(succession->current.pid, 0), 0);
}

static void assert_counted(const struct fixture *fixture, unsigned hand_overs, unsigned takeovers)
{
	assert_int_equal(fixture->state.header->hand_overs, hand_overs);
	assert_int_equal(fixture->state.header->takeovers, takeovers);
}

/* ---- the first one ---- */

static void the_first_worker_waits_for_the_mount(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(succession_begin(&fixture->succession), 0);
	assert_false(succession_is_settled(&fixture->succession));
	assert_event(fixture, SUCCESSION_READY);
	assert_false(fixture->succession.mounted);
	assert_int_equal(fixture->succession.deadline, 0);
	succession_serve(&fixture->succession);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, false);
	assert_counted(fixture, 0, 0);
}

static void a_first_worker_that_fails_is_not_tried_again(void **state)
{
	struct fixture *fixture = *state;

	fake_worker_script("fail", FAKE_GOOD);
	assert_int_equal(succession_begin(&fixture->succession), 0);
	assert_event(fixture, SUCCESSION_LOST);
	assert_string_equal(fixture->succession.reason, "told to fail");
}

static void nor_is_one_that_is_never_ready(void **state)
{
	struct fixture *fixture = *state;

	fake_worker_script("hang", FAKE_GOOD);
	assert_int_equal(succession_begin(&fixture->succession), 0);
	pass_deadline(fixture);
	assert_event(fixture, SUCCESSION_LOST);
	assert_non_null(strstr(fixture->succession.reason, "in time"));
}

static void one_that_dies_when_it_is_to_serve_has_a_successor(void **state)
{
	struct fixture *fixture = *state;

	fake_worker_script("ready serve segv", FAKE_GOOD);
	assert_int_equal(succession_begin(&fixture->succession), 0);
	assert_event(fixture, SUCCESSION_READY);
	succession_serve(&fixture->succession);
	fake_worker_script(FAKE_GOOD, FAKE_GOOD);
	assert_event(fixture, SUCCESSION_REFUSED);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, false);
	assert_counted(fixture, 0, 1);
}

/* ---- takeovers ---- */

static void a_worker_that_dies_is_followed_by_another(void **state)
{
	static const int signals[] = {SIGKILL, SIGSEGV, SIGABRT};
	struct fixture *fixture = *state;

	serve(fixture);
	for (unsigned index = 0; index < 3; index++) {
		pid_t before = fixture->succession.current.pid;

		fixture->state.header->owner = (uint32_t)before;
		end_current(fixture, signals[index]);
		assert_event(fixture, SUCCESSION_DIED);
		assert_int_equal(fixture->state.header->owner, 0);
		assert_event(fixture, SUCCESSION_SERVES);
		assert_int_not_equal(fixture->succession.current.pid, before);
		assert_true(is_gone(before));
		assert_settled(fixture, false);
	}
	assert_counted(fixture, 0, 3);
	/* Of SIGKILL there is no list. */
	assert_int_equal(ledger_deaths(&fixture->succession.ledger), 2);
}

static void one_that_ends_without_a_word_is_followed_too(void **state)
{
	struct fixture *fixture = *state;

	serve_by(fixture, "ready serve serving exit");
	assert_event(fixture, SUCCESSION_DIED);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, false);
}

static void a_dying_worker_that_does_not_end_is_given_up(void **state)
{
	struct fixture *fixture = *state;
	pid_t before;

	serve_by(fixture, "ready serve serving dying stop");
	before = fixture->succession.current.pid;
	assert_event(fixture, SUCCESSION_DIED);
	assert_true(is_gone(before));
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, false);
}

static void so_is_one_that_dies_while_another_gets_ready(void **state)
{
	struct fixture *fixture = *state;

	serve_by(fixture, "ready serve serving yield");
	fake_worker_script("hang", FAKE_GOOD);
	assert_int_equal(replace(fixture), 0);
	assert_int_equal(succession_take(&fixture->succession, &fixture->succession.current,
					 &(struct message){.kind = MESSAGE_DYING}),
			 SUCCESSION_NONE);
	fake_worker_script(FAKE_GOOD, FAKE_GOOD);
	assert_event(fixture, SUCCESSION_DIED);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, false);
}

static void and_when_the_other_is_refused(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture);
	fake_worker_script("fail", FAKE_GOOD);
	assert_int_equal(replace(fixture), 0);
	/* So that the end of the next one is seen first. */
	assert_true(worker_process_await_end(&fixture->succession.next, PATIENCE_MILLISECONDS,
					     &(int){0}));
	fixture->succession.current.dying = true;
	assert_int_equal(succession_ended(&fixture->succession, &fixture->succession.next, 1 << 8),
			 SUCCESSION_REFUSED);
	fake_worker_script(FAKE_GOOD, FAKE_GOOD);
	assert_event(fixture, SUCCESSION_DIED);
	assert_event(fixture, SUCCESSION_SERVES);
}

static void one_that_is_ended_is_followed_even_if_it_stays(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture);
	succession_end_current(&fixture->succession);
	assert_false(succession_is_settled(&fixture->succession));
	assert_int_not_equal(fixture->succession.deadline, 0);
	assert_event(fixture, SUCCESSION_DIED);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, false);
}

static void a_dying_successor_is_given_up_too(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture);
	fake_worker_script("ready serve dying stop", FAKE_GOOD);
	end_current(fixture, SIGKILL);
	assert_event(fixture, SUCCESSION_DIED);
	assert_event(fixture, SUCCESSION_REFUSED);
	fake_worker_script(FAKE_GOOD, FAKE_GOOD);
	assert_event(fixture, SUCCESSION_SERVES);
	/* What it was hit by is known, and not a reason to go on without any plugin. */
	assert_settled(fixture, false);
}

static void dying_successors_are_failures(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture);
	fake_worker_script("ready serve dying stop", FAKE_GOOD);
	end_current(fixture, SIGKILL);
	assert_event(fixture, SUCCESSION_DIED);
	for (unsigned failure = 0; failure < 3; failure++)
		assert_event(fixture, SUCCESSION_REFUSED);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, true);
}

/* ---- hand-overs ---- */

static void a_planned_successor_takes_over_when_the_old_one_yields(void **state)
{
	struct fixture *fixture = *state;
	pid_t before;

	serve(fixture);
	before = fixture->succession.current.pid;
	assert_int_equal(replace(fixture), 0);
	assert_int_equal(replace(fixture), -EBUSY);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_int_not_equal(fixture->succession.current.pid, before);
	assert_true(is_gone(before));
	assert_settled(fixture, false);
	assert_counted(fixture, 1, 0);
}

static void one_that_fails_leaves_the_old_one_serving(void **state)
{
	static const struct {
		const char *script;
		const char *reason;
	} cases[] = {{"fail", "told to fail"},
		     {"segv", "signal 11"},
		     {"exit", "status 1"},
		     {"close", "in time"},
		     {"hang", "in time"}};
	struct fixture *fixture = *state;
	pid_t before;

	serve(fixture);
	before = fixture->succession.current.pid;
	for (unsigned index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
		fake_worker_script(cases[index].script, FAKE_GOOD);
		assert_int_equal(replace(fixture), 0);
		if (strcmp(cases[index].reason, "in time") == 0)
			pass_deadline(fixture);
		assert_event(fixture, SUCCESSION_REFUSED);
		assert_non_null(strstr(fixture->succession.reason, cases[index].reason));
		assert_int_equal(fixture->succession.current.pid, before);
		assert_settled(fixture, false);
	}
	assert_int_equal(ledger_deaths(&fixture->succession.ledger), 0);
	fake_worker_script(FAKE_GOOD, FAKE_GOOD);
	assert_int_equal(replace(fixture), 0);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_counted(fixture, 1, 0);
}

static void the_old_one_may_die_while_the_next_gets_ready(void **state)
{
	struct fixture *fixture = *state;
	pid_t next;

	serve(fixture);
	fake_worker_script("hang", FAKE_GOOD);
	assert_int_equal(replace(fixture), 0);
	next = fixture->succession.next.pid;
	fake_worker_script(FAKE_GOOD, FAKE_GOOD);
	end_current(fixture, SIGKILL);
	assert_event(fixture, SUCCESSION_DIED);
	assert_true(is_gone(next));
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, false);
	assert_counted(fixture, 0, 1);
}

static void or_while_it_yields(void **state)
{
	struct fixture *fixture = *state;

	serve_by(fixture, "ready serve serving yield segv");
	assert_int_equal(replace(fixture), 0);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, false);
	assert_int_equal(ledger_deaths(&fixture->succession.ledger), 1);
}

static void the_next_one_may_die_while_the_old_one_yields(void **state)
{
	struct fixture *fixture = *state;
	pid_t before;

	serve_by(fixture, "ready serve serving yield hang");
	before = fixture->succession.current.pid;
	fake_worker_script("ready segv", FAKE_GOOD);
	assert_int_equal(replace(fixture), 0);
	fake_worker_script(FAKE_GOOD, FAKE_GOOD);
	assert_event(fixture, SUCCESSION_REFUSED);
	/* It may have stopped reading requests. */
	assert_true(is_gone(before));
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, false);
	assert_counted(fixture, 0, 1);
}

static void one_that_never_yields_is_killed(void **state)
{
	static const char *const scripts[] = {"ready serve serving stop", FAKE_GOOD};
	struct fixture *fixture = *state;

	serve_by(fixture, "ready serve serving hang");
	for (unsigned index = 0; index < 2; index++) {
		pid_t before = fixture->succession.current.pid;

		fake_worker_script(scripts[index], FAKE_GOOD);
		assert_int_equal(replace(fixture), 0);
		await_phase(fixture, PHASE_YIELDING);
		pass_deadline(fixture);
		assert_event(fixture, SUCCESSION_SERVES);
		assert_true(is_gone(before));
		assert_settled(fixture, false);
	}
	assert_counted(fixture, 2, 0);
}

static void so_is_one_that_cannot_be_told_to(void **state)
{
	struct fixture *fixture = *state;
	int64_t end = clock_milliseconds() + PATIENCE_MILLISECONDS;
	pid_t before;

	serve_by(fixture, "ready serve serving close");
	before = fixture->succession.current.pid;
	while (fixture->succession.current.channel >= 0 && clock_milliseconds() < end)
		assert_int_equal(wait_step(fixture, end), SUCCESSION_NONE);
	assert_settled(fixture, false);
	assert_int_equal(replace(fixture), 0);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_true(is_gone(before));
	assert_counted(fixture, 1, 0);
}

static void a_worker_of_another_keeper_is_gone_on_with(void **state)
{
	struct fixture *fixture = *state;
	struct succession other;

	serve(fixture);
	other = fixture->succession;
	fixture->succession = (struct succession){.argv = arguments,
						  .fuse_fd = fixture->fuse_fd,
						  .state = &fixture->state,
						  .inheritance = &fixture->inheritance};
	succession_init(&fixture->succession);
	assert_int_equal(
		succession_adopt(&fixture->succession, other.current.pid, other.current.channel),
		0);
	close(other.current.pidfd);
	journal_close(&other.journal);
	assert_settled(fixture, false);
	assert_int_equal(replace(fixture), 0);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_counted(fixture, 1, 0);
}

/* ---- when none can serve ---- */

/* Every one that is started fails so; the pauses are skipped. */
static void fail_often(struct fixture *fixture, unsigned times)
{
	for (unsigned failure = 0; failure < times; failure++) {
		assert_event(fixture, SUCCESSION_REFUSED);
		assert_int_not_equal(fixture->succession.outage, 0);
		pass_deadline(fixture);
	}
}

static void begin_rescue(struct fixture *fixture)
{
	serve(fixture);
	fake_worker_script("fail", FAKE_GOOD);
	end_current(fixture, SIGKILL);
	assert_event(fixture, SUCCESSION_DIED);
	fail_often(fixture, 3);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, true);
}

static void three_failures_are_followed_by_one_without_plugins(void **state)
{
	struct fixture *fixture = *state;

	begin_rescue(fixture);
	assert_counted(fixture, 0, 1);
	/* Plugins are tried again. */
	fake_worker_script(FAKE_GOOD, FAKE_GOOD);
	pass_deadline(fixture);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, false);
	assert_counted(fixture, 1, 1);
}

static void plugins_are_tried_ever_more_rarely(void **state)
{
	struct fixture *fixture = *state;
	pid_t rescuer;
	int64_t pause;

	begin_rescue(fixture);
	rescuer = fixture->succession.current.pid;
	pause = fixture->succession.retry_pause;
	for (unsigned try = 0; try < 9; try++) {
		int64_t before = fixture->succession.retry_pause;

		pass_deadline(fixture);
		assert_event(fixture, SUCCESSION_REFUSED);
		assert_settled(fixture, true);
		assert_int_equal(fixture->succession.current.pid, rescuer);
		assert_true(fixture->succession.retry_pause == 2 * before ||
			    fixture->succession.retry_pause == 300000);
	}
	assert_int_equal(fixture->succession.retry_pause, 300000);
	fake_worker_script(FAKE_GOOD, FAKE_GOOD);
	pass_deadline(fixture);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, false);
	assert_int_equal(fixture->succession.retry_pause, pause);
}

static void one_without_plugins_has_a_successor_like_it(void **state)
{
	struct fixture *fixture = *state;

	begin_rescue(fixture);
	end_current(fixture, SIGKILL);
	assert_event(fixture, SUCCESSION_DIED);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, true);
	/* One with plugins that gets ready and then fails ends it, too. */
	fake_worker_script("ready serve segv", FAKE_GOOD);
	pass_deadline(fixture);
	assert_event(fixture, SUCCESSION_REFUSED);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, true);
}

static void one_that_hangs_is_followed_by_one_without_plugins(void **state)
{
	static const char *const scripts[] = {"hang", "ready hang"};
	struct fixture *fixture = *state;

	for (unsigned index = 0; index < 2; index++) {
		fake_worker_script(FAKE_GOOD, FAKE_GOOD);
		if (index == 0) {
			serve(fixture);
		} else {
			pass_deadline(fixture);
			assert_event(fixture, SUCCESSION_SERVES);
		}
		fake_worker_script(scripts[index], FAKE_GOOD);
		end_current(fixture, SIGKILL);
		assert_event(fixture, SUCCESSION_DIED);
		if (index == 1)
			await_phase(fixture, PHASE_STARTING);
		pass_deadline(fixture);
		assert_event(fixture, SUCCESSION_REFUSED);
		assert_event(fixture, SUCCESSION_SERVES);
		assert_settled(fixture, true);
	}
}

static void workers_that_are_killed_do_not_count(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture);
	fake_worker_script("kill", FAKE_GOOD);
	end_current(fixture, SIGKILL);
	assert_event(fixture, SUCCESSION_DIED);
	fail_often(fixture, 5);
	fake_worker_script(FAKE_GOOD, FAKE_GOOD);
	assert_event(fixture, SUCCESSION_SERVES);
	assert_settled(fixture, false);
}

static void a_storm_of_deaths_is_followed_by_one_without_plugins(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture);
	for (unsigned death = 1; death <= STORM_DEATHS; death++) {
		end_current(fixture, SIGSEGV);
		assert_event(fixture, SUCCESSION_DIED);
		assert_event(fixture, SUCCESSION_SERVES);
		assert_settled(fixture, death == STORM_DEATHS);
	}
}

static void deaths_that_are_long_ago_are_no_storm(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture);
	for (unsigned death = 1; death <= 2 * STORM_DEATHS; death++) {
		fixture->succession.deaths[0] -= STORM_MILLISECONDS;
		fixture->succession.deaths[STORM_DEATHS / 2] -= STORM_MILLISECONDS;
		fixture->succession.deaths[STORM_DEATHS - 1] -= STORM_MILLISECONDS;
		end_current(fixture, death % 2 ? SIGKILL : SIGSEGV);
		assert_event(fixture, SUCCESSION_DIED);
		assert_event(fixture, SUCCESSION_SERVES);
		assert_settled(fixture, false);
	}
}

static void when_nobody_serves_for_long_all_is_lost(void **state)
{
	struct fixture *fixture = *state;

	serve(fixture);
	fake_worker_script("fail", "fail");
	end_current(fixture, SIGKILL);
	assert_event(fixture, SUCCESSION_DIED);
	fail_often(fixture, 4);
	fixture->succession.outage -= OUTAGE_MILLISECONDS;
	assert_event(fixture, SUCCESSION_LOST);
}

/* ---- the end ---- */

static void all_are_taken_down(void **state)
{
	struct fixture *fixture = *state;
	pid_t pids[2];

	serve(fixture);
	fake_worker_script("stop", FAKE_GOOD);
	assert_int_equal(replace(fixture), 0);
	pids[0] = fixture->succession.current.pid;
	pids[1] = fixture->succession.next.pid;
	succession_end(&fixture->succession);
	assert_true(is_gone(pids[0]));
	assert_true(is_gone(pids[1]));
	assert_false(succession_is_settled(&fixture->succession));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_worker_waits_for_the_mount),
		TEST(a_first_worker_that_fails_is_not_tried_again),
		TEST(nor_is_one_that_is_never_ready),
		TEST(one_that_dies_when_it_is_to_serve_has_a_successor),
		TEST(a_worker_that_dies_is_followed_by_another),
		TEST(one_that_ends_without_a_word_is_followed_too),
		TEST(a_dying_worker_that_does_not_end_is_given_up),
		TEST(so_is_one_that_dies_while_another_gets_ready),
		TEST(and_when_the_other_is_refused),
		TEST(one_that_is_ended_is_followed_even_if_it_stays),
		TEST(a_dying_successor_is_given_up_too),
		TEST(dying_successors_are_failures),
		TEST(a_planned_successor_takes_over_when_the_old_one_yields),
		TEST(one_that_fails_leaves_the_old_one_serving),
		TEST(the_old_one_may_die_while_the_next_gets_ready),
		TEST(or_while_it_yields),
		TEST(the_next_one_may_die_while_the_old_one_yields),
		TEST(one_that_never_yields_is_killed),
		TEST(so_is_one_that_cannot_be_told_to),
		TEST(a_worker_of_another_keeper_is_gone_on_with),
		TEST(three_failures_are_followed_by_one_without_plugins),
		TEST(plugins_are_tried_ever_more_rarely),
		TEST(one_without_plugins_has_a_successor_like_it),
		TEST(one_that_hangs_is_followed_by_one_without_plugins),
		TEST(workers_that_are_killed_do_not_count),
		TEST(a_storm_of_deaths_is_followed_by_one_without_plugins),
		TEST(deaths_that_are_long_ago_are_no_storm),
		TEST(when_nobody_serves_for_long_all_is_lost),
		TEST(all_are_taken_down),
	};

	if (argc > 1 && strcmp(argv[1], WORKER_ARGUMENT) == 0)
		return fake_worker_main();
	program_reserve_descriptors();
	return cmocka_run_group_tests_name("succession", tests, NULL, NULL);
}
