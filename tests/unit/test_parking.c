/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads that wait in read(2), as those that serve do, are stopped and go on. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "server.h"

#define THREADS               8
#define PATIENCE_MILLISECONDS 60000
#define SHORT_MILLISECONDS    20

struct fixture {
	struct server server;
	struct server_thread threads[THREADS];
	int requests[2];
	int busy[2];             /* what a request that is not answered at once waits for */
	atomic_uint served;      /* requests */
	atomic_bool let_it_wait; /* the next request waits */
	atomic_bool waits;       /* one does */
};

/* As session_serve(): it is busy from the request that it read to the answer. */
static void *serve(void *argument)
{
	struct server_thread *thread = argument;
	struct fixture *fixture = (struct fixture *)(uintptr_t)thread->context;
	char request;

	for (;;) {
		if (parking_is_wanted(&fixture->server.parking))
			parking_wait(&fixture->server.parking);
		if (read(fixture->requests[0], &request, 1) != 1)
			continue;
		if (request == 'q')
			return NULL;
		thread->clock.busy = true;
		if (atomic_exchange(&fixture->let_it_wait, false)) {
			atomic_store(&fixture->waits, true);
			assert_int_equal(read(fixture->busy[0], &request, 1), 1);
			atomic_store(&fixture->waits, false);
		}
		atomic_fetch_add(&fixture->served, 1);
		thread->clock.busy = false;
	}
}

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){.requests = {-1, -1}};
	assert_int_equal(pipe(fixture.requests), 0);
	assert_int_equal(pipe(fixture.busy), 0);
	assert_int_equal(parking_open(&fixture.server.parking), 0);
	for (int index = 0; index < THREADS; index++) {
		fixture.threads[index].context = &fixture;
		assert_int_equal(pthread_create(&fixture.threads[index].thread, NULL, serve,
						&fixture.threads[index]),
				 0);
	}
	*state = &fixture;
	return 0;
}

static void request(const struct fixture *fixture, char kind, unsigned count)
{
	for (unsigned index = 0; index < count; index++)
		assert_int_equal(write(fixture->requests[1], &kind, 1), 1);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	request(fixture, 'q', THREADS);
	for (int index = 0; index < THREADS; index++)
		pthread_join(fixture->threads[index].thread, NULL);
	for (int end = 0; end < 2; end++) {
		close(fixture->requests[end]);
		close(fixture->busy[end]);
	}
	return 0;
}

static bool begin(struct fixture *fixture, int milliseconds)
{
	return parking_begin(&fixture->server.parking, fixture->threads, THREADS, milliseconds);
}

static unsigned await_served(struct fixture *fixture, unsigned count)
{
	int64_t end = clock_milliseconds() + PATIENCE_MILLISECONDS;

	while (atomic_load(&fixture->served) < count && clock_milliseconds() < end)
		usleep(1000);
	return atomic_load(&fixture->served);
}

static void keep_one_busy(struct fixture *fixture)
{
	int64_t end = clock_milliseconds() + PATIENCE_MILLISECONDS;

	atomic_store(&fixture->let_it_wait, true);
	request(fixture, 'r', 1);
	while (!atomic_load(&fixture->waits) && clock_milliseconds() < end)
		usleep(1000);
	assert_true(atomic_load(&fixture->waits));
}

static unsigned count_parked(struct parking *parking)
{
	unsigned parked;

	pthread_mutex_lock(&parking->lock);
	parked = parking->parked;
	pthread_mutex_unlock(&parking->lock);
	return parked;
}

static void threads_that_wait_are_stopped_and_go_on(void **state)
{
	struct fixture *fixture = *state;
	unsigned served = 0;

	for (int round = 0; round < 20; round++) {
		assert_true(begin(fixture, PATIENCE_MILLISECONDS));
		served = atomic_load(&fixture->served);
		/* Requests are left for whoever comes next. */
		request(fixture, 'r', 3 * THREADS);
		usleep(1000);
		assert_int_equal(atomic_load(&fixture->served), served);
		parking_end(&fixture->server.parking);
		assert_int_equal(await_served(fixture, served + 3 * THREADS), served + 3 * THREADS);
	}
	for (int round = 0; round < 1000 && count_parked(&fixture->server.parking) != 0; round++)
		usleep(1000);
	assert_int_equal(count_parked(&fixture->server.parking), 0);
}

static void *let_go(void *argument)
{
	const struct fixture *fixture = argument;

	usleep(SHORT_MILLISECONDS * 1000);
	assert_int_equal(write(fixture->busy[1], "", 1), 1);
	return NULL;
}

static void a_thread_that_is_busy_is_waited_for(void **state)
{
	struct fixture *fixture = *state;
	pthread_t thread;

	keep_one_busy(fixture);
	assert_int_equal(pthread_create(&thread, NULL, let_go, fixture), 0);
	assert_true(begin(fixture, PATIENCE_MILLISECONDS));
	/* Its request was served before. */
	assert_int_equal(atomic_load(&fixture->served), 1);
	pthread_join(thread, NULL);
	parking_end(&fixture->server.parking);
}

static void but_not_longer_than_that(void **state)
{
	struct fixture *fixture = *state;

	keep_one_busy(fixture);
	assert_false(begin(fixture, SHORT_MILLISECONDS));
	/* It was not interrupted, and the others stay where they are. */
	assert_true(atomic_load(&fixture->waits));
	assert_int_equal(fixture->server.parking.parked, THREADS - 1);
	request(fixture, 'r', 2);
	let_go(fixture);
	assert_int_equal(await_served(fixture, 1), 1);
	assert_true(begin(fixture, PATIENCE_MILLISECONDS));
	assert_int_equal(atomic_load(&fixture->served), 1);
	parking_end(&fixture->server.parking);
	assert_int_equal(await_served(fixture, 3), 3);
}

static void all_are_stopped_under_load(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned round = 0; round < 50; round++) {
		unsigned served;

		request(fixture, 'r', 200);
		assert_true(begin(fixture, PATIENCE_MILLISECONDS));
		served = atomic_load(&fixture->served);
		usleep(200);
		assert_int_equal(atomic_load(&fixture->served), served);
		parking_end(&fixture->server.parking);
	}
	assert_int_equal(await_served(fixture, 50 * 200), 50 * 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(threads_that_wait_are_stopped_and_go_on),
		TEST(a_thread_that_is_busy_is_waited_for),
		TEST(but_not_longer_than_that),
		TEST(all_are_stopped_under_load),
	};

	return cmocka_run_group_tests_name("parking", tests, NULL, NULL);
}
