/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What one rendering reads. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "recordedhost.h"

static struct recordedhost *host;

static int remove_host(void **state)
{
	(void)state;
	recordedhost_free(host);
	return 0;
}

static void assert_host_file(const char *path, const char *expected)
{
	struct lxcfs_text text;

	assert_int_equal(rendering_host_file(&host->rendering, path, &text), 0);
	assert_int_equal(text.length, strlen(expected));
	assert_string_equal(text.data, expected);
}

static void assert_cgroup_file(unsigned level, const char *file, const char *expected)
{
	struct lxcfs_text text;

	assert_int_equal(rendering_ancestor_file(&host->rendering, "memory", level, file, &text),
			 0);
	assert_string_equal(text.data, expected);
}

static int cgroup_failure(const char *controller, unsigned level, const char *file)
{
	struct lxcfs_text text = {NULL, 0};
	int result = rendering_ancestor_file(&host->rendering, controller, level, file, &text);

	assert_null(text.data);
	return result;
}

static void host_file_is_read_once(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_V2);
	recordedhost_enter(host, "/ct1");
	recordedhost_set(host, "proc/loadavg", "1\n");
	assert_host_file("proc/loadavg", "1\n");
	recordedhost_set(host, "proc/loadavg", "2\n");
	assert_host_file("proc/loadavg", "1\n");
	recordedhost_renew(host);
	assert_host_file("proc/loadavg", "2\n");
}

static void failure_is_remembered(void **state)
{
	struct lxcfs_text text;

	(void)state;
	host = recordedhost_new(LAYOUT_V2);
	recordedhost_enter(host, "/ct1");
	assert_int_equal(rendering_host_file(&host->rendering, "proc/none", &text), -ENOENT);
	recordedhost_set(host, "proc/none", "1\n");
	assert_int_equal(rendering_host_file(&host->rendering, "proc/none", &text), -ENOENT);
	recordedhost_renew(host);
	assert_host_file("proc/none", "1\n");
}

/* The name may be in memory that the caller uses again. */
static void names_are_kept(void **state)
{
	char path[] = "proc/a";
	struct lxcfs_text text;

	(void)state;
	host = recordedhost_new(LAYOUT_V2);
	recordedhost_enter(host, "/ct1");
	recordedhost_set(host, "proc/a", "a\n");
	recordedhost_set(host, "proc/b", "b\n");
	assert_int_equal(rendering_host_file(&host->rendering, path, &text), 0);
	path[5] = 'b';
	assert_host_file("proc/b", "b\n");
	assert_host_file("proc/a", "a\n");
}

static void levels_and_names_are_told_apart(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_V2);
	recordedhost_enter(host, "/a/b");
	recordedhost_set_cgroup(host, "memory", "/a/b", "x", "own\n");
	recordedhost_set_cgroup(host, "memory", "/a", "x", "above\n");
	recordedhost_set_cgroup(host, "memory", "", "x", "root\n");
	recordedhost_set_cgroup(host, "memory", "/a/b", "y", "other\n");
	for (int round = 0; round < 2; round++) {
		assert_cgroup_file(0, "x", "own\n");
		assert_cgroup_file(1, "x", "above\n");
		assert_cgroup_file(2, "x", "root\n");
		assert_cgroup_file(0, "y", "other\n");
	}
	assert_int_equal(rendering_cgroup_depth(&host->rendering, "memory"), 2);
	assert_int_equal(cgroup_failure("memory", 3, "x"), -ENOENT);
	assert_int_equal(cgroup_failure("memory", 1, "y"), -ENOENT);
	assert_int_equal(cgroup_failure("hugetlb", 0, "x"), -ENODEV);
}

static void hierarchies_are_told_apart(void **state)
{
	struct lxcfs_text text;

	(void)state;
	host = recordedhost_new(LAYOUT_V1);
	recordedhost_enter(host, "/a");
	recordedhost_set_cgroup(host, "memory", "/a", "x", "memory\n");
	recordedhost_set_cgroup(host, "cpu", "/a", "x", "cpu\n");
	assert_cgroup_file(0, "x", "memory\n");
	assert_int_equal(rendering_cgroup_file(&host->rendering, "cpu", "x", &text), 0);
	assert_string_equal(text.data, "cpu\n");
	assert_cgroup_file(0, "x", "memory\n");
}

/* Controllers that share a hierarchy share what was read. */
static void unified_hierarchy_is_one(void **state)
{
	struct lxcfs_text first;
	struct lxcfs_text second;

	(void)state;
	host = recordedhost_new(LAYOUT_V2);
	recordedhost_enter(host, "/a");
	recordedhost_set_cgroup(host, "cpu", "/a", "cpu.stat", "usage_usec 1\n");
	assert_int_equal(rendering_cgroup_file(&host->rendering, "cpu", "cpu.stat", &first), 0);
	assert_int_equal(
		rendering_cgroup_file(&host->rendering, LXCFS_CGROUP_UNIFIED, "cpu.stat", &second),
		0);
	assert_ptr_equal(first.data, second.data);
}

static void versions(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_HYBRID);
	recordedhost_enter(host, "/a");
	assert_int_equal(rendering_cgroup_version(&host->rendering, "memory"), LXCFS_CGROUP_V1);
	assert_int_equal(rendering_cgroup_version(&host->rendering, LXCFS_CGROUP_UNIFIED),
			 LXCFS_CGROUP_V2);
	assert_int_equal(rendering_cgroup_version(&host->rendering, "io"), LXCFS_CGROUP_NONE);
}

static void own_cgroups(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_HYBRID);
	recordedhost_enter(host, "/a");
	recordedhost_enter_lines(host, "1:cpu:/a\n4:memory:/\n");
	assert_true(rendering_owns_cgroup(&host->rendering, "cpu"));
	assert_false(rendering_owns_cgroup(&host->rendering, "memory"));
	assert_false(rendering_owns_cgroup(&host->rendering, "cpuset"));
	assert_false(rendering_owns_cgroup(&host->rendering, "io"));
	assert_int_equal(cgroup_failure("cpuset", 0, "cpuset.cpus"), -ENODEV);
	assert_int_equal(rendering_cgroup_depth(&host->rendering, "cpuset"), 0);
	recordedhost_enter(host, "/");
	assert_true(rendering_owns_cgroup(&host->rendering, "memory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(host_file_is_read_once, remove_host),
		cmocka_unit_test_teardown(failure_is_remembered, remove_host),
		cmocka_unit_test_teardown(names_are_kept, remove_host),
		cmocka_unit_test_teardown(levels_and_names_are_told_apart, remove_host),
		cmocka_unit_test_teardown(hierarchies_are_told_apart, remove_host),
		cmocka_unit_test_teardown(unified_hierarchy_is_one, remove_host),
		cmocka_unit_test_teardown(versions, remove_host),
		cmocka_unit_test_teardown(own_cgroups, remove_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
