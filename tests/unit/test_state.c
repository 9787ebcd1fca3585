/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state memfd, and the journal in it. */
#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal.h"
#include "state.h"

#define SECTIONS (STATE_LEDGER + 1)

static struct state new_state(void)
{
	struct state state;

	assert_int_equal(state_create(&state), 0);
	return state;
}

/* As a successor would: by another descriptor of the same memory. */
static struct state map_again(const struct state *state)
{
	struct state successor;

	assert_int_equal(state_map(dup(state->fd), &successor), 0);
	return successor;
}

/* ---- state ---- */

static void sections_lie_apart(void **unused)
{
	struct state state = new_state();
	size_t end = sizeof(struct state_header);

	(void)unused;
	for (int section = 0; section < SECTIONS; section++) {
		size_t length;
		size_t start = (size_t)((char *)state_section(
						&state, (enum state_section_id)section, &length) -
					(char *)state.header);

		assert_true(start >= end);
		assert_true(length > 0);
		assert_int_equal(start % 4096, 0);
		end = start + length;
	}
	assert_true(end <= state.length);
	state_close(&state);
}

static void a_successor_sees_the_same(void **unused)
{
	struct state state = new_state();
	struct state successor = map_again(&state);
	size_t length;
	char *here = state_section(&state, STATE_PLUGINS, &length);
	char *there = state_section(&successor, STATE_PLUGINS, &length);

	(void)unused;
	here[length - 1] = 'x';
	assert_int_equal(there[length - 1], 'x');
	assert_int_equal(successor.header->created, state.header->created);
	state_close(&state);
	assert_int_equal(there[length - 1], 'x');
	state_close(&successor);
}

static void handles_are_never_used_twice(void **unused)
{
	struct state state = new_state();
	struct state successor = map_again(&state);
	uint64_t last = 0;

	(void)unused;
	for (int round = 0; round < 100; round++) {
		uint64_t handle = state_next_handle(round % 2 ? &state : &successor);

		assert_true(handle > last);
		last = handle;
	}
	state_close(&state);
	state_close(&successor);
}

static void another_version_is_not_misread(void **unused)
{
	struct state state = new_state();
	struct state successor;

	(void)unused;
	state.header->version++;
	assert_int_equal(state_map(state.fd, &successor), -EPROTO);
	state.header->version--;
	state.header->size++;
	assert_int_equal(state_map(state.fd, &successor), -EPROTO);
	state.header->size--;
	state.header->magic[0] ^= 1;
	assert_int_equal(state_map(state.fd, &successor), -EPROTO);
	state.header->magic[0] ^= 1;
	state.header->sections[STATE_JOURNAL].length -= 4096;
	assert_int_equal(state_map(state.fd, &successor), -EPROTO);
	state.header->sections[STATE_JOURNAL].length += 4096;
	assert_int_equal(state_map(state.fd, &successor), 0);
	state_close(&successor);
	state.fd = -1;
	state_close(&state);
}

static void sections_beyond_the_end_are_refused(void **unused)
{
	struct state state = new_state();
	struct state successor;
	struct state_section *section = &state.header->sections[STATE_POLLS];
	const struct state_section good = *section;

	(void)unused;
	section->offset = state.length + 1;
	assert_int_equal(state_map(state.fd, &successor), -EPROTO);
	section->offset = good.offset;
	section->length = UINT64_MAX;
	assert_int_equal(state_map(state.fd, &successor), -EPROTO);
	section->length = good.length;
	assert_int_equal(ftruncate(state.fd, 8192), 0);
	assert_int_equal(state_map(state.fd, &successor), -EPROTO);
	assert_int_equal(ftruncate(state.fd, 100), 0);
	assert_int_equal(state_map(state.fd, &successor), -EPROTO);
	state_close(&state);
}

/* ---- journal ---- */

static void write_request(struct journal *journal, int slot, uint32_t length, uint64_t unique)
{
	const struct fuse_in_header header = {.len = length, .unique = unique};

	memcpy(journal_request(journal, slot), &header, sizeof(header));
}

static void slots_are_given_out_once(void **unused)
{
	struct state state = new_state();
	struct journal journal;
	unsigned char taken[JOURNAL_SLOTS] = {0};

	(void)unused;
	journal_open(&journal, &state);
	for (unsigned count = 0; count < JOURNAL_SLOTS; count++) {
		int slot = journal_take(&journal);

		assert_in_range(slot, 0, JOURNAL_SLOTS - 1);
		assert_int_equal(taken[slot], 0);
		taken[slot] = 1;
	}
	assert_int_equal(journal_take(&journal), -1);
	journal_give_back(&journal, 17);
	assert_int_equal(journal_take(&journal), 17);
	assert_int_equal(journal_take(&journal), -1);
	journal_close(&journal);
	state_close(&state);
}

static void slots_do_not_overlap(void **unused)
{
	struct state state = new_state();
	struct journal journal;

	(void)unused;
	journal_open(&journal, &state);
	for (int slot = 0; slot < (int)JOURNAL_SLOTS; slot++)
		memset(journal_request(&journal, slot), slot, JOURNAL_SLOT_BYTES);
	for (int slot = 0; slot < (int)JOURNAL_SLOTS; slot++) {
		const unsigned char *bytes = journal_request(&journal, slot);

		assert_int_equal(bytes[0], slot);
		assert_int_equal(bytes[JOURNAL_SLOT_BYTES - 1], slot);
		assert_int_equal(journal.marks[slot].charges, 0);
	}
	journal_close(&journal);
	state_close(&state);
}

static void only_a_whole_request_counts(void **unused)
{
	struct state state = new_state();
	struct journal journal;

	(void)unused;
	journal_open(&journal, &state);
	assert_int_equal(journal_length(&journal, 3), 0);
	write_request(&journal, 3, 100, 7);
	assert_int_equal(journal_length(&journal, 3), 100);
	write_request(&journal, 3, 100, 0);
	assert_int_equal(journal_length(&journal, 3), 0);
	write_request(&journal, 3, sizeof(struct fuse_in_header) - 1, 7);
	assert_int_equal(journal_length(&journal, 3), 0);
	write_request(&journal, 3, JOURNAL_SLOT_BYTES, 7);
	assert_int_equal(journal_length(&journal, 3), JOURNAL_SLOT_BYTES);
	write_request(&journal, 3, JOURNAL_SLOT_BYTES + 1, 7);
	assert_int_equal(journal_length(&journal, 3), 0);
	journal_close(&journal);
	state_close(&state);
}

static void a_successor_finds_what_was_in_service(void **unused)
{
	struct state state = new_state();
	struct state successor_state = map_again(&state);
	struct journal journal;
	struct journal successor;
	int slot;

	(void)unused;
	journal_open(&journal, &state);
	slot = journal_take(&journal);
	write_request(&journal, slot, 80, 9);
	journal.marks[slot].charges = 1;
	journal_open(&successor, &successor_state);
	assert_int_equal(journal_length(&successor, slot), 80);
	assert_int_equal(successor.marks[slot].charges, 1);
	/* It is not free before it was answered. */
	for (unsigned count = 0; count < JOURNAL_SLOTS - 1; count++)
		assert_int_not_equal(journal_take(&successor), slot);
	assert_int_equal(journal_take(&successor), -1);
	journal_close(&successor);
	journal_close(&journal);
	state_close(&state);
	state_close(&successor_state);
}

/* The number that the kernel gives a request which it sends again. */
#define SENT_AGAIN (UINT64_C(1) << 63)

static void a_mark_is_about_one_request(void **unused)
{
	struct state state = new_state();
	struct journal journal;

	(void)unused;
	journal_open(&journal, &state);
	write_request(&journal, 5, 80, 9);
	journal_mark(&journal, 5)->charges = 2;
	journal_mark(&journal, 5)->signal = 11;
	journal_mark(&journal, 5)->replays = 1;
	journal_mark(&journal, 5)->entered = 1;
	journal_mark(&journal, 5)->plugin = 7;
	journal_mark(&journal, 5)->group = 70;
	assert_int_equal(journal_mark(&journal, 5)->charges, 2);
	/* Sent again it is still the same request. */
	write_request(&journal, 5, 80, SENT_AGAIN | 9);
	assert_int_equal(journal_mark(&journal, 5)->charges, 2);
	assert_int_equal(journal_mark(&journal, 5)->replays, 1);
	assert_int_equal(journal_mark(&journal, 5)->entered, 1);
	assert_int_equal(journal_mark(&journal, 5)->plugin, 7);
	assert_int_equal(journal_mark(&journal, 5)->group, 70);
	/* Whatever kills the worker between the two, the next one is not charged for it. */
	journal_clear(&journal, 5);
	assert_int_equal(journal_length(&journal, 5), 0);
	write_request(&journal, 5, 80, 11);
	assert_int_equal(journal_mark(&journal, 5)->charges, 0);
	assert_int_equal(journal_mark(&journal, 5)->signal, 0);
	assert_int_equal(journal_mark(&journal, 5)->replays, 0);
	assert_int_equal(journal_mark(&journal, 5)->entered, 0);
	assert_int_equal(journal_mark(&journal, 5)->plugin, 0);
	assert_int_equal(journal_mark(&journal, 5)->group, 0);
	journal_close(&journal);
	state_close(&state);
}

static void clearing_leaves_other_slots(void **unused)
{
	struct state state = new_state();
	struct journal journal;

	(void)unused;
	journal_open(&journal, &state);
	write_request(&journal, 5, 80, 9);
	write_request(&journal, 6, 80, 10);
	journal_clear(&journal, 5);
	assert_int_equal(journal_length(&journal, 5), 0);
	assert_int_equal(journal_length(&journal, 6), 80);
	journal_close(&journal);
	state_close(&state);
}

struct taker {
	struct journal *journal;
	_Atomic uint32_t *holders;
	unsigned conflicts;
};

static void *take_and_give(void *argument)
{
	struct taker *taker = argument;

	for (unsigned round = 0; round < 20000; round++) {
		int slot = journal_take(taker->journal);

		if (slot < 0 || taker->holders[slot]++ != 0) {
			taker->conflicts++;
			continue;
		}
		taker->holders[slot]--;
		journal_give_back(taker->journal, slot);
	}
	return NULL;
}

static void threads_never_share_a_slot(void **unused)
{
	static _Atomic uint32_t holders[JOURNAL_SLOTS];
	struct state state = new_state();
	struct journal journal;
	struct taker takers[4];
	pthread_t threads[4];

	(void)unused;
	journal_open(&journal, &state);
	for (int index = 0; index < 4; index++) {
		takers[index] = (struct taker){.journal = &journal, .holders = holders};
		assert_int_equal(
			pthread_create(&threads[index], NULL, take_and_give, &takers[index]), 0);
	}
	for (int index = 0; index < 4; index++) {
		pthread_join(threads[index], NULL);
		assert_int_equal(takers[index].conflicts, 0);
	}
	assert_int_equal(journal.free_count, JOURNAL_SLOTS);
	journal_close(&journal);
	state_close(&state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_lie_apart),
		cmocka_unit_test(a_successor_sees_the_same),
		cmocka_unit_test(handles_are_never_used_twice),
		cmocka_unit_test(another_version_is_not_misread),
		cmocka_unit_test(sections_beyond_the_end_are_refused),
		cmocka_unit_test(slots_are_given_out_once),
		cmocka_unit_test(slots_do_not_overlap),
		cmocka_unit_test(only_a_whole_request_counts),
		cmocka_unit_test(a_successor_finds_what_was_in_service),
		cmocka_unit_test(a_mark_is_about_one_request),
		cmocka_unit_test(clearing_leaves_other_slots),
		cmocka_unit_test(threads_never_share_a_slot),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
