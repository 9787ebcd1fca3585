/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder /sys/devices/system/cpu: its names, what a container may open, and the numbers in it. */
#define _XOPEN_SOURCE 700 /* S_IFDIR */

#include "fakehost.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define PHYSICAL   LXCFS_CPU_NUMBERS_PHYSICAL
#define CONTIGUOUS LXCFS_CPU_NUMBERS_CONTIGUOUS
#define ROOT       "sys/devices/system/cpu/"

static void add(struct fakehost *fake, const char *path, const char *text)
{
	char name[512];

	snprintf(name, sizeof(name), ROOT "%s", path);
	fakehost_set_file(fake, name, text);
}

static void add_cpu(struct fakehost *fake, unsigned cpu, const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "cpu%u/%s", cpu, file);
	add(fake, path, text);
}

static void add_cpus(struct fakehost *fake, unsigned first, unsigned last)
{
	static const char *const own[] = {"0\n", "1\n", "2\n", "3\n", "4\n", "5\n", "6\n", "7\n"};

	for (unsigned cpu = first; cpu <= last; cpu++) {
		add_cpu(fake, cpu, "topology/core_id", own[cpu]);
		add_cpu(fake, cpu, "topology/core_siblings", "000000ff\n");
		add_cpu(fake, cpu, "topology/core_siblings_list", "0-7\n");
		add_cpu(fake, cpu, "uevent", "DRIVER=processor\n");
	}
}

/* 8 CPUs, all online. */
static struct fakehost *new_host(const char *cpus, uint32_t numbering)
{
	struct fakehost *fake = fakehost_new(LXCFS_CGROUP_V2);

	add(fake, "online", "0-7\n");
	add(fake, "present", "0-7\n");
	add(fake, "possible", "0-15\n");
	add(fake, "offline", "8-15\n");
	add(fake, "kernel_max", "8191\n");
	add(fake, "uevent", "");
	add(fake, "isolated", "\n");
	add(fake, "smt/active", "1\n");
	add(fake, "power/control", "auto\n");
	add(fake, "cpufreq/policy2/affected_cpus", "2 3\n");
	add(fake, "vulnerabilities/meltdown", "Not affected\n");
	add_cpus(fake, 0, 7);
	fakehost_see(fake, cpus, numbering);
	return fake;
}

static void expect_list(struct fakehost *fake, const char *path, const char *names)
{
	char listing[4096];

	assert_int_equal(fakehost_list(fake, path), 0);
	fakehost_listing(fake, listing, sizeof(listing));
	assert_string_equal(listing, names);
}

static uint32_t mode_of(struct fakehost *fake, const char *path)
{
	struct lxcfs_attributes attributes;

	assert_int_equal(fakehost_lookup(fake, path, &attributes), 0);
	return attributes.mode;
}

#define OTHER_NAMES                                                                      \
	" cpufreq isolated kernel_max offline online possible power present smt uevent " \
	"vulnerabilities"

/* ---- names ---- */

static void lists_the_visible_cpus_and_every_other_entry(void **state)
{
	struct fakehost *fake = new_host("1-2,5", PHYSICAL);

	(void)state;
	expect_list(fake, "", "cpu1 cpu2 cpu5" OTHER_NAMES);
	fakehost_see(fake, "1-2,5", CONTIGUOUS);
	expect_list(fake, "", "cpu0 cpu1 cpu2" OTHER_NAMES);
	fakehost_see(fake, "0-7", PHYSICAL);
	expect_list(fake, "", "cpu0 cpu1 cpu2 cpu3 cpu4 cpu5 cpu6 cpu7" OTHER_NAMES);
	fakehost_free(fake);
}

static void lists_types(void **state)
{
	struct fakehost *fake = new_host("3", PHYSICAL);

	(void)state;
	assert_int_equal(fakehost_list(fake, ""), 0);
	for (size_t index = 0; index < fake->directory.count; index++) {
		const char *name = fake->directory.names[index];

		assert_int_equal(fake->directory.modes[index] & S_IFMT,
				 mode_of(fake, name) & S_IFMT);
	}
	assert_true(S_ISDIR(mode_of(fake, "cpu3")));
	assert_true(S_ISREG(mode_of(fake, "online")));
	fakehost_free(fake);
}

static void lists_the_folders_of_visible_cpus_only(void **state)
{
	struct fakehost *fake = new_host("1-2,5", PHYSICAL);

	(void)state;
	expect_list(fake, "cpu2", "topology uevent");
	expect_list(fake, "cpu2/topology", "core_id core_siblings core_siblings_list");
	expect_list(fake, "smt", "active");
	assert_int_equal(fakehost_list(fake, "cpu3"), -ENOENT);
	assert_int_equal(fakehost_list(fake, "cpu3/topology"), -ENOENT);
	fakehost_free(fake);
}

/* A name is the same for everyone, or one container's mounts would go with another's lookup. */
static void hidden_cpus_are_found_but_not_opened(void **state)
{
	static const char *const hidden[] = {"cpu3", "cpu3/topology", "cpu3/topology/core_id",
					     "cpu0/uevent"};
	struct fakehost *fake = new_host("1-2,5", PHYSICAL);

	(void)state;
	for (size_t index = 0; index < sizeof(hidden) / sizeof(*hidden); index++) {
		mode_of(fake, hidden[index]);
		assert_int_equal(fakehost_open(fake, hidden[index], O_RDONLY), -ENOENT);
	}
	assert_int_equal(fakehost_open(fake, "cpu2/topology/core_id", O_RDONLY), 0);
	assert_int_equal(fakehost_open(fake, "cpu2", O_RDONLY), 0);
	assert_int_equal(fakehost_open(fake, "", O_RDONLY), 0);
	assert_int_equal(fakehost_open(fake, "online", O_RDONLY), 0);
	fakehost_see(fake, "0-1", CONTIGUOUS);
	assert_int_equal(fakehost_open(fake, "cpu1/uevent", O_RDONLY), 0);
	assert_int_equal(fakehost_open(fake, "cpu2/uevent", O_RDONLY), -ENOENT);
	fakehost_free(fake);
}

static void names_that_only_look_like_a_cpu(void **state)
{
	static const char *const names[] = {"cpu",
					    "cpu8",
					    "cpu01",
					    "cpu1x",
					    "cpu-1",
					    "cpu 1",
					    "cpu4294967297",
					    "cpu2147483648",
					    "Cpu1",
					    "cpu1/none",
					    "c",
					    "cpufreq2",
					    "cpu99999999999999999999"};
	struct fakehost *fake = new_host("1-2,5", PHYSICAL);
	struct lxcfs_attributes attributes;

	(void)state;
	for (size_t index = 0; index < sizeof(names) / sizeof(*names); index++) {
		assert_int_equal(fakehost_lookup(fake, names[index], &attributes), -ENOENT);
		assert_int_equal(fakehost_open(fake, names[index], O_RDONLY), -ENOENT);
		assert_int_not_equal(fakehost_render_path(fake, names[index]), 0);
	}
	fakehost_free(fake);
}

static void path_that_is_too_long(void **state)
{
	static char path[5000];
	struct fakehost *fake = new_host("1-2,5", PHYSICAL);
	struct lxcfs_attributes attributes;

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	assert_int_equal(fakehost_lookup(fake, path, &attributes), -ENAMETOOLONG);
	memcpy(path, "cpu1/", 5);
	assert_int_equal(fakehost_open(fake, path, O_RDONLY), -ENAMETOOLONG);
	assert_int_equal(fakehost_render_path(fake, path), -ENAMETOOLONG);
	fakehost_free(fake);
}

static void cannot_be_changed(void **state)
{
	struct fakehost *fake = new_host("0-7", PHYSICAL);

	(void)state;
	assert_int_equal(fakehost_open(fake, "online", O_WRONLY), -EACCES);
	assert_int_equal(fakehost_open(fake, "online", O_RDWR), -EACCES);
	assert_int_equal(fakehost_open(fake, "online", O_RDONLY | O_TRUNC), -EACCES);
	fakehost_set_mode(fake, ROOT "uevent", S_IFREG | 0200);
	assert_int_equal(fakehost_open(fake, "uevent", O_RDONLY), -EACCES);
	fakehost_free(fake);
}

static void links_are_the_hosts(void **state)
{
	struct fakehost *fake = new_host("1-2,5", PHYSICAL);

	(void)state;
	fakehost_set_link(fake, ROOT "cpu1/node0", "../../node/node0");
	fake->output.length = 0;
	assert_int_equal(fake->plugin->subtrees->readlink(&fake->host, "cpu1/node0", &fake->output),
			 0);
	assert_int_equal(fake->output.length, strlen("../../node/node0"));
	assert_memory_equal(fake->output.data, "../../node/node0", fake->output.length);
	assert_int_equal(
		fake->plugin->subtrees->readlink(&fake->host, "cpu1/uevent", &fake->output),
		-EINVAL);
	fakehost_free(fake);
}

/* ---- the files of the root ---- */

static void expect_root(struct fakehost *fake, const char *list, const char *kernel_max)
{
	fakehost_expect_path(fake, "online", list);
	fakehost_expect_path(fake, "present", list);
	fakehost_expect_path(fake, "possible", list);
	fakehost_expect_path(fake, "offline", "\n");
	fakehost_expect_path(fake, "kernel_max", kernel_max);
}

static void root_tells_the_visible_cpus(void **state)
{
	struct fakehost *fake = new_host("1-2,5", PHYSICAL);

	(void)state;
	expect_root(fake, "1-2,5\n", "8191\n");
	fakehost_see(fake, "1-2,5", CONTIGUOUS);
	expect_root(fake, "0-2\n", "2\n");
	fakehost_see(fake, "0", CONTIGUOUS);
	expect_root(fake, "0\n", "0\n");
	fakehost_see(fake, "6", CONTIGUOUS);
	expect_root(fake, "0\n", "0\n");
	fakehost_see(fake, "7", PHYSICAL);
	expect_root(fake, "7\n", "8191\n");
	fakehost_see(fake, "0,2,4,6", PHYSICAL);
	expect_root(fake, "0,2,4,6\n", "8191\n");
	fakehost_see(fake, "0-7", CONTIGUOUS);
	expect_root(fake, "0-7\n", "7\n");
	fakehost_free(fake);
}

static void all_cpus_are_the_hosts_folder(void **state)
{
	struct fakehost *fake = new_host("0-7", PHYSICAL);

	(void)state;
	fakehost_expect_path(fake, "online", "0-7\n");
	fakehost_expect_path(fake, "possible", "0-15\n");
	fakehost_expect_path(fake, "offline", "8-15\n");
	fakehost_expect_path(fake, "kernel_max", "8191\n");
	fakehost_expect_path(fake, "cpu7/topology/core_siblings", "000000ff\n");
	fakehost_free(fake);
}

/* CPU 4 is offline: nobody runs on it, and its folder is there to switch it on. */
static void offline_cpu_is_listed_where_all_others_are_visible(void **state)
{
	struct fakehost *fake = new_host("0-3,5-7", PHYSICAL);

	(void)state;
	add(fake, "online", "0-3,5-7\n");
	add(fake, "offline", "4,8-15\n");
	fakehost_expect_path(fake, "online", "0-3,5-7\n");
	fakehost_expect_path(fake, "offline", "4,8-15\n");
	expect_list(fake, "", "cpu0 cpu1 cpu2 cpu3 cpu4 cpu5 cpu6 cpu7" OTHER_NAMES);
	assert_int_equal(fakehost_open(fake, "cpu4/uevent", O_RDONLY), 0);
	/* As many CPUs, but not all: numbers are what counts. */
	fakehost_see(fake, "0-2,5-7", PHYSICAL);
	expect_list(fake, "", "cpu0 cpu1 cpu2 cpu5 cpu6 cpu7" OTHER_NAMES);
	fakehost_free(fake);
}

/* ---- numbers in files ---- */

static void masks_and_lists_hold_visible_cpus_only(void **state)
{
	struct fakehost *fake = new_host("1-2,5", PHYSICAL);

	(void)state;
	fakehost_expect_path(fake, "cpu2/topology/core_siblings", "00000026\n");
	fakehost_expect_path(fake, "cpu2/topology/core_siblings_list", "1-2,5\n");
	add_cpu(fake, 1, "topology/thread_siblings", "22\n");
	add_cpu(fake, 1, "topology/thread_siblings_list", "1,5\n");
	add_cpu(fake, 2, "topology/thread_siblings", "44\n");
	add_cpu(fake, 2, "topology/thread_siblings_list", "2,6\n");
	fakehost_expect_path(fake, "cpu1/topology/thread_siblings", "22\n");
	fakehost_expect_path(fake, "cpu1/topology/thread_siblings_list", "1,5\n");
	fakehost_expect_path(fake, "cpu2/topology/thread_siblings", "04\n");
	fakehost_expect_path(fake, "cpu2/topology/thread_siblings_list", "2\n");
	fakehost_free(fake);
}

static void masks_and_lists_are_renumbered(void **state)
{
	struct fakehost *fake = new_host("1-2,5", CONTIGUOUS);

	(void)state;
	add_cpu(fake, 1, "topology/thread_siblings", "22\n");
	add_cpu(fake, 1, "topology/thread_siblings_list", "1,5\n");
	fakehost_expect_path(fake, "cpu0/topology/core_id", "1\n");
	fakehost_expect_path(fake, "cpu2/topology/core_id", "5\n");
	fakehost_expect_path(fake, "cpu0/topology/thread_siblings", "05\n");
	fakehost_expect_path(fake, "cpu0/topology/thread_siblings_list", "0,2\n");
	fakehost_expect_path(fake, "cpu1/topology/core_siblings", "00000007\n");
	fakehost_expect_path(fake, "cpufreq/policy2/affected_cpus", "1\n");
	fakehost_free(fake);
}

static void every_file_that_names_cpus(void **state)
{
	static const char *const masks[] = {
		"topology/thread_siblings",   "topology/core_cpus",
		"topology/core_siblings",     "topology/cluster_cpus",
		"topology/die_cpus",          "topology/package_cpus",
		"topology/book_siblings",     "topology/drawer_siblings",
		"cache/index0/shared_cpu_map"};
	static const char *const lists[] = {
		"topology/thread_siblings_list", "topology/core_cpus_list",
		"topology/core_siblings_list",   "topology/cluster_cpus_list",
		"topology/die_cpus_list",        "topology/package_cpus_list",
		"topology/book_siblings_list",   "topology/drawer_siblings_list",
		"cache/index0/shared_cpu_list"};
	struct fakehost *fake = new_host("5", PHYSICAL);
	char path[256];

	(void)state;
	for (size_t index = 0; index < sizeof(masks) / sizeof(*masks); index++) {
		add_cpu(fake, 5, masks[index], "ff\n");
		add_cpu(fake, 5, lists[index], "0-7\n");
		snprintf(path, sizeof(path), "cpu5/%s", masks[index]);
		fakehost_expect_path(fake, path, "20\n");
		snprintf(path, sizeof(path), "cpu5/%s", lists[index]);
		fakehost_expect_path(fake, path, "5\n");
	}
	fakehost_free(fake);
}

static void wide_masks(void **state)
{
	struct fakehost *fake = new_host("3,31-32,63,64,100", PHYSICAL);

	(void)state;
	add_cpu(fake, 3, "topology/package_cpus", "00000fff,ffffffff,ffffffff,ffffffff\n");
	fakehost_expect_path(fake, "cpu3/topology/package_cpus",
			     "00000010,00000001,80000001,80000008\n");
	/* The host's mask is shorter than the numbers. */
	add_cpu(fake, 3, "topology/package_cpus", "f,ffffffff\n");
	fakehost_expect_path(fake, "cpu3/topology/package_cpus", "1,80000008\n");
	fakehost_see(fake, "3,31-32,63,64,100", CONTIGUOUS);
	add_cpu(fake, 3, "topology/package_cpus", "00000fff,ffffffff,ffffffff,ffffffff\n");
	fakehost_expect_path(fake, "cpu0/topology/package_cpus",
			     "00000000,00000000,00000000,0000003f\n");
	fakehost_free(fake);
}

static void odd_masks_and_lists(void **state)
{
	static const char *const texts[][2] = {
		{"", ""},     {"\n", "\n"},     {"0\n", "0\n"},
		{"ff", "20"}, {"zz\n", "zz\n"}, {",,\n", ",,\n"},
	};
	static const char *const lists[][2] = {
		{"", "\n"},      {"\n", "\n"},     {"(null)\n", "(null)\n"},
		{"5", "5\n"},    {"0-7", "5\n"},   {"7-0\n", "7-0\n"},
		{"0-4\n", "\n"}, {"0-\n", "0-\n"}, {"0-99999999999999999999\n", "5\n"},
	};
	struct fakehost *fake = new_host("5", PHYSICAL);

	(void)state;
	for (size_t index = 0; index < sizeof(texts) / sizeof(*texts); index++) {
		add_cpu(fake, 5, "topology/core_cpus", texts[index][0]);
		fakehost_expect_path(fake, "cpu5/topology/core_cpus", texts[index][1]);
	}
	for (size_t index = 0; index < sizeof(lists) / sizeof(*lists); index++) {
		add(fake, "nohz_full", lists[index][0]);
		fakehost_expect_path(fake, "nohz_full", lists[index][1]);
	}
	add(fake, "cpufreq/policy2/affected_cpus", "4 5 x 6");
	fakehost_expect_path(fake, "cpufreq/policy2/affected_cpus", "5\n");
	add(fake, "cpufreq/policy2/affected_cpus", "");
	fakehost_expect_path(fake, "cpufreq/policy2/affected_cpus", "\n");
	fakehost_free(fake);
}

/* ---- numbers that the host has no folder for ---- */

/* CPUs 0 and 4-7 are there, 1-3 were removed: four CPUs are shown as 0-3 all the same. */
static struct fakehost *new_host_with_gap(void)
{
	struct fakehost *fake = fakehost_new(LXCFS_CGROUP_V2);

	add(fake, "online", "0,4-7\n");
	add_cpus(fake, 0, 0);
	add_cpus(fake, 4, 7);
	fakehost_see(fake, "4-7", CONTIGUOUS);
	return fake;
}

static void gap_is_a_name_for_everyone(void **state)
{
	struct fakehost *fake = new_host_with_gap();
	struct lxcfs_attributes attributes;

	(void)state;
	assert_true(S_ISDIR(mode_of(fake, "cpu2")));
	assert_true(S_ISREG(mode_of(fake, "cpu2/topology/core_id")));
	assert_int_equal(fakehost_lookup(fake, "cpu8", &attributes), -ENOENT);
	assert_int_equal(fakehost_lookup(fake, "cpu02", &attributes), -ENOENT);
	assert_int_equal(fakehost_lookup(fake, "cpu2/nothing", &attributes), -ENOENT);
	expect_list(fake, "", "cpu0 cpu1 cpu2 cpu3 online");
	expect_list(fake, "cpu3", "topology uevent");
	fakehost_expect_path(fake, "cpu3/topology/core_id", "7\n");
	fakehost_expect_path(fake, "cpu3/topology/core_siblings_list", "0-3\n");
	fakehost_see(fake, "4", PHYSICAL);
	assert_int_equal(fakehost_open(fake, "cpu2/uevent", O_RDONLY), -ENOENT);
	fakehost_free(fake);
}

/* Everything that is listed for anyone, and all that is below it, can be looked up. */
static void expect_names(struct fakehost *fake, const char *folder)
{
	char names[4096];
	char path[256];

	assert_int_equal(fakehost_list(fake, folder), 0);
	fakehost_listing(fake, names, sizeof(names));
	for (const char *name = strtok(names, " "); name; name = strtok(NULL, " ")) {
		snprintf(path, sizeof(path), "%s/%s", folder, name);
		mode_of(fake, path);
	}
}

static void what_is_listed_is_found(void **state)
{
	struct fakehost *fake = new_host("3,5", CONTIGUOUS);

	(void)state;
	fakehost_set_link(fake, ROOT "cpu0/node0", "../../node/node0");
	fakehost_set_link(fake, ROOT "cpu3/node1", "../../node/node1");
	for (unsigned cpu = 1; cpu < 8; cpu++)
		add_cpu(fake, cpu, "online", "1\n");
	/* CPU 1 is off. */
	add_cpu(fake, 1, "topology/core_id", NULL);
	add_cpu(fake, 1, "topology/core_siblings", NULL);
	add_cpu(fake, 1, "topology/core_siblings_list", NULL);
	expect_list(fake, "cpu0", "node1 online topology uevent");
	expect_names(fake, "cpu0");
	expect_names(fake, "cpu1");
	expect_names(fake, "cpu1/topology");
	fakehost_expect_path(fake, "cpu0/online", "1\n");
	fakehost_expect_path(fake, "cpu1/topology/core_id", "5\n");
	fakehost_free(fake);
}

/* A CPU may lack a file that the one of the shown number has (big and little cores). */
static void file_that_only_the_named_cpu_has(void **state)
{
	struct fakehost *fake = new_host("5", CONTIGUOUS);

	(void)state;
	add_cpu(fake, 0, "cpu_capacity", "1024\n");
	fakehost_expect_path(fake, "cpu0/cpu_capacity", "1024\n");
	add_cpu(fake, 5, "cpu_capacity", "444\n");
	fakehost_expect_path(fake, "cpu0/cpu_capacity", "444\n");
	fakehost_free(fake);
}

static void failures_are_told(void **state)
{
	struct fakehost *fake = new_host("5", PHYSICAL);
	struct lxcfs_attributes attributes;

	(void)state;
	fakehost_set_error(fake, ROOT "cpu5/uevent", -EIO);
	assert_int_equal(fakehost_render_path(fake, "cpu5/uevent"), -EIO);
	assert_string_not_equal(fake->message, "");
	fakehost_set_error(fake, ROOT "online", -EMFILE);
	assert_int_equal(fakehost_render_path(fake, "online"), -EMFILE);
	assert_int_equal(fakehost_list(fake, "cpu5"), -EMFILE);
	fake->cpu_view = NULL;
	assert_int_equal(fakehost_render_path(fake, "online"), -ENODEV);
	assert_int_equal(fakehost_list(fake, ""), -ENODEV);
	/* A lookup asks nothing of the container. */
	assert_int_equal(fakehost_lookup(fake, "cpu5", &attributes), 0);
	fakehost_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_the_visible_cpus_and_every_other_entry),
		cmocka_unit_test(lists_types),
		cmocka_unit_test(lists_the_folders_of_visible_cpus_only),
		cmocka_unit_test(hidden_cpus_are_found_but_not_opened),
		cmocka_unit_test(names_that_only_look_like_a_cpu),
		cmocka_unit_test(path_that_is_too_long),
		cmocka_unit_test(cannot_be_changed),
		cmocka_unit_test(links_are_the_hosts),
		cmocka_unit_test(root_tells_the_visible_cpus),
		cmocka_unit_test(all_cpus_are_the_hosts_folder),
		cmocka_unit_test(offline_cpu_is_listed_where_all_others_are_visible),
		cmocka_unit_test(masks_and_lists_hold_visible_cpus_only),
		cmocka_unit_test(masks_and_lists_are_renumbered),
		cmocka_unit_test(every_file_that_names_cpus),
		cmocka_unit_test(wide_masks),
		cmocka_unit_test(odd_masks_and_lists),
		cmocka_unit_test(gap_is_a_name_for_everyone),
		cmocka_unit_test(what_is_listed_is_found),
		cmocka_unit_test(file_that_only_the_named_cpu_has),
		cmocka_unit_test(failures_are_told),
	};

	return cmocka_run_group_tests_name("plugin_sysfs_cpu", tests, NULL, NULL);
}
