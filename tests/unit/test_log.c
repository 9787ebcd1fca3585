/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Log lines: levels, the rate limit, and what hostile names cannot do. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

/* What went to stderr between begin() and end(). */
struct capture {
	int saved;
	int ends[2];
	char text[65536];
};

static struct capture capture;

static void begin(void)
{
	assert_int_equal(pipe2(capture.ends, O_CLOEXEC | O_NONBLOCK), 0);
	capture.saved = dup(STDERR_FILENO);
	assert_int_equal(dup2(capture.ends[1], STDERR_FILENO), STDERR_FILENO);
}

static const char *end(void)
{
	ssize_t length;

	dup2(capture.saved, STDERR_FILENO);
	close(capture.saved);
	close(capture.ends[1]);
	length = read(capture.ends[0], capture.text, sizeof(capture.text) - 1);
	close(capture.ends[0]);
	capture.text[length > 0 ? length : 0] = '\0';
	return capture.text;
}

static unsigned count_lines(const char *text)
{
	unsigned count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static int set_up(void **state)
{
	(void)state;
	log_open(LOG_TARGET_STDERR, LXCFS_LOG_INFO);
	return 0;
}

static void a_line_is_a_line(void **state)
{
	struct log_site site = {0};

	(void)state;
	begin();
	log_write(&site, LXCFS_LOG_ERROR, "%s has %d", "stat", 7);
	assert_string_equal(end(), "lxcfs: stat has 7\n");
}

static void levels_above_the_limit_are_left_out(void **state)
{
	struct log_site site = {0};
	struct log_site other = {0};

	(void)state;
	begin();
	log_write(&site, LXCFS_LOG_DEBUG, "debug");
	log_write(&other, LXCFS_LOG_INFO, "info");
	assert_string_equal(end(), "lxcfs: info\n");
	begin();
	log_set_level(LXCFS_LOG_DEBUG);
	log_write(&site, LXCFS_LOG_DEBUG, "debug");
	assert_string_equal(end(), "lxcfs: debug\n");
}

static void a_site_has_ten_lines(void **state)
{
	struct log_site site = {0};
	struct log_site other = {0};

	(void)state;
	begin();
	for (int line = 0; line < 1000; line++)
		log_write(&site, LXCFS_LOG_ERROR, "line %d", line);
	log_write(&other, LXCFS_LOG_ERROR, "another site");
	end();
	/* The window may end in the middle. */
	assert_in_range(count_lines(capture.text), 11, 21);
	assert_non_null(strstr(capture.text, "another site"));
}

/* The clock is the site's own window: as if it had begun long ago. */
static void what_was_left_out_is_counted(void **state)
{
	struct log_site site = {.window = 1, .count = 500, .suppressed = 41};

	(void)state;
	begin();
	log_write(&site, LXCFS_LOG_ERROR, "again");
	log_write(&site, LXCFS_LOG_ERROR, "and again");
	assert_string_equal(end(), "lxcfs: again (41 more such lines were left out)\n"
				   "lxcfs: and again\n");
}

static void a_name_cannot_make_a_line(void **state)
{
	struct log_site site = {0};

	(void)state;
	begin();
	log_write(&site, LXCFS_LOG_ERROR, "container %s", "a\nlxcfs: forged\x1b[2J\r\x7f");
	assert_string_equal(end(), "lxcfs: container a?lxcfs: forged?[2J??\n");
}

static void a_long_line_is_cut_and_ends(void **state)
{
	static char text[8192];
	struct log_site site = {.window = 1, .suppressed = 3};

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	begin();
	log_write(&site, LXCFS_LOG_ERROR, "%s", text);
	end();
	assert_int_equal(count_lines(capture.text), 1);
	assert_in_range(strlen(capture.text), 1000, 1100);
	assert_int_equal(capture.text[strlen(capture.text) - 1], '\n');
}

static void errno_is_left_alone(void **state)
{
	struct log_site site = {0};

	(void)state;
	begin();
	errno = ENOTTY;
	for (int line = 0; line < 20; line++) {
		log_write(&site, LXCFS_LOG_ERROR, "line");
		log_write(&site, LXCFS_LOG_DEBUG, "line");
	}
	close(STDERR_FILENO);
	log_write(&(struct log_site){0}, LXCFS_LOG_ERROR, "cannot be written");
	assert_int_equal(errno, ENOTTY);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_line_is_a_line, set_up),
		cmocka_unit_test_setup(levels_above_the_limit_are_left_out, set_up),
		cmocka_unit_test_setup(a_site_has_ten_lines, set_up),
		cmocka_unit_test_setup(what_was_left_out_is_counted, set_up),
		cmocka_unit_test_setup(a_name_cannot_make_a_line, set_up),
		cmocka_unit_test_setup(a_long_line_is_cut_and_ends, set_up),
		cmocka_unit_test_setup(errno_is_left_alone, set_up),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
