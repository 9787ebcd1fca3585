/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "options.h"

#define ARGUMENTS_MAX 32

/* What was printed on stdout and stderr meanwhile. */
static char printed[16384];

/* Parse "lxcfs" and these words, ended by NULL. */
static enum options_result parse(struct options *options, ...)
{
	char *arguments[ARGUMENTS_MAX] = {(char[]){"lxcfs"}};
	enum options_result result;
	int count = 1;
	va_list list;
	FILE *file = tmpfile();
	int saved_output = dup(STDOUT_FILENO);
	int saved_error = dup(STDERR_FILENO);
	ssize_t length;

	va_start(list, options);
	while (count < ARGUMENTS_MAX - 1 && (arguments[count] = va_arg(list, char *)))
		count++;
	va_end(list);
	assert_non_null(file);
	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	dup2(fileno(file), STDERR_FILENO);
	result = options_parse(count, arguments, options);
	fflush(stdout);
	dup2(saved_output, STDOUT_FILENO);
	dup2(saved_error, STDERR_FILENO);
	close(saved_output);
	close(saved_error);
	length = pread(fileno(file), printed, sizeof(printed) - 1, 0);
	printed[length > 0 ? length : 0] = '\0';
	fclose(file);
	return result;
}

static void a_mount_point_is_enough(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, "/mnt", NULL), OPTIONS_RUN);
	assert_string_equal(options.mountpoint, "/mnt");
	assert_string_equal(options.runtime_directory, "/run");
	assert_false(options.config_given);
	assert_null(options.pidfile);
	assert_null(options.fuse_options);
	assert_false(options.debug);
	assert_false(options.single_thread);
	assert_false(options.overrides.cfs);
	assert_false(options.overrides.disable_swap);
	assert_int_equal(options.overrides.directory_count, 0);
	assert_string_equal(printed, "");
	options_free(&options);
}

static void every_option_is_taken(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, "-f", "-d", "-s", "-u", "-o", "context=x", "-p", "/pid",
			       "-c", "/conf", "--enable-cfs", "--plugin-dir=/one", "--plugin-dir",
			       "/two", "--runtime-dir=/rt", "/mnt", NULL),
			 OPTIONS_RUN);
	assert_true(options.debug);
	assert_true(options.single_thread);
	assert_true(options.overrides.disable_swap);
	assert_true(options.overrides.cfs);
	assert_string_equal(options.fuse_options, "context=x");
	assert_string_equal(options.pidfile, "/pid");
	assert_string_equal(options.config, "/conf");
	assert_true(options.config_given);
	assert_string_equal(options.runtime_directory, "/rt");
	assert_int_equal(options.overrides.directory_count, 2);
	assert_string_equal(options.overrides.directories[0], "/one");
	assert_string_equal(options.overrides.directories[1], "/two");
	assert_string_equal(options.mountpoint, "/mnt");
	options_free(&options);
}

static void options_of_a_later_version_say_so(void **state)
{
	static const char *const later[] = {"-l", "--enable-loadavg", "-z", "--enable-cgroup",
					    "--enable-psi-poll"};
	struct options options;

	(void)state;
	for (size_t index = 0; index < sizeof(later) / sizeof(later[0]); index++) {
		assert_int_equal(parse(&options, later[index], "/mnt", NULL), OPTIONS_RUN);
		assert_non_null(strstr(printed, "no effect"));
		assert_string_equal(options.mountpoint, "/mnt");
		options_free(&options);
	}
	assert_int_equal(parse(&options, "--enable-pidfd", "/mnt", NULL), OPTIONS_RUN);
	assert_string_equal(printed, "");
	options_free(&options);
}

static void help_and_version_are_printed(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, "--version", NULL), OPTIONS_DONE);
	assert_string_equal(printed, PACKAGE_VERSION "\n");
	options_free(&options);
	assert_int_equal(parse(&options, "--help", NULL), OPTIONS_DONE);
	assert_non_null(strstr(printed, "--plugin-dir"));
	options_free(&options);
	assert_int_equal(parse(&options, "-h", NULL), OPTIONS_DONE);
	options_free(&options);
}

static void mistakes_are_told(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, NULL), OPTIONS_ERROR);
	assert_non_null(strstr(printed, "where to mount"));
	options_free(&options);
	assert_int_equal(parse(&options, "/one", "/two", NULL), OPTIONS_ERROR);
	assert_non_null(strstr(printed, "more than one mount point"));
	options_free(&options);
	assert_int_equal(parse(&options, "--bogus", "/mnt", NULL), OPTIONS_ERROR);
	assert_non_null(strstr(printed, "bogus"));
	options_free(&options);
	assert_int_equal(parse(&options, "/mnt", "-c", NULL), OPTIONS_ERROR);
	options_free(&options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mount_point_is_enough),
		cmocka_unit_test(every_option_is_taken),
		cmocka_unit_test(options_of_a_later_version_say_so),
		cmocka_unit_test(help_and_version_are_printed),
		cmocka_unit_test(mistakes_are_told),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
