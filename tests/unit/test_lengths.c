/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lengths.h"

static int set_up(void **state)
{
	static struct state memfd;

	*state = &memfd;
	return state_create(&memfd);
}

static int tear_down(void **state)
{
	state_close(*state);
	return 0;
}

static void the_end_is_known_to_a_successor(void **state)
{
	struct lengths lengths;
	struct lengths successor;

	lengths_open(*state, &lengths);
	lengths_note(&lengths, 7, 100, 12);
	lengths_open(*state, &successor);
	assert_false(lengths_is_end(&successor, 7, 100, 11));
	assert_true(lengths_is_end(&successor, 7, 100, 12));
	assert_true(lengths_is_end(&successor, 7, 100, 4096));
}

static void the_last_text_counts(void **state)
{
	struct lengths lengths;

	lengths_open(*state, &lengths);
	lengths_note(&lengths, 7, 100, 12);
	lengths_note(&lengths, 7, 100, 14);
	assert_false(lengths_is_end(&lengths, 7, 100, 13));
	assert_true(lengths_is_end(&lengths, 7, 100, 14));
}

static void others_are_not_known(void **state)
{
	struct lengths lengths;

	lengths_open(*state, &lengths);
	lengths_note(&lengths, 7, 100, 12);
	assert_false(lengths_is_end(&lengths, 8, 100, 12));
	assert_false(lengths_is_end(&lengths, 7, 101, 12));
	assert_false(lengths_is_end(&lengths, 100, 7, 12));
}

/* Many more than have room: what is found is never somebody else's. */
static void what_is_displaced_is_forgotten(void **state)
{
	struct lengths lengths;
	unsigned known = 0;

	lengths_open(*state, &lengths);
	for (uint64_t handle = 1; handle <= 100000; handle++)
		lengths_note(&lengths, handle, 1, (size_t)handle);
	for (uint64_t handle = 1; handle <= 100000; handle++) {
		assert_false(lengths_is_end(&lengths, handle, 1, handle - 1));
		known += lengths_is_end(&lengths, handle, 1, handle);
	}
	assert_in_range(known, 10000, 16384);
}

static void a_text_that_is_too_long_is_not_noted(void **state)
{
	struct lengths lengths;

	lengths_open(*state, &lengths);
	lengths_note(&lengths, 7, 100, (size_t)1 << 26);
	assert_false(lengths_is_end(&lengths, 7, 100, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_end_is_known_to_a_successor, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_last_text_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(others_are_not_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_displaced_is_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_text_that_is_too_long_is_not_noted, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("lengths", tests, NULL, NULL);
}
