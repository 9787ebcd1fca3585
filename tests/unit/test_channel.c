/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages between keeper and worker. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "channel.h"

struct fixture {
	int ends[2];
};

static int set_up(void **state)
{
	static struct fixture fixture;

	*state = &fixture;
	return channel_open(fixture.ends);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (int end = 0; end < 2; end++)
		if (fixture->ends[end] >= 0)
			close(fixture->ends[end]);
	return 0;
}

static void a_message_arrives_whole(void **state)
{
	struct fixture *fixture = *state;
	struct message message;
	int fd = 0;

	assert_int_equal(channel_send(fixture->ends[0], MESSAGE_FAILED, "stat", "no such file", -1),
			 0);
	assert_int_equal(channel_send(fixture->ends[0], MESSAGE_READY, NULL, NULL, -1), 0);
	assert_int_equal(channel_receive(fixture->ends[1], &message, &fd), 0);
	assert_int_equal(message.kind, MESSAGE_FAILED);
	assert_string_equal(message.name, "stat");
	assert_string_equal(message.text, "no such file");
	assert_int_equal(fd, -1);
	assert_int_equal(channel_receive(fixture->ends[1], &message, &fd), 0);
	assert_int_equal(message.kind, MESSAGE_READY);
	assert_string_equal(message.name, "");
	assert_string_equal(message.text, "");
}

static void a_descriptor_comes_along(void **state)
{
	struct fixture *fixture = *state;
	struct message message;
	struct stat sent;
	struct stat received;
	int pipe_ends[2];
	int fd;

	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
	assert_int_equal(channel_send(fixture->ends[0], MESSAGE_PLUGIN, "a", "b", pipe_ends[1]), 0);
	/* It stays the sender's. */
	assert_int_equal(fstat(pipe_ends[1], &sent), 0);
	assert_int_equal(channel_receive(fixture->ends[1], &message, &fd), 0);
	assert_true(fd >= 0);
	assert_int_not_equal(fd, pipe_ends[1]);
	assert_int_equal(fstat(fd, &received), 0);
	assert_int_equal(received.st_ino, sent.st_ino);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

static void long_texts_are_cut(void **state)
{
	static char text[4096];
	struct fixture *fixture = *state;
	struct message message;
	int fd;

	memset(text, 't', sizeof(text) - 1);
	assert_int_equal(channel_send(fixture->ends[0], MESSAGE_FAILED, text, text, -1), 0);
	assert_int_equal(channel_receive(fixture->ends[1], &message, &fd), 0);
	assert_int_equal(strlen(message.name), CHANNEL_NAME_MAX - 1);
	assert_int_equal(strlen(message.text), CHANNEL_TEXT_MAX - 1);
}

static void a_closed_end_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct message message;
	int fd;

	assert_int_equal(channel_send(fixture->ends[0], MESSAGE_GONE, NULL, NULL, -1), 0);
	close(fixture->ends[0]);
	fixture->ends[0] = -1;
	assert_int_equal(channel_receive(fixture->ends[1], &message, &fd), 0);
	assert_int_equal(channel_receive(fixture->ends[1], &message, &fd), -EPIPE);
	assert_int_equal(fd, -1);
	/* And no SIGPIPE. */
	assert_int_equal(channel_send(fixture->ends[1], MESSAGE_GONE, NULL, NULL, -1), -EPIPE);
}

static void last_words_arrive_though_not_all_was_read(void **state)
{
	struct fixture *fixture = *state;
	struct message message;
	int fd;

	assert_int_equal(channel_send(fixture->ends[1], MESSAGE_START, NULL, NULL, -1), 0);
	assert_int_equal(channel_send(fixture->ends[0], MESSAGE_FAILED, NULL, "why", -1), 0);
	close(fixture->ends[0]);
	fixture->ends[0] = -1;
	assert_int_equal(channel_receive(fixture->ends[1], &message, &fd), 0);
	assert_string_equal(message.text, "why");
	assert_int_equal(channel_receive(fixture->ends[1], &message, &fd), -EPIPE);
}

static void what_is_no_message_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct message message = {.size = sizeof(message) + 4};
	int fd;

	assert_int_equal(send(fixture->ends[0], &message, sizeof(message), 0), sizeof(message));
	assert_int_equal(channel_receive(fixture->ends[1], &message, &fd), -EPROTO);
	assert_int_equal(send(fixture->ends[0], "short", 5, 0), 5);
	assert_int_equal(channel_receive(fixture->ends[1], &message, &fd), -EPROTO);
	assert_int_equal(fd, -1);
}

static void texts_are_always_terminated(void **state)
{
	struct fixture *fixture = *state;
	struct message message;
	int fd;

	memset(&message, 'x', sizeof(message));
	message.size = sizeof(message);
	message.version = CHANNEL_VERSION;
	assert_int_equal(send(fixture->ends[0], &message, sizeof(message), 0), sizeof(message));
	assert_int_equal(channel_receive(fixture->ends[1], &message, &fd), 0);
	assert_int_equal(strlen(message.name), CHANNEL_NAME_MAX - 1);
	assert_int_equal(strlen(message.text), CHANNEL_TEXT_MAX - 1);
}

#define with_fixture(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_fixture(a_message_arrives_whole),
		with_fixture(a_descriptor_comes_along),
		with_fixture(long_texts_are_cut),
		with_fixture(a_closed_end_is_told),
		with_fixture(last_words_arrive_though_not_all_was_read),
		with_fixture(what_is_no_message_is_refused),
		with_fixture(texts_are_always_terminated),
	};

	return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
