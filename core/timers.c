/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timers.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "fault.h"
#include "generation.h"
#include "log.h"

#define PERIOD_MIN       1000000ull /* 1 ms */
#define TIMERS_PER_OWNER 64u
#define SECOND           1000000000ull

struct timer {
	struct timer *next;
	uint64_t id;
	const struct lxcfs_host *owner;
	uint64_t period;
	uint64_t due; /* CLOCK_MONOTONIC */
	lxcfs_timer_function function;
	void *argument;
};

struct timers {
	struct ledger *ledger;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a timer came or went, or a callback returned */
	pthread_t thread;
	bool has_thread;
	bool stopping;
	uint64_t next_id;
	const struct lxcfs_host *running; /* whose callback runs now */
	unsigned waiting;                 /* threads that wait for the end of a callback */
	struct timer *first;
};

int timers_new(struct ledger *ledger, struct timers **created)
{
	struct timers *timers = calloc(1, sizeof(*timers));
	pthread_condattr_t attributes;

	if (!timers)
		return -ENOMEM;
	timers->ledger = ledger;
	pthread_mutex_init(&timers->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&timers->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	*created = timers;
	return 0;
}

static struct timer *earliest(const struct timers *timers)
{
	struct timer *found = timers->first;

	for (struct timer *timer = timers->first; timer; timer = timer->next)
		if (timer->due < found->due)
			found = timer;
	return found;
}

static void wait_until(struct timers *timers, uint64_t due)
{
	struct timespec time = {.tv_sec = (time_t)(due / SECOND), .tv_nsec = (long)(due % SECOND)};

	pthread_cond_timedwait(&timers->changed, &timers->lock, &time);
}

/* Call a due timer with the lock released; its entry may be gone afterwards. */
static void run(struct timers *timers, struct timer *timer)
{
	const struct timer copy = *timer;
	uint64_t time = clock_nanoseconds();

	/* A callback that took too long leaves ticks out; it does not get them all at once. */
	timer->due = lxcfs_add(timer->due, timer->period);
	if (timer->due < time)
		timer->due = lxcfs_add(time, timer->period);
	timers->running = copy.owner;
	pthread_mutex_unlock(&timers->lock);
	generation_enter(generation_of(copy.owner));
	copy.function(copy.owner, copy.argument);
	generation_leave(generation_of(copy.owner));
	pthread_mutex_lock(&timers->lock);
	timers->running = NULL;
	pthread_cond_broadcast(&timers->changed);
	/* They forget what this callback started, before it can be due. */
	while (timers->waiting != 0)
		pthread_cond_wait(&timers->changed, &timers->lock);
}

static void *serve(void *argument)
{
	struct timers *timers = argument;

	if (fault_outside_open(timers->ledger, LEDGER_TIMERS) != 0)
		log_warning("a plugin that overflows the stack in a timer is not charged for it");
	pthread_mutex_lock(&timers->lock);
	while (!timers->stopping) {
		struct timer *timer = earliest(timers);

		if (!timer)
			pthread_cond_wait(&timers->changed, &timers->lock);
		else if (timer->due > clock_nanoseconds())
			wait_until(timers, timer->due);
		else
			run(timers, timer);
	}
	pthread_mutex_unlock(&timers->lock);
	return NULL;
}

void timers_free(struct timers *timers)
{
	if (!timers)
		return;
	pthread_mutex_lock(&timers->lock);
	timers->stopping = true;
	pthread_cond_broadcast(&timers->changed);
	pthread_mutex_unlock(&timers->lock);
	if (timers->has_thread)
		pthread_join(timers->thread, NULL);
	while (timers->first) {
		struct timer *next = timers->first->next;

		free(timers->first);
		timers->first = next;
	}
	pthread_cond_destroy(&timers->changed);
	pthread_mutex_destroy(&timers->lock);
	free(timers);
}

static unsigned count_of_owner(const struct timers *timers, const struct lxcfs_host *owner)
{
	unsigned count = 0;

	for (const struct timer *timer = timers->first; timer; timer = timer->next)
		count += timer->owner == owner;
	return count;
}

int timers_start(struct timers *timers, const struct lxcfs_host *owner, uint64_t period,
		 lxcfs_timer_function function, void *argument, uint64_t *id)
{
	struct timer *timer;
	int result = 0;

	if (period < PERIOD_MIN || !function)
		return -EINVAL;
	timer = malloc(sizeof(*timer));
	if (!timer)
		return -ENOMEM;
	pthread_mutex_lock(&timers->lock);
	if (count_of_owner(timers, owner) >= TIMERS_PER_OWNER)
		result = -ENOSPC;
	else if (!timers->has_thread)
		result = -pthread_create(&timers->thread, NULL, serve, timers);
	if (result == 0) {
		timers->has_thread = true;
		*timer = (struct timer){.next = timers->first,
					.id = ++timers->next_id,
					.owner = owner,
					.period = period,
					.due = lxcfs_add(clock_nanoseconds(), period),
					.function = function,
					.argument = argument};
		*id = timer->id;
		timers->first = timer;
		pthread_cond_broadcast(&timers->changed);
		timer = NULL;
	}
	pthread_mutex_unlock(&timers->lock);
	free(timer);
	return result;
}

/* Remove this one timer (id) or all (0) of an owner. */
static void forget(struct timers *timers, const struct lxcfs_host *owner, uint64_t id)
{
	struct timer **link = &timers->first;

	while (*link) {
		struct timer *timer = *link;

		if (timer->owner != owner || (id != 0 && timer->id != id)) {
			link = &timer->next;
			continue;
		}
		*link = timer->next;
		free(timer);
	}
}

void timers_stop(struct timers *timers, const struct lxcfs_host *owner, uint64_t id)
{
	if (id == 0)
		return;
	pthread_mutex_lock(&timers->lock);
	forget(timers, owner, id);
	pthread_mutex_unlock(&timers->lock);
}

void timers_stop_owner(struct timers *timers, const struct lxcfs_host *owner)
{
	pthread_mutex_lock(&timers->lock);
	forget(timers, owner, 0);
	timers->waiting++;
	while (timers->running == owner && !pthread_equal(pthread_self(), timers->thread))
		pthread_cond_wait(&timers->changed, &timers->lock);
	/* The last callback may have started another one. */
	forget(timers, owner, 0);
	timers->waiting--;
	pthread_cond_broadcast(&timers->changed);
	pthread_mutex_unlock(&timers->lock);
}
