/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nothing is freed while somebody may look at it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quiescence.h"

#define READERS      3
#define REPLACEMENTS 3000

static struct quiescence *new_quiescence(void)
{
	struct quiescence *quiescence;

	assert_int_equal(quiescence_new(&quiescence), 0);
	return quiescence;
}

static void count_release(void *object)
{
	(*(unsigned *)object)++;
}

static void without_readers_it_goes_at_once(void **state)
{
	struct quiescence *quiescence = new_quiescence();
	unsigned released = 0;

	(void)state;
	assert_int_equal(quiescence_register(quiescence), 0);
	quiescence_retire(quiescence, count_release, &released);
	assert_int_equal(released, 0);
	assert_false(quiescence_reclaim(quiescence));
	assert_int_equal(released, 1);
	assert_false(quiescence_reclaim(quiescence));
	assert_int_equal(released, 1);
	quiescence_free(quiescence);
}

static void a_reader_inside_holds_it(void **state)
{
	struct quiescence *quiescence = new_quiescence();
	int reader = quiescence_register(quiescence);
	unsigned released = 0;

	(void)state;
	quiescence_enter(quiescence, reader);
	quiescence_retire(quiescence, count_release, &released);
	assert_true(quiescence_reclaim(quiescence));
	assert_int_equal(released, 0);
	quiescence_leave(quiescence, reader);
	assert_false(quiescence_reclaim(quiescence));
	assert_int_equal(released, 1);
	quiescence_free(quiescence);
}

static void a_later_reader_does_not(void **state)
{
	struct quiescence *quiescence = new_quiescence();
	int early = quiescence_register(quiescence);
	int late = quiescence_register(quiescence);
	unsigned first = 0;
	unsigned second = 0;

	(void)state;
	quiescence_enter(quiescence, early);
	quiescence_retire(quiescence, count_release, &first);
	quiescence_enter(quiescence, late);
	quiescence_retire(quiescence, count_release, &second);
	quiescence_leave(quiescence, early);
	assert_true(quiescence_reclaim(quiescence));
	assert_int_equal(first, 1);
	assert_int_equal(second, 0);
	quiescence_leave(quiescence, late);
	assert_false(quiescence_reclaim(quiescence));
	assert_int_equal(second, 1);
	quiescence_free(quiescence);
}

static void freeing_frees_what_is_left(void **state)
{
	struct quiescence *quiescence = new_quiescence();
	unsigned released = 0;

	(void)state;
	for (int count = 0; count < 5; count++)
		quiescence_retire(quiescence, count_release, &released);
	quiescence_free(quiescence);
	assert_int_equal(released, 5);
}

static void places_are_bounded(void **state)
{
	struct quiescence *quiescence = new_quiescence();

	(void)state;
	for (int reader = 0; reader < QUIESCENCE_READERS; reader++)
		assert_int_equal(quiescence_register(quiescence), reader);
	assert_int_equal(quiescence_register(quiescence), -1);
	assert_int_equal(quiescence_register(quiescence), -1);
	quiescence_free(quiescence);
}

/* ---- under load ---- */

#define ALIVE 0x600dbeefu

struct shared {
	struct quiescence *quiescence;
	_Atomic(uint32_t *) object;
	atomic_bool stop;
	atomic_uint dead_seen;
	atomic_uint reads;
};

/* The word is marked dead and kept, so that a late look at it is seen and not a crash. */
static void mark_dead(void *object)
{
	*(volatile uint32_t *)object = 0;
}

static void *look(void *argument)
{
	struct shared *shared = argument;
	int reader = quiescence_register(shared->quiescence);

	while (!atomic_load(&shared->stop)) {
		volatile uint32_t *object;

		quiescence_enter(shared->quiescence, reader);
		object = atomic_load(&shared->object);
		for (int look_again = 0; look_again < 20; look_again++)
			if (*object != ALIVE)
				atomic_fetch_add(&shared->dead_seen, 1);
		quiescence_leave(shared->quiescence, reader);
		atomic_fetch_add(&shared->reads, 1);
	}
	return NULL;
}

static void readers_never_see_what_was_freed(void **state)
{
	static uint32_t objects[REPLACEMENTS + 1];
	struct shared shared = {.quiescence = new_quiescence()};
	pthread_t threads[READERS];

	(void)state;
	objects[0] = ALIVE;
	atomic_store(&shared.object, &objects[0]);
	for (int index = 0; index < READERS; index++)
		assert_int_equal(pthread_create(&threads[index], NULL, look, &shared), 0);
	while (atomic_load(&shared.reads) == 0)
		;
	for (int index = 1; index <= REPLACEMENTS; index++) {
		uint32_t *before;

		objects[index] = ALIVE;
		before = atomic_exchange(&shared.object, &objects[index]);
		quiescence_retire(shared.quiescence, mark_dead, before);
		quiescence_reclaim(shared.quiescence);
	}
	atomic_store(&shared.stop, true);
	for (int index = 0; index < READERS; index++)
		pthread_join(threads[index], NULL);
	assert_int_equal(atomic_load(&shared.dead_seen), 0);
	assert_false(quiescence_reclaim(shared.quiescence));
	assert_int_equal(objects[REPLACEMENTS - 1], 0);
	assert_int_equal(objects[REPLACEMENTS], ALIVE);
	quiescence_free(shared.quiescence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_readers_it_goes_at_once),
		cmocka_unit_test(a_reader_inside_holds_it),
		cmocka_unit_test(a_later_reader_does_not),
		cmocka_unit_test(freeing_frees_what_is_left),
		cmocka_unit_test(places_are_bounded),
		cmocka_unit_test(readers_never_see_what_was_freed),
	};

	return cmocka_run_group_tests_name("quiescence", tests, NULL, NULL);
}
