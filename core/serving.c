/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "serving.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fault.h"
#include "log.h"
#include "parking.h"
#include "session.h"

/* Of a request that is tried again: all wait for it, and the keeper not longer than a few of these. */
#define REPLAY_MILLISECONDS 2000u

static void *serve(void *argument)
{
	struct server_thread *thread = argument;
	const uint64_t one = 1;

	fault_thread_open(thread, thread->server->render_timeout);
	/* Whatever it is, a plugin that closed the descriptor perhaps: a successor has it whole. */
	if (session_serve(thread) != 0)
		_exit(EXIT_FAILURE);
	(void)!write(*(const int *)thread->context, &one, sizeof(one));
	return NULL;
}

static int open_threads(struct serving *serving, unsigned wanted)
{
	serving->threads = calloc(wanted, sizeof(*serving->threads));
	serving->ended = eventfd(0, EFD_CLOEXEC);
	if (!serving->threads || serving->ended < 0)
		return -ENOMEM;
	for (unsigned index = 0; index < wanted; index++) {
		int result = session_thread_open(serving->server, &serving->threads[index]);

		serving->threads[index].context = &serving->ended;
		if (result != 0)
			return result;
	}
	return 0;
}

/*
 * Serve what a predecessor left, on this thread and one request at a time, so that it is known which of
 * them kills.
 */
static int take_over(struct serving *serving)
{
	struct server *server = serving->server;
	struct server_thread *thread = &serving->threads[0];
	uint32_t timeout = server->render_timeout;
	int result;

	if (timeout > REPLAY_MILLISECONDS)
		timeout = REPLAY_MILLISECONDS;
	result = fault_thread_open(thread, timeout);
	if (result != 0)
		return result;
	server_thread_set_current(thread);
	result = session_take_over(server, thread);
	server_thread_set_current(NULL);
	return result;
}

static int run_threads(struct serving *serving, unsigned wanted)
{
	for (unsigned index = 0; index < wanted; index++) {
		struct server_thread *thread = &serving->threads[index];
		int result = pthread_create(&thread->thread, NULL, serve, thread);

		if (result != 0 && index == 0)
			return -result;
		if (result != 0) {
			log_warning("only %u of %u threads could be started: %s", index, wanted,
				    strerror(result));
			break;
		}
		serving->thread_count = index + 1;
	}
	return 0;
}

int serving_start(struct serving *serving, struct server *server, unsigned threads)
{
	int result;

	*serving = (struct serving){.server = server, .ended = -1};
	result = parking_open(&server->parking);
	if (result == 0)
		result = open_threads(serving, threads);
	if (result == 0)
		result = take_over(serving);
	if (result != 0)
		return result;
	/* Before any thread reads: what one has in service would be sent, and done, a second time. */
	session_resend(server);
	return run_threads(serving, threads);
}

bool serving_yield(struct serving *serving, int milliseconds)
{
	return parking_begin(&serving->server->parking, serving->threads, serving->thread_count,
			     milliseconds);
}

void serving_resume(struct serving *serving)
{
	parking_end(&serving->server->parking);
}
