/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long a container has been running. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "recordedhost.h"

#define SECOND   UINT64_C(1000000000)
#define INIT_PID 4321

static struct recordedhost *host;

static int make_host(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_V2);
	recordedhost_enter(host, "/ct1");
	host->rendering.init_pid = INIT_PID;
	return 0;
}

static int remove_host(void **state)
{
	(void)state;
	recordedhost_free(host);
	return 0;
}

static void set_stat(const char *text)
{
	recordedhost_set(host, "proc/4321/stat", text);
}

/* The process calls itself `name` and started `ticks` after boot. */
static void set_process(const char *name, const char *ticks)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "4321 (%s) S 1 4321 4321 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %s 1000 200 "
		 "18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 3 0 0 0 0 0\n",
		 name, ticks);
	set_stat(text);
}

static uint64_t age(void)
{
	uint64_t nanoseconds;

	recordedhost_renew(host);
	assert_int_equal(age_get(&host->rendering, &nanoseconds), 0);
	return nanoseconds;
}

static void since_the_first_process_started(void **state)
{
	(void)state;
	set_process("init", "30000");
	assert_int_equal(age(), 700 * SECOND);
	set_process("init", "30001");
	assert_int_equal(age(), 700 * SECOND - SECOND / 100);
}

/* U01 */
static void names_may_hold_anything(void **state)
{
	static const char *const names[] = {
		"my init x",       "a) b c",    ")", "(",    ") S 1 2 3",
		"               ", "npm start", "",  "a\nb",
	};

	(void)state;
	for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
		set_process(names[index], "30000");
		if (age() != 700 * SECOND)
			fail_msg("a first process named \"%s\"", names[index]);
	}
}

static void host_has_its_uptime(void **state)
{
	(void)state;
	set_process("init", "30000");
	host->rendering.init_pid = 0;
	assert_int_equal(age(), RECORDEDHOST_UPTIME);
}

static void uptime_can_be_the_hosts(void **state)
{
	(void)state;
	set_process("init", "30000");
	host->policy.virtual_uptime = false;
	assert_int_equal(age(), RECORDEDHOST_UPTIME);
}

/* A pid namespace that is about to end: no failure, and no garbage. */
static void first_process_is_gone(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"4321 init S 1",
		"4321 (init) S 1 2 3\n",
		"4321 (init) S 1 4321 4321 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0",
	};

	(void)state;
	assert_int_equal(age(), RECORDEDHOST_UPTIME);
	for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
		set_stat(texts[index]);
		assert_int_equal(age(), RECORDEDHOST_UPTIME);
	}
	set_process("init", "-5");
	assert_int_equal(age(), RECORDEDHOST_UPTIME);
}

/* The two clocks are read one after the other. */
static void age_is_never_negative(void **state)
{
	(void)state;
	set_process("init", "100001");
	assert_int_equal(age(), 0);
	set_process("init", "99999999999999999999");
	assert_int_equal(age(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(since_the_first_process_started, make_host,
						remove_host),
		cmocka_unit_test_setup_teardown(names_may_hold_anything, make_host, remove_host),
		cmocka_unit_test_setup_teardown(host_has_its_uptime, make_host, remove_host),
		cmocka_unit_test_setup_teardown(uptime_can_be_the_hosts, make_host, remove_host),
		cmocka_unit_test_setup_teardown(first_process_is_gone, make_host, remove_host),
		cmocka_unit_test_setup_teardown(age_is_never_negative, make_host, remove_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
