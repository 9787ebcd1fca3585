/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much memory and swap a container may use. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recordedhost.h"

#define MIB (UINT64_C(1) << 20)

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

static void set(const char *cgroup, const char *file, const char *text)
{
	recordedhost_set_cgroup(host, "memory", cgroup, file, text);
}

static const struct lxcfs_memory_view *view(void)
{
	const struct lxcfs_memory_view *view_now;

	recordedhost_renew(host);
	assert_int_equal(memory_view_get(&host->rendering, &view_now), 0);
	return view_now;
}

static int failure(void)
{
	const struct lxcfs_memory_view *none = NULL;
	int result;

	recordedhost_renew(host);
	result = memory_view_get(&host->rendering, &none);
	assert_null(none);
	return result;
}

/* ---- v2 ---- */

/* M01 */
static void smallest_limit_up_to_the_root(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_V2);
	recordedhost_enter(host, "/cg1/cg2/cg3");
	set("/cg1", "memory.max", "524288000\n");
	set("/cg1/cg2", "memory.max", "629145600\n");
	set("/cg1/cg2/cg3", "memory.max", "max\n");
	set("/cg1/cg2/cg3/cg4", "memory.max", "419430400\n");
	set("/cg1", "memory.swap.max", "268435456\n");
	set("/cg1/cg2", "memory.swap.max", "314572800\n");
	set("/cg1/cg2/cg3", "memory.swap.max", "max\n");
	set("/cg1/cg2/cg3/cg4", "memory.swap.max", "209715200\n");
	assert_int_equal(view()->total, 500 * MIB);
	assert_int_equal(view()->swap_total, 256 * MIB);
	assert_int_equal(view()->flags, LXCFS_MEMORY_LIMITED);
	set("/cg1/cg2/cg3", "memory.max", "104857600\n");
	set("/cg1/cg2/cg3", "memory.swap.max", "1048576\n");
	assert_int_equal(view()->total, 100 * MIB);
	assert_int_equal(view()->swap_total, MIB);
	assert_int_equal(view()->size, sizeof(struct lxcfs_memory_view));
}

/* M03 */
static void without_limits_the_hosts(void **state)
{
	(void)state;
	begin(LAYOUT_V2);
	set("/ct1", "memory.max", "max\n");
	set("/ct1", "memory.current", "1048576\n");
	set("/ct1", "memory.swap.max", "max\n");
	set("/ct1", "memory.swap.current", "4096\n");
	assert_int_equal(view()->total, RECORDEDHOST_MEMORY);
	assert_int_equal(view()->usage, MIB);
	assert_int_equal(view()->swap_total, RECORDEDHOST_SWAP);
	assert_int_equal(view()->swap_usage, 4096);
	assert_int_equal(view()->flags, LXCFS_MEMORY_USAGE_KNOWN | LXCFS_MEMORY_SWAP_KNOWN);
}

/* M04 */
static void usage_is_never_above_the_limit(void **state)
{
	(void)state;
	begin(LAYOUT_V2);
	set("/ct1", "memory.max", "104857600\n");
	set("/ct1", "memory.current", "105906176\n");
	assert_int_equal(view()->total, 100 * MIB);
	assert_int_equal(view()->usage, 100 * MIB);
}

/* M05 */
static void limit_and_usage(void **state)
{
	(void)state;
	begin(LAYOUT_V2);
	set("/ct1", "memory.max", "268435456\n");
	set("/ct1", "memory.current", "134217728\n");
	assert_int_equal(view()->total, 256 * MIB);
	assert_int_equal(view()->usage, 128 * MIB);
	assert_int_equal(view()->flags, LXCFS_MEMORY_LIMITED | LXCFS_MEMORY_USAGE_KNOWN);
}

static void limit_above_the_hosts_memory(void **state)
{
	(void)state;
	begin(LAYOUT_V2);
	set("/ct1", "memory.max", "8589934592\n");
	assert_int_equal(view()->total, RECORDEDHOST_MEMORY);
	assert_int_equal(view()->flags, 0);
	set("/ct1", "memory.max", "18446744073709551616\n");
	assert_int_equal(view()->total, RECORDEDHOST_MEMORY);
}

/* M09: no file of the controller; an ancestor's use is not the container's. */
static void without_the_controller(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_V2);
	recordedhost_enter(host, "/a/b");
	assert_int_equal(view()->total, RECORDEDHOST_MEMORY);
	assert_int_equal(view()->swap_total, RECORDEDHOST_SWAP);
	assert_int_equal(view()->flags, 0);
	set("/a", "memory.max", "104857600\n");
	set("/a", "memory.current", "50000000\n");
	set("/a", "memory.swap.max", "1048576\n");
	set("/a", "memory.swap.current", "4096\n");
	assert_int_equal(view()->total, 100 * MIB);
	assert_int_equal(view()->usage, 0);
	assert_int_equal(view()->swap_total, MIB);
	assert_int_equal(view()->swap_usage, 0);
	assert_int_equal(view()->flags, LXCFS_MEMORY_LIMITED);
	/* A view with a limit of swap only must not look like one without any limit. */
	set("/a", "memory.max", "max\n");
	assert_int_equal(view()->swap_total, MIB);
	assert_int_equal(view()->flags, LXCFS_MEMORY_LIMITED);
}

static void hierarchy_without_the_controller(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_V2);
	recordedhost_set_cgroup(host, LXCFS_CGROUP_UNIFIED, "", "cgroup.controllers", "cpu\n");
	recordedhost_enter(host, "/ct1");
	set("/ct1", "memory.max", "104857600\n");
	assert_int_equal(view()->total, RECORDEDHOST_MEMORY);
	assert_int_equal(view()->flags, 0);
}

/* M10 */
static void no_swap_allowed(void **state)
{
	(void)state;
	begin(LAYOUT_V2);
	set("/ct1", "memory.max", "max\n");
	set("/ct1", "memory.current", "4096\n");
	set("/ct1", "memory.swap.max", "0\n");
	set("/ct1", "memory.swap.current", "4096\n");
	assert_int_equal(view()->swap_total, 0);
	assert_int_equal(view()->swap_usage, 0);
	assert_int_equal(view()->flags, LXCFS_MEMORY_USAGE_KNOWN | LXCFS_MEMORY_SWAP_KNOWN);
}

/* M11 */
static void all_swap_allowed(void **state)
{
	(void)state;
	begin(LAYOUT_V2);
	set("/ct1", "memory.swap.max", "max\n");
	set("/ct1", "memory.swap.current", "11268096\n");
	assert_int_equal(view()->swap_total, UINT64_C(6291456) * 1024);
	assert_int_equal(view()->swap_usage, 11268096);
}

/* M13: nothing is asked of the daemon's own cgroup. */
static void root_has_no_swap_files(void **state)
{
	(void)state;
	begin(LAYOUT_V2);
	set("/ct1", "memory.swap.max", "1048576\n");
	set("/ct1", "memory.swap.current", "1024\n");
	assert_int_equal(view()->swap_total, MIB);
	assert_int_equal(view()->swap_usage, 1024);
}

static void without_accounting_of_swap(void **state)
{
	(void)state;
	begin(LAYOUT_V2);
	set("/ct1", "memory.max", "104857600\n");
	set("/ct1", "memory.current", "4096\n");
	assert_int_equal(view()->swap_total, RECORDEDHOST_SWAP);
	assert_int_equal(view()->swap_usage, 0);
	assert_int_equal(view()->flags, LXCFS_MEMORY_LIMITED | LXCFS_MEMORY_USAGE_KNOWN);
}

/* M16 */
static void swap_can_be_hidden(void **state)
{
	(void)state;
	begin(LAYOUT_V2);
	host->policy.swap = false;
	assert_int_equal(view()->swap_total, 0);
	assert_int_equal(view()->flags, 0);
	set("/ct1", "memory.swap.max", "max\n");
	set("/ct1", "memory.swap.current", "4096\n");
	assert_int_equal(view()->swap_total, 0);
	assert_int_equal(view()->swap_usage, 0);
}

static void total_is_never_nothing(void **state)
{
	(void)state;
	begin(LAYOUT_V2);
	set("/ct1", "memory.max", "0\n");
	assert_int_equal(view()->total, 4096);
	assert_int_equal(view()->flags, LXCFS_MEMORY_LIMITED);
}

static void host_without_swap(void **state)
{
	(void)state;
	begin(LAYOUT_V2);
	recordedhost_set(host, "proc/meminfo", "MemTotal: 1024 kB\nMemFree: 1 kB\n");
	set("/ct1", "memory.swap.max", "max\n");
	assert_int_equal(view()->total, MIB);
	assert_int_equal(view()->swap_total, 0);
}

static void what_cannot_be_read_is_an_error(void **state)
{
	static const char *const texts[] = {"", "\n", "x\n", "-1\n", "1k\n", "maximum\n"};

	(void)state;
	begin(LAYOUT_V2);
	for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++) {
		set("/ct1", "memory.max", texts[index]);
		assert_int_equal(failure(), -EINVAL);
	}
	set("/ct1", "memory.max", "max\n");
	recordedhost_set(host, "proc/meminfo", "MemTotally: 1024 kB\n");
	assert_int_equal(failure(), -EINVAL);
	recordedhost_set(host, "proc/meminfo", "MemTotal: 0 kB\n");
	assert_int_equal(failure(), -EINVAL);
	recordedhost_set(host, "proc/meminfo", NULL);
	assert_int_equal(failure(), -ENOENT);
}

/* ---- v1 ---- */

static void v1_without_limits(void **state)
{
	(void)state;
	begin(LAYOUT_V1);
	set("/ct1", "memory.limit_in_bytes", "9223372036854771712\n");
	set("/ct1", "memory.usage_in_bytes", "1048576\n");
	set("/ct1", "memory.memsw.limit_in_bytes", "9223372036854771712\n");
	set("/ct1", "memory.memsw.usage_in_bytes", "1050624\n");
	assert_int_equal(view()->total, RECORDEDHOST_MEMORY);
	assert_int_equal(view()->usage, MIB);
	assert_int_equal(view()->swap_total, RECORDEDHOST_SWAP);
	assert_int_equal(view()->swap_usage, 2048);
	assert_int_equal(view()->flags, LXCFS_MEMORY_USAGE_KNOWN | LXCFS_MEMORY_SWAP_KNOWN);
}

static void v1_limits(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_V1);
	recordedhost_enter(host, "/a/b");
	set("/a", "memory.limit_in_bytes", "524288000\n");
	set("/a", "memory.memsw.limit_in_bytes", "792723456\n");
	set("/a/b", "memory.limit_in_bytes", "9223372036854771712\n");
	set("/a/b", "memory.memsw.limit_in_bytes", "9223372036854771712\n");
	assert_int_equal(view()->total, 500 * MIB);
	assert_int_equal(view()->swap_total, 256 * MIB);
	assert_int_equal(view()->flags, LXCFS_MEMORY_LIMITED);
}

/* As much swap as the sum leaves when the memory that can be used at all is full. */
static void v1_sum_leaves_no_swap(void **state)
{
	(void)state;
	begin(LAYOUT_V1);
	set("/ct1", "memory.limit_in_bytes", "104857600\n");
	set("/ct1", "memory.memsw.limit_in_bytes", "104857600\n");
	set("/ct1", "memory.usage_in_bytes", "2000\n");
	set("/ct1", "memory.memsw.usage_in_bytes", "1000\n");
	assert_int_equal(view()->swap_total, 0);
	assert_int_equal(view()->swap_usage, 0);
	set("/ct1", "memory.limit_in_bytes", "10737418240\n");
	set("/ct1", "memory.memsw.limit_in_bytes", "10737418240\n");
	assert_int_equal(view()->total, RECORDEDHOST_MEMORY);
	assert_int_equal(view()->swap_total, RECORDEDHOST_SWAP);
}

/* The mount may show only a part of the hierarchy: memory.stat knows the limits above. */
static void v1_limits_above_the_mount(void **state)
{
	(void)state;
	begin(LAYOUT_V1);
	set("/ct1", "memory.limit_in_bytes", "9223372036854771712\n");
	set("/ct1", "memory.memsw.limit_in_bytes", "9223372036854771712\n");
	set("/ct1", "memory.stat",
	    "cache 0\nhierarchical_memory_limit 104857600\n"
	    "hierarchical_memsw_limit 105906176\ntotal_cache 0\n");
	assert_int_equal(view()->total, 100 * MIB);
	assert_int_equal(view()->swap_total, MIB);
}

/* In older kernels a cgroup without memory.use_hierarchy limits only itself. */
static void v1_ancestor_that_limits_only_itself(void **state)
{
	(void)state;
	host = recordedhost_new(LAYOUT_V1);
	recordedhost_enter(host, "/a/b");
	set("/a", "memory.limit_in_bytes", "104857600\n");
	set("/a/b", "memory.limit_in_bytes", "209715200\n");
	set("/a/b", "memory.stat", "cache 0\nhierarchical_memory_limit 209715200\n");
	assert_int_equal(view()->total, 200 * MIB);
	set("/a/b", "memory.stat", "cache 0\n");
	assert_int_equal(view()->total, 100 * MIB);
}

static void v1_without_accounting_of_swap(void **state)
{
	(void)state;
	begin(LAYOUT_V1);
	set("/ct1", "memory.limit_in_bytes", "104857600\n");
	set("/ct1", "memory.usage_in_bytes", "4096\n");
	assert_int_equal(view()->swap_total, RECORDEDHOST_SWAP);
	assert_int_equal(view()->swap_usage, 0);
	assert_int_equal(view()->flags, LXCFS_MEMORY_LIMITED | LXCFS_MEMORY_USAGE_KNOWN);
}

/* The root of the hierarchy counts what the host uses, which no container must learn. */
static void v1_root_is_not_the_containers(void **state)
{
	(void)state;
	begin(LAYOUT_V1);
	set("", "memory.limit_in_bytes", "9223372036854771712\n");
	set("", "memory.usage_in_bytes", "123456789\n");
	set("", "memory.memsw.limit_in_bytes", "9223372036854771712\n");
	set("", "memory.memsw.usage_in_bytes", "223456789\n");
	recordedhost_enter_lines(host, "1:cpu:/ct1\n4:memory:/\n");
	assert_int_equal(view()->total, RECORDEDHOST_MEMORY);
	assert_int_equal(view()->usage, 0);
	assert_int_equal(view()->swap_usage, 0);
	assert_int_equal(view()->flags, 0);
}

static void one_rendering_has_one_view(void **state)
{
	const struct lxcfs_memory_view *first;
	const struct lxcfs_memory_view *second;

	(void)state;
	begin(LAYOUT_V2);
	set("/ct1", "memory.max", "104857600\n");
	recordedhost_renew(host);
	assert_int_equal(memory_view_get(&host->rendering, &first), 0);
	set("/ct1", "memory.max", "52428800\n");
	assert_int_equal(memory_view_get(&host->rendering, &second), 0);
	assert_ptr_equal(first, second);
	assert_int_equal(view()->total, 50 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(smallest_limit_up_to_the_root, remove_host),
		cmocka_unit_test_teardown(without_limits_the_hosts, remove_host),
		cmocka_unit_test_teardown(usage_is_never_above_the_limit, remove_host),
		cmocka_unit_test_teardown(limit_and_usage, remove_host),
		cmocka_unit_test_teardown(limit_above_the_hosts_memory, remove_host),
		cmocka_unit_test_teardown(without_the_controller, remove_host),
		cmocka_unit_test_teardown(hierarchy_without_the_controller, remove_host),
		cmocka_unit_test_teardown(no_swap_allowed, remove_host),
		cmocka_unit_test_teardown(all_swap_allowed, remove_host),
		cmocka_unit_test_teardown(root_has_no_swap_files, remove_host),
		cmocka_unit_test_teardown(without_accounting_of_swap, remove_host),
		cmocka_unit_test_teardown(swap_can_be_hidden, remove_host),
		cmocka_unit_test_teardown(total_is_never_nothing, remove_host),
		cmocka_unit_test_teardown(host_without_swap, remove_host),
		cmocka_unit_test_teardown(what_cannot_be_read_is_an_error, remove_host),
		cmocka_unit_test_teardown(v1_without_limits, remove_host),
		cmocka_unit_test_teardown(v1_limits, remove_host),
		cmocka_unit_test_teardown(v1_sum_leaves_no_swap, remove_host),
		cmocka_unit_test_teardown(v1_limits_above_the_mount, remove_host),
		cmocka_unit_test_teardown(v1_ancestor_that_limits_only_itself, remove_host),
		cmocka_unit_test_teardown(v1_without_accounting_of_swap, remove_host),
		cmocka_unit_test_teardown(v1_root_is_not_the_containers, remove_host),
		cmocka_unit_test_teardown(one_rendering_has_one_view, remove_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
