/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPU time that a container used. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recordedhost.h"

#define TICK 10000000u

static struct recordedhost *host;

static int remove_host(void **state)
{
	(void)state;
	recordedhost_free(host);
	return 0;
}

/* A container in /ct1. */
static void begin(enum recordedhost_layout layout)
{
	host = recordedhost_new(layout);
	recordedhost_enter(host, "/ct1");
}

static void set(const char *file, const char *text)
{
	recordedhost_set_cgroup(host, "cpuacct", "/ct1", file, text);
}

static void set_unified(const char *cgroup, const char *text)
{
	recordedhost_set_cgroup(host, LXCFS_CGROUP_UNIFIED, cgroup, "cpu.stat", text);
}

static const struct lxcfs_cpu_usage *usage(void)
{
	const struct lxcfs_cpu_usage *usage_now;

	recordedhost_renew(host);
	assert_int_equal(cpu_usage_get(&host->rendering, &usage_now), 0);
	return usage_now;
}

static int failure(void)
{
	const struct lxcfs_cpu_usage *none = NULL;
	int result;

	recordedhost_renew(host);
	result = cpu_usage_get(&host->rendering, &none);
	assert_null(none);
	return result;
}

static void assert_time(const struct lxcfs_cpu_time *time, uint64_t user, uint64_t nice,
			uint64_t system)
{
	assert_int_equal(time->user, user);
	assert_int_equal(time->nice, nice);
	assert_int_equal(time->system, system);
}

/* ---- v2 ---- */

static void v2_without_nice(void **state)
{
	(void)state;
	begin(LAYOUT_V2);
	set_unified("/ct1", "usage_usec 1000\nuser_usec 700\nsystem_usec 300\n"
			    "nr_periods 4\nnr_throttled 2\nthrottled_usec 55\n");
	assert_time(&usage()->total, 700000, 0, 300000);
	assert_int_equal(usage()->throttled, 55000);
	assert_null(usage()->per_cpu);
	assert_int_equal(usage()->per_cpu_count, 0);
	assert_int_equal(usage()->size, sizeof(struct lxcfs_cpu_usage));
}

/* The kernel has nice in user. */
static void v2_with_nice(void **state)
{
	(void)state;
	begin(LAYOUT_V2);
	set_unified("/ct1", "usage_usec 1000\nuser_usec 700\nsystem_usec 300\nnice_usec 200\n"
			    "core_sched.force_idle_usec 9\n");
	assert_time(&usage()->total, 500000, 200000, 300000);
	assert_int_equal(usage()->throttled, 0);
}

/* The kernel's parts can miss the total by a rounding, and its nice time is not scaled at all. */
static void v2_parts_add_up(void **state)
{
	(void)state;
	begin(LAYOUT_V2);
	set_unified("/ct1", "usage_usec 1001\nuser_usec 700\nsystem_usec 300\nnice_usec 900\n");
	assert_time(&usage()->total, 0, 701000, 300000);
	set_unified("/ct1", "usage_usec 100\nuser_usec 0\nsystem_usec 300\n");
	assert_time(&usage()->total, 0, 0, 100000);
	set_unified("/ct1", "usage_usec 18446744073709551615\nsystem_usec 1\n");
	assert_time(&usage()->total, UINT64_MAX - 1000, 0, 1000);
}

static void v2_unknown_use_is_an_error(void **state)
{
	(void)state;
	begin(LAYOUT_V2);
	assert_int_equal(failure(), -ENOENT);
	set_unified("/ct1", "nr_periods 0\n");
	assert_int_equal(failure(), -EINVAL);
}

/* ---- v1 ---- */

/* usage_all is counted in ticks, usage_percpu is exact. */
static void v1_per_cpu(void **state)
{
	const struct lxcfs_cpu_usage *now;

	(void)state;
	begin(LAYOUT_V1);
	set("cpuacct.usage_percpu", "1000 2000 0 50 \n");
	set("cpuacct.usage_all", "cpu user system\n0 600 300\n1 2500 100\n2 0 0\n3 0 70\n");
	set("cpuacct.usage", "3050\n");
	now = usage();
	assert_int_equal(now->per_cpu_count, 4);
	assert_time(&now->per_cpu[0], 700, 0, 300);
	assert_time(&now->per_cpu[1], 1900, 0, 100);
	assert_time(&now->per_cpu[2], 0, 0, 0);
	assert_time(&now->per_cpu[3], 0, 0, 50);
	assert_time(&now->total, 2600, 0, 450);
}

static void v1_usage_all_only(void **state)
{
	const struct lxcfs_cpu_usage *now;

	(void)state;
	begin(LAYOUT_V1);
	set("cpuacct.usage_all", "cpu user system\n0 600 300\n1 2500 100\n");
	now = usage();
	assert_int_equal(now->per_cpu_count, 2);
	assert_time(&now->per_cpu[1], 2500, 0, 100);
	assert_time(&now->total, 3100, 0, 400);
}

/* Where the possible CPUs have gaps, usage_all has the numbers of both files. */
static void v1_numbers_with_gaps(void **state)
{
	const struct lxcfs_cpu_usage *now;

	(void)state;
	begin(LAYOUT_V1);
	set("cpuacct.usage_percpu", "1000 2000 \n");
	set("cpuacct.usage_all", "cpu user system\n0 600 300\n8 1900 100\n");
	now = usage();
	assert_int_equal(now->per_cpu_count, 9);
	assert_time(&now->per_cpu[8], 1900, 0, 100);
	assert_time(&now->per_cpu[1], 0, 0, 0);
	assert_time(&now->total, 2600, 0, 400);
}

/* A CPU that only one of the files tells of. */
static void v1_tables_of_different_length(void **state)
{
	(void)state;
	begin(LAYOUT_V1);
	set("cpuacct.usage_percpu", "1000 2000 \n");
	set("cpuacct.usage_all", "cpu user system\n0 600 300\n");
	assert_int_equal(usage()->per_cpu_count, 2);
	assert_time(&usage()->per_cpu[1], 2000, 0, 0);
	set("cpuacct.usage_percpu", "1000 \n");
	set("cpuacct.usage_all", "cpu user system\n0 600 300\n1 40 2\n");
	assert_int_equal(usage()->per_cpu_count, 2);
	assert_time(&usage()->per_cpu[1], 40, 0, 2);
}

static void v1_numbers_in_any_order(void **state)
{
	(void)state;
	begin(LAYOUT_V1);
	set("cpuacct.usage_all", "cpu user system\n3 600 300\n1 40 2\n");
	assert_int_equal(usage()->per_cpu_count, 4);
	assert_time(&usage()->per_cpu[3], 600, 0, 300);
	assert_time(&usage()->per_cpu[1], 40, 0, 2);
}

/* Kernels before 4.9 have no usage_all: the system time goes by each CPU's part of the total. */
static void v1_usage_percpu_and_stat(void **state)
{
	const struct lxcfs_cpu_usage *now;

	(void)state;
	begin(LAYOUT_V1);
	set("cpuacct.usage_percpu", "30000000 10000000 \n");
	set("cpuacct.stat", "user 3\nsystem 1\n");
	now = usage();
	assert_int_equal(now->per_cpu_count, 2);
	assert_time(&now->per_cpu[0], 22500000, 0, 7500000);
	assert_time(&now->per_cpu[1], 7500000, 0, 2500000);
	assert_time(&now->total, 30000000, 0, TICK);
}

static void v1_usage_percpu_only(void **state)
{
	(void)state;
	begin(LAYOUT_V1);
	set("cpuacct.usage_percpu", "30 10 \n");
	assert_time(&usage()->per_cpu[0], 30, 0, 0);
	assert_time(&usage()->total, 40, 0, 0);
}

static void v1_sum_only(void **state)
{
	(void)state;
	begin(LAYOUT_V1);
	set("cpuacct.usage", "45000000\n");
	assert_time(&usage()->total, 45000000, 0, 0);
	set("cpuacct.stat", "user 3\nsystem 1\n");
	assert_time(&usage()->total, 35000000, 0, TICK);
	assert_null(usage()->per_cpu);
	set("cpuacct.usage", NULL);
	assert_time(&usage()->total, 3 * TICK, 0, TICK);
}

static void v1_throttled(void **state)
{
	(void)state;
	begin(LAYOUT_V1);
	set("cpuacct.usage", "1\n");
	assert_int_equal(usage()->throttled, 0);
	recordedhost_set_cgroup(host, "cpu", "/ct1", "cpu.stat",
				"nr_periods 9\nnr_throttled 3\nthrottled_time 12345\n");
	assert_int_equal(usage()->throttled, 12345);
}

static void v1_unknown_use_is_an_error(void **state)
{
	static const char *const texts[] = {"cpu user system\n0 1\n", "cpu user system\nx 1 1\n",
					    "cpu user system\n65536 1 1\n",
					    "cpu user system\n0 -1 1\n"};

	(void)state;
	begin(LAYOUT_V1);
	assert_int_equal(failure(), -ENOENT);
	for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
		set("cpuacct.usage_all", texts[index]);
		assert_int_equal(failure(), -EINVAL);
	}
	set("cpuacct.usage_all", NULL);
	set("cpuacct.usage_percpu", "1 x \n");
	assert_int_equal(failure(), -EINVAL);
	set("cpuacct.usage_all", "cpu user system\n0 1 1\n1 1 1\n");
	assert_int_equal(failure(), -EINVAL);
}

/* ---- which hierarchy ---- */

static void hybrid_asks_v1_first(void **state)
{
	(void)state;
	begin(LAYOUT_HYBRID);
	set("cpuacct.usage", "5000\n");
	set_unified("/ct1", "usage_usec 1000\nuser_usec 700\nsystem_usec 300\n");
	assert_time(&usage()->total, 5000, 0, 0);
	set("cpuacct.usage", NULL);
	assert_time(&usage()->total, 700000, 0, 300000);
}

/* A runtime may make no cgroup in cpuacct: the host's use there is not the container's. */
static void root_of_v1_is_not_the_containers(void **state)
{
	(void)state;
	begin(LAYOUT_HYBRID);
	recordedhost_set_cgroup(host, "cpuacct", "", "cpuacct.usage", "777777\n");
	set_unified("", "usage_usec 999999\n");
	set_unified("/ct1", "usage_usec 1000\nuser_usec 700\nsystem_usec 300\n");
	recordedhost_enter_lines(host, "1:cpu:/ct1\n2:cpuacct:/\n4:memory:/ct1\n0::/ct1\n");
	assert_time(&usage()->total, 700000, 0, 300000);
	recordedhost_enter_lines(host, "1:cpu:/ct1\n2:cpuacct:/\n4:memory:/ct1\n0::/\n");
	assert_time(&usage()->total, 0, 0, 0);
	assert_null(usage()->per_cpu);
}

static void root_tells_no_throttling(void **state)
{
	(void)state;
	begin(LAYOUT_V1);
	set("cpuacct.usage", "5000\n");
	recordedhost_set_cgroup(host, "cpu", "", "cpu.stat", "throttled_time 12345\n");
	recordedhost_enter_lines(host, "1:cpu:/\n2:cpuacct:/ct1\n");
	assert_int_equal(usage()->throttled, 0);
}

static void root_is_the_hosts(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_HYBRID);
	recordedhost_set_cgroup(host, "cpuacct", "", "cpuacct.usage", "777777\n");
	recordedhost_enter(host, "/");
	assert_true(host->container->host);
	assert_time(&usage()->total, 777777, 0, 0);
}

static void container_without_the_cgroups_is_shown_nothing(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_V1);
	recordedhost_set_cgroup(host, "memory", "/ct1", "cgroup.procs", "");
	recordedhost_set_cgroup(host, "cpuacct", "", "cpuacct.usage", "777777\n");
	recordedhost_enter_lines(host, "4:memory:/ct1\n");
	assert_time(&usage()->total, 0, 0, 0);
}

static void one_rendering_has_one_answer(void **state)
{
	const struct lxcfs_cpu_usage *first;
	const struct lxcfs_cpu_usage *second;

	(void)state;
	begin(LAYOUT_V1);
	set("cpuacct.usage", "1000\n");
	recordedhost_renew(host);
	assert_int_equal(cpu_usage_get(&host->rendering, &first), 0);
	set("cpuacct.usage", "2000\n");
	assert_int_equal(cpu_usage_get(&host->rendering, &second), 0);
	assert_ptr_equal(first, second);
	assert_int_equal(usage()->total.user, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(v2_without_nice, remove_host),
		cmocka_unit_test_teardown(v2_with_nice, remove_host),
		cmocka_unit_test_teardown(v2_parts_add_up, remove_host),
		cmocka_unit_test_teardown(v2_unknown_use_is_an_error, remove_host),
		cmocka_unit_test_teardown(v1_per_cpu, remove_host),
		cmocka_unit_test_teardown(v1_usage_all_only, remove_host),
		cmocka_unit_test_teardown(v1_numbers_with_gaps, remove_host),
		cmocka_unit_test_teardown(v1_tables_of_different_length, remove_host),
		cmocka_unit_test_teardown(v1_numbers_in_any_order, remove_host),
		cmocka_unit_test_teardown(v1_usage_percpu_and_stat, remove_host),
		cmocka_unit_test_teardown(v1_usage_percpu_only, remove_host),
		cmocka_unit_test_teardown(v1_sum_only, remove_host),
		cmocka_unit_test_teardown(v1_throttled, remove_host),
		cmocka_unit_test_teardown(v1_unknown_use_is_an_error, remove_host),
		cmocka_unit_test_teardown(hybrid_asks_v1_first, remove_host),
		cmocka_unit_test_teardown(root_of_v1_is_not_the_containers, remove_host),
		cmocka_unit_test_teardown(root_tells_no_throttling, remove_host),
		cmocka_unit_test_teardown(root_is_the_hosts, remove_host),
		cmocka_unit_test_teardown(container_without_the_cgroups_is_shown_nothing,
					  remove_host),
		cmocka_unit_test_teardown(one_rendering_has_one_answer, remove_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
