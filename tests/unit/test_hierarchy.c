/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which hierarchy has a controller, and the paths of a process in each. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hierarchy.h"

static struct hierarchy v1(const char *controllers)
{
	return (struct hierarchy){.version = LXCFS_CGROUP_V1,
				  .controllers = (char *)(uintptr_t)controllers,
				  .fd = -1};
}

static struct hierarchy v2(const char *available)
{
	static char none[] = "";

	return (struct hierarchy){.version = LXCFS_CGROUP_V2,
				  .controllers = none,
				  .available = (char *)(uintptr_t)available,
				  .fd = -1};
}

static struct hierarchies hybrid(void)
{
	struct hierarchies hierarchies = {.count = 4};

	hierarchies.items[0] = v1("cpu,cpuacct");
	hierarchies.items[1] = v1("memory");
	hierarchies.items[2] = v1("name=systemd");
	hierarchies.items[3] = v2("io memory hugetlb");
	return hierarchies;
}

static void a_controller_is_a_whole_word(void **state)
{
	const struct hierarchies hierarchies = hybrid();

	(void)state;
	assert_int_equal(hierarchies_find(&hierarchies, "cpu"), 0);
	assert_int_equal(hierarchies_find(&hierarchies, "cpuacct"), 0);
	assert_int_equal(hierarchies_find(&hierarchies, "cpuset"), -1);
	assert_int_equal(hierarchies_find(&hierarchies, "cp"), -1);
	assert_int_equal(hierarchies_find(&hierarchies, "cpu,cpuacct"), -1);
}

static void v1_wins_over_the_unified_hierarchy(void **state)
{
	struct hierarchies hierarchies = hybrid();
	struct hierarchy unified = hierarchies.items[3];

	(void)state;
	assert_int_equal(hierarchies_find(&hierarchies, "memory"), 1);
	assert_int_equal(hierarchies_find(&hierarchies, "io"), 3);
	hierarchies.items[3] = hierarchies.items[0];
	hierarchies.items[0] = unified;
	assert_int_equal(hierarchies_find(&hierarchies, "memory"), 1);
}

static void the_empty_name_is_the_unified_hierarchy(void **state)
{
	struct hierarchies hierarchies = hybrid();

	(void)state;
	assert_int_equal(hierarchies_find(&hierarchies, LXCFS_CGROUP_UNIFIED), 3);
	hierarchies.count = 3;
	assert_int_equal(hierarchies_find(&hierarchies, LXCFS_CGROUP_UNIFIED), -1);
	assert_int_equal(hierarchies_find(&hierarchies, "io"), -1);
}

static int parse(const struct hierarchies *hierarchies, char *copy, size_t size, const char *text,
		 struct cgroup_paths *paths)
{
	assert_true((size_t)snprintf(copy, size, "%s", text) < size);
	return cgroup_paths_parse(hierarchies, copy, paths);
}

static void each_line_finds_its_hierarchy(void **state)
{
	const struct hierarchies hierarchies = hybrid();
	struct cgroup_paths paths;
	char text[512];

	(void)state;
	assert_int_equal(parse(&hierarchies, text, sizeof(text),
			       "12:pids:/other\n"
			       "11:memory:/lxc/ct1\n"
			       "5:cpu,cpuacct:/lxc/ct1/a\n"
			       "1:name=systemd:/\n"
			       "0::/../init.scope\n",
			       &paths),
			 0);
	assert_string_equal(paths.path[0], "/lxc/ct1/a");
	assert_string_equal(paths.path[1], "/lxc/ct1");
	assert_string_equal(paths.path[2], "/");
	assert_string_equal(paths.path[3], "/../init.scope");
	assert_null(paths.path[4]);
}

static void a_missing_line_is_null(void **state)
{
	const struct hierarchies hierarchies = hybrid();
	struct cgroup_paths paths;
	char text[64];

	(void)state;
	assert_int_equal(parse(&hierarchies, text, sizeof(text), "4:memory:/ct", &paths), 0);
	assert_null(paths.path[0]);
	assert_string_equal(paths.path[1], "/ct");
	assert_null(paths.path[2]);
	assert_null(paths.path[3]);
}

static void colons_belong_to_the_path(void **state)
{
	const struct hierarchies hierarchies = hybrid();
	struct cgroup_paths paths;
	char text[128];

	(void)state;
	assert_int_equal(parse(&hierarchies, text, sizeof(text), "0::/a:b/c: d\n", &paths), 0);
	assert_string_equal(paths.path[3], "/a:b/c: d");
}

static void what_is_no_line_is_passed_over(void **state)
{
	const struct hierarchies hierarchies = hybrid();
	struct cgroup_paths paths;
	char text[128];

	(void)state;
	assert_int_equal(parse(&hierarchies, text, sizeof(text),
			       "\nmemory\n1:memory\n:\n1:memory:ct\n2:memory:/good\n", &paths),
			 0);
	assert_string_equal(paths.path[1], "/good");
}

static void nothing_known_is_an_error(void **state)
{
	const struct hierarchies hierarchies = hybrid();
	struct cgroup_paths paths;
	char text[64];

	(void)state;
	assert_int_equal(parse(&hierarchies, text, sizeof(text), "", &paths), -EINVAL);
	assert_int_equal(parse(&hierarchies, text, sizeof(text), "7:pids:/a\n", &paths), -EINVAL);
	assert_int_equal(parse(&hierarchies, text, sizeof(text), "memory:/a\n", &paths), -EINVAL);
	assert_null(paths.path[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_controller_is_a_whole_word),
		cmocka_unit_test(v1_wins_over_the_unified_hierarchy),
		cmocka_unit_test(the_empty_name_is_the_unified_hierarchy),
		cmocka_unit_test(each_line_finds_its_hierarchy),
		cmocka_unit_test(a_missing_line_is_null),
		cmocka_unit_test(colons_belong_to_the_path),
		cmocka_unit_test(what_is_no_line_is_passed_over),
		cmocka_unit_test(nothing_known_is_an_error),
	};

	return cmocka_run_group_tests_name("hierarchy", tests, NULL, NULL);
}
