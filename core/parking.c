/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parking.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "clock.h"
#include "server.h"

#define PARKING_SIGNAL    SIGUSR1
#define LOOK_MICROSECONDS 500

/* That read(2) comes back is all that the signal is for. */
static void on_signal(int signal_number)
{
	(void)signal_number;
}

int parking_open(struct parking *parking)
{
	const struct sigaction action = {.sa_handler = on_signal};

	atomic_init(&parking->wanted, false);
	pthread_mutex_init(&parking->lock, NULL);
	pthread_cond_init(&parking->changed, NULL);
	parking->parked = 0;
	return sigaction(PARKING_SIGNAL, &action, NULL) == 0 ? 0 : -errno;
}

void parking_wait(struct parking *parking)
{
	pthread_mutex_lock(&parking->lock);
	parking->parked++;
	while (parking_is_wanted(parking))
		pthread_cond_wait(&parking->changed, &parking->lock);
	parking->parked--;
	pthread_mutex_unlock(&parking->lock);
}

static bool all_are_parked(struct parking *parking, size_t count)
{
	bool all;

	pthread_mutex_lock(&parking->lock);
	all = parking->parked == count;
	pthread_mutex_unlock(&parking->lock);
	return all;
}

bool parking_begin(struct parking *parking, struct server_thread *threads, size_t count,
		   int milliseconds)
{
	int64_t deadline = clock_milliseconds() + milliseconds;

	atomic_store(&parking->wanted, true);
	while (!all_are_parked(parking, count)) {
		if (clock_milliseconds() >= deadline)
			return false;
		/* Again and again: a thread may have been about to call read(2) when it was hit. */
		for (size_t index = 0; index < count; index++)
			if (!threads[index].clock.busy)
				pthread_kill(threads[index].thread, PARKING_SIGNAL);
		usleep(LOOK_MICROSECONDS);
	}
	return true;
}

void parking_end(struct parking *parking)
{
	pthread_mutex_lock(&parking->lock);
	atomic_store(&parking->wanted, false);
	pthread_cond_broadcast(&parking->changed);
	pthread_mutex_unlock(&parking->lock);
}
