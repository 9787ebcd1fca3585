/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What /proc/swaps shows for a memory view. */
#include "fakehost.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEADER    "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
#define ROW_START "none                                    virtual\t\t"
#define HOST_TEXT HEADER "/dev/sda2                               partition\t6291452\t\t0\t\t-2\n"
#define MIB       (UINT64_C(1) << 20)

static const struct lxcfs_memory_view limited = {
	.size = sizeof(limited),
	.flags = LXCFS_MEMORY_LIMITED | LXCFS_MEMORY_USAGE_KNOWN | LXCFS_MEMORY_SWAP_KNOWN,
	.total = 256 * MIB,
	.swap_total = 64 * MIB,
	.swap_usage = 5 * MIB,
};

static struct fakehost *new_host(const struct lxcfs_memory_view *view)
{
	struct fakehost *fake = fakehost_new(LXCFS_CGROUP_V2);

	fakehost_set_file(fake, "proc/swaps", HOST_TEXT);
	fake->memory_view = view;
	return fake;
}

static void shows_the_limit_as_one_row(void **state)
{
	struct fakehost *fake = new_host(&limited);

	(void)state;
	fakehost_expect(fake, HEADER ROW_START "65536\t\t5120\t\t0\n");
	fakehost_free(fake);
}

/* The kernel leaves the second tabulator out behind a number of eight digits. */
static void aligns_numbers_as_the_kernel(void **state)
{
	struct lxcfs_memory_view view = limited;
	struct fakehost *fake = new_host(&view);

	(void)state;
	view.swap_total = UINT64_C(9999999) * 1024;
	view.swap_usage = UINT64_C(9999999) * 1024;
	fakehost_expect(fake, HEADER ROW_START "9999999\t\t9999999\t\t0\n");
	view.swap_total = UINT64_C(10000000) * 1024;
	fakehost_expect(fake, HEADER ROW_START "10000000\t9999999\t\t0\n");
	view.swap_usage = UINT64_C(10000000) * 1024;
	fakehost_expect(fake, HEADER ROW_START "10000000\t10000000\t0\n");
	fakehost_free(fake);
}

/* The line by which programs find the columns is the host's own. */
static void has_the_header_of_the_host(void **state)
{
	struct lxcfs_memory_view view = limited;
	struct fakehost *fake = new_host(&view);

	(void)state;
	view.swap_total = 0;
	view.swap_usage = 0;
	fakehost_expect(fake, HEADER);
	view.flags = 0;
	fakehost_expect(fake, HEADER);
	fakehost_free(fake);
}

static void hides_the_devices_of_the_host(void **state)
{
	struct lxcfs_memory_view view = limited;
	struct fakehost *fake = new_host(&view);

	(void)state;
	for (uint32_t flags = 1; flags < 8; flags++) {
		view.flags = flags;
		assert_int_equal(fakehost_render(fake), 0);
		assert_int_equal(fakehost_count(fake, "/dev/"), 0);
	}
	fakehost_free(fake);
}

static void gives_the_host_its_own(void **state)
{
	struct lxcfs_memory_view view = limited;
	struct fakehost *fake = new_host(&view);

	(void)state;
	fake->request.flags = LXCFS_REQUEST_HOST;
	fakehost_expect(fake, HOST_TEXT);
	fake->request.flags = 0;
	view.flags = 0;
	fakehost_expect(fake, HOST_TEXT);
	fakehost_free(fake);
}

/* Whole KiB are shown: what is used and what meminfo calls free add up to the size. */
static void agrees_with_meminfo(void **state)
{
	struct lxcfs_memory_view view = limited;
	struct fakehost *fake = new_host(&view);

	(void)state;
	for (uint64_t bytes = 0; bytes < 5000; bytes += 7) {
		char text[256];
		uint64_t size;
		uint64_t used;

		view.swap_total = 8 * MIB + bytes;
		view.swap_usage = 3 * bytes;
		assert_int_equal(fakehost_render(fake), 0);
		snprintf(text, sizeof(text), "%s", fakehost_text(fake) + strlen(HEADER ROW_START));
		assert_int_equal(sscanf(text, "%" SCNu64 " %" SCNu64, &size, &used), 2);
		assert_int_equal(size, view.swap_total / 1024);
		assert_int_equal(size - used, (view.swap_total - view.swap_usage) / 1024);
	}
	fakehost_free(fake);
}

static void never_shows_more_used_than_there_is(void **state)
{
	struct lxcfs_memory_view view = limited;
	struct fakehost *fake = new_host(&view);

	(void)state;
	view.swap_usage = UINT64_MAX;
	fakehost_expect(fake, HEADER ROW_START "65536\t\t65536\t\t0\n");
	view.swap_total = UINT64_MAX;
	view.swap_usage = 0;
	fakehost_expect(fake, HEADER ROW_START "18014398509481983\t0\t\t0\n");
	fakehost_free(fake);
}

static void says_why_it_failed(void **state)
{
	struct fakehost *fake = new_host(NULL);

	(void)state;
	assert_int_equal(fakehost_render(fake), -ENODEV);
	assert_string_not_equal(fake->message, "");
	fake->request.flags = LXCFS_REQUEST_HOST;
	fakehost_set_error(fake, "proc/swaps", -EMFILE);
	assert_int_equal(fakehost_render(fake), -EMFILE);
	assert_string_not_equal(fake->message, "");
	fakehost_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_the_limit_as_one_row),
		cmocka_unit_test(aligns_numbers_as_the_kernel),
		cmocka_unit_test(has_the_header_of_the_host),
		cmocka_unit_test(hides_the_devices_of_the_host),
		cmocka_unit_test(gives_the_host_its_own),
		cmocka_unit_test(agrees_with_meminfo),
		cmocka_unit_test(never_shows_more_used_than_there_is),
		cmocka_unit_test(says_why_it_failed),
	};

	return cmocka_run_group_tests_name("plugin_swaps", tests, NULL, NULL);
}
