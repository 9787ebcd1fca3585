/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a read at offset 0 leaves for the reads behind it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "snapshot.h"

#define THREADS 4u
#define ROUNDS  5000u

static const struct container_key key_a = {.inode = {1}};
static const struct container_key key_b = {.inode = {2}};

static struct snapshot_store *new_store(size_t count, size_t bytes, size_t container_count,
					size_t container_bytes)
{
	const struct snapshot_limits limits = {.count = count,
					       .bytes = bytes,
					       .container_count = container_count,
					       .container_bytes = container_bytes};
	struct snapshot_store *store;

	assert_int_equal(snapshot_store_new(&limits, &store), 0);
	return store;
}

static struct snapshot_store *large_store(void)
{
	return new_store(1000, 1 << 20, 1000, 1 << 20);
}

static void keep(struct snapshot_store *store, uint64_t handle, uint32_t tid,
		 const struct container_key *container, const char *data, size_t length)
{
	struct snapshot *snapshot = snapshot_new(tid, container, data, length);

	assert_non_null(snapshot);
	snapshot_keep(store, handle, snapshot);
	snapshot_put(snapshot);
}

static void keep_text(struct snapshot_store *store, uint64_t handle, uint32_t tid, const char *text)
{
	keep(store, handle, tid, &key_a, text, strlen(text));
}

/* What a read finds, compared with `text`; NULL: nothing. */
static void check_found(struct snapshot_store *store, uint64_t handle, uint32_t tid,
			const char *text)
{
	struct snapshot *found = snapshot_find(store, handle, tid);

	if (!text) {
		assert_null(found);
		return;
	}
	assert_non_null(found);
	assert_int_equal(found->length, strlen(text));
	assert_memory_equal(found->data, text, found->length);
	snapshot_put(found);
}

static size_t count_of(struct snapshot_store *store)
{
	size_t count;
	size_t bytes;

	snapshot_usage(store, &count, &bytes);
	return count;
}

static size_t bytes_of(struct snapshot_store *store)
{
	size_t count;
	size_t bytes;

	snapshot_usage(store, &count, &bytes);
	return bytes;
}

static void a_thread_finds_its_own_text(void **state)
{
	struct snapshot_store *store = large_store();

	(void)state;
	keep_text(store, 7, 100, "one");
	keep_text(store, 7, 101, "two");
	keep_text(store, 8, 100, "other handle");
	check_found(store, 7, 100, "one");
	check_found(store, 7, 101, "two");
	check_found(store, 8, 100, "other handle");
	snapshot_store_free(store);
}

static void a_stranger_finds_the_newest(void **state)
{
	struct snapshot_store *store = large_store();

	(void)state;
	keep_text(store, 7, 100, "one");
	keep_text(store, 7, 101, "two");
	check_found(store, 7, 999, "two");
	check_found(store, 9, 100, NULL);
	snapshot_store_free(store);
}

static void a_new_text_replaces_the_threads_old_one(void **state)
{
	struct snapshot_store *store = large_store();

	(void)state;
	keep_text(store, 7, 100, "old");
	keep_text(store, 7, 101, "other");
	keep_text(store, 7, 100, "new");
	assert_int_equal(count_of(store), 2);
	check_found(store, 7, 100, "new");
	check_found(store, 7, 101, "other");
	snapshot_store_free(store);
}

static void a_closed_handle_leaves_nothing(void **state)
{
	struct snapshot_store *store = large_store();

	(void)state;
	keep_text(store, 7, 100, "one");
	keep_text(store, 7, 101, "two");
	keep_text(store, 8, 100, "three");
	snapshot_drop(store, 7);
	check_found(store, 7, 100, NULL);
	check_found(store, 8, 100, "three");
	snapshot_drop(store, 8);
	snapshot_drop(store, 8);
	assert_int_equal(count_of(store), 0);
	assert_int_equal(bytes_of(store), 0);
	snapshot_store_free(store);
}

static void a_text_in_use_outlives_its_place(void **state)
{
	struct snapshot_store *store = large_store();
	struct snapshot *found;

	(void)state;
	keep_text(store, 7, 100, "still here");
	found = snapshot_find(store, 7, 100);
	snapshot_drop(store, 7);
	snapshot_store_free(store);
	assert_memory_equal(found->data, "still here", 10);
	snapshot_put(found);
}

static void an_empty_text_is_a_text(void **state)
{
	struct snapshot_store *store = large_store();

	(void)state;
	keep(store, 7, 100, &key_a, NULL, 0);
	check_found(store, 7, 100, "");
	snapshot_store_free(store);
}

static void threads_of_one_handle_are_bounded(void **state)
{
	struct snapshot_store *store = large_store();

	(void)state;
	for (uint32_t tid = 1; tid <= 100; tid++)
		keep_text(store, 7, tid, "text");
	assert_true(count_of(store) <= 8);
	check_found(store, 7, 100, "text");
	snapshot_store_free(store);
}

static void the_number_is_bounded(void **state)
{
	struct snapshot_store *store = new_store(10, 1 << 20, 10, 1 << 20);

	(void)state;
	for (uint64_t handle = 1; handle <= 1000; handle++) {
		keep_text(store, handle, 1, "text");
		assert_true(count_of(store) <= 10);
	}
	assert_true(count_of(store) > 0);
	snapshot_store_free(store);
}

static void the_bytes_are_bounded_whatever_goes_for_what_comes(void **state)
{
	static const char large[5000];
	struct snapshot_store *store = new_store(1000, 20000, 1000, 20000);

	(void)state;
	for (uint64_t handle = 1; handle <= 100; handle++)
		keep_text(store, handle, 1, "t");
	/* Each large one wants the room of many small ones. */
	for (uint64_t handle = 1; handle <= 1000; handle++) {
		keep(store, handle, 2, &key_a, large, sizeof(large));
		assert_true(bytes_of(store) <= 20000);
	}
	snapshot_store_free(store);
}

static void a_text_beyond_the_limit_is_not_kept(void **state)
{
	static const char large[30000];
	struct snapshot_store *store = new_store(1000, 20000, 1000, 20000);

	(void)state;
	keep(store, 7, 1, &key_a, large, sizeof(large));
	check_found(store, 7, 1, NULL);
	assert_int_equal(bytes_of(store), 0);
	snapshot_store_free(store);
}

static void one_container_leaves_the_others_theirs(void **state)
{
	struct snapshot_store *store = new_store(100, 1 << 20, 10, 1 << 20);

	(void)state;
	keep(store, 1, 1, &key_b, "neighbour", 9);
	for (uint64_t handle = 2; handle <= 1000; handle++)
		keep(store, handle, 1, &key_a, "greedy", 6);
	assert_true(count_of(store) <= 11);
	check_found(store, 1, 1, "neighbour");
	snapshot_store_free(store);
}

static void usage_returns_to_zero(void **state)
{
	struct snapshot_store *store = new_store(50, 1 << 20, 20, 1 << 20);

	(void)state;
	for (uint64_t handle = 1; handle <= 500; handle++)
		keep(store, handle, (uint32_t)handle % 3, handle % 2 ? &key_a : &key_b, "text", 4);
	for (uint64_t handle = 1; handle <= 500; handle++)
		snapshot_drop(store, handle);
	assert_int_equal(count_of(store), 0);
	assert_int_equal(bytes_of(store), 0);
	snapshot_store_free(store);
}

struct reader {
	struct snapshot_store *store;
	uint32_t tid;
	unsigned torn;
};

/* Every text is one character over and over, so a mixed one shows. */
static void *read_and_write(void *argument)
{
	struct reader *reader = argument;
	char text[300];

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t handle = 1 + round % 5;
		struct snapshot *snapshot;

		memset(text, 'a' + (int)((round + reader->tid) % 26), sizeof(text));
		snapshot = snapshot_new(reader->tid, &key_a, text, sizeof(text));
		snapshot_keep(reader->store, handle, snapshot);
		snapshot_put(snapshot);
		snapshot = snapshot_find(reader->store, handle, reader->tid + round % 2);
		for (size_t index = 1; snapshot && index < snapshot->length; index++)
			reader->torn += snapshot->data[index] != snapshot->data[0];
		snapshot_put(snapshot);
		if (round % 7 == 0)
			snapshot_drop(reader->store, handle);
	}
	return NULL;
}

static void threads_see_whole_texts(void **state)
{
	struct snapshot_store *store = new_store(6, 1 << 20, 5, 1 << 20);
	struct reader readers[THREADS];
	pthread_t threads[THREADS];

	(void)state;
	for (uint32_t index = 0; index < THREADS; index++) {
		readers[index] = (struct reader){.store = store, .tid = index + 1};
		assert_int_equal(
			pthread_create(&threads[index], NULL, read_and_write, &readers[index]), 0);
	}
	for (uint32_t index = 0; index < THREADS; index++) {
		pthread_join(threads[index], NULL);
		assert_int_equal(readers[index].torn, 0);
	}
	for (uint64_t handle = 1; handle <= 5; handle++)
		snapshot_drop(store, handle);
	assert_int_equal(count_of(store), 0);
	assert_int_equal(bytes_of(store), 0);
	snapshot_store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_finds_its_own_text),
		cmocka_unit_test(a_stranger_finds_the_newest),
		cmocka_unit_test(a_new_text_replaces_the_threads_old_one),
		cmocka_unit_test(a_closed_handle_leaves_nothing),
		cmocka_unit_test(a_text_in_use_outlives_its_place),
		cmocka_unit_test(an_empty_text_is_a_text),
		cmocka_unit_test(threads_of_one_handle_are_bounded),
		cmocka_unit_test(the_number_is_bounded),
		cmocka_unit_test(the_bytes_are_bounded_whatever_goes_for_what_comes),
		cmocka_unit_test(a_text_beyond_the_limit_is_not_kept),
		cmocka_unit_test(one_container_leaves_the_others_theirs),
		cmocka_unit_test(usage_returns_to_zero),
		cmocka_unit_test(threads_see_whole_texts),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
