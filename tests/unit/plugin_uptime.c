/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The container's age and idle time in /proc/uptime. */
#include "fakehost.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND      UINT64_C(1000000000)
#define MILLISECOND UINT64_C(1000000)
#define HUNDREDTH   UINT64_C(10000000)

static struct lxcfs_cpu_usage usage;

/* A container that is 300 s old on a host that is up for 1000 s. */
static struct fakehost *new_host(const char *cpus)
{
	struct fakehost *fake = fakehost_new(LXCFS_CGROUP_V2);

	memset(&usage, 0, sizeof(usage));
	usage.size = sizeof(usage);
	fakehost_set_file(fake, "proc/uptime", "1000.00 7777.77\n");
	fakehost_see(fake, cpus, LXCFS_CPU_NUMBERS_PHYSICAL);
	fake->cpu_usage = &usage;
	fake->boottime = 1000 * SECOND;
	fake->age = 300 * SECOND;
	return fake;
}

static void pass(struct fakehost *fake, uint64_t time, uint64_t used)
{
	fake->boottime += time;
	fake->age += time;
	usage.total.user += used;
}

/* The second number, in nanoseconds. */
static uint64_t read_idle(struct fakehost *fake)
{
	uint64_t seconds;
	uint64_t hundredths;

	assert_int_equal(fakehost_render(fake), 0);
	assert_int_equal(sscanf(strchr(fakehost_text(fake), ' '), " %" SCNu64 ".%2" SCNu64,
				&seconds, &hundredths),
			 2);
	return seconds * SECOND + hundredths * HUNDREDTH;
}

static void first_read_is_right(void **state)
{
	struct fakehost *fake = new_host("0-1");

	(void)state;
	usage.total = (struct lxcfs_cpu_time){
		.user = 40 * SECOND, .nice = 3 * SECOND, .system = 7 * SECOND + 250 * MILLISECOND};
	fakehost_expect(fake, "300.00 549.75\n");
	fakehost_free(fake);
}

static void cuts_to_hundredths(void **state)
{
	struct fakehost *fake = new_host("3");

	(void)state;
	fake->age = 9999999;
	fakehost_expect(fake, "0.00 0.00\n");
	fakehost_drop_state(fake);
	fake->age = 10000000;
	fakehost_expect(fake, "0.01 0.01\n");
	fakehost_drop_state(fake);
	fake->age = 59 * SECOND + 999999999;
	fakehost_expect(fake, "59.99 59.99\n");
	fakehost_free(fake);
}

/* Of 2 CPUs one is busy for 10 s. */
static void idle_is_what_the_cpus_did_not_do(void **state)
{
	struct fakehost *fake = new_host("2,5");
	uint64_t before = read_idle(fake);

	(void)state;
	pass(fake, 10 * SECOND, 10 * SECOND);
	assert_int_equal(read_idle(fake) - before, 10 * SECOND);
	fakehost_free(fake);
}

static void idle_counts_nice_and_system_as_use(void **state)
{
	struct fakehost *fake = new_host("0");
	uint64_t before = read_idle(fake);

	(void)state;
	pass(fake, 10 * SECOND, 1 * SECOND);
	usage.total.nice += 2 * SECOND;
	usage.total.system += 4 * SECOND;
	assert_int_equal(read_idle(fake) - before, 3 * SECOND);
	fakehost_free(fake);
}

static void idle_never_goes_back(void **state)
{
	static const char *const cpus[] = {"0-7", "0", "3-4", "0-159", "1"};
	struct fakehost *fake = new_host("0-3");
	uint64_t before = read_idle(fake);
	uint64_t random = 1;

	(void)state;
	for (int step = 0; step < 20000; step++) {
		uint64_t idle;
		uint64_t cpu_count = fake->cpu_view->count;
		uint64_t time;

		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		time = (random >> 33) % (2 * SECOND);
		pass(fake, time, (random >> 40) % (time * cpu_count + HUNDREDTH));
		if ((random >> 60) == 0)
			fakehost_see(fake, cpus[(random >> 50) % 5], LXCFS_CPU_NUMBERS_PHYSICAL);
		if ((random >> 59) == 3)
			usage.total.user /= 2;
		if ((random >> 59) == 5 && fake->boottime > SECOND)
			fake->boottime -= SECOND;
		idle = read_idle(fake);
		assert_true(idle >= before);
		assert_true(idle < UINT64_C(1) << 62);
		before = idle;
	}
	fakehost_free(fake);
}

/* Taking CPUs away does not take away what they were idle before. */
static void idle_follows_a_changed_limit(void **state)
{
	struct fakehost *fake = new_host("0-3");
	uint64_t before = read_idle(fake);

	(void)state;
	fakehost_see(fake, "2", LXCFS_CPU_NUMBERS_PHYSICAL);
	pass(fake, 10 * SECOND, 4 * SECOND);
	assert_int_equal(read_idle(fake) - before, 6 * SECOND);
	fakehost_free(fake);
}

/* Two readers at once: the later one of them may have read the use earlier. */
static void older_use_is_not_counted_twice(void **state)
{
	struct fakehost *fake = new_host("0");
	uint64_t before = read_idle(fake);

	(void)state;
	for (int round = 0; round < 100; round++) {
		uint64_t late;

		pass(fake, 100 * MILLISECOND, 50 * MILLISECOND);
		late = usage.total.user;
		read_idle(fake);
		pass(fake, 1 * MILLISECOND, 0);
		usage.total.user = late - 40 * MILLISECOND;
		read_idle(fake);
		usage.total.user = late;
	}
	pass(fake, 100 * MILLISECOND, 0);
	assert_in_range(read_idle(fake) - before, 5200 * MILLISECOND - HUNDREDTH,
			5200 * MILLISECOND + HUNDREDTH);
	fakehost_free(fake);
}

/* Time that the kernel books late is taken from the idle time that follows. */
static void late_use_is_made_up_for(void **state)
{
	struct fakehost *fake = new_host("0");
	uint64_t before = read_idle(fake);

	(void)state;
	pass(fake, 1 * SECOND, 1 * SECOND + 300 * MILLISECOND);
	assert_int_equal(read_idle(fake), before);
	pass(fake, 1 * SECOND, 0);
	assert_int_equal(read_idle(fake) - before, 700 * MILLISECOND);
	fakehost_free(fake);
}

/* More than the container can have used is the past of another limit, and is not kept. */
static void use_beyond_all_bounds_is_dropped(void **state)
{
	struct fakehost *fake = new_host("0");
	uint64_t before = read_idle(fake);

	(void)state;
	pass(fake, 1 * SECOND, 500 * SECOND);
	assert_int_equal(read_idle(fake), before);
	pass(fake, 5 * SECOND, 0);
	assert_int_equal(read_idle(fake) - before, 4 * SECOND);
	fakehost_free(fake);
}

static void lost_state_begins_anew(void **state)
{
	struct fakehost *fake = new_host("0-1");

	(void)state;
	read_idle(fake);
	pass(fake, 100 * SECOND, 50 * SECOND);
	fakehost_drop_state(fake);
	fakehost_expect(fake, "400.00 750.00\n");
	/* A state of another layout is none. */
	pass(fake, 100 * SECOND, 0);
	fake->state_version++;
	fakehost_expect(fake, "500.00 950.00\n");
	fake->state_version--;
	fake->state_size--;
	pass(fake, 100 * SECOND, 0);
	fakehost_expect(fake, "600.00 1150.00\n");
	fakehost_free(fake);
}

/* More use than the age has room for: a container whose cgroup is older than its first process. */
static void use_above_the_age_leaves_no_idle_time(void **state)
{
	struct fakehost *fake = new_host("0");

	(void)state;
	usage.total.user = UINT64_MAX;
	usage.total.system = UINT64_MAX;
	fakehost_expect(fake, "300.00 0.00\n");
	fakehost_free(fake);
}

static void huge_age_does_not_wrap(void **state)
{
	struct fakehost *fake = new_host("0-159");

	(void)state;
	fake->age = UINT64_MAX;
	fakehost_expect(fake, "18446744073.70 18446744073.70\n");
	fakehost_free(fake);
}

/* With uptime = host the age is the host's; the idle time is still that of the container's CPUs. */
static void age_may_be_that_of_the_host(void **state)
{
	struct fakehost *fake = new_host("0-1");

	(void)state;
	fake->age = fake->boottime;
	usage.total.user = 100 * SECOND;
	fakehost_expect(fake, "1000.00 1900.00\n");
	fakehost_free(fake);
}

static void gives_the_host_its_own(void **state)
{
	struct fakehost *fake = new_host("0-1");

	(void)state;
	fake->request.flags = LXCFS_REQUEST_HOST;
	fakehost_expect(fake, "1000.00 7777.77\n");
	assert_int_equal(fake->state_updates, 0);
	fakehost_set_error(fake, "proc/uptime", -EMFILE);
	assert_int_equal(fakehost_render(fake), -EMFILE);
	fakehost_free(fake);
}

static void says_why_it_failed(void **state)
{
	struct fakehost *fake = new_host("0-1");

	(void)state;
	fake->cpu_usage = NULL;
	assert_int_equal(fakehost_render(fake), -ENODEV);
	assert_string_not_equal(fake->message, "");
	fake->cpu_view = NULL;
	assert_int_equal(fakehost_render(fake), -ENODEV);
	assert_string_not_equal(fake->message, "");
	assert_int_equal(fake->state_updates, 0);
	fakehost_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_read_is_right),
		cmocka_unit_test(cuts_to_hundredths),
		cmocka_unit_test(idle_is_what_the_cpus_did_not_do),
		cmocka_unit_test(idle_counts_nice_and_system_as_use),
		cmocka_unit_test(idle_never_goes_back),
		cmocka_unit_test(idle_follows_a_changed_limit),
		cmocka_unit_test(older_use_is_not_counted_twice),
		cmocka_unit_test(late_use_is_made_up_for),
		cmocka_unit_test(use_beyond_all_bounds_is_dropped),
		cmocka_unit_test(lost_state_begins_anew),
		cmocka_unit_test(use_above_the_age_leaves_no_idle_time),
		cmocka_unit_test(huge_age_does_not_wrap),
		cmocka_unit_test(age_may_be_that_of_the_host),
		cmocka_unit_test(gives_the_host_its_own),
		cmocka_unit_test(says_why_it_failed),
	};

	return cmocka_run_group_tests_name("plugin_uptime", tests, NULL, NULL);
}
