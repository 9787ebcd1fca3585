/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sets of CPUs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cpulist.h"

static struct arena arena;

static int parse(const char *string, struct cpulist *list)
{
	const struct lxcfs_text text = {string, strlen(string)};

	return cpulist_parse(&arena, text, list);
}

/* The set as "1 2 5". */
static const char *text_of(const struct cpulist *list)
{
	static char text[512];
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t cpu = cpulist_next(list, 0); cpu != CPULIST_END;
	     cpu = cpulist_next(list, cpu + 1))
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u", used ? " " : "",
					 (unsigned)cpu);
	return text;
}

static void assert_parses(const char *string, const char *cpus)
{
	struct cpulist list;

	assert_int_equal(parse(string, &list), 0);
	assert_string_equal(text_of(&list), cpus);
}

static int reset(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void lists_are_parsed(void **state)
{
	(void)state;
	assert_parses("0\n", "0");
	assert_parses("0", "0");
	assert_parses("0-3,8\n", "0 1 2 3 8");
	assert_parses("1-2,5\n", "1 2 5");
	assert_parses("1-2,3-4\n", "1 2 3 4");
	assert_parses("5-5\n", "5");
	assert_parses("63-64,127,128\n", "63 64 127 128");
}

static void empty_list_is_the_empty_set(void **state)
{
	struct cpulist list;

	(void)state;
	assert_parses("\n", "");
	assert_parses("", "");
	assert_int_equal(parse("\n", &list), 0);
	assert_int_equal(cpulist_count(&list), 0);
	assert_false(cpulist_has(&list, 0));
}

static void order_and_repetition_do_not_matter(void **state)
{
	struct cpulist list;

	(void)state;
	assert_parses("8,0-1\n", "0 1 8");
	assert_parses("100,0-1\n", "0 1 100");
	assert_parses("0-3,2-5,4\n", "0 1 2 3 4 5");
	assert_int_equal(parse("1,1,1\n", &list), 0);
	assert_int_equal(cpulist_count(&list), 1);
}

static void other_texts_are_refused(void **state)
{
	static const char *const texts[] = {
		"3-1\n",   "1,\n",    ",1\n",      "1,,2\n",       "-1\n",
		"1-\n",    "-\n",     "1-2-3\n",   "1 2\n",        " 1\n",
		"1 \n",    "+1\n",    "0x1\n",     "a\n",          "1\n\n",
		"1\n2\n",  "\n1\n",   "1;2\n",     "0-3:2/4\n",    "all\n",
		",",       "65536\n", "0-65536\n", "4294967296\n", "18446744073709551616\n",
		"0,1-0\n",
	};
	struct cpulist list;

	(void)state;
	for (size_t index = 0; index < sizeof(texts) / sizeof(texts[0]); index++)
		if (parse(texts[index], &list) != -EINVAL)
			fail_msg("\"%s\" was taken for a list", texts[index]);
}

static void text_is_read_to_its_length(void **state)
{
	const struct lxcfs_text nul = {"1\0", 2};
	const struct lxcfs_text part = {"1,2", 1};
	struct cpulist list;

	(void)state;
	assert_int_equal(cpulist_parse(&arena, nul, &list), -EINVAL);
	assert_int_equal(cpulist_parse(&arena, part, &list), 0);
	assert_string_equal(text_of(&list), "1");
}

static void largest_number_is_taken(void **state)
{
	struct cpulist list;

	(void)state;
	assert_int_equal(parse("0-65535\n", &list), 0);
	assert_int_equal(cpulist_count(&list), 65536);
	assert_true(cpulist_has(&list, 65535));
	assert_false(cpulist_has(&list, 65536));
	assert_int_equal(cpulist_next(&list, 65535), 65535);
	assert_int_equal(cpulist_next(&list, 65536), CPULIST_END);
	assert_int_equal(cpulist_next(&list, UINT32_MAX), CPULIST_END);
}

static void intersection_takes_both_sizes(void **state)
{
	struct cpulist small;
	struct cpulist large;

	(void)state;
	assert_int_equal(parse("1-2,5\n", &small), 0);
	assert_int_equal(parse("2-300\n", &large), 0);
	cpulist_intersect(&small, &large);
	assert_string_equal(text_of(&small), "2 5");
	assert_int_equal(parse("1-2,5\n", &small), 0);
	cpulist_intersect(&large, &small);
	assert_string_equal(text_of(&large), "2 5");
	assert_int_equal(parse("6\n", &small), 0);
	cpulist_intersect(&large, &small);
	assert_int_equal(cpulist_count(&large), 0);
}

static void sets_are_made_one_by_one(void **state)
{
	struct cpulist list;

	(void)state;
	assert_int_equal(cpulist_new(&arena, 65, &list), 0);
	cpulist_add(&list, 64);
	cpulist_add(&list, 3);
	cpulist_add(&list, 3);
	cpulist_add(&list, 5000);
	assert_string_equal(text_of(&list), "3 64");
	assert_int_equal(cpulist_new(&arena, CPULIST_LIMIT + 1, &list), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(lists_are_parsed, reset),
		cmocka_unit_test_teardown(empty_list_is_the_empty_set, reset),
		cmocka_unit_test_teardown(order_and_repetition_do_not_matter, reset),
		cmocka_unit_test_teardown(other_texts_are_refused, reset),
		cmocka_unit_test_teardown(text_is_read_to_its_length, reset),
		cmocka_unit_test_teardown(largest_number_is_taken, reset),
		cmocka_unit_test_teardown(intersection_takes_both_sizes, reset),
		cmocka_unit_test_teardown(sets_are_made_one_by_one, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
