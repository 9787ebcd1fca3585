/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The container's values in the host's lines of /proc/meminfo. */
#include "fakehost.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)

#define KNOWN (LXCFS_MEMORY_LIMITED | LXCFS_MEMORY_USAGE_KNOWN | LXCFS_MEMORY_SWAP_KNOWN)

/* Linux 6.12 with every line that a configuration can add. */
static const char host_text[] = "MemTotal:       16316412 kB\n"
				"MemFree:         1234568 kB\n"
				"MemAvailable:    9876540 kB\n"
				"Buffers:          345678 kB\n"
				"Cached:          6543210 kB\n"
				"SwapCached:         1236 kB\n"
				"Active:          4567890 kB\n"
				"Inactive:        5678902 kB\n"
				"Active(anon):    1234564 kB\n"
				"Inactive(anon):  2345672 kB\n"
				"Active(file):    3333332 kB\n"
				"Inactive(file):  3333336 kB\n"
				"Unevictable:      123456 kB\n"
				"Mlocked:           12340 kB\n"
				"SwapTotal:       6291456 kB\n"
				"SwapFree:        6000000 kB\n"
				"Zswap:              1000 kB\n"
				"Zswapped:           4000 kB\n"
				"Dirty:              8888 kB\n"
				"Writeback:            44 kB\n"
				"AnonPages:       3456788 kB\n"
				"Mapped:          1111112 kB\n"
				"Shmem:            222224 kB\n"
				"KReclaimable:     456788 kB\n"
				"Slab:             678900 kB\n"
				"SReclaimable:     456784 kB\n"
				"SUnreclaim:       222116 kB\n"
				"KernelStack:       23456 kB\n"
				"ShadowCallStack:    5864 kB\n"
				"PageTables:        65432 kB\n"
				"SecPageTables:      2048 kB\n"
				"CommitLimit:    14449660 kB\n"
				"Committed_AS:   12345678 kB\n"
				"VmallocTotal:   34359738367 kB\n"
				"VmallocUsed:       98765 kB\n"
				"Percpu:            12288 kB\n"
				"EarlyMemtestBad:       0 kB\n"
				"HardwareCorrupted:     4 kB\n"
				"AnonHugePages:   1024000 kB\n"
				"ShmemHugePages:     2048 kB\n"
				"ShmemPmdMapped:     2048 kB\n"
				"FileHugePages:      4096 kB\n"
				"FilePmdMapped:      4096 kB\n"
				"CmaTotal:          65536 kB\n"
				"CmaFree:           60000 kB\n"
				"Balloon:             128 kB\n"
				"HugePages_Total:      16\n"
				"HugePages_Free:       12\n"
				"HugePages_Rsvd:        4\n"
				"HugePages_Surp:        0\n"
				"Hugepagesize:       2048 kB\n"
				"Hugetlb:           32768 kB\n"
				"DirectMap4k:      654321 kB\n"
				"DirectMap2M:    12345678 kB\n"
				"DirectMap1G:     4194304 kB\n";

static const char memory_stat[] = "anon 20971520\n"
				  "file 117440512\n"
				  "kernel_stack 65536\n"
				  "pagetables 131072\n"
				  "sec_pagetables 4096\n"
				  "percpu 8192\n"
				  "vmalloc 16384\n"
				  "shmem 16777216\n"
				  "zswap 40960\n"
				  "zswapped 163840\n"
				  "file_mapped 2097152\n"
				  "file_dirty 409600\n"
				  "file_writeback 204800\n"
				  "swapcached 8192\n"
				  "anon_thp 4194304\n"
				  "file_thp 6291456\n"
				  "shmem_thp 2097152\n"
				  "inactive_anon 1048576\n"
				  "active_anon 36700160\n"
				  "inactive_file 67108864\n"
				  "active_file 33554432\n"
				  "unevictable 28672\n"
				  "slab_reclaimable 8388608\n"
				  "slab_unreclaimable 524288\n"
				  "slab 8912896\n";

static const struct lxcfs_memory_view limited = {
	.size = sizeof(limited),
	.flags = KNOWN,
	.total = 256 * MIB,
	.usage = 128 * MIB,
	.swap_total = 64 * MIB,
	.swap_usage = 5 * MIB,
};

static struct lxcfs_memory_view view;

static struct fakehost *new_host(uint32_t version, const char *stat)
{
	struct fakehost *fake = fakehost_new(version);

	view = limited;
	fake->memory_view = &view;
	fakehost_set_file(fake, "proc/meminfo", host_text);
	fakehost_set_cgroup_file(fake, "memory", "memory.stat", stat);
	return fake;
}

struct expected {
	const char *key;
	uint64_t value;
};

static void expect_values(struct fakehost *fake, const struct expected *expected, size_t count)
{
	assert_int_equal(fakehost_render(fake), 0);
	for (size_t index = 0; index < count; index++) {
		uint64_t value = fakehost_value(fake, expected[index].key);

		if (value != expected[index].value)
			fail_msg("%s is %" PRIu64 ", not %" PRIu64, expected[index].key, value,
				 expected[index].value);
	}
}

#define EXPECT(fake, ...)                                                            \
	do {                                                                         \
		const struct expected expected[] = {__VA_ARGS__};                    \
                                                                                     \
		expect_values(fake, expected, sizeof(expected) / sizeof(*expected)); \
	} while (0)

/* Where the number of a line ends: the kernel aligns all of them there. */
static size_t number_end(struct lxcfs_text line)
{
	size_t end = (size_t)line.length;

	while (end > 0 && (line.data[end - 1] < '0' || line.data[end - 1] > '9'))
		end--;
	return end;
}

/* The same keys in the same order, the same units, and the numbers end in the same columns. */
static void expect_shape(const struct fakehost *fake, const char *of)
{
	struct lxcfs_text text = {fake->output.data, fake->output.length};
	struct lxcfs_text host = {of, strlen(of)};
	struct lxcfs_text line = {"", 0};
	struct lxcfs_text host_line;

	while (lxcfs_next_line(&host, &host_line)) {
		size_t key = strcspn(host_line.data, ":") + 1;
		size_t end;

		assert_true(lxcfs_next_line(&text, &line));
		assert_true(line.length >= key);
		assert_memory_equal(line.data, host_line.data, key);
		end = number_end(line);
		if (number_end(host_line) == 24)
			assert_int_equal(end, 24);
		assert_int_equal(line.length - end, host_line.length - number_end(host_line));
		assert_memory_equal(line.data + end, host_line.data + number_end(host_line),
				    line.length - end);
	}
	assert_int_equal(text.length, 0);
	assert_int_equal(fake->output.data[fake->output.length - 1], '\n');
}

static void shows_limit_and_use(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, memory_stat);

	(void)state;
	EXPECT(fake, {"MemTotal", 262144}, {"MemFree", 131072}, {"MemAvailable", 237568},
	       {"Buffers", 0}, {"Cached", 114688}, {"Shmem", 16384}, {"SReclaimable", 8192},
	       {"KReclaimable", 8192}, {"Slab", 8704}, {"SUnreclaim", 512}, {"SwapTotal", 65536},
	       {"SwapFree", 60416}, {"SwapCached", 8});
	fakehost_free(fake);
}

static void shows_every_counter(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, memory_stat);

	(void)state;
	EXPECT(fake, {"AnonPages", 20480}, {"KernelStack", 64}, {"PageTables", 128},
	       {"SecPageTables", 4}, {"Percpu", 8}, {"VmallocUsed", 16}, {"Zswap", 40},
	       {"Zswapped", 160}, {"Mapped", 2048}, {"Dirty", 400}, {"Writeback", 200},
	       {"AnonHugePages", 4096}, {"FileHugePages", 6144}, {"ShmemHugePages", 2048},
	       {"Inactive(anon)", 1024}, {"Active(anon)", 35840}, {"Inactive(file)", 65536},
	       {"Active(file)", 32768}, {"Active", 68608}, {"Inactive", 66560}, {"Unevictable", 28},
	       {"CommitLimit", 327680}, {"Committed_AS", 41984});
	fakehost_free(fake);
}

static void shows_v1_counters_of_the_whole_tree(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V1, "cache 1\n"
							  "rss 1\n"
							  "mapped_file 1\n"
							  "inactive_file 1\n"
							  "hierarchical_memory_limit 268435456\n"
							  "total_cache 117440512\n"
							  "total_rss 20971520\n"
							  "total_rss_huge 4194304\n"
							  "total_shmem 16777216\n"
							  "total_mapped_file 2097152\n"
							  "total_dirty 409600\n"
							  "total_writeback 204800\n"
							  "total_inactive_anon 1048576\n"
							  "total_active_anon 36700160\n"
							  "total_inactive_file 67108864\n"
							  "total_active_file 33554432\n"
							  "total_unevictable 28672\n");

	(void)state;
	EXPECT(fake, {"MemTotal", 262144}, {"MemFree", 131072}, {"MemAvailable", 229376},
	       {"Cached", 114688}, {"AnonPages", 20480}, {"AnonHugePages", 4096}, {"Shmem", 16384},
	       {"Mapped", 2048}, {"Dirty", 400}, {"Writeback", 200}, {"Inactive(anon)", 1024},
	       {"Active(anon)", 35840}, {"Inactive(file)", 65536}, {"Active(file)", 32768},
	       {"Unevictable", 28}, {"Slab", 0}, {"SReclaimable", 0}, {"KernelStack", 0});
	fakehost_free(fake);
}

/* What is nobody's, and what only the host can have. */
static void hides_the_use_of_others(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, memory_stat);

	(void)state;
	EXPECT(fake, {"Mlocked", 0}, {"ShadowCallStack", 0}, {"HardwareCorrupted", 0},
	       {"ShmemPmdMapped", 0}, {"FilePmdMapped", 0}, {"CmaTotal", 0}, {"CmaFree", 0},
	       {"Balloon", 0}, {"HugePages_Total", 0}, {"HugePages_Free", 0}, {"HugePages_Rsvd", 0},
	       {"Hugetlb", 0}, {"DirectMap4k", 0}, {"DirectMap2M", 0}, {"DirectMap1G", 0});
	EXPECT(fake, {"VmallocTotal", UINT64_C(34359738367)}, {"Hugepagesize", 2048});
	fakehost_free(fake);
}

static void unknown_key_of_a_newer_kernel_is_zero(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, memory_stat);

	(void)state;
	fakehost_set_file(fake, "proc/meminfo",
			  "MemTotal:       16316412 kB\n"
			  "GPUActive:          5000 kB\n"
			  "AVeryLongKeyOfTheFuture:    7 kB\n");
	fakehost_expect(fake, "MemTotal:         262144 kB\n"
			      "GPUActive:             0 kB\n"
			      "AVeryLongKeyOfTheFuture: 0 kB\n");
	fakehost_free(fake);
}

/* "anon" is no "anon_thp", "file" no "file_mapped", "slab" no "slab_reclaimable". */
static void keys_are_compared_whole(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, "anon_thp 4194304\n"
							  "file_mapped 2097152\n"
							  "shmem_thp 2097152\n"
							  "slab_reclaimable 8388608\n"
							  "zswapped 4096\n"
							  "inactive_anon 1048576\n"
							  "total_cache 4096\n"
							  "percpu_more 4096\n");

	(void)state;
	EXPECT(fake, {"AnonPages", 0}, {"Cached", 0}, {"Shmem", 0}, {"Slab", 0}, {"Zswap", 0},
	       {"Active(anon)", 0}, {"Percpu", 0}, {"AnonHugePages", 4096}, {"Mapped", 2048});
	fakehost_free(fake);
}

/* The order of memory.stat changes with kernels. */
static void order_of_counters_does_not_matter(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, "slab 2097152\n"
							  "active_file 4096\n"
							  "file 8192\n"
							  "anon 12288\n"
							  "slab_reclaimable 16384\n"
							  "inactive_file 20480\n");

	(void)state;
	EXPECT(fake, {"Slab", 2048}, {"Active(file)", 4}, {"Cached", 8}, {"AnonPages", 12},
	       {"SReclaimable", 16}, {"Inactive(file)", 20});
	fakehost_free(fake);
}

static void use_above_the_limit_leaves_nothing(void **state)
{
	static const uint64_t usages[] = {105906176, 100 * MIB, UINT64_MAX};
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, memory_stat);

	(void)state;
	view.total = 100 * MIB;
	for (size_t index = 0; index < 3; index++) {
		view.usage = usages[index];
		view.swap_usage = usages[index];
		EXPECT(fake, {"MemTotal", 102400}, {"MemFree", 0}, {"SwapFree", 0});
		assert_true(fakehost_value(fake, "MemAvailable") <= 102400);
		assert_true(fakehost_value(fake, "Cached") <= 102400);
	}
	fakehost_free(fake);
}

/* No line can be too large, whatever the files say; and the numbers keep to their lines. */
static void huge_counters_stay_in_bounds(void **state)
{
	static const char huge[] = "anon 18446744073709551615\n"
				   "file 99999999999999999999999999\n"
				   "shmem 18446744073709551615\n"
				   "inactive_file 18446744073709551615\n"
				   "active_file 18446744073709551615\n"
				   "slab_reclaimable 18446744073709551615\n"
				   "slab 1\n";
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, huge);

	(void)state;
	EXPECT(fake, {"MemTotal", 262144}, {"MemAvailable", 262144}, {"Cached", 131072},
	       {"SReclaimable", 0}, {"SUnreclaim", 0}, {"Committed_AS", 327680});
	view.total = UINT64_MAX;
	view.usage = 0;
	view.swap_total = UINT64_MAX;
	view.swap_usage = 0;
	EXPECT(fake, {"MemTotal", UINT64_MAX / 1024}, {"SwapTotal", UINT64_MAX / 1024},
	       {"CommitLimit", UINT64_MAX / 1024});
	fakehost_free(fake);
}

/* free(1) and top(1) subtract these from MemTotal: their "used" must not become negative. */
static void parts_stay_below_the_use(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, memory_stat);

	(void)state;
	for (uint64_t usage = 0; usage <= 256 * MIB; usage += 3 * MIB + 12345) {
		uint64_t parts;

		view.usage = usage;
		assert_int_equal(fakehost_render(fake), 0);
		parts = fakehost_value(fake, "MemFree") + fakehost_value(fake, "Buffers") +
			fakehost_value(fake, "Cached") + fakehost_value(fake, "SReclaimable");
		assert_true(parts <= 262144);
		/* htop and others take the shared part out of the cache. */
		assert_true(fakehost_value(fake, "Shmem") <= fakehost_value(fake, "Cached"));
		assert_true(fakehost_value(fake, "MemAvailable") >=
			    fakehost_value(fake, "MemFree"));
	}
	fakehost_free(fake);
}

static void without_a_limit_shares_what_the_host_has(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, memory_stat);

	(void)state;
	view.flags = LXCFS_MEMORY_USAGE_KNOWN | LXCFS_MEMORY_SWAP_KNOWN;
	view.total = UINT64_C(16316412) * KIB;
	EXPECT(fake, {"MemTotal", 16316412}, {"MemFree", 1234568}, {"Cached", 114688});
	assert_true(fakehost_value(fake, "MemAvailable") <= 9876540);
	fakehost_set_file(fake, "proc/meminfo", "MemFree: 1000 kB\nMemAvailable: 2000 kB\n");
	EXPECT(fake, {"MemFree", 1000}, {"MemAvailable", 2000});
	/* A kernel that does not tell what is available. */
	fakehost_set_file(fake, "proc/meminfo",
			  "MemTotal:       16316412 kB\n"
			  "MemFree:         1234568 kB\n");
	EXPECT(fake, {"MemTotal", 16316412}, {"MemFree", 1234568});
	fakehost_free(fake);
}

/* The controller is off in the container's cgroup, an ancestor has a limit. */
static void limit_of_an_ancestor_holds_without_counters(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, NULL);

	(void)state;
	view.flags = LXCFS_MEMORY_LIMITED;
	view.usage = 0;
	view.swap_usage = 0;
	EXPECT(fake, {"MemTotal", 262144}, {"MemFree", 262144}, {"MemAvailable", 262144},
	       {"Cached", 0}, {"AnonPages", 0}, {"SwapTotal", 65536}, {"SwapFree", 65536});
	expect_shape(fake, host_text);
	fakehost_set_file(fake, "proc/meminfo", "MemFree: 1000 kB\nMemAvailable: 2000 kB\n");
	EXPECT(fake, {"MemFree", 1000}, {"MemAvailable", 1000});
	fakehost_free(fake);
}

static void without_any_controller_and_on_the_host_shows_its_own(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_NONE, NULL);

	(void)state;
	view.flags = 0;
	view.total = UINT64_C(16316412) * KIB;
	view.swap_total = UINT64_C(6291456) * KIB;
	fakehost_expect(fake, host_text);
	view = limited;
	fake->request.flags = LXCFS_REQUEST_HOST;
	fakehost_expect(fake, host_text);
	fakehost_free(fake);
}

static void swap_use_is_in_the_containers_own_size(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, memory_stat);

	(void)state;
	view.swap_total = UINT64_C(6291456) * KIB;
	view.swap_usage = 11268096;
	EXPECT(fake, {"SwapTotal", 6291456}, {"SwapFree", 6280452});
	fakehost_free(fake);
}

/* A limit of 0 and a policy that hides swap look alike: nothing tells of any. */
static void no_swap_is_told_of_nowhere(void **state)
{
	static const uint32_t flags[] = {KNOWN, LXCFS_MEMORY_LIMITED, LXCFS_MEMORY_USAGE_KNOWN, 0};
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, memory_stat);

	(void)state;
	view.swap_total = 0;
	view.swap_usage = 0;
	for (size_t index = 0; index < sizeof(flags) / sizeof(*flags); index++) {
		view.flags = flags[index];
		EXPECT(fake, {"SwapTotal", 0}, {"SwapFree", 0}, {"SwapCached", 0});
		expect_shape(fake, host_text);
	}
	fakehost_free(fake);
}

static void has_the_form_of_the_host(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, memory_stat);

	(void)state;
	assert_int_equal(fakehost_render(fake), 0);
	expect_shape(fake, host_text);
	assert_int_equal(fakehost_count(fake, "MemTotal:         262144 kB\n"), 1);
	assert_int_equal(fakehost_count(fake, "HugePages_Total:       0\n"), 1);
	assert_int_equal(fakehost_count(fake, "HardwareCorrupted:     0 kB\n"), 1);
	assert_int_equal(fakehost_count(fake, "VmallocTotal:   34359738367 kB\n"), 1);
	fakehost_free(fake);
}

/* 32-bit and other kernels have more lines or fewer, in another order. */
static void follows_the_hosts_order(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, memory_stat);

	(void)state;
	fakehost_set_file(fake, "proc/meminfo",
			  "MemFree:         1234568 kB\n"
			  "MemTotal:       16316412 kB\n"
			  "HighTotal:       1000000 kB\n"
			  "HighFree:        1000000 kB\n"
			  "LowTotal:        9999999 kB\n"
			  "LowFree:         1111111 kB\n"
			  "MmapCopy:              0 kB\n"
			  "Cached:               10 kB\n");
	fakehost_expect(fake, "MemFree:          131072 kB\n"
			      "MemTotal:         262144 kB\n"
			      "HighTotal:             0 kB\n"
			      "HighFree:              0 kB\n"
			      "LowTotal:         262144 kB\n"
			      "LowFree:          131072 kB\n"
			      "MmapCopy:              0 kB\n"
			      "Cached:           114688 kB\n");
	fakehost_free(fake);
}

static void odd_counters_count_as_nothing(void **state)
{
	static const char *const texts[] = {
		"",  "\n\n\n",     "anon", "anon\n", "anon \nfile x\n", "anon -5\n", "anon 5x\n",
		" ", "file 1.5\n", "0\n",  "\r\n",
	};
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, NULL);

	(void)state;
	for (size_t index = 0; index < sizeof(texts) / sizeof(*texts); index++) {
		fakehost_set_cgroup_file(fake, "memory", "memory.stat", texts[index]);
		EXPECT(fake, {"MemTotal", 262144}, {"MemFree", 131072}, {"AnonPages", 0},
		       {"Cached", 0});
	}
	fakehost_set_cgroup_file(fake, "memory", "memory.stat", "anon 1024\nfile 2048");
	EXPECT(fake, {"AnonPages", 1}, {"Cached", 2});
	fakehost_free(fake);
}

static void odd_lines_of_the_host_are_left_out(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, memory_stat);

	(void)state;
	fakehost_set_file(fake, "proc/meminfo",
			  "        total:    used:    free:\n"
			  "\n"
			  "no colon 5 kB\n"
			  "MemTotal:\n"
			  "MemTotal:       16316412 kB\n"
			  "MemFree:     none\n"
			  "MemAvailable:    9876540 kB");
	fakehost_expect(fake, "MemTotal:         262144 kB\n"
			      "MemAvailable:     237568 kB\n");
	/* The end of a line in another system's form stays one. */
	fakehost_set_file(fake, "proc/meminfo", "MemTotal:       16316412 kB\r\n");
	fakehost_expect(fake, "MemTotal:         262144 kB\r\n");
	fakehost_free(fake);
}

static void nothing_known_is_a_failure(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, memory_stat);

	(void)state;
	fakehost_set_file(fake, "proc/meminfo", "");
	assert_int_equal(fakehost_render(fake), -EIO);
	assert_string_not_equal(fake->message, "");
	view.flags = 0;
	assert_int_equal(fakehost_render(fake), -EIO);
	fakehost_set_file(fake, "proc/meminfo", NULL);
	assert_int_equal(fakehost_render(fake), -ENOENT);
	fakehost_free(fake);
}

static void unreadable_counters_are_a_failure(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, memory_stat);

	(void)state;
	fakehost_set_error(fake, "cgroup/memory/memory.stat", -EMFILE);
	assert_int_equal(fakehost_render(fake), -EMFILE);
	assert_string_not_equal(fake->message, "");
	fakehost_set_error(fake, "cgroup/memory/memory.stat", -ENODEV);
	assert_int_equal(fakehost_render(fake), 0);
	fake->memory_view = NULL;
	assert_int_equal(fakehost_render(fake), -ENODEV);
	fakehost_free(fake);
}

/* Each reading is of one limit, the one that holds then. */
static void follows_a_changed_limit(void **state)
{
	struct fakehost *fake = new_host(LXCFS_CGROUP_V2, memory_stat);

	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		view.total = (round % 2 ? 512 : 256) * MIB;
		EXPECT(fake, {"MemTotal", view.total / KIB});
	}
	fakehost_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_limit_and_use),
		cmocka_unit_test(shows_every_counter),
		cmocka_unit_test(shows_v1_counters_of_the_whole_tree),
		cmocka_unit_test(hides_the_use_of_others),
		cmocka_unit_test(unknown_key_of_a_newer_kernel_is_zero),
		cmocka_unit_test(keys_are_compared_whole),
		cmocka_unit_test(order_of_counters_does_not_matter),
		cmocka_unit_test(use_above_the_limit_leaves_nothing),
		cmocka_unit_test(huge_counters_stay_in_bounds),
		cmocka_unit_test(parts_stay_below_the_use),
		cmocka_unit_test(without_a_limit_shares_what_the_host_has),
		cmocka_unit_test(limit_of_an_ancestor_holds_without_counters),
		cmocka_unit_test(without_any_controller_and_on_the_host_shows_its_own),
		cmocka_unit_test(swap_use_is_in_the_containers_own_size),
		cmocka_unit_test(no_swap_is_told_of_nowhere),
		cmocka_unit_test(has_the_form_of_the_host),
		cmocka_unit_test(follows_the_hosts_order),
		cmocka_unit_test(odd_counters_count_as_nothing),
		cmocka_unit_test(odd_lines_of_the_host_are_left_out),
		cmocka_unit_test(nothing_known_is_a_failure),
		cmocka_unit_test(unreadable_counters_are_a_failure),
		cmocka_unit_test(follows_a_changed_limit),
	};

	return cmocka_run_group_tests_name("plugin_meminfo", tests, NULL, NULL);
}
