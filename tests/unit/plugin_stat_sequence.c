/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The counters of /proc/stat over random sequences, each from a seed of its own. */
#include "statreading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct random {
	uint64_t state;
};

static uint64_t draw(struct random *random, uint64_t below)
{
	random->state ^= random->state << 13;
	random->state ^= random->state >> 7;
	random->state ^= random->state << 17;
	return random->state % below;
}

static void change_view(struct fakehost *fake, struct random *random)
{
	static const char *const lists[] = {"0",     "1",    "0-1",    "2-3",  "0-3",
					    "1-2,5", "0-31", "7,9,11", "40-63"};
	uint64_t list = draw(random, sizeof(lists) / sizeof(*lists));

	fakehost_see(fake, lists[list], draw(random, 2) ? PHYSICAL : CONTIGUOUS);
}

/* Up to twice of what there is room for, anywhere on the host. */
static void use_at_random(struct random *random, uint64_t elapsed, uint32_t cpus)
{
	for (uint64_t count = draw(random, 6); count > 0; count--) {
		uint64_t time = draw(random, elapsed * cpus / 3 + MILLISECOND);

		stat_use((unsigned)draw(random, CPUS), time / 2, draw(random, 4) ? 0 : time / 4,
			 time / 3);
	}
}

/*
 * Elapsed is the time since this CPU was seen last, in ticks, rounded up.  Three columns that are cut
 * to ticks can together grow by two more.
 */
static void expect_growth(const uint64_t *before, const uint64_t *after, uint64_t elapsed)
{
	for (int column = 0; column < COLUMNS; column++)
		assert_true(after[column] >= before[column]);
	assert_true(stat_busy(after) - stat_busy(before) <= elapsed + 2);
	assert_true(after[IDLE] - before[IDLE] <= elapsed);
}

static uint64_t ticks(uint64_t time)
{
	return (time + SECOND / TICKS - 1) / (SECOND / TICKS);
}

/* The sum holds all rows, and those of CPUs that are gone. */
static void expect_sums(const struct reading *reading)
{
	for (int column = 0; column < COLUMNS; column++) {
		uint64_t sum = 0;

		for (int cpu = 0; cpu < CPUS; cpu++)
			sum += reading->rows[cpu][column];
		assert_true(reading->sum[column] >= sum);
		if (column > IDLE)
			assert_int_equal(reading->sum[column], 0);
	}
}

static void check_sequence(uint64_t seed, uint32_t version, int steps)
{
	struct fakehost *fake = stat_host(version, "0-3", PHYSICAL);
	struct random random = {seed};
	static struct reading last;
	uint64_t seen[CPUS] = {0};
	uint64_t sum_seen = fake->boottime;
	uint64_t latest = fake->boottime;

	memset(&last, 0, sizeof(last));
	for (int step = 0; step < steps; step++) {
		uint64_t elapsed = draw(&random, 20) ? draw(&random, 200 * MILLISECOND)
						     : draw(&random, 400 * SECOND);
		struct reading reading;

		stat_pass(fake, elapsed);
		use_at_random(&random, elapsed, fake->cpu_view->count);
		if (draw(&random, 10) == 0)
			change_view(fake, &random);
		if (draw(&random, 50) == 0)
			fake->realtime += draw(&random, 7200 * SECOND);
		/* A reading of the clock, or of the use, that another reader has overtaken. */
		if (draw(&random, 20) == 0)
			fake->boottime -= draw(&random, 5 * MILLISECOND);
		if (draw(&random, 20) == 0 && stat_usage.total.user > 5 * MILLISECOND)
			stat_usage.total.user -= draw(&random, 5 * MILLISECOND);
		if (draw(&random, 500) == 0)
			memset(stat_per_cpu, 0, sizeof(stat_per_cpu));
		if (fake->boottime > latest)
			latest = fake->boottime;
		reading = stat_read(fake);
		expect_sums(&reading);
		for (int column = 0; column < COLUMNS; column++)
			assert_true(reading.sum[column] >= last.sum[column]);
		if (step > 0)
			assert_true(stat_busy(reading.sum) - stat_busy(last.sum) <=
				    (ticks(latest - sum_seen) + 2) * fake->cpu_view->count);
		sum_seen = latest;
		memcpy(last.sum, reading.sum, sizeof(last.sum));
		for (int cpu = 0; cpu < CPUS; cpu++) {
			if (!reading.has[cpu])
				continue;
			if (last.has[cpu])
				expect_growth(last.rows[cpu], reading.rows[cpu],
					      ticks(latest - seen[cpu]));
			last.has[cpu] = 1;
			seen[cpu] = latest;
			memcpy(last.rows[cpu], reading.rows[cpu], sizeof(last.rows[cpu]));
		}
	}
	fakehost_free(fake);
}

void nothing_goes_back_in_any_sequence(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		check_sequence(seed, LXCFS_CGROUP_V2, 1500);
		check_sequence(seed, LXCFS_CGROUP_V1, 1500);
	}
}
