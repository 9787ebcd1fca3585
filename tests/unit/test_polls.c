/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Wake-ups: which are written to /dev/fuse (a pipe here), and what a successor does. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "polls.h"

struct fixture {
	struct state state;
	struct polls *polls;
	int ends[2];
};

static int set_up(void **state)
{
	static struct fixture fixture;

	*state = &fixture;
	return pipe2(fixture.ends, O_CLOEXEC | O_NONBLOCK) != 0 ||
	       state_create(&fixture.state) != 0 ||
	       polls_open(&fixture.state, fixture.ends[1], &fixture.polls) != 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	polls_free(fixture->polls);
	state_close(&fixture->state);
	close(fixture->ends[0]);
	close(fixture->ends[1]);
	return 0;
}

/* The poll handle of the next message; 0: there is none. */
static uint64_t next_wakeup(const struct fixture *fixture)
{
	struct {
		struct fuse_out_header header;
		struct fuse_notify_poll_wakeup_out wakeup;
	} message;
	ssize_t length = read(fixture->ends[0], &message, sizeof(message));

	if (length < 0) {
		assert_int_equal(errno, EAGAIN);
		return 0;
	}
	assert_int_equal(length, sizeof(message));
	assert_int_equal(message.header.len, sizeof(message));
	assert_int_equal(message.header.error, FUSE_NOTIFY_POLL);
	assert_int_equal(message.header.unique, 0);
	return message.wakeup.kh;
}

static void a_wake_up_names_the_kernels_handle(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(polls_add(fixture->polls, 5, 500), 0);
	assert_int_equal(polls_add(fixture->polls, 6, 600), 0);
	polls_wake(fixture->polls, 6);
	assert_int_equal(next_wakeup(fixture), 600);
	assert_int_equal(next_wakeup(fixture), 0);
}

static void who_does_not_poll_is_not_woken(void **state)
{
	struct fixture *fixture = *state;

	polls_wake(fixture->polls, 5);
	assert_int_equal(polls_add(fixture->polls, 5, 500), 0);
	polls_drop(fixture->polls, 5);
	polls_drop(fixture->polls, 5);
	polls_wake(fixture->polls, 5);
	assert_int_equal(next_wakeup(fixture), 0);
}

static void a_later_poll_has_the_later_handle(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(polls_add(fixture->polls, 5, 500), 0);
	assert_int_equal(polls_add(fixture->polls, 5, 501), 0);
	polls_wake(fixture->polls, 5);
	assert_int_equal(next_wakeup(fixture), 501);
	assert_int_equal(next_wakeup(fixture), 0);
	polls_drop(fixture->polls, 5);
	polls_wake(fixture->polls, 5);
	assert_int_equal(next_wakeup(fixture), 0);
}

/* Handles that lie in the same place of the table, and gaps that others left. */
static void neighbours_are_told_apart(void **state)
{
	struct fixture *fixture = *state;
	size_t length;
	uint64_t places;

	state_section(&fixture->state, STATE_POLLS, &length);
	places = length / 16;
	assert_int_equal(polls_add(fixture->polls, 5, 1), 0);
	assert_int_equal(polls_add(fixture->polls, 5 + places, 2), 0);
	assert_int_equal(polls_add(fixture->polls, 5 + 2 * places, 3), 0);
	polls_drop(fixture->polls, 5);
	polls_wake(fixture->polls, 5 + places);
	assert_int_equal(next_wakeup(fixture), 2);
	/* Polled again: no second entry for it in the gap. */
	assert_int_equal(polls_add(fixture->polls, 5 + 2 * places, 4), 0);
	polls_drop(fixture->polls, 5 + 2 * places);
	polls_wake(fixture->polls, 5 + 2 * places);
	assert_int_equal(next_wakeup(fixture), 0);
}

static void a_full_place_says_so(void **state)
{
	struct fixture *fixture = *state;
	size_t length;
	uint64_t places;
	uint64_t count = 0;

	state_section(&fixture->state, STATE_POLLS, &length);
	places = length / 16;
	while (polls_add(fixture->polls, 5 + count * places, count + 1) == 0)
		count++;
	assert_int_equal(polls_add(fixture->polls, 5 + count * places, 9), -ENOSPC);
	assert_true(count >= 16);
	polls_wake(fixture->polls, 5 + (count - 1) * places);
	assert_int_equal(next_wakeup(fixture), count);
	polls_drop(fixture->polls, 5);
	assert_int_equal(polls_add(fixture->polls, 5 + count * places, 9), 0);
}

static void the_table_has_no_edge(void **state)
{
	struct fixture *fixture = *state;
	size_t length;

	state_section(&fixture->state, STATE_POLLS, &length);
	assert_int_equal(polls_add(fixture->polls, length / 16 - 1, 1), 0);
	assert_int_equal(polls_add(fixture->polls, 2 * (length / 16) - 1, 2), 0);
	polls_wake(fixture->polls, 2 * (length / 16) - 1);
	assert_int_equal(next_wakeup(fixture), 2);
}

static void a_successor_wakes_everyone(void **state)
{
	struct fixture *fixture = *state;
	uint64_t sum = 0;

	assert_int_equal(polls_add(fixture->polls, 5, 1), 0);
	assert_int_equal(polls_add(fixture->polls, 70000, 2), 0);
	assert_int_equal(polls_add(fixture->polls, 123456789, 4), 0);
	assert_int_equal(polls_add(fixture->polls, 6, 8), 0);
	polls_drop(fixture->polls, 6);
	polls_free(fixture->polls);
	assert_int_equal(polls_open(&fixture->state, fixture->ends[1], &fixture->polls), 0);
	polls_wake_all(fixture->polls);
	for (int message = 0; message < 3; message++)
		sum += next_wakeup(fixture);
	assert_int_equal(sum, 7);
	assert_int_equal(next_wakeup(fixture), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_wake_up_names_the_kernels_handle, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(who_does_not_poll_is_not_woken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_later_poll_has_the_later_handle, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(neighbours_are_told_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_place_says_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_table_has_no_edge, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_successor_wakes_everyone, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("polls", tests, NULL, NULL);
}
