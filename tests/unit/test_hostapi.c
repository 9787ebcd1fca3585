/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's table, as far as it needs no host: outputs and listings. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "hostapi.h"

static struct lxcfs_host host;

static int set_up(void **state)
{
	static struct lxcfs_directory directory;

	hostapi_fill(&host);
	output_reset(&directory.output, &host);
	*state = &directory;
	return 0;
}

static int tear_down(void **state)
{
	struct lxcfs_directory *directory = *state;

	output_free(&directory->output);
	return 0;
}

static struct lxcfs_output *output_of(void **state)
{
	return &((struct lxcfs_directory *)*state)->output;
}

static void check_text(const struct lxcfs_output *output, const char *text)
{
	assert_int_equal(output->status, 0);
	assert_int_equal(output->length, strlen(text));
	assert_memory_equal(output->data, text, output->length);
}

static void the_table_is_whole(void **state)
{
	const void *const *member = (const void *const *)&host.log;

	(void)state;
	assert_int_equal(host.size, sizeof(host));
	assert_int_equal(host.version, LXCFS_ABI_VERSION);
	assert_non_null(host.release);
	/* cppcheck-suppress comparePointers ; both point into the table */
	for (; (const char *)member < (const char *)(&host + 1); member++)
		assert_non_null(*member);
}

static void texts_follow_each_other(void **state)
{
	struct lxcfs_output *output = output_of(state);

	lxcfs_append_string(output, "MemTotal:");
	lxcfs_append_number(output, 42, 10);
	assert_int_equal(host.output_print(output, " %s%c", "kB", '\n'), 0);
	lxcfs_append(output, NULL, 0);
	assert_int_equal(output_append(output, "end", 3), 0);
	check_text(output, "MemTotal:        42 kB\nend");
}

static void an_output_grows_over_its_buffer(void **state)
{
	struct lxcfs_output *output = output_of(state);

	for (unsigned number = 0; number < 20000; number++)
		assert_int_equal(host.output_print(output, "%08u", number), 0);
	assert_int_equal(output->length, 160000);
	for (unsigned number = 0; number < 20000; number++) {
		char text[16];

		snprintf(text, sizeof(text), "%08u", number);
		assert_memory_equal(output->data + (size_t)number * 8, text, 8);
	}
}

/* A text that ends just at, before and behind the end of the buffer. */
static void a_text_that_just_fits(void **state)
{
	struct lxcfs_output *output = output_of(state);

	assert_int_equal(host.output_grow(output, 1), 0);
	for (uint64_t missing = 0; missing < 4; missing++) {
		output->length = output->capacity - 5 - missing;
		assert_int_equal(host.output_print(output, "%s", "12345"), 0);
		assert_memory_equal(output->data + output->length - 5, "12345", 5);
		output->length = output->capacity - 5 + missing;
		lxcfs_append(output, "12345", 5);
		assert_memory_equal(output->data + output->length - 5, "12345", 5);
	}
}

static void an_output_has_a_limit(void **state)
{
	struct lxcfs_output *output = output_of(state);
	const uint64_t limit = UINT64_C(16) << 20;

	assert_int_equal(host.output_grow(output, limit), 0);
	output->length = limit;
	assert_int_equal(host.output_grow(output, 1), -EFBIG);
	assert_int_equal(output->status, -EFBIG);
	output->status = 0;
	assert_int_equal(host.output_grow(output, UINT64_MAX), -EFBIG);
	output->status = 0;
	output->length = 1;
	assert_int_equal(host.output_grow(output, UINT64_MAX), -EFBIG);
	output->status = 0;
	assert_int_equal(host.output_grow(output, limit), -EFBIG);
}

static void after_a_failure_nothing_is_added(void **state)
{
	struct lxcfs_output *output = output_of(state);

	lxcfs_append_string(output, "before");
	assert_int_equal(host.output_grow(output, UINT64_MAX), -EFBIG);
	lxcfs_append_string(output, "after");
	assert_int_equal(host.output_print(output, "after"), -EFBIG);
	assert_int_equal(output->length, 6);
	assert_int_equal(output->status, -EFBIG);
	output_reset(output, &host);
	assert_int_equal(output->status, 0);
	assert_int_equal(output->length, 0);
}

static void a_printed_text_beyond_the_limit_fails(void **state)
{
	struct lxcfs_output *output = output_of(state);

	assert_int_equal(host.output_print(output, "%*d", 20 << 20, 1), -EFBIG);
	assert_int_equal(output->length, 0);
}

/* ---- listings ---- */

static void entries_come_in_order(void **state)
{
	static const char *const names[] = {"a", "bc", "def", "ghij", "klmno", "."};
	struct lxcfs_directory *directory = *state;
	const struct directory_record *record = NULL;

	for (size_t index = 0; index < 6; index++)
		assert_int_equal(
			host.directory_add(directory, names[index], index % 2 ? S_IFDIR : S_IFREG),
			0);
	for (size_t index = 0; index < 6; index++) {
		record = directory_next(directory->output.data, directory->output.length, record);
		assert_non_null(record);
		assert_string_equal(record->name, names[index]);
		assert_int_equal(record->mode, index % 2 ? S_IFDIR : S_IFREG);
	}
	assert_null(directory_next(directory->output.data, directory->output.length, record));
}

static void an_empty_listing_has_no_entry(void **state)
{
	struct lxcfs_directory *directory = *state;

	assert_null(directory_next(directory->output.data, 0, NULL));
}

static void names_that_are_none_are_refused(void **state)
{
	struct lxcfs_directory *directory = *state;
	char name[257];

	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	assert_int_equal(host.directory_add(directory, "", S_IFREG), -EINVAL);
	assert_int_equal(host.directory_add(directory, "a/b", S_IFREG), -EINVAL);
	assert_int_equal(host.directory_add(directory, name, S_IFREG), -EINVAL);
	assert_int_equal(directory->output.length, 0);
	name[255] = '\0';
	assert_int_equal(host.directory_add(directory, name, S_IFREG), 0);
}

static void a_long_listing_is_whole(void **state)
{
	struct lxcfs_directory *directory = *state;
	const struct directory_record *record = NULL;
	unsigned count = 0;
	char name[32];

	for (unsigned index = 0; index < 5000; index++) {
		snprintf(name, sizeof(name), "cpu%u", index);
		assert_int_equal(host.directory_add(directory, name, S_IFDIR), 0);
	}
	while ((record =
			directory_next(directory->output.data, directory->output.length, record))) {
		snprintf(name, sizeof(name), "cpu%u", count++);
		assert_string_equal(record->name, name);
	}
	assert_int_equal(count, 5000);
}

#define with_output(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_output(the_table_is_whole),
		with_output(texts_follow_each_other),
		with_output(an_output_grows_over_its_buffer),
		with_output(a_text_that_just_fits),
		with_output(an_output_has_a_limit),
		with_output(after_a_failure_nothing_is_added),
		with_output(a_printed_text_beyond_the_limit_fails),
		with_output(entries_come_in_order),
		with_output(an_empty_listing_has_no_entry),
		with_output(names_that_are_none_are_refused),
		with_output(a_long_listing_is_whole),
	};

	return cmocka_run_group_tests_name("hostapi", tests, NULL, NULL);
}
