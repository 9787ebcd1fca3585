/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Periodic callbacks. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "generation.h"
#include "timers.h"

#define MILLISECOND UINT64_C(1000000)
#define HOUR        (3600 * 1000 * MILLISECOND)

/* Timers belong to a generation, whose lock they take if it is not parallel. */
static void fill_owner(struct generation *owner, uint32_t threads)
{
	*owner = (struct generation){.plugin = {.threads = threads}};
	pthread_mutex_init(&owner->serial, NULL);
}

static struct timers *new_timers(void)
{
	struct timers *timers;

	assert_int_equal(timers_new(NULL, &timers), 0);
	return timers;
}

static void count_up(const struct lxcfs_host *host, void *argument)
{
	(void)host;
	atomic_fetch_add((atomic_uint *)argument, 1);
}

/* As long as it takes. */
static void await(const atomic_uint *counter, unsigned value)
{
	while (atomic_load(counter) < value)
		usleep(500);
}

static void a_timer_goes_on(void **state)
{
	struct timers *timers = new_timers();
	struct generation owner;
	atomic_uint calls = 0;
	uint64_t id = 0;

	(void)state;
	fill_owner(&owner, LXCFS_THREADS_PARALLEL);
	assert_int_equal(timers_start(timers, &owner.host, MILLISECOND, count_up, &calls, &id), 0);
	assert_int_not_equal(id, 0);
	await(&calls, 5);
	timers_free(timers);
}

static void bad_periods_are_refused(void **state)
{
	struct timers *timers = new_timers();
	struct generation owner;
	atomic_uint calls = 0;
	uint64_t id;

	(void)state;
	fill_owner(&owner, LXCFS_THREADS_PARALLEL);
	assert_int_equal(timers_start(timers, &owner.host, MILLISECOND - 1, count_up, &calls, &id),
			 -EINVAL);
	assert_int_equal(timers_start(timers, &owner.host, 0, count_up, &calls, &id), -EINVAL);
	assert_int_equal(timers_start(timers, &owner.host, HOUR, NULL, &calls, &id), -EINVAL);
	assert_int_equal(timers_start(timers, &owner.host, UINT64_MAX, count_up, &calls, &id), 0);
	timers_stop(timers, &owner.host, id);
	timers_free(timers);
}

static void timers_of_an_owner_are_bounded(void **state)
{
	struct timers *timers = new_timers();
	struct generation owner;
	struct generation other;
	atomic_uint calls = 0;
	uint64_t ids[65];

	(void)state;
	fill_owner(&owner, LXCFS_THREADS_PARALLEL);
	fill_owner(&other, LXCFS_THREADS_PARALLEL);
	for (int count = 0; count < 64; count++) {
		assert_int_equal(
			timers_start(timers, &owner.host, HOUR, count_up, &calls, &ids[count]), 0);
		for (int before = 0; before < count; before++)
			assert_int_not_equal(ids[before], ids[count]);
	}
	assert_int_equal(timers_start(timers, &owner.host, HOUR, count_up, &calls, &ids[64]),
			 -ENOSPC);
	assert_int_equal(timers_start(timers, &other.host, HOUR, count_up, &calls, &ids[64]), 0);
	timers_stop(timers, &owner.host, ids[10]);
	assert_int_equal(timers_start(timers, &owner.host, HOUR, count_up, &calls, &ids[10]), 0);
	timers_free(timers);
}

static void a_stopped_timer_is_silent(void **state)
{
	struct timers *timers = new_timers();
	struct generation owner;
	struct generation other;
	atomic_uint stopped = 0;
	atomic_uint running = 0;
	unsigned after;
	uint64_t id;
	uint64_t second;

	(void)state;
	fill_owner(&owner, LXCFS_THREADS_PARALLEL);
	fill_owner(&other, LXCFS_THREADS_PARALLEL);
	assert_int_equal(timers_start(timers, &owner.host, MILLISECOND, count_up, &stopped, &id),
			 0);
	assert_int_equal(
		timers_start(timers, &other.host, MILLISECOND, count_up, &running, &second), 0);
	await(&stopped, 2);
	/* Nobody stops another one's timer. */
	timers_stop(timers, &owner.host, second);
	timers_stop(timers, &owner.host, 0);
	timers_stop(timers, &owner.host, id);
	/* One call may be on its way. */
	await(&running, atomic_load(&running) + 2);
	after = atomic_load(&stopped);
	await(&running, atomic_load(&running) + 5);
	assert_int_equal(atomic_load(&stopped), after);
	timers_free(timers);
}

struct slow {
	struct timers *timers;
	atomic_uint entered;
	atomic_uint left;
	bool start_another;
};

static void be_slow(const struct lxcfs_host *host, void *argument)
{
	struct slow *slow = argument;
	uint64_t id;

	atomic_fetch_add(&slow->entered, 1);
	usleep(30000);
	if (slow->start_another)
		(void)timers_start(slow->timers, host, MILLISECOND, be_slow, slow, &id);
	atomic_fetch_add(&slow->left, 1);
}

static void stopping_an_owner_waits_for_its_call(void **state)
{
	struct timers *timers = new_timers();
	struct generation owner;
	struct slow slow = {.timers = timers};
	unsigned entered;
	uint64_t id;

	(void)state;
	fill_owner(&owner, LXCFS_THREADS_PARALLEL);
	assert_int_equal(timers_start(timers, &owner.host, MILLISECOND, be_slow, &slow, &id), 0);
	await(&slow.entered, 1);
	timers_stop_owner(timers, &owner.host);
	entered = atomic_load(&slow.entered);
	assert_int_equal(atomic_load(&slow.left), entered);
	usleep(50000);
	assert_int_equal(atomic_load(&slow.entered), entered);
	timers_free(timers);
}

/* Its code is unmapped next: what the last callback starts must not be called. */
static void a_stopped_owner_starts_no_more(void **state)
{
	struct timers *timers = new_timers();
	struct generation owner;
	struct slow slow = {.timers = timers, .start_another = true};
	unsigned entered;
	uint64_t id;

	(void)state;
	fill_owner(&owner, LXCFS_THREADS_PARALLEL);
	assert_int_equal(timers_start(timers, &owner.host, HOUR, be_slow, &slow, &id), 0);
	timers_stop(timers, &owner.host, id);
	assert_int_equal(timers_start(timers, &owner.host, MILLISECOND, be_slow, &slow, &id), 0);
	await(&slow.entered, 1);
	timers_stop_owner(timers, &owner.host);
	entered = atomic_load(&slow.entered);
	usleep(60000);
	assert_int_equal(atomic_load(&slow.entered), entered);
	timers_free(timers);
}

static void a_serial_plugin_is_not_called_twice_at_a_time(void **state)
{
	struct timers *timers = new_timers();
	struct generation owner;
	atomic_uint calls = 0;
	unsigned before;
	uint64_t id;

	(void)state;
	fill_owner(&owner, LXCFS_THREADS_SERIAL);
	assert_int_equal(timers_start(timers, &owner.host, MILLISECOND, count_up, &calls, &id), 0);
	await(&calls, 1);
	generation_enter(&owner);
	before = atomic_load(&calls);
	usleep(20000);
	assert_int_equal(atomic_load(&calls), before);
	generation_leave(&owner);
	await(&calls, before + 2);
	timers_free(timers);
}

static void timers_that_were_never_used_end(void **state)
{
	struct timers *timers = new_timers();

	(void)state;
	timers_free(timers);
	timers_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_goes_on),
		cmocka_unit_test(bad_periods_are_refused),
		cmocka_unit_test(timers_of_an_owner_are_bounded),
		cmocka_unit_test(a_stopped_timer_is_silent),
		cmocka_unit_test(stopping_an_owner_waits_for_its_call),
		cmocka_unit_test(a_stopped_owner_starts_no_more),
		cmocka_unit_test(a_serial_plugin_is_not_called_twice_at_a_time),
		cmocka_unit_test(timers_that_were_never_used_end),
	};

	return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
