/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quiescence.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "log.h"

struct retired {
	struct retired *next;
	uint64_t epoch;
	void (*release)(void *object);
	void *object;
};

/* Its own cache line, so that readers do not slow each other. */
struct reader {
	_Alignas(64) _Atomic uint64_t epoch; /* in which it entered; 0: it is outside */
};

struct quiescence {
	_Atomic uint64_t epoch;
	atomic_int reader_count;
	pthread_mutex_t lock;
	struct retired *retired;
	struct reader readers[QUIESCENCE_READERS];
};

int quiescence_new(struct quiescence **created)
{
	struct quiescence *quiescence = aligned_alloc(64, sizeof(*quiescence));

	if (!quiescence)
		return -ENOMEM;
	*quiescence = (struct quiescence){.epoch = 1};
	pthread_mutex_init(&quiescence->lock, NULL);
	*created = quiescence;
	return 0;
}

void quiescence_free(struct quiescence *quiescence)
{
	if (!quiescence)
		return;
	while (quiescence->retired) {
		struct retired *next = quiescence->retired->next;

		quiescence->retired->release(quiescence->retired->object);
		free(quiescence->retired);
		quiescence->retired = next;
	}
	pthread_mutex_destroy(&quiescence->lock);
	free(quiescence);
}

int quiescence_register(struct quiescence *quiescence)
{
	int reader = atomic_fetch_add(&quiescence->reader_count, 1);

	if (reader < QUIESCENCE_READERS)
		return reader;
	atomic_fetch_sub(&quiescence->reader_count, 1);
	return -1;
}

void quiescence_enter(struct quiescence *quiescence, int reader)
{
	/* Sequentially consistent: the store must be seen before the shared pointer is read. */
	atomic_store(&quiescence->readers[reader].epoch, atomic_load(&quiescence->epoch));
}

void quiescence_leave(struct quiescence *quiescence, int reader)
{
	atomic_store_explicit(&quiescence->readers[reader].epoch, 0, memory_order_release);
}

void quiescence_retire(struct quiescence *quiescence, void (*release)(void *object), void *object)
{
	struct retired *retired = malloc(sizeof(*retired));

	if (!retired) {
		log_error("no memory to retire an object: it stays until the daemon is replaced");
		return;
	}
	retired->release = release;
	retired->object = object;
	pthread_mutex_lock(&quiescence->lock);
	/* Who enters from now on has a later epoch than the object. */
	retired->epoch = atomic_fetch_add(&quiescence->epoch, 1);
	retired->next = quiescence->retired;
	quiescence->retired = retired;
	pthread_mutex_unlock(&quiescence->lock);
}

/* The oldest epoch that a reader is in; UINT64_MAX when none is inside. */
static uint64_t oldest_epoch(struct quiescence *quiescence)
{
	int count = atomic_load(&quiescence->reader_count);
	uint64_t oldest = UINT64_MAX;

	for (int reader = 0; reader < count && reader < QUIESCENCE_READERS; reader++) {
		uint64_t epoch = atomic_load(&quiescence->readers[reader].epoch);

		if (epoch != 0 && epoch < oldest)
			oldest = epoch;
	}
	return oldest;
}

/* Take what is older than every reader out of the list. */
static struct retired *take_unseen(struct quiescence *quiescence)
{
	uint64_t oldest = oldest_epoch(quiescence);
	struct retired **link = &quiescence->retired;
	struct retired *unseen = NULL;

	while (*link) {
		struct retired *retired = *link;

		if (retired->epoch >= oldest) {
			link = &retired->next;
			continue;
		}
		*link = retired->next;
		retired->next = unseen;
		unseen = retired;
	}
	return unseen;
}

bool quiescence_reclaim(struct quiescence *quiescence)
{
	struct retired *unseen;
	bool left;

	pthread_mutex_lock(&quiescence->lock);
	unseen = take_unseen(quiescence);
	left = quiescence->retired != NULL;
	pthread_mutex_unlock(&quiescence->lock);
	while (unseen) {
		struct retired *next = unseen->next;

		unseen->release(unseen->object);
		free(unseen);
		unseen = next;
	}
	return left;
}
