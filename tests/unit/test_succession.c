/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which worker serves and which one comes next: takeovers and hand-overs, with workers that fail in every way. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "fakekeeper.h"
#include "fakeworker.h"
#include "program.h"
#include "worker.h"

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

		end_current(fixture, signals[index]);
		assert_event(fixture, SUCCESSION_DIED);
		assert_event(fixture, SUCCESSION_SERVES);
		assert_int_equal((uint32_t)fixture->state.header->owner,
				 fixture->succession.current.pid);
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
	fixture->succession = (struct succession){.argv = keeper_arguments,
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
		TEST(all_are_taken_down),
	};

	if (argc > 1 && strcmp(argv[1], WORKER_ARGUMENT) == 0)
		return fake_worker_main();
	program_reserve_descriptors();
	return cmocka_run_group_tests_name("succession", tests, NULL, NULL);
}
