/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakeworker.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "channel.h"
#include "state.h"
#include "worker.h"

#define SCRIPT        "FAKE_WORKER_SCRIPT"
#define RESCUE_SCRIPT "FAKE_WORKER_RESCUE_SCRIPT"

void fake_worker_script(const char *script, const char *rescue)
{
	setenv(SCRIPT, script, 1);
	setenv(RESCUE_SCRIPT, rescue, 1);
}

/* Its status; a worker without a keeper is of no use here. */
static int await_message(enum message_kind kind)
{
	for (;;) {
		struct message message;
		int fd;

		if (channel_receive(WORKER_CHANNEL_FD, &message, &fd) != 0)
			_exit(EXIT_FAILURE);
		if (fd >= 0)
			close(fd);
		if (message.kind == kind)
			return message.status;
	}
}

static void say(enum message_kind kind, const char *text)
{
	channel_send(WORKER_CHANNEL_FD, kind, NULL, text, -1);
}

/* As the worker counts it. */
static void await_serve(const struct state *state)
{
	int kind = await_message(MESSAGE_SERVE);

	atomic_fetch_add(&state->header->hand_overs, kind == SERVE_AFTER_YIELD);
	atomic_fetch_add(&state->header->takeovers, kind == SERVE_AFTER_DEATH);
}

static void do_word(const char *word, const struct state *state)
{
	if (strcmp(word, "fail") == 0) {
		say(MESSAGE_FAILED, "told to fail");
		_exit(EXIT_FAILURE);
	}
	if (strcmp(word, "exit") == 0)
		_exit(EXIT_FAILURE);
	if (strcmp(word, "segv") == 0)
		raise(SIGSEGV);
	if (strcmp(word, "abort") == 0)
		raise(SIGABRT);
	if (strcmp(word, "kill") == 0)
		raise(SIGKILL);
	if (strcmp(word, "stop") == 0)
		raise(SIGSTOP);
	if (strcmp(word, "dying") == 0)
		say(MESSAGE_DYING, NULL);
	if (strcmp(word, "close") == 0)
		close(WORKER_CHANNEL_FD);
	if (strcmp(word, "ready") == 0)
		say(MESSAGE_READY, NULL);
	if (strcmp(word, "serve") == 0)
		await_serve(state);
	if (strcmp(word, "serving") == 0)
		say(MESSAGE_SERVING, NULL);
	if (strcmp(word, "yield") == 0)
		await_message(MESSAGE_YIELD);
	if (strcmp(word, "yielded") == 0)
		say(MESSAGE_YIELDED, NULL);
	while (strcmp(word, "hang") == 0)
		pause();
}

int fake_worker_main(void)
{
	struct state state;
	char *rest;
	bool rescue;

	/* A sanitizer would make something else of it. */
	signal(SIGSEGV, SIG_DFL);
	signal(SIGABRT, SIG_DFL);
	/* Nothing is left of a test that fails, and no core. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
	if (state_map(WORKER_STATE_FD, &state) != 0)
		return EXIT_FAILURE;
	rescue = await_message(MESSAGE_START) == START_RESCUE;
	rest = getenv(rescue ? RESCUE_SCRIPT : SCRIPT);
	for (char *word = strtok_r(rest, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		do_word(word, &state);
	for (;;)
		pause();
}
