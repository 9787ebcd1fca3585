/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which plugins are loaded and which are refused, and why.  The objects are those of tests/probe, in
 * PROBE_DIRECTORY.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "generation.h"
#include "image.h"
#include "log.h"
#include "pluginstate.h"
#include "selftest.h"
#include "timers.h"

#define OBJECT_MAX (4u << 20)
#define NOBODY     65534u

/* A folder of its own with one plugin in it. */
struct fixture {
	char root[32];
	char *path; /* of probe.so in it */
	struct services services;
	size_t length;
	unsigned char bytes[OBJECT_MAX]; /* of the last object that was read */
};

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){.root = "/tmp/lxcfs-test-XXXXXX"};
	*state = &fixture;
	if (!mkdtemp(fixture.root) || asprintf(&fixture.path, "%s/probe.so", fixture.root) < 0)
		return -1;
	return plugin_state_open(NULL, &fixture.services.plugin_state) != 0 ||
	       timers_new(NULL, &fixture.services.timers) != 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	timers_free(fixture->services.timers);
	plugin_state_free(fixture->services.plugin_state);
	unlink(fixture->path);
	free(fixture->path);
	return rmdir(fixture->root);
}

static void read_object(struct fixture *fixture, const char *name)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.so", PROBE_DIRECTORY, name);
	file = fopen(path, "r");
	if (!file)
		fail_msg("%s is not there", path);
	fixture->length = fread(fixture->bytes, 1, OBJECT_MAX, file);
	fclose(file);
	assert_in_range(fixture->length, 1000, OBJECT_MAX - 1);
}

/* As cp does: into the same file, if there is one. */
static void write_object(struct fixture *fixture, size_t length)
{
	int fd = open(fixture->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_int_equal(write(fd, fixture->bytes, length), length);
	close(fd);
}

static void install(struct fixture *fixture, const char *name)
{
	read_object(fixture, name);
	write_object(fixture, fixture->length);
}

/* image_read() fails so, with this in its reason. */
static void check_unread(struct fixture *fixture, int error, const char *part)
{
	struct image image;
	char *reason = NULL;

	assert_int_equal(image_read(fixture->path, &image, &reason), error);
	assert_int_equal(image.memfd, -1);
	assert_non_null(reason);
	if (!strstr(reason, part))
		fail_msg("\"%s\" does not say \"%s\"", reason, part);
	free(reason);
}

static void read_image(struct fixture *fixture, struct image *image)
{
	char *reason = NULL;
	int result = image_read(fixture->path, image, &reason);

	if (result != 0)
		fail_msg("refused: %s", reason ? reason : strerror(-result));
}

static int start_with(struct fixture *fixture, const char *key, const char *value,
		      struct generation **generation, char **reason)
{
	struct config_option option = {.key = (char *)(uintptr_t)key,
				       .value = (char *)(uintptr_t)value};
	char name[] = "probe";
	const struct config_plugin section = {
		.name = name, .option_count = key ? 1 : 0, .options = &option};
	struct image image;

	read_image(fixture, &image);
	return generation_new(&image, fixture->path, &section, &fixture->services, 1, generation,
			      reason);
}

/* generation_new() fails so. */
static void check_not_started(struct fixture *fixture, int error, const char *part)
{
	struct generation *generation = NULL;
	char *reason = NULL;

	assert_int_equal(start_with(fixture, NULL, NULL, &generation, &reason), error);
	assert_null(generation);
	assert_non_null(reason);
	if (!strstr(reason, part))
		fail_msg("\"%s\" does not say \"%s\"", reason, part);
	free(reason);
}

static unsigned count_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* ---- what is read ---- */

static void a_plugin_is_loaded(void **state)
{
	struct fixture *fixture = *state;
	struct generation *generation = NULL;
	char *reason = NULL;
	unsigned before = count_fds();

	install(fixture, "probe");
	assert_int_equal(start_with(fixture, "greeting", "hello", &generation, &reason), 0);
	assert_string_equal(generation->name, "probe");
	assert_string_equal(generation->path, fixture->path);
	assert_int_equal(strlen(generation->image.build_id), 40);
	assert_int_equal(generation->on_fault, ON_FAULT_ERROR);
	assert_int_equal(generation->plugin.file_count, 1);
	assert_string_equal(generation->files[0].path, "proc/probe");
	assert_string_equal(generation->subtrees[0].path, "probe");
	assert_non_null(generation->files[0].poll);
	assert_non_null(generation->subtrees[0].setattr);
	assert_non_null(generation->instance);
	generation_put(generation_get(generation));
	generation_put(generation);
	assert_int_equal(count_fds(), before);
}

/* glibc gives out loaded code by its path: each copy must have one of its own. */
static void a_new_release_runs_beside_the_old_one(void **state)
{
	struct fixture *fixture = *state;
	struct generation *old = NULL;
	struct generation *new = NULL;
	char *reason = NULL;

	for (int round = 0; round < 20; round++) {
		install(fixture, "probe");
		assert_int_equal(start_with(fixture, NULL, NULL, &old, &reason), 0);
		install(fixture, "probe_next");
		assert_int_equal(start_with(fixture, NULL, NULL, &new, &reason), 0);
		assert_string_equal(old->plugin.release, PACKAGE_VERSION);
		assert_string_equal(new->plugin.release, "next");
		assert_ptr_not_equal(old->files[0].render, new->files[0].render);
		generation_put(round % 2 ? old : new);
		generation_put(round % 2 ? new : old);
	}
}

static void the_copy_is_sealed(void **state)
{
	struct fixture *fixture = *state;
	struct image image;

	install(fixture, "probe");
	read_image(fixture, &image);
	assert_int_equal(pwrite(image.memfd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(image.memfd, 0), -1);
	/* What happens to the file is not seen. */
	write_object(fixture, 100);
	for (size_t index = 0; index < fixture->length; index += 4096) {
		unsigned char byte;

		assert_int_equal(pread(image.memfd, &byte, 1, (off_t)index), 1);
		assert_int_equal(byte, fixture->bytes[index]);
	}
	image_close(&image);
}

static void a_stamp_tells_of_a_change(void **state)
{
	struct fixture *fixture = *state;
	struct image image;
	struct file_stamp stamp;

	install(fixture, "probe");
	read_image(fixture, &image);
	assert_int_equal(file_stamp_get(fixture->path, &stamp), 0);
	assert_true(file_stamp_equal(&stamp, &image.stamp));
	unlink(fixture->path);
	assert_int_equal(file_stamp_get(fixture->path, &stamp), -ENOENT);
	assert_false(file_stamp_equal(&stamp, &image.stamp));
	install(fixture, "probe_next");
	assert_int_equal(file_stamp_get(fixture->path, &stamp), 0);
	assert_false(file_stamp_equal(&stamp, &image.stamp));
	image_close(&image);
}

static void a_kept_copy_is_adopted(void **state)
{
	struct fixture *fixture = *state;
	struct image image;
	struct image adopted;
	char *reason;

	install(fixture, "probe");
	read_image(fixture, &image);
	assert_int_equal(image_adopt(dup(image.memfd), &adopted, &reason), 0);
	assert_string_equal(adopted.build_id, image.build_id);
	assert_int_equal(image_map(&adopted, &reason), 0);
	assert_non_null(adopted.init);
	image_close(&adopted);
	image_close(&image);
}

/* ---- who may have written it ---- */

static void only_root_may_write_the_file(void **state)
{
	static const mode_t bad[] = {0664, 0646, 0666, 0777};
	struct fixture *fixture = *state;
	struct image image;

	install(fixture, "probe");
	for (size_t index = 0; index < sizeof(bad) / sizeof(bad[0]); index++) {
		assert_int_equal(chmod(fixture->path, bad[index]), 0);
		check_unread(fixture, -EACCES, "chmod go-w");
	}
	assert_int_equal(chmod(fixture->path, 0400), 0);
	read_image(fixture, &image);
	image_close(&image);
}

static void only_root_may_write_the_folder(void **state)
{
	struct fixture *fixture = *state;
	struct image image;

	install(fixture, "probe");
	assert_int_equal(chmod(fixture->root, 0775), 0);
	check_unread(fixture, -EACCES, fixture->root);
	assert_int_equal(chmod(fixture->root, 0757), 0);
	check_unread(fixture, -EACCES, fixture->root);
	/* As /tmp: nobody can replace the file there. */
	assert_int_equal(chmod(fixture->root, 01777), 0);
	read_image(fixture, &image);
	image_close(&image);
	assert_int_equal(chmod(fixture->root, 0700), 0);
}

static void the_owner_is_root(void **state)
{
	struct fixture *fixture = *state;

	if (geteuid() != 0)
		skip();
	install(fixture, "probe");
	assert_int_equal(chown(fixture->path, NOBODY, 0), 0);
	check_unread(fixture, -EACCES, "belongs to uid 65534");
	assert_int_equal(chown(fixture->path, 0, 0), 0);
	assert_int_equal(chown(fixture->root, NOBODY, 0), 0);
	check_unread(fixture, -EACCES, "belongs to uid 65534");
	assert_int_equal(chown(fixture->root, 0, 0), 0);
}

/* ---- what is no plugin ---- */

static void what_is_no_file_is_refused(void **state)
{
	struct fixture *fixture = *state;

	check_unread(fixture, -ENOENT, "No such file");
	assert_int_equal(mkfifo(fixture->path, 0600), 0);
	check_unread(fixture, -EACCES, "not a regular file");
	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(mkdir(fixture->path, 0700), 0);
	check_unread(fixture, -EACCES, "not a regular file");
	assert_int_equal(rmdir(fixture->path), 0);
}

static void what_is_no_object_is_refused(void **state)
{
	struct fixture *fixture = *state;

	write_object(fixture, 0);
	check_unread(fixture, -ENOEXEC, "empty");
	memset(fixture->bytes, 'x', 5000);
	write_object(fixture, 5000);
	check_unread(fixture, -ENOEXEC, "not an ELF file");
	read_object(fixture, "probe");
	fixture->bytes[4] ^= 3; /* 32 and 64 bits */
	write_object(fixture, fixture->length);
	check_unread(fixture, -ENOEXEC, "another machine");
	read_object(fixture, "probe");
	fixture->bytes[16] = 2; /* a program */
	write_object(fixture, fixture->length);
	check_unread(fixture, -ENOEXEC, "not a shared object");
}

static void a_truncated_object_is_refused(void **state)
{
	struct fixture *fixture = *state;

	read_object(fixture, "probe");
	for (size_t length = 1; length < fixture->length; length += length < 4096 ? 61 : 1499) {
		write_object(fixture, length);
		check_unread(fixture, -ENOEXEC, length < 64 ? "not an ELF file" : "truncated");
	}
	write_object(fixture, fixture->length - 1);
	check_unread(fixture, -ENOEXEC, "truncated");
}

static void check_bytes(const struct fixture *fixture)
{
	char build_id[BUILD_ID_TEXT];
	const char *reason;

	/* Whatever it says, it looks at nothing outside: the sanitizers see that. */
	if (elf_check(fixture->bytes, fixture->length, build_id, &reason) != 0)
		assert_non_null(reason);
	else
		assert_true(strlen(build_id) < BUILD_ID_TEXT);
}

static void broken_bytes_lead_nowhere(void **state)
{
	static const unsigned char values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	struct fixture *fixture = *state;

	read_object(fixture, "refused_nothing");
	for (size_t place = 0; place < fixture->length;
	     place += place < 1024 || place + 4096 > fixture->length ? 1 : 13) {
		const unsigned char good = fixture->bytes[place];

		for (size_t index = 0; index < sizeof(values); index++) {
			fixture->bytes[place] = values[index];
			check_bytes(fixture);
		}
		fixture->bytes[place] = good;
	}
}

static void an_object_that_stays_is_refused(void **state)
{
	struct fixture *fixture = *state;

	install(fixture, "refused_unique");
	check_unread(fixture, -ENOEXEC, "-fno-gnu-unique");
	install(fixture, "refused_nodelete");
	check_unread(fixture, -ENOEXEC, "nodelete");
}

static void a_missing_symbol_is_named(void **state)
{
	struct fixture *fixture = *state;

	install(fixture, "refused_no_symbol");
	check_not_started(fixture, -ENOEXEC, "lxcfs_plugin_init");
}

/* ---- what it tells of itself ---- */

static void a_bad_description_is_refused(void **state)
{
	static const struct {
		const char *object;
		const char *part;
	} cases[] = {
		{"refused_null", "returned NULL"},
		{"refused_version", "ABI version 1, this host has 0"},
		{"refused_name", "calls itself \"prober\""},
		{"refused_size", "size member is 8"},
		{"refused_path", "bad path"},
		{"refused_empty", "serves no file"},
		{"refused_start", "start function failed"},
	};
	struct fixture *fixture = *state;
	unsigned before = count_fds();

	for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
		install(fixture, cases[index].object);
		check_not_started(fixture, -ENOEXEC, cases[index].part);
	}
	assert_int_equal(count_fds(), before);
}

static void only_its_fault_makes_them_refused(void **state)
{
	struct fixture *fixture = *state;
	struct generation *generation = NULL;
	char *reason = NULL;

	install(fixture, "refused_nothing");
	assert_int_equal(start_with(fixture, NULL, NULL, &generation, &reason), 0);
	generation_put(generation);
}

static void options_are_checked_by_the_plugin(void **state)
{
	struct fixture *fixture = *state;
	struct generation *generation = NULL;
	char *reason = NULL;

	install(fixture, "probe");
	assert_int_equal(start_with(fixture, "bogus", "1", &generation, &reason), -EINVAL);
	assert_string_equal(reason, "it has no option \"bogus\"");
	free(reason);
	assert_int_equal(start_with(fixture, "period", "often", &generation, &reason), -EINVAL);
	assert_string_equal(reason, "period = \"often\": Invalid argument");
	free(reason);
	/* A plugin that takes none. */
	install(fixture, "refused_nothing");
	assert_int_equal(start_with(fixture, "period", "1", &generation, &reason), -EINVAL);
	assert_string_equal(reason, "it has no option \"period\"");
	free(reason);
	assert_null(generation);
}

/* ---- the self-test ---- */

static int try_object(struct fixture *fixture, const char *object, struct config_option *option,
		      char **reason)
{
	char name[] = "probe";
	const struct config_plugin section = {
		.name = name, .option_count = option ? 1 : 0, .options = option};
	struct image image;
	int result;

	install(fixture, object);
	read_image(fixture, &image);
	result = selftest_run(&image, &section, reason);
	image_close(&image);
	return result;
}

static void a_good_plugin_passes_its_trial(void **state)
{
	char key[] = "greeting";
	char value[] = "a b";
	struct config_option option = {.key = key, .value = value};
	char *reason = NULL;
	int result;

	if (geteuid() != 0)
		skip();
	result = try_object(*state, "probe", &option, &reason);
	if (result != 0)
		fail_msg("refused: %s", reason ? reason : strerror(-result));
}

static void a_bad_plugin_fails_its_trial(void **state)
{
	static const struct {
		const char *object;
		const char *part;
	} cases[] = {
		{"refused_constructor", "signal 6"},
		{"refused_crash", "signal 6"},
		{"refused_error", "rendering proc/probe on this host"},
		{"refused_start", "start function failed"},
		{"refused_version", "ABI version"},
		{"refused_hang", "hung"},
	};

	if (geteuid() != 0)
		skip();
	for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
		char *reason = NULL;
		int status;

		assert_int_equal(try_object(*state, cases[index].object, NULL, &reason), -ENOEXEC);
		assert_non_null(reason);
		if (!strstr(reason, cases[index].part))
			fail_msg("%s: \"%s\" does not say \"%s\"", cases[index].object, reason,
				 cases[index].part);
		free(reason);
		/* No process is left. */
		assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
	}
}

static void a_bad_option_is_told_apart(void **state)
{
	char key[] = "bogus";
	char value[] = "1";
	struct config_option option = {.key = key, .value = value};
	char *reason = NULL;

	if (geteuid() != 0)
		skip();
	assert_int_equal(try_object(*state, "probe", &option, &reason), -EINVAL);
	assert_string_equal(reason, "it has no option \"bogus\"");
	free(reason);
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		with_folder(a_plugin_is_loaded),
		with_folder(a_new_release_runs_beside_the_old_one),
		with_folder(the_copy_is_sealed),
		with_folder(a_stamp_tells_of_a_change),
		with_folder(a_kept_copy_is_adopted),
		with_folder(only_root_may_write_the_file),
		with_folder(only_root_may_write_the_folder),
		with_folder(the_owner_is_root),
		with_folder(what_is_no_file_is_refused),
		with_folder(what_is_no_object_is_refused),
		with_folder(a_truncated_object_is_refused),
		with_folder(broken_bytes_lead_nowhere),
		with_folder(an_object_that_stays_is_refused),
		with_folder(a_missing_symbol_is_named),
		with_folder(a_bad_description_is_refused),
		with_folder(only_its_fault_makes_them_refused),
		with_folder(options_are_checked_by_the_plugin),
		with_folder(a_good_plugin_passes_its_trial),
		with_folder(a_bad_plugin_fails_its_trial),
		with_folder(a_bad_option_is_told_apart),
	};

	/* The throw-away process of a self-test is this program again. */
	if (argc > 1 && strcmp(argv[1], SELFTEST_ARGUMENT) == 0)
		return selftest_main(argc - 2, argv + 2);
	umask(022);
	log_open(LOG_TARGET_STDERR, 0);
	return cmocka_run_group_tests_name("loader", tests, NULL, NULL);
}
