/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The container's IO in the host's rows of /proc/diskstats. */
#include "fakehost.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HOST_17 " 100 1 800 40 50 2 400 30 0 60 70 5 0 640 3 7 9\n"

/* Linux 5.5 and later: 20 columns. */
static const char host_text[] =
	"   1       0 ram0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
	" 259       0 nvme0n1" HOST_17 " 259       1 nvme0n1p1" HOST_17 "   8       0 sda" HOST_17
	"   8      16 sdb" HOST_17 " 253       0 dm-0" HOST_17 "   9     127 md127" HOST_17;

static struct fakehost *new_v2(const char *stat)
{
	struct fakehost *fake = fakehost_new(LXCFS_CGROUP_V2);

	fakehost_set_file(fake, "proc/diskstats", host_text);
	fakehost_set_cgroup_file(fake, "io", "io.stat", stat);
	return fake;
}

static struct fakehost *new_v1(void)
{
	struct fakehost *fake = fakehost_new(LXCFS_CGROUP_V1);

	fakehost_set_file(fake, "proc/diskstats", host_text);
	return fake;
}

static void set_pair(struct fakehost *fake, const char *bytes, const char *operations)
{
	fakehost_set_cgroup_file(fake, "blkio", "blkio.throttle.io_service_bytes_recursive", bytes);
	fakehost_set_cgroup_file(fake, "blkio", "blkio.throttle.io_serviced_recursive", operations);
}

/* ---- v2 ---- */

static void shows_one_row_for_one_disk(void **state)
{
	struct fakehost *fake =
		new_v2("259:0 rbytes=1048576 wbytes=2097152 rios=10 wios=20 dbytes=0 dios=0\n");

	(void)state;
	fakehost_expect(fake, " 259       0 nvme0n1 10 0 2048 0 20 0 4096 0 0 0 0 0 0 0 0 0 0\n");
	fakehost_free(fake);
}

static void shows_discards(void **state)
{
	struct fakehost *fake =
		new_v2("8:16 rbytes=512 wbytes=1023 rios=1 wios=1 dbytes=4194304 dios=3\n");

	(void)state;
	fakehost_expect(fake, "   8      16 sdb 1 0 1 0 1 0 1 0 0 0 0 3 0 8192 0 0 0\n");
	fakehost_free(fake);
}

static void keeps_the_hosts_order(void **state)
{
	struct fakehost *fake = new_v2("9:127 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n"
				       "253:0 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n"
				       "8:0 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n");

	(void)state;
	fakehost_expect(fake, "   8       0 sda 1 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
			      " 253       0 dm-0 1 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
			      "   9     127 md127 1 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	fakehost_free(fake);
}

/* 4.18 added four columns for discards, 5.5 two for flushes. */
static void has_as_many_columns_as_the_host(void **state)
{
	struct fakehost *fake =
		new_v2("8:0 rbytes=1024 wbytes=2048 rios=1 wios=2 dbytes=4096 dios=4\n");

	(void)state;
	fakehost_set_file(fake, "proc/diskstats", "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11\n");
	fakehost_expect(fake, "   8       0 sda 1 0 2 0 2 0 4 0 0 0 0\n");
	fakehost_set_file(fake, "proc/diskstats",
			  "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n");
	fakehost_expect(fake, "   8       0 sda 1 0 2 0 2 0 4 0 0 0 0 4 0 8 0\n");
	fakehost_set_file(fake, "proc/diskstats",
			  "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n");
	fakehost_expect(fake, "   8       0 sda 1 0 2 0 2 0 4 0 0 0 0 4 0 8 0 0 0\n");
	fakehost_free(fake);
}

static void without_io_shows_nothing(void **state)
{
	static const char *const texts[] = {
		"",
		NULL,
		"\n",
		"8:0\n",
		"8:0 \n",
		"8:0 rbytes=0 wbytes=0 rios=0 wios=0 dbytes=0 dios=0\n",
		"259:1\n8:0 rbytes=0 wbytes=0 rios=0 wios=0 dbytes=0 dios=0\n",
	};
	struct fakehost *fake = new_v2(NULL);

	(void)state;
	for (size_t index = 0; index < sizeof(texts) / sizeof(*texts); index++) {
		fakehost_set_cgroup_file(fake, "io", "io.stat", texts[index]);
		fakehost_expect(fake, "");
	}
	fake->cgroup_version = LXCFS_CGROUP_NONE;
	fakehost_expect(fake, "");
	fakehost_free(fake);
}

/* Some kernels print a disk without numbers with no end of line. */
static void disk_without_numbers_does_not_swallow_the_next(void **state)
{
	struct fakehost *fake =
		new_v2("8:16 8:0 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n");

	(void)state;
	fakehost_expect(fake, "   8       0 sda 1 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	fakehost_free(fake);
}

static void unknown_disk_does_not_add_to_the_last(void **state)
{
	struct fakehost *fake =
		new_v2("8:0 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n"
		       "(unknown) rbytes=51200 wbytes=9 rios=99 wios=9 dbytes=9 dios=9\n"
		       "8:x rbytes=51200 wbytes=9 rios=99 wios=9 dbytes=9 dios=9\n"
		       "7:0 rbytes=51200 wbytes=9 rios=99 wios=9 dbytes=9 dios=9\n");

	(void)state;
	fakehost_expect(fake, "   8       0 sda 1 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	fakehost_free(fake);
}

static void keys_are_compared_whole(void **state)
{
	struct fakehost *fake =
		new_v2("8:0 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0 cost.rbytes=7 "
		       "rbytes.more=7 rios2=7 use_delay=0 delay_nsec=0 cost.usage=9 =5 rios\n");

	(void)state;
	fakehost_expect(fake, "   8       0 sda 1 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	fakehost_free(fake);
}

static void odd_numbers_count_as_nothing(void **state)
{
	struct fakehost *fake = new_v2("8:0 rbytes= wbytes=-1 rios=1x wios=2 dbytes=0x1 dios=+3\n");

	(void)state;
	fakehost_expect(fake, "   8       0 sda 0 0 0 0 2 0 0 0 0 0 0 0 0 0 0 0 0\n");
	/* A truncated file, and one without an end of line. */
	fakehost_set_cgroup_file(fake, "io", "io.stat",
				 "8:0 rbytes=512 rios=1\n8:16 rbytes=1024 ri");
	fakehost_expect(fake, "   8       0 sda 1 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
			      "   8      16 sdb 0 0 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	fakehost_free(fake);
}

static void huge_numbers_stop_at_the_end_of_the_range(void **state)
{
	struct fakehost *fake =
		new_v2("8:0 rbytes=99999999999999999999999 rios=18446744073709551615\n"
		       "99999999999999999999:0 rbytes=512 rios=1\n");

	(void)state;
	fakehost_expect(fake, "   8       0 sda 18446744073709551615 0 36028797018963967"
			      " 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	fakehost_free(fake);
}

static void holds_many_disks(void **state)
{
	static char stat[65536];
	static char host[65536];
	struct fakehost *fake = new_v2(stat);
	int stat_length = 0;
	int host_length = 0;

	(void)state;
	for (int disk = 0; disk < 1000; disk++) {
		stat_length += snprintf(stat + stat_length, sizeof(stat) - (size_t)stat_length,
					"65:%d rbytes=512 rios=%d\n", 999 - disk, 1000 - disk);
		host_length += snprintf(host + host_length, sizeof(host) - (size_t)host_length,
					"  65 %7d d%d 1 2 3 4 5 6 7 8 9 10 11\n", disk, disk);
	}
	fakehost_set_file(fake, "proc/diskstats", host);
	assert_int_equal(fakehost_render(fake), 0);
	assert_int_equal(fakehost_count(fake, "\n"), 1000);
	assert_int_equal(fakehost_count(fake, "  65     123 d123 124 0 1 0 0 0 0 0 0 0 0\n"), 1);
	fakehost_free(fake);
}

/* ---- v1 ---- */

static void adds_up_bytes_and_operations_of_v1(void **state)
{
	struct fakehost *fake = new_v1();

	(void)state;
	set_pair(fake,
		 "8:0 Read 1048576\n8:0 Write 2097152\n8:0 Sync 3145728\n8:0 Async 0\n"
		 "8:0 Discard 4096\n8:0 Total 3149824\nTotal 3149824\n",
		 "8:0 Read 10\n8:0 Write 20\n8:0 Sync 30\n8:0 Async 0\n8:0 Discard 2\n"
		 "8:0 Total 32\nTotal 32\n");
	fakehost_expect(fake, "   8       0 sda 10 0 2048 0 20 0 4096 0 0 0 0 2 0 8 0 0 0\n");
	fakehost_free(fake);
}

/* Kernels without discards in cgroups, and without the files of a whole tree. */
static void takes_the_first_pair_that_tells_of_io(void **state)
{
	static const char *const names[][2] = {
		{"blkio.throttle.io_service_bytes", "blkio.throttle.io_serviced"},
		{"blkio.bfq.io_service_bytes_recursive", "blkio.bfq.io_serviced_recursive"},
		{"blkio.bfq.io_service_bytes", "blkio.bfq.io_serviced"},
		{"blkio.io_service_bytes_recursive", "blkio.io_serviced_recursive"},
	};

	(void)state;
	for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
		struct fakehost *fake = new_v1();

		set_pair(fake, "8:16 Read 0\nTotal 0\n", "Total 0\n");
		fakehost_set_cgroup_file(fake, "blkio", names[index][0],
					 "8:0 Read 512\nTotal 512\n");
		fakehost_set_cgroup_file(fake, "blkio", names[index][1], "8:0 Read 1\nTotal 1\n");
		fakehost_expect(fake, "   8       0 sda 1 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
		fakehost_free(fake);
	}
}

/* Two pairs count the same IO: they are not added. */
static void pairs_are_not_added_up(void **state)
{
	struct fakehost *fake = new_v1();

	(void)state;
	set_pair(fake, "8:0 Read 512\n", "8:0 Read 1\n");
	fakehost_set_cgroup_file(fake, "blkio", "blkio.bfq.io_service_bytes_recursive",
				 "8:0 Read 5120\n8:16 Read 512\n");
	fakehost_set_cgroup_file(fake, "blkio", "blkio.bfq.io_serviced_recursive",
				 "8:0 Read 10\n8:16 Read 1\n");
	fakehost_expect(fake, "   8       0 sda 1 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	fakehost_free(fake);
}

static void v1_without_io_shows_nothing(void **state)
{
	static const char *const texts[] = {"",
					    "Total 0\n",
					    "8:0 Read 0\nTotal 0\n",
					    "8:0\n",
					    "8:0 Read\n",
					    "8:0 Read x\n",
					    "Read 5\n",
					    "8 0 Read 5\n",
					    "8:0 Reads 5\n",
					    "8:0 read 5\n"};
	struct fakehost *fake = new_v1();

	(void)state;
	fakehost_expect(fake, "");
	for (size_t index = 0; index < sizeof(texts) / sizeof(*texts); index++) {
		set_pair(fake, texts[index], texts[index]);
		fakehost_expect(fake, "");
	}
	fakehost_free(fake);
}

static void bytes_alone_are_enough(void **state)
{
	struct fakehost *fake = new_v1();

	(void)state;
	set_pair(fake, "8:0 Read 512", NULL);
	fakehost_expect(fake, "   8       0 sda 0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	fakehost_free(fake);
}

/* ---- the host's file ---- */

static void odd_rows_of_the_host_are_left_out(void **state)
{
	struct fakehost *fake = new_v2("8:0 rbytes=512 rios=1\n");

	(void)state;
	fakehost_set_file(fake, "proc/diskstats",
			  "\n8\n8 0\nx 0 sda 1 2 3\n   8       0 sda 1 2 3 4 5 6 7 8 9 10 11");
	fakehost_expect(fake, "   8       0 sda 1 0 1 0 0 0 0 0 0 0 0\n");
	fakehost_set_file(fake, "proc/diskstats", "");
	fakehost_expect(fake, "");
	fakehost_free(fake);
}

static void failures_are_told(void **state)
{
	struct fakehost *fake = new_v2("8:0 rbytes=512 rios=1\n");

	(void)state;
	fakehost_set_error(fake, "cgroup/io/io.stat", -EMFILE);
	assert_int_equal(fakehost_render(fake), -EMFILE);
	assert_non_null(strstr(fake->message, "io.stat"));
	fakehost_set_error(fake, "cgroup/io/io.stat", -ENODEV);
	fakehost_expect(fake, "");
	fakehost_set_error(fake, "proc/diskstats", -EIO);
	assert_int_equal(fakehost_render(fake), -EIO);
	fakehost_free(fake);
	fake = new_v1();
	set_pair(fake, "8:0 Read 512\n", "");
	fakehost_set_error(fake, "cgroup/blkio/blkio.throttle.io_serviced_recursive", -EIO);
	assert_int_equal(fakehost_render(fake), -EIO);
	fakehost_free(fake);
}

static void gives_the_host_its_own(void **state)
{
	struct fakehost *fake = new_v2("8:0 rbytes=512 rios=1\n");

	(void)state;
	fake->request.flags = LXCFS_REQUEST_HOST;
	fakehost_expect(fake, host_text);
	fakehost_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_one_row_for_one_disk),
		cmocka_unit_test(shows_discards),
		cmocka_unit_test(keeps_the_hosts_order),
		cmocka_unit_test(has_as_many_columns_as_the_host),
		cmocka_unit_test(without_io_shows_nothing),
		cmocka_unit_test(disk_without_numbers_does_not_swallow_the_next),
		cmocka_unit_test(unknown_disk_does_not_add_to_the_last),
		cmocka_unit_test(keys_are_compared_whole),
		cmocka_unit_test(odd_numbers_count_as_nothing),
		cmocka_unit_test(huge_numbers_stop_at_the_end_of_the_range),
		cmocka_unit_test(holds_many_disks),
		cmocka_unit_test(adds_up_bytes_and_operations_of_v1),
		cmocka_unit_test(takes_the_first_pair_that_tells_of_io),
		cmocka_unit_test(pairs_are_not_added_up),
		cmocka_unit_test(v1_without_io_shows_nothing),
		cmocka_unit_test(bytes_alone_are_enough),
		cmocka_unit_test(odd_rows_of_the_host_are_left_out),
		cmocka_unit_test(failures_are_told),
		cmocka_unit_test(gives_the_host_its_own),
	};

	return cmocka_run_group_tests_name("plugin_diskstats", tests, NULL, NULL);
}
