/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugins' memory of containers: whole or not at all, whatever dies. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pluginstate.h"

#define GROUP 77

/* The layout of the section: a header and then records, each in cells of this size. */
#define CELL_BYTES       1024
#define RECORD_RELEASING 2

struct fixture {
	struct state state;
	struct plugin_state *memory;
};

static int set_up(void **state)
{
	static struct fixture fixture;

	*state = &fixture;
	return state_create(&fixture.state) != 0 ||
	       plugin_state_open(&fixture.state, &fixture.memory) != 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	plugin_state_free(fixture->memory);
	state_close(&fixture->state);
	return 0;
}

/* As after a restart: nothing is known but what the memfd holds. */
static void restart(struct fixture *fixture)
{
	plugin_state_free(fixture->memory);
	assert_int_equal(plugin_state_open(&fixture->state, &fixture->memory), 0);
}

static struct container_key key_of(uint64_t number)
{
	return (struct container_key){.inode = {number, 0, number}};
}

/* One update: what it found, and what it does. */
struct update {
	bool found;
	uint32_t size;
	uint32_t version;
	uint64_t first;
	uint64_t put; /* fills the whole content */
	uint32_t put_size;
	int32_t result;
};

static int32_t run_update(const void *before, uint32_t before_size, uint32_t before_version,
			  void *after, void *argument)
{
	struct update *update = argument;

	update->found = before != NULL;
	update->size = before_size;
	update->version = before_version;
	if (before)
		memcpy(&update->first, before, sizeof(update->first));
	for (uint32_t index = 0; index < update->put_size; index++)
		if (((unsigned char *)after)[index] != 0)
			return -EUCLEAN;
	for (uint32_t index = 0; index + sizeof(update->put) <= update->put_size;
	     index += sizeof(update->put))
		memcpy((char *)after + index, &update->put, sizeof(update->put));
	return update->result;
}

static int put_in(struct plugin_state *memory, uint64_t container, uint64_t group,
		  const char *plugin, uint32_t version, uint32_t size, struct update *update)
{
	const struct container_key key = key_of(container);

	update->put_size = size;
	return plugin_state_update(memory, &key, group, plugin, version, size, run_update, update);
}

/* Store `value`; what was there before, 0: nothing. */
static uint64_t put(struct fixture *fixture, uint64_t container, const char *plugin, uint64_t value)
{
	struct update update = {.put = value};

	assert_int_equal(put_in(fixture->memory, container, GROUP, plugin, 1, 64, &update), 0);
	return update.first;
}

static void the_first_update_finds_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct update update = {.put = 5};

	assert_int_equal(put_in(fixture->memory, 1, GROUP, "uptime", 3, 24, &update), 0);
	assert_false(update.found);
	assert_int_equal(update.size, 0);
	assert_int_equal(update.version, 0);
	assert_int_equal(put_in(fixture->memory, 1, GROUP, "uptime", 4, 16, &update), 0);
	assert_true(update.found);
	assert_int_equal(update.size, 24);
	assert_int_equal(update.version, 3);
	assert_int_equal(update.first, 5);
	assert_int_equal(put_in(fixture->memory, 1, GROUP, "uptime", 4, 16, &update), 0);
	assert_int_equal(update.size, 16);
	assert_int_equal(update.version, 4);
}

static void containers_and_plugins_are_apart(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(put(fixture, 1, "uptime", 11), 0);
	assert_int_equal(put(fixture, 2, "uptime", 21), 0);
	assert_int_equal(put(fixture, 1, "stat", 12), 0);
	assert_int_equal(put(fixture, 1, "uptime", 0), 11);
	assert_int_equal(put(fixture, 2, "uptime", 0), 21);
	assert_int_equal(put(fixture, 1, "stat", 0), 12);
}

static void a_failed_update_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct update update = {.put = 99, .result = -EIO};

	put(fixture, 1, "uptime", 7);
	assert_int_equal(put_in(fixture->memory, 1, GROUP, "uptime", 1, 64, &update), -EIO);
	assert_int_equal(put(fixture, 1, "uptime", 8), 7);
	assert_int_equal(put_in(fixture->memory, 2, GROUP, "uptime", 1, 64, &update), -EIO);
	assert_int_equal(put(fixture, 2, "uptime", 8), 0);
}

static void it_survives_a_restart(void **state)
{
	struct fixture *fixture = *state;

	for (uint64_t container = 1; container <= 300; container++)
		put(fixture, container, "uptime", container);
	restart(fixture);
	for (uint64_t container = 1; container <= 300; container++)
		assert_int_equal(put(fixture, container, "uptime", 1), container);
}

/* ---- death ---- */

static int32_t die(const void *before, uint32_t before_size, uint32_t before_version, void *after,
		   void *argument)
{
	(void)before;
	(void)before_size;
	(void)before_version;
	memset(after, 0xff, *(uint32_t *)argument);
	_exit(42);
}

/* A worker of its own updates that memory and ends in the middle. */
static void die_in_update(struct fixture *fixture, uint32_t size)
{
	const struct container_key key = key_of(1);
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		plugin_state_update(fixture->memory, &key, GROUP, "uptime", 1, size, die, &size);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	restart(fixture);
}

static void dying_in_an_update_leaves_what_was(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, 1, "uptime", 7);
	put(fixture, 2, "uptime", 70);
	for (uint64_t round = 0; round < 4; round++) {
		die_in_update(fixture, 64);
		assert_int_equal(put(fixture, 1, "uptime", 8 + round), 7 + round);
	}
	assert_int_equal(put(fixture, 2, "uptime", 0), 70);
}

static void dying_in_the_first_update_leaves_nothing(void **state)
{
	struct fixture *fixture = *state;

	die_in_update(fixture, 64);
	assert_int_equal(put(fixture, 1, "uptime", 1), 0);
}

static void dying_in_an_update_that_grows_leaves_what_was(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, 1, "uptime", 7);
	die_in_update(fixture, 5000);
	assert_int_equal(put(fixture, 1, "uptime", 8), 7);
}

/* As if so many cells had been used: those behind are not looked at. */
static void use_cells(struct fixture *fixture, uint64_t count)
{
	size_t length;
	uint64_t *header = state_section(&fixture->state, STATE_PLUGINS, &length);

	header[1] = count;
}

/* A worker can die when the larger record is there and the smaller one not gone. */
static void of_two_records_one_stays(void **state)
{
	struct fixture *fixture = *state;
	size_t length;
	char *cells;

	put(fixture, 1, "uptime", 7);
	cells = (char *)state_section(&fixture->state, STATE_PLUGINS, &length) + CELL_BYTES;
	memcpy(cells + 10 * (size_t)CELL_BYTES, cells, CELL_BYTES);
	use_cells(fixture, 11);
	restart(fixture);
	/* Of the twin nothing may come back later. */
	assert_int_not_equal(cells[0] != 0, cells[10 * (size_t)CELL_BYTES] != 0);
	assert_int_equal(put(fixture, 1, "uptime", 8), 7);
	restart(fixture);
	assert_int_equal(put(fixture, 1, "uptime", 9), 8);
	restart(fixture);
	assert_int_equal(put(fixture, 1, "uptime", 9), 9);
}

static void a_record_that_was_being_released_is_free(void **state)
{
	struct fixture *fixture = *state;
	size_t length;
	uint32_t *record;

	put(fixture, 1, "uptime", 7);
	record = (uint32_t *)((char *)state_section(&fixture->state, STATE_PLUGINS, &length) +
			      CELL_BYTES);
	record[0] = RECORD_RELEASING;
	restart(fixture);
	assert_int_equal(record[0], 0);
	assert_int_equal(put(fixture, 1, "uptime", 8), 0);
}

static void another_version_starts_anew(void **state)
{
	struct fixture *fixture = *state;
	size_t length;
	uint32_t *header = state_section(&fixture->state, STATE_PLUGINS, &length);

	put(fixture, 1, "uptime", 7);
	header[1]++;
	restart(fixture);
	assert_int_equal(put(fixture, 1, "uptime", 8), 0);
}

/* Bytes that are no record must lead nowhere. */
static void garbage_is_survived(void **state)
{
	struct fixture *fixture = *state;
	size_t length;
	unsigned char *cells;
	uint32_t noise = 1;

	put(fixture, 1, "uptime", 7);
	cells = (unsigned char *)state_section(&fixture->state, STATE_PLUGINS, &length) +
		CELL_BYTES;
	for (size_t index = 0; index < 200 * (size_t)CELL_BYTES; index++) {
		noise = noise * 1103515245 + 12345;
		cells[index] = (unsigned char)(noise >> 16);
	}
	for (size_t cell = 0; cell < 200; cell++) {
		const uint32_t used[2] = {1, (uint32_t)cell % 5};

		memcpy(cells + cell * CELL_BYTES, used, sizeof(used));
	}
	use_cells(fixture, 200);
	restart(fixture);
	for (uint64_t container = 1; container <= 300; container++)
		assert_int_equal(put(fixture, container, "uptime", container), 0);
	for (uint64_t container = 1; container <= 300; container++)
		assert_int_equal(put(fixture, container, "uptime", 0), container);
}

/* ---- sizes ---- */

static void sizes_and_names_are_bounded(void **state)
{
	struct fixture *fixture = *state;
	struct update update = {0};
	char name[65];

	memset(name, 'n', sizeof(name));
	name[64] = '\0';
	assert_int_equal(put_in(fixture->memory, 1, GROUP, "a", 1, 0, &update), -EINVAL);
	assert_int_equal(put_in(fixture->memory, 1, GROUP, "a", 1, PLUGIN_STATE_MAX + 1, &update),
			 -EINVAL);
	assert_int_equal(put_in(fixture->memory, 1, GROUP, name, 1, 8, &update), -EINVAL);
	assert_int_equal(put_in(fixture->memory, 1, GROUP, "a", 1, PLUGIN_STATE_MAX, &update), 0);
	name[63] = '\0';
	assert_int_equal(put_in(fixture->memory, 1, GROUP, name, 1, 8, &update), 0);
}

static int32_t note_alignment(const void *before, uint32_t before_size, uint32_t before_version,
			      void *after, void *argument)
{
	(void)before_size;
	(void)before_version;
	*(uintptr_t *)argument |= (uintptr_t)after % 16 | (uintptr_t)before % 16;
	return 0;
}

static void contents_are_aligned(void **state)
{
	struct fixture *fixture = *state;
	uintptr_t odd = 0;

	for (uint32_t size = 1; size < 40; size++) {
		const struct container_key key = key_of(size);

		for (int round = 0; round < 3; round++)
			assert_int_equal(plugin_state_update(fixture->memory, &key, GROUP, "a", 1,
							     size, note_alignment, &odd),
					 0);
	}
	assert_int_equal(odd, 0);
}

static void a_larger_layout_finds_the_smaller_one(void **state)
{
	struct fixture *fixture = *state;
	struct update update = {.put = 9};

	put(fixture, 1, "uptime", 7);
	put(fixture, 2, "uptime", 70);
	assert_int_equal(put_in(fixture->memory, 1, GROUP, "uptime", 2, 30000, &update), 0);
	assert_int_equal(update.size, 64);
	assert_int_equal(update.version, 1);
	assert_int_equal(update.first, 7);
	restart(fixture);
	assert_int_equal(put_in(fixture->memory, 1, GROUP, "uptime", 2, 30000, &update), 0);
	assert_int_equal(update.size, 30000);
	assert_int_equal(update.version, 2);
	assert_int_equal(update.first, 9);
	assert_int_equal(put(fixture, 2, "uptime", 0), 70);
}

/* ---- threads ---- */

struct meeting {
	struct plugin_state *memory;
	atomic_int inside;
	atomic_int go_on;
	int32_t result;
};

static int32_t wait_inside(const void *before, uint32_t before_size, uint32_t before_version,
			   void *after, void *argument)
{
	struct meeting *meeting = argument;

	(void)before;
	(void)before_size;
	(void)before_version;
	memset(after, 1, 64);
	atomic_store(&meeting->inside, 1);
	while (!atomic_load(&meeting->go_on))
		usleep(1000);
	return 0;
}

static void *update_slowly(void *argument)
{
	const struct container_key key = key_of(1);
	struct meeting *meeting = argument;

	meeting->result = plugin_state_update(meeting->memory, &key, GROUP, "uptime", 1, 64,
					      wait_inside, meeting);
	return NULL;
}

static void *update_largely(void *argument)
{
	struct meeting *meeting = argument;
	struct update update = {.put = 2};

	meeting->result = put_in(meeting->memory, 1, GROUP, "uptime", 2, 5000, &update);
	/* It came behind the slow one, whole. */
	if (meeting->result == 0 && (!update.found || update.size != 64))
		meeting->result = -EUCLEAN;
	return NULL;
}

/* As in a reload: the old code is in an update, and the new one has a larger layout. */
static void a_larger_layout_waits_for_a_running_update(void **state)
{
	struct fixture *fixture = *state;
	struct meeting slow = {.memory = fixture->memory};
	struct meeting large = {.memory = fixture->memory};
	pthread_t threads[2];

	assert_int_equal(pthread_create(&threads[0], NULL, update_slowly, &slow), 0);
	while (!atomic_load(&slow.inside))
		usleep(1000);
	assert_int_equal(pthread_create(&threads[1], NULL, update_largely, &large), 0);
	usleep(20000);
	atomic_store(&slow.go_on, 1);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_int_equal(slow.result, 0);
	assert_int_equal(large.result, 0);
}

static int32_t add_one(const void *before, uint32_t before_size, uint32_t before_version,
		       void *after, void *argument)
{
	uint64_t number = 0;

	(void)before_version;
	(void)argument;
	if (before && before_size >= sizeof(number))
		memcpy(&number, before, sizeof(number));
	number++;
	memcpy(after, &number, sizeof(number));
	return 0;
}

static void *count_up(void *argument)
{
	struct meeting *meeting = argument;

	for (uint32_t round = 0; round < 4000; round++) {
		const struct container_key key = key_of(1 + round % 2);

		/* Layouts of several sizes, as when generations overlap. */
		meeting->result |= plugin_state_update(meeting->memory, &key, GROUP, "counter", 1,
						       8 + round, add_one, NULL);
	}
	return NULL;
}

static void no_update_is_lost(void **state)
{
	struct fixture *fixture = *state;
	struct meeting meetings[4];
	pthread_t threads[4];
	uint64_t sum = 0;

	for (int index = 0; index < 4; index++) {
		meetings[index] = (struct meeting){.memory = fixture->memory};
		assert_int_equal(pthread_create(&threads[index], NULL, count_up, &meetings[index]),
				 0);
	}
	for (int index = 0; index < 4; index++) {
		pthread_join(threads[index], NULL);
		assert_int_equal(meetings[index].result, 0);
	}
	for (uint64_t container = 1; container <= 2; container++)
		sum += put(fixture, container, "counter", 0);
	assert_int_equal(sum, 4 * 4000);
}

/* ---- eviction ---- */

static void the_group_that_holds_most_gives_way(void **state)
{
	struct plugin_state *memory;
	struct update update = {.put = 5};

	(void)state;
	/* 1 MiB of memory. */
	assert_int_equal(plugin_state_open(NULL, &memory), 0);
	assert_int_equal(put_in(memory, 1, 1, "uptime", 1, 64, &update), 0);
	assert_int_equal(put_in(memory, 2, 2, "uptime", 1, 2000, &update), 0);
	for (uint64_t container = 1000; container < 6000; container++) {
		update.put = container;
		assert_int_equal(put_in(memory, container, 3, "uptime", 1, 64, &update), 0);
	}
	/* The newest of the greedy group are there, its oldest gave way, the others lost nothing. */
	assert_int_equal(put_in(memory, 5999, 3, "uptime", 1, 64, &update), 0);
	assert_true(update.found);
	assert_int_equal(put_in(memory, 1, 1, "uptime", 1, 64, &update), 0);
	assert_true(update.found);
	assert_int_equal(update.first, 5);
	assert_int_equal(put_in(memory, 2, 2, "uptime", 1, 2000, &update), 0);
	assert_true(update.found);
	assert_int_equal(put_in(memory, 1000, 3, "uptime", 1, 64, &update), 0);
	assert_false(update.found);
	plugin_state_free(memory);
}

static void the_least_recently_updated_goes_first(void **state)
{
	struct plugin_state *memory;
	struct update update = {.put = 5};

	(void)state;
	assert_int_equal(plugin_state_open(NULL, &memory), 0);
	for (uint64_t container = 1; container < 3000; container++) {
		assert_int_equal(put_in(memory, container, 3, "uptime", 1, 64, &update), 0);
		/* This one is asked for all the time. */
		assert_int_equal(put_in(memory, 1, 3, "uptime", 1, 64, &update), 0);
		assert_true(update.found);
	}
	plugin_state_free(memory);
}

static void large_records_find_room(void **state)
{
	struct plugin_state *memory;
	struct update update = {.put = 5};

	(void)state;
	assert_int_equal(plugin_state_open(NULL, &memory), 0);
	for (uint64_t container = 1; container < 2000; container++)
		assert_int_equal(put_in(memory, container, 3, "uptime", 1, 64, &update), 0);
	for (uint64_t container = 1; container < 50; container++) {
		uint32_t size = PLUGIN_STATE_MAX - (uint32_t)container * 100;

		assert_int_equal(put_in(memory, container, 4, "large", 1, size, &update), 0);
		assert_int_equal(put_in(memory, container, 4, "large", 1, size, &update), 0);
		assert_true(update.found);
		assert_int_equal(update.size, size);
	}
	plugin_state_free(memory);
}

#define with_fixture(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_fixture(the_first_update_finds_nothing),
		with_fixture(containers_and_plugins_are_apart),
		with_fixture(a_failed_update_changes_nothing),
		with_fixture(it_survives_a_restart),
		with_fixture(dying_in_an_update_leaves_what_was),
		with_fixture(dying_in_the_first_update_leaves_nothing),
		with_fixture(dying_in_an_update_that_grows_leaves_what_was),
		with_fixture(of_two_records_one_stays),
		with_fixture(a_record_that_was_being_released_is_free),
		with_fixture(another_version_starts_anew),
		with_fixture(garbage_is_survived),
		with_fixture(sizes_and_names_are_bounded),
		with_fixture(contents_are_aligned),
		with_fixture(a_larger_layout_finds_the_smaller_one),
		with_fixture(a_larger_layout_waits_for_a_running_update),
		with_fixture(no_update_is_lost),
		cmocka_unit_test(the_group_that_holds_most_gives_way),
		cmocka_unit_test(the_least_recently_updated_goes_first),
		cmocka_unit_test(large_records_find_room),
	};

	return cmocka_run_group_tests_name("pluginstate", tests, NULL, NULL);
}
