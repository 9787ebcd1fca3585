/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "polls.h"

#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/* A handle lies in one of this many places behind the one that its number gives. */
#define WINDOW 64u

struct poll_record {
	_Atomic uint64_t handle;        /* 0: free; written last, cleared first */
	_Atomic uint64_t kernel_handle; /* may be given anew while all are woken */
};

struct polls {
	int fuse_fd;
	size_t count;
	struct poll_record *records;
	pthread_mutex_t lock;
};

int polls_open(const struct state *state, int fuse_fd, struct polls **opened)
{
	struct polls *polls = calloc(1, sizeof(*polls));
	size_t length;

	if (!polls)
		return -ENOMEM;
	polls->fuse_fd = fuse_fd;
	polls->records = state_section(state, STATE_POLLS, &length);
	polls->count = length / sizeof(*polls->records);
	pthread_mutex_init(&polls->lock, NULL);
	*opened = polls;
	return 0;
}

void polls_free(struct polls *polls)
{
	if (!polls)
		return;
	pthread_mutex_destroy(&polls->lock);
	free(polls);
}

static struct poll_record *find(struct polls *polls, uint64_t handle, uint64_t wanted)
{
	for (uint64_t step = 0; step < WINDOW; step++) {
		struct poll_record *record = &polls->records[(handle + step) % polls->count];

		if (atomic_load(&record->handle) == wanted)
			return record;
	}
	return NULL;
}

int polls_add(struct polls *polls, uint64_t handle, uint64_t kernel_handle)
{
	struct poll_record *record;

	pthread_mutex_lock(&polls->lock);
	record = find(polls, handle, handle);
	if (!record)
		record = find(polls, handle, 0);
	if (record) {
		record->kernel_handle = kernel_handle;
		atomic_store(&record->handle, handle);
	}
	pthread_mutex_unlock(&polls->lock);
	return record ? 0 : -ENOSPC;
}

void polls_drop(struct polls *polls, uint64_t handle)
{
	struct poll_record *record;

	pthread_mutex_lock(&polls->lock);
	record = find(polls, handle, handle);
	if (record)
		atomic_store(&record->handle, 0);
	pthread_mutex_unlock(&polls->lock);
}

/* The kernel forgets the waiter with this; one that goes on waiting asks again. */
static void notify(const struct polls *polls, uint64_t kernel_handle)
{
	struct {
		struct fuse_out_header header;
		struct fuse_notify_poll_wakeup_out wakeup;
	} message = {.header = {.len = sizeof(message), .error = FUSE_NOTIFY_POLL},
		     .wakeup = {.kh = kernel_handle}};

	(void)!write(polls->fuse_fd, &message, sizeof(message));
}

void polls_wake(struct polls *polls, uint64_t handle)
{
	struct poll_record *record;
	uint64_t kernel_handle = 0;

	pthread_mutex_lock(&polls->lock);
	record = find(polls, handle, handle);
	if (record)
		kernel_handle = record->kernel_handle;
	pthread_mutex_unlock(&polls->lock);
	if (record)
		notify(polls, kernel_handle);
}

void polls_wake_all(struct polls *polls)
{
	for (size_t index = 0; index < polls->count; index++)
		if (atomic_load(&polls->records[index].handle) != 0)
			notify(polls, polls->records[index].kernel_handle);
}
