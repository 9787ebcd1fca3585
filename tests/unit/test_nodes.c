/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Node ids: the same after any restart, never given out twice. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "nodes.h"

struct fixture {
	struct state state;
	struct nodes *nodes;
};

static int set_up(void **state)
{
	static struct fixture fixture;

	*state = &fixture;
	return state_create(&fixture.state) != 0 || nodes_open(&fixture.state, &fixture.nodes) != 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	nodes_free(fixture->nodes);
	state_close(&fixture->state);
	return 0;
}

/* As after a restart: nothing is known but what the memfd holds. */
static void restart(struct fixture *fixture)
{
	nodes_free(fixture->nodes);
	assert_int_equal(nodes_open(&fixture->state, &fixture->nodes), 0);
}

static uint64_t get(struct fixture *fixture, uint64_t parent, const char *name)
{
	uint64_t id = 0;

	assert_int_equal(nodes_get(fixture->nodes, parent, name, &id), 0);
	assert_true(id & NODE_ID_TABLE);
	return id;
}

static void a_node_keeps_its_type(void **state)
{
	struct fixture *fixture = *state;
	uint64_t one = get(fixture, 5, "one");
	uint64_t two = get(fixture, 5, "two");

	assert_int_equal(nodes_type(fixture->nodes, one), 0);
	nodes_note_type(fixture->nodes, one, S_IFREG);
	nodes_note_type(fixture->nodes, two, S_IFLNK);
	nodes_note_type(fixture->nodes, two, S_IFDIR);
	nodes_note_type(fixture->nodes, two + 1, S_IFDIR);
	nodes_note_type(fixture->nodes, 5, S_IFDIR);
	restart(fixture);
	assert_int_equal(nodes_type(fixture->nodes, one), S_IFREG);
	assert_int_equal(nodes_type(fixture->nodes, two), S_IFDIR);
	assert_int_equal(nodes_type(fixture->nodes, two + 1), 0);
	assert_int_equal(nodes_type(fixture->nodes, 5), 0);
	assert_int_equal(get(fixture, 5, "three"), two + 1);
	assert_int_equal(nodes_type(fixture->nodes, two + 1), 0);
}

static void to_look_gives_out_nothing(void **state)
{
	struct fixture *fixture = *state;
	uint64_t one = get(fixture, 5, "one");
	uint64_t id = 0;

	assert_int_equal(nodes_look(fixture->nodes, 5, "two", &id), -ENOENT);
	assert_int_equal(nodes_look(fixture->nodes, 6, "one", &id), -ENOENT);
	assert_int_equal(nodes_look(fixture->nodes, 5, "one", &id), 0);
	assert_int_equal(id, one);
	assert_int_equal(get(fixture, 5, "two"), one + 1);
}

static void check_name(struct fixture *fixture, uint64_t id, uint64_t parent, const char *name)
{
	uint64_t found_parent;
	const char *found;

	assert_int_equal(nodes_find(fixture->nodes, id, &found_parent, &found), 0);
	assert_int_equal(found_parent, parent);
	assert_string_equal(found, name);
}

static void ids_of_paths_are_fixed(void **state)
{
	(void)state;
	/* An id that changes with a release would break every mount that outlives the upgrade. */
	assert_int_equal(node_id_of_path("proc/meminfo", false), UINT64_C(0x290c8cf015201a09));
	assert_int_equal(node_id_of_path("sys/devices/system/cpu", true),
			 UINT64_C(0x1b87b878d05ce0f4));
	assert_int_not_equal(node_id_of_path("proc/meminfo", false),
			     node_id_of_path("proc/stat", false));
	assert_int_not_equal(node_id_of_path("proc", false), node_id_of_path("proc", true));
	assert_int_equal(node_id_of_path("proc/meminfo", false) & NODE_ID_TABLE, 0);
	assert_true(node_id_of_path("", true) > 1);
	assert_true(node_id_of_path("", false) > 1);
}

static void a_name_keeps_its_id(void **state)
{
	struct fixture *fixture = *state;
	uint64_t cpu0 = get(fixture, 5, "cpu0");
	uint64_t cpu1 = get(fixture, 5, "cpu1");

	assert_int_not_equal(cpu0, cpu1);
	assert_int_equal(get(fixture, 5, "cpu0"), cpu0);
	assert_int_not_equal(get(fixture, 6, "cpu0"), cpu0);
	check_name(fixture, cpu1, 5, "cpu1");
}

static void ids_survive_a_restart(void **state)
{
	struct fixture *fixture = *state;
	uint64_t directory = get(fixture, 5, "cpu0");
	uint64_t file = get(fixture, directory, "topology");

	restart(fixture);
	check_name(fixture, file, directory, "topology");
	assert_int_equal(get(fixture, directory, "topology"), file);
	assert_int_equal(get(fixture, 5, "cpu0"), directory);
	assert_int_not_equal(get(fixture, 5, "new"), file);
}

static void many_names_stay_apart(void **state)
{
	struct fixture *fixture = *state;
	uint64_t first = get(fixture, 9, "name-0");
	char name[32];

	for (unsigned index = 0; index < 5000; index++) {
		snprintf(name, sizeof(name), "name-%u", index);
		assert_int_equal(get(fixture, 9, name), first + index);
	}
	restart(fixture);
	for (unsigned index = 0; index < 5000; index++) {
		snprintf(name, sizeof(name), "name-%u", index);
		check_name(fixture, first + index, 9, name);
		assert_int_equal(get(fixture, 9, name), first + index);
	}
}

static void an_id_that_was_not_given_out_is_unknown(void **state)
{
	struct fixture *fixture = *state;
	uint64_t id = get(fixture, 5, "cpu0");
	uint64_t parent;
	const char *name;

	assert_int_equal(nodes_find(fixture->nodes, id + 1, &parent, &name), -ENOENT);
	assert_int_equal(nodes_find(fixture->nodes, 1, &parent, &name), -ENOENT);
	assert_int_equal(nodes_find(fixture->nodes, UINT64_MAX, &parent, &name), -ENOENT);
}

static void names_have_a_longest_length(void **state)
{
	struct fixture *fixture = *state;
	char name[257];
	uint64_t id;

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	check_name(fixture, get(fixture, 5, name), 5, name);
	name[255] = 'n';
	name[256] = '\0';
	assert_int_equal(nodes_get(fixture->nodes, 5, name, &id), -ENAMETOOLONG);
}

/* Whatever was not finished when a worker died has no id, and the next one gets it. */
static void an_unfinished_record_leaves_no_trace(void **state)
{
	struct fixture *fixture = *state;
	uint64_t id = get(fixture, 5, "cpu0");
	size_t length;
	unsigned char *section = state_section(&fixture->state, STATE_NODES, &length);
	uint64_t used;

	memcpy(&used, section + 8, sizeof(used));
	memset(section + 16 + used, 'x', 64);
	restart(fixture);
	check_name(fixture, id, 5, "cpu0");
	assert_int_equal(get(fixture, 5, "cpu1"), id + 1);
	check_name(fixture, id + 1, 5, "cpu1");
}

static void a_broken_record_ends_the_table(void **state)
{
	struct fixture *fixture = *state;
	uint64_t id = get(fixture, 5, "cpu0");
	size_t length;
	unsigned char *section = state_section(&fixture->state, STATE_NODES, &length);
	uint64_t used;

	memcpy(&used, section + 8, sizeof(used));
	get(fixture, 5, "cpu1");
	/* The size of the second record. */
	memset(section + 16 + used + 8, 0, 4);
	restart(fixture);
	check_name(fixture, id, 5, "cpu0");
	assert_int_equal(get(fixture, 5, "again"), id + 1);
}

static void another_version_starts_anew(void **state)
{
	struct fixture *fixture = *state;
	uint64_t id = get(fixture, 5, "cpu0");
	size_t length;
	uint32_t *header = state_section(&fixture->state, STATE_NODES, &length);
	uint64_t parent;
	const char *name;

	header[1]++;
	restart(fixture);
	assert_int_equal(nodes_find(fixture->nodes, id, &parent, &name), -ENOENT);
	assert_int_equal(get(fixture, 5, "first"), NODE_ID_TABLE);
}

static void a_full_table_says_so(void **state)
{
	struct fixture *fixture = *state;
	uint64_t id = 0;
	uint64_t last = 0;
	char name[256];
	int result = 0;

	for (unsigned index = 0; result == 0; index++) {
		snprintf(name, sizeof(name), "%0250u", index);
		last = id;
		result = nodes_get(fixture->nodes, 5, name, &id);
	}
	assert_int_equal(result, -ENOSPC);
	assert_true(last > NODE_ID_TABLE + 1000);
	snprintf(name, sizeof(name), "%0250u", 0u);
	check_name(fixture, get(fixture, 5, name), 5, name);
}

struct asker {
	struct nodes *nodes;
	uint64_t ids[500];
};

static void *ask(void *argument)
{
	struct asker *asker = argument;
	char name[32];

	for (unsigned index = 0; index < 500; index++) {
		snprintf(name, sizeof(name), "shared-%u", index);
		if (nodes_get(asker->nodes, 5, name, &asker->ids[index]) != 0)
			asker->ids[index] = 0;
	}
	return NULL;
}

static void threads_get_the_same_ids(void **state)
{
	static struct asker askers[4];
	struct fixture *fixture = *state;
	pthread_t threads[4];

	for (int index = 0; index < 4; index++) {
		askers[index].nodes = fixture->nodes;
		assert_int_equal(pthread_create(&threads[index], NULL, ask, &askers[index]), 0);
	}
	for (int index = 0; index < 4; index++)
		pthread_join(threads[index], NULL);
	for (int index = 1; index < 4; index++)
		assert_memory_equal(askers[index].ids, askers[0].ids, sizeof(askers[0].ids));
	for (unsigned index = 0; index < 500; index++)
		assert_true(askers[0].ids[index] & NODE_ID_TABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_of_paths_are_fixed),
		cmocka_unit_test_setup_teardown(a_name_keeps_its_id, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ids_survive_a_restart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_names_stay_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_id_that_was_not_given_out_is_unknown, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(names_have_a_longest_length, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_unfinished_record_leaves_no_trace, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_broken_record_ends_the_table, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_version_starts_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_node_keeps_its_type, set_up, tear_down),
		cmocka_unit_test_setup_teardown(to_look_gives_out_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_table_says_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(threads_get_the_same_ids, set_up, tear_down),
	};

	log_open(LOG_TARGET_STDERR, 0);
	return cmocka_run_group_tests_name("nodes", tests, NULL, NULL);
}
