/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The counters of /proc/stat: their form, what they grow by, and that they never go back. */
#include "statreading.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- the form ---- */

static void has_the_lines_of_the_kernel(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V2, "1-2", PHYSICAL);

	(void)state;
	stat_use(0, 4 * SECOND, 2 * SECOND, 6 * SECOND);
	fakehost_expect(fake, "cpu  400 200 600 58800 0 0 0 0 0 0\n"
			      "cpu1 200 100 300 29400 0 0 0 0 0 0\n"
			      "cpu2 200 100 300 29400 0 0 0 0 0 0\n"
			      "intr 0\n"
			      "ctxt 0\n"
			      "btime 1700000700\n"
			      "processes 0\n"
			      "procs_running 1\n"
			      "procs_blocked 0\n"
			      "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
	fakehost_free(fake);
}

static void shows_the_rows_of_the_view(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V2, "1-2,5", PHYSICAL);
	struct reading reading = stat_read(fake);

	(void)state;
	assert_true(reading.has[1] && reading.has[2] && reading.has[5]);
	fakehost_drop_state(fake);
	fakehost_see(fake, "1-2,5", CONTIGUOUS);
	reading = stat_read(fake);
	assert_true(reading.has[0] && reading.has[1] && reading.has[2]);
	fakehost_free(fake);
}

static void holds_many_cpus(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V2, "0-159", PHYSICAL);

	(void)state;
	stat_use(0, 160 * SECOND, 0, 0);
	assert_int_equal(fakehost_render(fake), 0);
	assert_int_equal(fakehost_count(fake, "cpu"), 161);
	assert_int_equal(fakehost_count(fake, "cpu159 100 0 0 29900 0 0 0 0 0 0\n"), 1);
	fakehost_see(fake, "0-3999", PHYSICAL);
	assert_int_equal(fakehost_render(fake), -E2BIG);
	assert_string_not_equal(fake->message, "");
	fakehost_free(fake);
}

/* ---- what is dealt out ---- */

/* All that was used before the first read is there, spread over the container's age. */
static void first_read_is_right(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V1, "2-3", PHYSICAL);
	struct reading reading;

	(void)state;
	stat_use(2, 100 * SECOND, 0, 20 * SECOND);
	stat_use(3, 0, 7 * SECOND, 0);
	reading = stat_read(fake);
	assert_int_equal(reading.rows[2][USER], 10000);
	assert_int_equal(reading.rows[2][SYSTEM], 2000);
	assert_int_equal(reading.rows[2][IDLE], 18000);
	assert_int_equal(reading.rows[3][NICE], 700);
	assert_int_equal(reading.rows[3][IDLE], 29300);
	fakehost_free(fake);
}

static void first_read_has_room_for_the_age_only(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V2, "0", PHYSICAL);
	struct reading reading;

	(void)state;
	stat_use(0, 10000 * SECOND, 0, 0);
	reading = stat_read(fake);
	assert_int_equal(stat_busy(reading.sum), 30000);
	assert_int_equal(reading.sum[IDLE], 0);
	/* What had no room then does not come later. */
	stat_pass(fake, 10 * SECOND);
	reading = stat_read(fake);
	assert_int_equal(stat_busy(reading.sum), 30000);
	assert_int_equal(reading.sum[IDLE], 1000);
	fakehost_free(fake);
}

/* One loop on one CPU, its neighbour idle: on v1 it is told where, on v2 it is spread. */
static void a_busy_loop_reads_as_one_cpu(void **state)
{
	static const uint32_t versions[] = {LXCFS_CGROUP_V1, LXCFS_CGROUP_V2};

	(void)state;
	for (int index = 0; index < 2; index++) {
		struct fakehost *fake = stat_host(versions[index], "4-5", PHYSICAL);
		struct reading before = stat_read(fake);
		struct reading after;

		stat_pass(fake, 10 * SECOND);
		stat_use(5, 9 * SECOND, 0, 1 * SECOND);
		after = stat_read(fake);
		assert_int_equal(stat_busy(after.sum) - stat_busy(before.sum), 1000);
		assert_int_equal(after.sum[IDLE] - before.sum[IDLE], 1000);
		assert_int_equal(stat_busy(after.rows[5]) - stat_busy(before.rows[5]),
				 index ? 500 : 1000);
		assert_int_equal(stat_busy(after.rows[4]) - stat_busy(before.rows[4]),
				 index ? 500 : 0);
		fakehost_free(fake);
	}
}

/* The tasks run on CPU 6, of which a quota of one CPU shows nothing. */
static void use_on_cpus_that_are_not_seen_is_spread(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V1, "0", CONTIGUOUS);
	struct reading before = stat_read(fake);
	struct reading after;

	(void)state;
	stat_pass(fake, 10 * SECOND);
	stat_use(6, 5 * SECOND, 0, 0);
	stat_use(0, 1 * SECOND, 0, 0);
	after = stat_read(fake);
	assert_int_equal(after.rows[0][USER] - before.rows[0][USER], 600);
	assert_int_equal(after.rows[0][IDLE] - before.rows[0][IDLE], 400);
	fakehost_free(fake);
}

static void late_use_comes_with_the_next_read(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V2, "0", PHYSICAL);
	struct reading before = stat_read(fake);
	struct reading after;

	(void)state;
	stat_pass(fake, 1 * SECOND);
	stat_use(0, 1 * SECOND + 400 * MILLISECOND, 0, 0);
	after = stat_read(fake);
	assert_int_equal(stat_busy(after.sum) - stat_busy(before.sum), 100);
	stat_pass(fake, 1 * SECOND);
	after = stat_read(fake);
	assert_int_equal(stat_busy(after.sum) - stat_busy(before.sum), 140);
	assert_int_equal(after.sum[IDLE] - before.sum[IDLE], 60);
	fakehost_free(fake);
}

/* What is left of an old, larger limit is not worked off for minutes. */
static void use_beyond_all_bounds_is_dropped(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V2, "0", PHYSICAL);
	struct reading before = stat_read(fake);
	struct reading after;

	(void)state;
	stat_pass(fake, 1 * SECOND);
	stat_use(0, 500 * SECOND, 0, 0);
	after = stat_read(fake);
	assert_int_equal(stat_busy(after.sum) - stat_busy(before.sum), 100);
	stat_pass(fake, 100 * SECOND);
	after = stat_read(fake);
	assert_in_range(stat_busy(after.sum) - stat_busy(before.sum), 100, 200);
	fakehost_free(fake);
}

/* Parts of a tick are kept until they are a whole one. */
static void no_time_is_lost_by_many_reads(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V2, "0-2", PHYSICAL);
	struct reading before = stat_read(fake);
	struct reading after;

	(void)state;
	for (int step = 0; step < 10000; step++) {
		stat_pass(fake, MILLISECOND);
		stat_use(0, 500001, 100001, 300001);
		stat_read(fake);
	}
	after = stat_read(fake);
	assert_in_range(after.sum[USER] - before.sum[USER], 497, 501);
	assert_in_range(after.sum[NICE] - before.sum[NICE], 97, 101);
	assert_in_range(after.sum[SYSTEM] - before.sum[SYSTEM], 297, 301);
	assert_in_range(after.sum[IDLE] - before.sum[IDLE], 2097, 2103);
	fakehost_free(fake);
}

/* Two readers at once: the one that finishes last may have read the use earlier. */
static void older_use_is_not_counted_twice(void **state)
{
	static const uint32_t versions[] = {LXCFS_CGROUP_V1, LXCFS_CGROUP_V2};

	(void)state;
	for (int index = 0; index < 2; index++) {
		struct fakehost *fake = stat_host(versions[index], "0-1", PHYSICAL);
		struct reading before = stat_read(fake);
		struct reading after;

		for (int round = 0; round < 100; round++) {
			struct lxcfs_cpu_usage newer;
			struct lxcfs_cpu_time newer_row;

			stat_pass(fake, 100 * MILLISECOND);
			stat_use(0, 50 * MILLISECOND, 0, 0);
			newer = stat_usage;
			newer_row = stat_per_cpu[0];
			stat_read(fake);
			stat_pass(fake, MILLISECOND);
			stat_usage.total.user -= 40 * MILLISECOND;
			stat_per_cpu[0].user -= 40 * MILLISECOND;
			stat_read(fake);
			stat_usage = newer;
			stat_per_cpu[0] = newer_row;
		}
		stat_pass(fake, 100 * MILLISECOND);
		after = stat_read(fake);
		assert_in_range(stat_busy(after.sum) - stat_busy(before.sum), 498, 500);
		fakehost_free(fake);
	}
}

/* The container was started anew under the same name: its kernel counters begin at 0 again. */
static void counters_that_begin_anew_are_followed(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V1, "0-1", PHYSICAL);
	struct reading before;
	struct reading after;

	(void)state;
	stat_use(0, 100 * SECOND, 0, 0);
	stat_read(fake);
	memset(stat_per_cpu, 0, sizeof(stat_per_cpu));
	memset(&stat_usage.total, 0, sizeof(stat_usage.total));
	stat_pass(fake, 1 * SECOND);
	before = stat_read(fake);
	stat_pass(fake, 10 * SECOND);
	stat_use(0, 4 * SECOND, 0, 0);
	after = stat_read(fake);
	assert_int_equal(stat_busy(after.rows[0]) - stat_busy(before.rows[0]), 400);
	assert_int_equal(stat_busy(after.sum) - stat_busy(before.sum), 400);
	fakehost_free(fake);
}

static void lost_state_begins_anew(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V2, "0", PHYSICAL);

	(void)state;
	stat_use(0, 100 * SECOND, 0, 0);
	stat_read(fake);
	stat_pass(fake, 100 * SECOND);
	fakehost_drop_state(fake);
	assert_int_equal(stat_read(fake).sum[USER], 10000);
	assert_int_equal(stat_read(fake).sum[IDLE], 30000);
	/* A state of another layout is none. */
	stat_pass(fake, 100 * SECOND);
	fake->state_version++;
	assert_int_equal(stat_read(fake).sum[IDLE], 40000);
	stat_pass(fake, 100 * SECOND);
	fake->state_size = 8;
	assert_int_equal(stat_read(fake).sum[IDLE], 50000);
	fakehost_free(fake);
}

/* ---- the start ---- */

static void btime_is_the_containers_start(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V2, "0", PHYSICAL);

	(void)state;
	assert_int_equal(stat_read(fake).btime, 1700000700);
	for (int step = 0; step < 1000; step++) {
		stat_pass(fake, 333333333);
		/* Clocks are never read at one instant. */
		fake->realtime += step % 2 ? 1000 : (uint64_t)-1000;
		assert_int_equal(stat_read(fake).btime, 1700000700);
	}
	fake->realtime += 3600 * SECOND;
	assert_int_equal(stat_read(fake).btime, 1700004300);
	fakehost_drop_state(fake);
	fake->age = fake->boottime;
	assert_int_equal(stat_read(fake).btime, fake->realtime / SECOND - fake->boottime / SECOND);
	fakehost_free(fake);
}

/* ---- CPUs that come and go ---- */

/* A tool that saw the CPU before finds it as it left it, as one that was off for a while. */
static void returning_cpu_goes_on_where_it_was(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V1, "0-3", PHYSICAL);
	struct reading before;
	struct reading after;

	(void)state;
	stat_use(1, 200 * SECOND, 0, 0);
	stat_use(3, 100 * SECOND, 0, 0);
	before = stat_read(fake);
	fakehost_see(fake, "0", PHYSICAL);
	stat_pass(fake, 10 * SECOND);
	stat_read(fake);
	fakehost_see(fake, "0-3", PHYSICAL);
	stat_pass(fake, 10 * SECOND);
	after = stat_read(fake);
	for (int cpu = 0; cpu < 4; cpu++) {
		assert_int_equal(stat_busy(after.rows[cpu]), stat_busy(before.rows[cpu]));
		assert_in_range(after.rows[cpu][IDLE] - before.rows[cpu][IDLE], 1000, 2000);
	}
	assert_int_equal(stat_busy(after.sum), 30000);
	fakehost_free(fake);
}

/* What was used on it meanwhile has been given to others, and is not given to it again. */
static void returning_cpu_takes_nothing_of_others(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V1, "0-1", PHYSICAL);
	struct reading before = stat_read(fake);
	struct reading after;

	(void)state;
	fakehost_see(fake, "1", PHYSICAL);
	stat_pass(fake, 100 * SECOND);
	stat_use(0, 50 * SECOND, 0, 0);
	stat_read(fake);
	fakehost_see(fake, "0-1", PHYSICAL);
	stat_pass(fake, 10 * SECOND);
	stat_use(1, 5 * SECOND, 0, 0);
	after = stat_read(fake);
	assert_int_equal(stat_busy(after.rows[0]) - stat_busy(before.rows[0]), 0);
	assert_int_equal(stat_busy(after.rows[1]) - stat_busy(before.rows[1]), 5500);
	fakehost_free(fake);
}

/* Three times as many CPUs, one after the other, as the state has places for. */
static void rows_without_a_place_stay_in_the_sum(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V2, "0-899", PHYSICAL);

	(void)state;
	stat_use(0, 900 * SECOND, 0, 0);
	assert_int_equal(fakehost_render(fake), 0);
	assert_int_equal(fakehost_count(fake, "cpu  90000 0 0 26910000 0 0 0 0 0 0\n"), 1);
	fakehost_see(fake, "900-1799", PHYSICAL);
	stat_pass(fake, 10 * SECOND);
	assert_int_equal(fakehost_render(fake), 0);
	assert_int_equal(fakehost_count(fake, "cpu  90000 0 0 27810000 0 0 0 0 0 0\n"), 1);
	assert_int_equal(fakehost_count(fake, "cpu899 "), 0);
	fakehost_see(fake, "1800-2699", PHYSICAL);
	stat_pass(fake, 10 * SECOND);
	stat_use(0, 900 * SECOND, 0, 0);
	assert_int_equal(fakehost_render(fake), 0);
	assert_int_equal(fakehost_count(fake, "cpu  180000 0 0 28620000 0 0 0 0 0 0\n"), 1);
	assert_int_equal(fakehost_count(fake, "cpu1800 100 0 0 900 0 0 0 0 0 0\n"), 1);
	fakehost_free(fake);
}

static void sum_goes_on_while_cpus_move(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V2, "0", PHYSICAL);
	struct reading before;
	struct reading after;

	(void)state;
	stat_use(0, 100 * SECOND, 0, 0);
	before = stat_read(fake);
	fakehost_see(fake, "1", PHYSICAL);
	stat_pass(fake, 10 * SECOND);
	stat_use(1, 5 * SECOND, 0, 0);
	after = stat_read(fake);
	assert_int_equal(after.sum[USER] - before.sum[USER], 500);
	assert_int_equal(after.sum[IDLE] - before.sum[IDLE], 500);
	fakehost_free(fake);
}

/* ---- odd input ---- */

static void huge_use_stays_in_bounds(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V1, "0-1", PHYSICAL);
	struct reading reading;

	(void)state;
	stat_read(fake);
	stat_pass(fake, 10 * SECOND);
	memset(&stat_usage.total, 0xff, sizeof(stat_usage.total));
	memset(stat_per_cpu, 0xff, sizeof(stat_per_cpu));
	reading = stat_read(fake);
	assert_int_equal(stat_busy(reading.sum) + reading.sum[IDLE], 62000);
	fakehost_free(fake);
}

/* A reader that another one has overtaken. */
static void older_clock_adds_no_time(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V2, "0", PHYSICAL);
	struct reading before = stat_read(fake);

	(void)state;
	for (int round = 0; round < 10; round++) {
		fake->boottime -= SECOND;
		stat_read(fake);
		fake->boottime += SECOND;
		assert_int_equal(stat_read(fake).sum[IDLE], before.sum[IDLE]);
	}
	fakehost_free(fake);
}

static void clocks_that_make_no_sense(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V2, "0", PHYSICAL);

	(void)state;
	fake->boottime = 0;
	fake->realtime = 0;
	fake->age = 0;
	fakehost_expect(fake, "cpu  0 0 0 0 0 0 0 0 0 0\n"
			      "cpu0 0 0 0 0 0 0 0 0 0 0\n"
			      "intr 0\nctxt 0\nbtime 0\nprocesses 0\nprocs_running 1\n"
			      "procs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n");
	fakehost_free(fake);
}

/* v1 tells of fewer CPUs than the container sees. */
static void short_list_of_cpus(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V1, "0-3", PHYSICAL);
	struct reading reading;

	(void)state;
	stat_usage.per_cpu_count = 2;
	stat_read(fake);
	stat_pass(fake, 10 * SECOND);
	stat_use(1, 4 * SECOND, 0, 0);
	stat_use(3, 2 * SECOND, 0, 0);
	reading = stat_read(fake);
	assert_int_equal(stat_busy(reading.sum), 600);
	assert_true(stat_busy(reading.rows[1]) >= 400);
	fakehost_free(fake);
}

static void gives_the_host_its_own(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V2, "0", PHYSICAL);

	(void)state;
	fake->request.flags = LXCFS_REQUEST_HOST;
	fakehost_expect(fake, "cpu  1 2 3 4 5 6 7 8 9 10\n");
	assert_int_equal(fake->state_updates, 0);
	fakehost_free(fake);
}

static void failures_are_told(void **state)
{
	struct fakehost *fake = stat_host(LXCFS_CGROUP_V2, "0", PHYSICAL);

	(void)state;
	fake->cpu_usage = NULL;
	assert_int_equal(fakehost_render(fake), -ENODEV);
	assert_string_not_equal(fake->message, "");
	fake->cpu_view = NULL;
	assert_int_equal(fakehost_render(fake), -ENODEV);
	assert_string_not_equal(fake->message, "");
	fake->request.flags = LXCFS_REQUEST_HOST;
	fakehost_set_error(fake, "proc/stat", -EIO);
	assert_int_equal(fakehost_render(fake), -EIO);
	fakehost_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_the_lines_of_the_kernel),
		cmocka_unit_test(shows_the_rows_of_the_view),
		cmocka_unit_test(holds_many_cpus),
		cmocka_unit_test(first_read_is_right),
		cmocka_unit_test(first_read_has_room_for_the_age_only),
		cmocka_unit_test(a_busy_loop_reads_as_one_cpu),
		cmocka_unit_test(use_on_cpus_that_are_not_seen_is_spread),
		cmocka_unit_test(late_use_comes_with_the_next_read),
		cmocka_unit_test(use_beyond_all_bounds_is_dropped),
		cmocka_unit_test(no_time_is_lost_by_many_reads),
		cmocka_unit_test(older_use_is_not_counted_twice),
		cmocka_unit_test(counters_that_begin_anew_are_followed),
		cmocka_unit_test(lost_state_begins_anew),
		cmocka_unit_test(btime_is_the_containers_start),
		cmocka_unit_test(returning_cpu_goes_on_where_it_was),
		cmocka_unit_test(returning_cpu_takes_nothing_of_others),
		cmocka_unit_test(rows_without_a_place_stay_in_the_sum),
		cmocka_unit_test(sum_goes_on_while_cpus_move),
		cmocka_unit_test(nothing_goes_back_in_any_sequence),
		cmocka_unit_test(huge_use_stays_in_bounds),
		cmocka_unit_test(older_clock_adds_no_time),
		cmocka_unit_test(clocks_that_make_no_sense),
		cmocka_unit_test(short_list_of_cpus),
		cmocka_unit_test(gives_the_host_its_own),
		cmocka_unit_test(failures_are_told),
	};

	return cmocka_run_group_tests_name("plugin_stat", tests, NULL, NULL);
}
