/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which CPUs a container sees. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "recordedhost.h"

static struct recordedhost *host;

static int remove_host(void **state)
{
	(void)state;
	recordedhost_free(host);
	return 0;
}

/* A container in /ct1 of a v2 host. */
static void begin_v2(void)
{
	host = recordedhost_new(LAYOUT_V2);
	recordedhost_set_cgroup(host, "cpuset", "", "cpuset.cpus.effective", "0-7\n");
	recordedhost_enter(host, "/ct1");
}

static void set(const char *cgroup, const char *file, const char *text)
{
	recordedhost_set_cgroup(host, "cpu", cgroup, file, text);
}

static void set_cpuset(const char *cgroup, const char *file, const char *text)
{
	recordedhost_set_cgroup(host, "cpuset", cgroup, file, text);
}

static const struct lxcfs_cpu_view *view(void)
{
	const struct lxcfs_cpu_view *view_now;

	recordedhost_renew(host);
	assert_int_equal(cpu_view_get(&host->rendering, &view_now), 0);
	return view_now;
}

static int failure(void)
{
	const struct lxcfs_cpu_view *none = NULL;
	int result;

	recordedhost_renew(host);
	result = cpu_view_get(&host->rendering, &none);
	assert_null(none);
	return result;
}

static void join(const uint32_t *numbers, uint32_t count, char *text, size_t size)
{
	size_t used = 0;

	for (uint32_t index = 0; index < count; index++)
		used += (size_t)snprintf(text + used, size - used, "%s%u", used ? " " : "",
					 (unsigned)numbers[index]);
}

static void assert_view(const char *physical, const char *shown)
{
	const struct lxcfs_cpu_view *now = view();
	char text[256] = "";

	join(now->physical, now->count, text, sizeof(text));
	assert_string_equal(text, physical);
	text[0] = '\0';
	join(now->shown, now->count, text, sizeof(text));
	assert_string_equal(text, shown);
}

static void without_limits_all_that_are_online(void **state)
{
	(void)state;
	begin_v2();
	assert_view("0 1 2 3 4 5 6 7", "0 1 2 3 4 5 6 7");
	assert_int_equal(view()->numbering, LXCFS_CPU_NUMBERS_PHYSICAL);
	assert_int_equal(view()->quota, 0);
	assert_int_equal(view()->period, 0);
	assert_int_equal(view()->size, sizeof(struct lxcfs_cpu_view));
}

/* C01 */
static void cpuset_has_the_hosts_numbers(void **state)
{
	(void)state;
	begin_v2();
	set_cpuset("/ct1", "cpuset.cpus.effective", "1-2,5\n");
	assert_view("1 2 5", "1 2 5");
	host->policy.cpu_policy = CPU_POLICY_CPUSET;
	assert_view("1 2 5", "1 2 5");
	assert_int_equal(view()->numbering, LXCFS_CPU_NUMBERS_PHYSICAL);
}

/* C02 */
static void numbering_can_be_asked_for(void **state)
{
	(void)state;
	begin_v2();
	set_cpuset("/ct1", "cpuset.cpus.effective", "1-2,5\n");
	host->policy.cpu_numbering = CPU_NUMBERING_CONTIGUOUS;
	assert_view("1 2 5", "0 1 2");
	assert_int_equal(view()->numbering, LXCFS_CPU_NUMBERS_CONTIGUOUS);
	set("/ct1", "cpu.max", "150000 100000\n");
	host->policy.cpu_numbering = CPU_NUMBERING_PHYSICAL;
	assert_view("1 2", "1 2");
	assert_int_equal(view()->numbering, LXCFS_CPU_NUMBERS_PHYSICAL);
}

/* C03, C04 */
static void quota_is_rounded_up(void **state)
{
	static const struct {
		const char *max;
		uint32_t count;
	} cases[] = {
		{"150000 100000\n", 2}, {"50000 100000\n", 1},  {"1000 1000000\n", 1},
		{"100000 100000\n", 1}, {"100001 100000\n", 2}, {"200000 100000\n", 2},
		{"700001 100000\n", 8}, {"800000 100000\n", 8}, {"9000000 100000\n", 8},
		{"max 100000\n", 8},    {"max 50000\n", 8},     {"18446744073709551614 1\n", 8},
	};

	(void)state;
	begin_v2();
	for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
		set("/ct1", "cpu.max", cases[index].max);
		if (view()->count != cases[index].count)
			fail_msg("cpu.max %s: %u CPUs", cases[index].max, (unsigned)view()->count);
	}
}

static void quota_that_cuts_numbers_from_zero(void **state)
{
	(void)state;
	begin_v2();
	set_cpuset("/ct1", "cpuset.cpus.effective", "2,4-7\n");
	set("/ct1", "cpu.max", "300000 100000\n");
	assert_view("2 4 5", "0 1 2");
	assert_int_equal(view()->numbering, LXCFS_CPU_NUMBERS_CONTIGUOUS);
	/* As many as the cpuset has: nothing is cut off. */
	set("/ct1", "cpu.max", "500000 100000\n");
	assert_view("2 4 5 6 7", "2 4 5 6 7");
	assert_int_equal(view()->numbering, LXCFS_CPU_NUMBERS_PHYSICAL);
}

/* C06 */
static void cpuset_smaller_than_quota_wins(void **state)
{
	(void)state;
	begin_v2();
	set_cpuset("/ct1", "cpuset.cpus.effective", "1-2,3-4\n");
	set("/ct1", "cpu.max", "800000 100000\n");
	assert_view("1 2 3 4", "1 2 3 4");
}

/* C07 */
static void tightest_ancestor_holds(void **state)
{
	(void)state;
	begin_v2();
	set("/cg1", "cpu.max", "300000 100000\n");
	set("/cg1/cg2", "cpu.max", "400000 100000\n");
	set("/cg1/cg2/cg3", "cpu.max", "max 100000\n");
	set("/cg1/cg2/cg3/cg4", "cpu.max", "200000 100000\n");
	recordedhost_enter(host, "/cg1/cg2/cg3");
	assert_int_equal(view()->count, 3);
	assert_int_equal(view()->quota, 300000);
	assert_int_equal(view()->period, 100000);
}

/* Limits with different periods are compared by what they allow. */
static void periods_may_differ(void **state)
{
	(void)state;
	begin_v2();
	set("/cg1", "cpu.max", "500000 100000\n");
	set("/cg1/cg2", "cpu.max", "600000 1000000\n");
	recordedhost_enter(host, "/cg1/cg2");
	assert_int_equal(view()->count, 1);
	assert_int_equal(view()->quota, 600000);
	assert_int_equal(view()->period, 1000000);
}

/* C08 */
static void policy_cpuset_leaves_the_quota_out(void **state)
{
	(void)state;
	begin_v2();
	set_cpuset("/ct1", "cpuset.cpus.effective", "0-2\n");
	set("/ct1", "cpu.max", "30000 100000\n");
	assert_view("0", "0");
	host->policy.cpu_policy = CPU_POLICY_CPUSET;
	assert_view("0 1 2", "0 1 2");
	assert_int_equal(view()->quota, 30000);
	assert_int_equal(view()->period, 100000);
}

/* C10 */
static void changed_quota_shows_at_once(void **state)
{
	(void)state;
	begin_v2();
	set("/ct1", "cpu.max", "100000 100000\n");
	assert_int_equal(view()->count, 1);
	set("/ct1", "cpu.max", "400000 100000\n");
	assert_int_equal(view()->count, 4);
}

/* One rendering sees one view, whatever changes meanwhile. */
static void one_rendering_has_one_view(void **state)
{
	const struct lxcfs_cpu_view *first;
	const struct lxcfs_cpu_view *second;

	(void)state;
	begin_v2();
	assert_int_equal(cpu_view_get(&host->rendering, &first), 0);
	set("/ct1", "cpu.max", "100000 100000\n");
	assert_int_equal(cpu_view_get(&host->rendering, &second), 0);
	assert_ptr_equal(first, second);
	assert_int_equal(view()->count, 1);
}

/* C18 */
static void offline_cpus_are_not_seen(void **state)
{
	(void)state;
	begin_v2();
	recordedhost_set(host, "sys/devices/system/cpu/online", "0-3,5-7\n");
	assert_view("0 1 2 3 5 6 7", "0 1 2 3 5 6 7");
	set_cpuset("/ct1", "cpuset.cpus.effective", "3-5\n");
	assert_view("3 5", "3 5");
}

static void without_sysfs_stat_tells(void **state)
{
	(void)state;
	begin_v2();
	recordedhost_set(host, "sys/devices/system/cpu/online", NULL);
	recordedhost_set(host, "proc/stat", "cpu  1 2 3\ncpu0 1 2 3\ncpu2 1 2 3\nintr 0\n");
	assert_view("0 2", "0 2");
	recordedhost_set(host, "sys/devices/system/cpu/online", "nonsense\n");
	assert_view("0 2", "0 2");
	recordedhost_set(host, "sys/devices/system/cpu/online", "\n");
	assert_view("0 2", "0 2");
	recordedhost_set(host, "proc/stat", NULL);
	assert_view("0", "0");
}

static void nearest_cpuset_holds(void **state)
{
	(void)state;
	begin_v2();
	set_cpuset("/a", "cpuset.cpus.effective", "1-6\n");
	set_cpuset("/a/b", "cpuset.cpus.effective", "2-4\n");
	recordedhost_enter(host, "/a/b/c/d");
	assert_view("2 3 4", "2 3 4");
	set_cpuset("/a/b", "cpuset.cpus.effective", NULL);
	assert_view("1 2 3 4 5 6", "1 2 3 4 5 6");
}

static void cpuset_without_online_cpus_has_no_say(void **state)
{
	(void)state;
	begin_v2();
	recordedhost_set(host, "sys/devices/system/cpu/online", "0-3\n");
	set_cpuset("/a", "cpuset.cpus.effective", "1-2\n");
	recordedhost_enter(host, "/a/b");
	set_cpuset("/a/b", "cpuset.cpus.effective", "6-7\n");
	assert_view("1 2", "1 2");
	set_cpuset("/a/b", "cpuset.cpus.effective", "\n");
	assert_view("1 2", "1 2");
	set_cpuset("/a", "cpuset.cpus.effective", "\n");
	set_cpuset("", "cpuset.cpus.effective", "\n");
	assert_view("0 1 2 3", "0 1 2 3");
}

static void limits_that_cannot_be_read_are_errors(void **state)
{
	static const char *const texts[] = {"\n",         "max\n",        "x 100000\n",
					    "100000\n",   "1.5 100000\n", "100000 0\n",
					    "0 100000\n", "1 x\n",        ""};

	(void)state;
	begin_v2();
	for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
		set("/ct1", "cpu.max", texts[index]);
		assert_int_equal(failure(), -EINVAL);
	}
	set("/ct1", "cpu.max", NULL);
	assert_int_equal(view()->count, 8);
	set_cpuset("/ct1", "cpuset.cpus.effective", "3-1\n");
	assert_int_equal(failure(), -EINVAL);
}

/* ---- v1 ---- */

static void v1_quota(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_V1);
	recordedhost_enter(host, "/ct1");
	set("", "cpu.cfs_quota_us", "-1\n");
	set("", "cpu.cfs_period_us", "100000\n");
	set("/ct1", "cpu.cfs_quota_us", "250000\n");
	set("/ct1", "cpu.cfs_period_us", "100000\n");
	assert_view("0 1 2", "0 1 2");
	assert_int_equal(view()->numbering, LXCFS_CPU_NUMBERS_CONTIGUOUS);
	assert_int_equal(view()->quota, 250000);
	set("/ct1", "cpu.cfs_quota_us", "-1\n");
	assert_int_equal(view()->count, 8);
	assert_int_equal(view()->quota, 0);
	assert_int_equal(view()->period, 0);
	set("/ct1", "cpu.cfs_quota_us", "1000\n");
	set("/ct1", "cpu.cfs_period_us", "0\n");
	assert_int_equal(failure(), -EINVAL);
	set("/ct1", "cpu.cfs_quota_us", "-2\n");
	assert_int_equal(failure(), -EINVAL);
}

static void v1_cpuset(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_V1);
	recordedhost_enter(host, "/a/b");
	set_cpuset("", "cpuset.cpus", "0-7\n");
	set_cpuset("/a", "cpuset.cpus", "1-3\n");
	set_cpuset("/a/b", "cpuset.cpus", "\n");
	assert_view("1 2 3", "1 2 3");
	set_cpuset("/a/b", "cpuset.cpus", "2-3\n");
	assert_view("2 3", "2 3");
	set_cpuset("/a/b", "cpuset.effective_cpus", "2\n");
	assert_view("2", "2");
}

/* C25 */
static void v1_cpu_and_cpuset_in_different_cgroups(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_V1);
	set("/x", "cpu.cfs_quota_us", "200000\n");
	set("/x", "cpu.cfs_period_us", "100000\n");
	set("/y", "cpu.cfs_quota_us", "100000\n");
	set("/y", "cpu.cfs_period_us", "100000\n");
	set_cpuset("/y/z", "cpuset.cpus", "4-7\n");
	set_cpuset("/x", "cpuset.cpus", "0\n");
	recordedhost_enter_lines(host, "1:cpu:/x\n3:cpuset:/y/z\n");
	assert_view("4 5", "0 1");
}

static void v1_without_cgroups_all_that_are_online(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_V1);
	recordedhost_set_cgroup(host, "memory", "/ct1", "cgroup.procs", "");
	recordedhost_enter_lines(host, "4:memory:/ct1\n");
	assert_view("0 1 2 3 4 5 6 7", "0 1 2 3 4 5 6 7");
}

/* The host's own processes run everywhere, and its CPUs have their own numbers. */
static void host_is_not_restricted(void **state)
{
	(void)state;
	begin_v2();
	recordedhost_enter(host, "/");
	set_cpuset("", "cpuset.cpus.effective", "2-7\n");
	host->policy.cpu_numbering = CPU_NUMBERING_CONTIGUOUS;
	recordedhost_set(host, "sys/devices/system/cpu/online", "0,2\n");
	assert_view("0 2", "0 2");
	assert_int_equal(view()->numbering, LXCFS_CPU_NUMBERS_PHYSICAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(without_limits_all_that_are_online, remove_host),
		cmocka_unit_test_teardown(cpuset_has_the_hosts_numbers, remove_host),
		cmocka_unit_test_teardown(numbering_can_be_asked_for, remove_host),
		cmocka_unit_test_teardown(quota_is_rounded_up, remove_host),
		cmocka_unit_test_teardown(quota_that_cuts_numbers_from_zero, remove_host),
		cmocka_unit_test_teardown(cpuset_smaller_than_quota_wins, remove_host),
		cmocka_unit_test_teardown(tightest_ancestor_holds, remove_host),
		cmocka_unit_test_teardown(periods_may_differ, remove_host),
		cmocka_unit_test_teardown(policy_cpuset_leaves_the_quota_out, remove_host),
		cmocka_unit_test_teardown(changed_quota_shows_at_once, remove_host),
		cmocka_unit_test_teardown(one_rendering_has_one_view, remove_host),
		cmocka_unit_test_teardown(offline_cpus_are_not_seen, remove_host),
		cmocka_unit_test_teardown(without_sysfs_stat_tells, remove_host),
		cmocka_unit_test_teardown(nearest_cpuset_holds, remove_host),
		cmocka_unit_test_teardown(cpuset_without_online_cpus_has_no_say, remove_host),
		cmocka_unit_test_teardown(limits_that_cannot_be_read_are_errors, remove_host),
		cmocka_unit_test_teardown(v1_quota, remove_host),
		cmocka_unit_test_teardown(v1_cpuset, remove_host),
		cmocka_unit_test_teardown(v1_cpu_and_cpuset_in_different_cgroups, remove_host),
		cmocka_unit_test_teardown(v1_without_cgroups_all_that_are_online, remove_host),
		cmocka_unit_test_teardown(host_is_not_restricted, remove_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
