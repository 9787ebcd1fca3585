/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arithmetic on cgroup paths. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "boundary.h"

static void depth_counts_components(void **state)
{
	(void)state;
	assert_int_equal(boundary_depth("/"), 0);
	assert_int_equal(boundary_depth("/lxc"), 1);
	assert_int_equal(boundary_depth("/lxc/ct1"), 2);
	assert_int_equal(boundary_depth("/a b/.. c/d:e"), 3);
}

static void prefix_is_cut_between_components(void **state)
{
	(void)state;
	assert_int_equal(boundary_prefix("/lxc/ct1/x", 0), 1);
	assert_int_equal(boundary_prefix("/lxc/ct1/x", 1), 4);
	assert_int_equal(boundary_prefix("/lxc/ct1/x", 2), 8);
	assert_int_equal(boundary_prefix("/lxc/ct1/x", 3), 10);
}

static void prefix_ends_with_the_path(void **state)
{
	(void)state;
	assert_int_equal(boundary_prefix("/lxc", 7), 4);
	assert_int_equal(boundary_prefix("/", 0), 1);
	assert_int_equal(boundary_prefix("/", 2), 1);
}

static void names_are_compared_whole(void **state)
{
	(void)state;
	assert_true(boundary_contains("/", "/"));
	assert_true(boundary_contains("/", "/lxc/ct1"));
	assert_true(boundary_contains("/lxc/ct1", "/lxc/ct1"));
	assert_true(boundary_contains("/lxc/ct1", "/lxc/ct1/a/b"));
	assert_false(boundary_contains("/lxc/ct1", "/lxc/ct10"));
	assert_false(boundary_contains("/lxc/ct1", "/lxc/ct1.scope/a"));
	assert_false(boundary_contains("/lxc/ct1", "/lxc"));
	assert_false(boundary_contains("/lxc/ct1", "/"));
}

static void check_strip(const char *path, const char *expected)
{
	char copy[64];

	snprintf(copy, sizeof(copy), "%s", path);
	boundary_strip_init_scope(copy);
	assert_string_equal(copy, expected);
}

static void only_a_last_init_scope_goes(void **state)
{
	(void)state;
	check_strip("/lxc/ct1/init.scope", "/lxc/ct1");
	check_strip("/init.scope", "/");
	check_strip("/", "/");
	check_strip("/lxc/init.scope/a", "/lxc/init.scope/a");
	check_strip("/lxc/my-init.scope", "/lxc/my-init.scope");
	check_strip("/lxc/init.scope.d", "/lxc/init.scope.d");
	check_strip("/a/init.scope/init.scope", "/a/init.scope");
}

static void the_root_lies_above_its_process(void **state)
{
	(void)state;
	assert_int_equal(boundary_root_depth("/", "/"), 0);
	assert_int_equal(boundary_root_depth("/", "/lxc/ct1"), 2);
	assert_int_equal(boundary_root_depth("/a", "/lxc/ct1/a"), 2);
	assert_int_equal(boundary_root_depth("/lxc/ct1", "/lxc/ct1"), 0);
}

static void the_root_lies_beside_its_process(void **state)
{
	(void)state;
	/* From /lxc/ct1: one up to /lxc, two up to /. */
	assert_int_equal(boundary_root_depth("/../ct2", "/lxc/ct2"), 2);
	assert_int_equal(boundary_root_depth("/..", "/lxc"), 2);
	assert_int_equal(boundary_root_depth("/../..", "/"), 2);
	assert_int_equal(boundary_root_depth("/../../system/lxcfs", "/system/lxcfs"), 2);
	assert_int_equal(boundary_root_depth("/../../..", "/"), 3);
}

static void dots_in_names_lead_nowhere(void **state)
{
	(void)state;
	assert_int_equal(boundary_root_depth("/..a", "/lxc/..a"), 1);
	assert_int_equal(boundary_root_depth("/../..b/c", "/..b/c"), 1);
}

static void paths_that_do_not_belong_together(void **state)
{
	(void)state;
	assert_int_equal(boundary_root_depth("/ct1", "/lxc/ct2"), -EINVAL);
	assert_int_equal(boundary_root_depth("/lxc/ct1", "/ct1"), -EINVAL);
	assert_int_equal(boundary_root_depth("/t1", "/lxc/ct1"), -EINVAL);
	assert_int_equal(boundary_root_depth("/../ct1", "/"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(depth_counts_components),
		cmocka_unit_test(prefix_is_cut_between_components),
		cmocka_unit_test(prefix_ends_with_the_path),
		cmocka_unit_test(names_are_compared_whole),
		cmocka_unit_test(only_a_last_init_scope_goes),
		cmocka_unit_test(the_root_lies_above_its_process),
		cmocka_unit_test(the_root_lies_beside_its_process),
		cmocka_unit_test(dots_in_names_lead_nowhere),
		cmocka_unit_test(paths_that_do_not_belong_together),
	};

	return cmocka_run_group_tests_name("boundary", tests, NULL, NULL);
}
