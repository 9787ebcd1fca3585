/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory of a request. */
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"

static void pieces_are_apart(void **state)
{
	struct arena arena = {0};
	unsigned char *pieces[200];

	(void)state;
	for (size_t index = 0; index < 200; index++) {
		pieces[index] = arena_allocate(&arena, index * 37);
		assert_non_null(pieces[index]);
		memset(pieces[index], (int)index, index * 37);
	}
	for (size_t index = 0; index < 200; index++)
		for (size_t byte = 0; byte < index * 37; byte++)
			assert_int_equal(pieces[index][byte], index);
	arena_free(&arena);
}

static void pieces_are_aligned(void **state)
{
	struct arena arena = {0};

	(void)state;
	for (size_t size = 0; size < 100; size++)
		assert_int_equal((uintptr_t)arena_allocate(&arena, size) % alignof(max_align_t), 0);
	arena_free(&arena);
}

static void pieces_of_nothing_differ(void **state)
{
	struct arena arena = {0};
	void *first = arena_allocate(&arena, 0);

	(void)state;
	assert_non_null(first);
	assert_ptr_not_equal(first, arena_allocate(&arena, 0));
	arena_free(&arena);
}

/* Large pieces have chunks of their own; small ones go on in the chunk that was begun. */
static void large_pieces_are_whole(void **state)
{
	struct arena arena = {0};
	const size_t large = (size_t)5 << 20;
	unsigned char *first = arena_allocate(&arena, large);
	unsigned char *small = arena_allocate(&arena, 16);
	unsigned char *second = arena_allocate(&arena, large);
	unsigned char *next = arena_allocate(&arena, 16);

	(void)state;
	assert_non_null(first);
	assert_non_null(second);
	memset(first, 1, large);
	memset(second, 2, large);
	memset(small, 3, 16);
	assert_ptr_equal(next, small + 16);
	memset(next, 4, 16);
	assert_int_equal(first[0] + first[large - 1], 2);
	assert_int_equal(second[0] + second[large - 1], 4);
	assert_int_equal(small[15], 3);
	arena_free(&arena);
}

static void reset_gives_the_first_chunk_again(void **state)
{
	struct arena arena = {0};
	void *first = arena_allocate(&arena, 100);

	(void)state;
	for (size_t count = 0; count < 64; count++)
		assert_non_null(arena_allocate(&arena, 100000));
	arena_reset(&arena);
	assert_int_equal(arena.used, 0);
	assert_ptr_equal(arena_allocate(&arena, 100), first);
	arena_free(&arena);
}

/* Also when the first piece was larger than a chunk usually is: its memory is not kept. */
static void reset_keeps_no_large_piece(void **state)
{
	struct arena arena = {0};
	void *large = arena_allocate(&arena, (size_t)32 << 20);
	void *small = arena_allocate(&arena, 100);

	(void)state;
	assert_non_null(large);
	arena_reset(&arena);
	assert_ptr_equal(arena_allocate(&arena, 100), small);
	arena_free(&arena);
}

static void limit_holds(void **state)
{
	struct arena arena = {0};

	(void)state;
	assert_null(arena_allocate(&arena, ARENA_LIMIT + 1));
	assert_null(arena_allocate(&arena, SIZE_MAX));
	assert_non_null(arena_allocate(&arena, ARENA_LIMIT / 2));
	assert_non_null(arena_allocate(&arena, ARENA_LIMIT / 2));
	assert_null(arena_allocate(&arena, 1));
	assert_int_equal(arena.used, ARENA_LIMIT);
	arena_reset(&arena);
	assert_non_null(arena_allocate(&arena, ARENA_LIMIT));
	arena_free(&arena);
}

static void arrays_are_zero(void **state)
{
	struct arena arena = {0};
	uint64_t *numbers = arena_allocate(&arena, 1000 * sizeof(*numbers));

	(void)state;
	memset(numbers, 0xff, 1000 * sizeof(*numbers));
	arena_reset(&arena);
	numbers = arena_allocate_array(&arena, 1000, sizeof(*numbers));
	for (size_t index = 0; index < 1000; index++)
		assert_int_equal(numbers[index], 0);
	assert_non_null(arena_allocate_array(&arena, 0, 8));
	assert_non_null(arena_allocate_array(&arena, 8, 0));
	arena_free(&arena);
}

static void overflowing_arrays_are_refused(void **state)
{
	struct arena arena = {0};

	(void)state;
	assert_null(arena_allocate_array(&arena, SIZE_MAX / 8 + 2, 8));
	assert_null(arena_allocate_array(&arena, SIZE_MAX, SIZE_MAX));
	assert_null(arena_allocate_array(&arena, ARENA_LIMIT, 2));
	arena_free(&arena);
}

static void empty_arena_is_freed(void **state)
{
	struct arena arena = {0};

	(void)state;
	arena_reset(&arena);
	arena_free(&arena);
	assert_null(arena.first);
	assert_non_null(arena_allocate(&arena, 1));
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_apart),
		cmocka_unit_test(pieces_are_aligned),
		cmocka_unit_test(pieces_of_nothing_differ),
		cmocka_unit_test(large_pieces_are_whole),
		cmocka_unit_test(reset_gives_the_first_chunk_again),
		cmocka_unit_test(reset_keeps_no_large_piece),
		cmocka_unit_test(limit_holds),
		cmocka_unit_test(arrays_are_zero),
		cmocka_unit_test(overflowing_arrays_are_refused),
		cmocka_unit_test(empty_arena_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
