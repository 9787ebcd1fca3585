/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When workers fail again and again: one without plugins, and in the end none. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fakekeeper.h"
#include "fakeworker.h"
#include "program.h"
#include "worker.h"

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
	/* That it serves is not enough: it must have done so for a while. */
	assert_int_equal(fixture->succession.retry_pause, 300000);
	fixture->succession.since -= STORM_MILLISECONDS;
	end_current(fixture, SIGKILL);
	assert_event(fixture, SUCCESSION_DIED);
	assert_int_equal(fixture->succession.retry_pause, pause / 2);
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

static void a_machine_that_stood_still_is_forgiven(void **state)
{
	struct fixture *fixture = *state;
	int64_t outage;
	int64_t deadline;

	serve(fixture);
	succession_forgive(&fixture->succession, 5000);
	/* Nobody is waited for. */
	assert_int_equal(fixture->succession.outage, 0);
	assert_int_equal(fixture->succession.deadline, 0);
	end_current(fixture, SIGKILL);
	assert_event(fixture, SUCCESSION_DIED);
	outage = fixture->succession.outage;
	deadline = fixture->succession.deadline;
	succession_forgive(&fixture->succession, 5000);
	assert_int_equal(fixture->succession.outage, outage + 5000);
	assert_int_equal(fixture->succession.deadline, deadline + 5000);
	assert_event(fixture, SUCCESSION_SERVES);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(three_failures_are_followed_by_one_without_plugins),
		TEST(plugins_are_tried_ever_more_rarely),
		TEST(one_without_plugins_has_a_successor_like_it),
		TEST(one_that_hangs_is_followed_by_one_without_plugins),
		TEST(workers_that_are_killed_do_not_count),
		TEST(a_storm_of_deaths_is_followed_by_one_without_plugins),
		TEST(deaths_that_are_long_ago_are_no_storm),
		TEST(when_nobody_serves_for_long_all_is_lost),
		TEST(a_machine_that_stood_still_is_forgiven),
	};

	if (argc > 1 && strcmp(argv[1], WORKER_ARGUMENT) == 0)
		return fake_worker_main();
	program_reserve_descriptors();
	return cmocka_run_group_tests_name("rescue", tests, NULL, NULL);
}
