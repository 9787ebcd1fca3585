/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "controlclient.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <json.h>

#include "control.h"

static const struct timeval patience = {.tv_sec = 20};

int connect_client(struct fixture *fixture)
{
	int fd = control_connect(fixture->directory, &patience);

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return varlink_open(&fixture->client, fd, VARLINK_REPLY_MAX);
}

int set_up_socket(void **state)
{
	static struct fixture fixture;

	*state = &fixture;
	fixture = (struct fixture){
		.directory = "/tmp/lxcfs-control.XXXXXX", .channel = -1, .client = {.fd = -1}};
	if (!mkdtemp(fixture.directory) || state_create(&fixture.state) != 0)
		return -1;
	ledger_open(&fixture.state, &fixture.ledger);
	fixture.listener = control_listen(fixture.directory);
	return fixture.listener < 0 ? -1 : 0;
}

int set_up(void **state)
{
	struct fixture *fixture;

	if (set_up_socket(state) != 0)
		return -1;
	fixture = *state;
	if (connect_client(fixture) != 0)
		return -1;
	fixture->process = control_accept(fixture->listener, &fixture->state, "/proc/self/exe",
					  &fixture->channel);
	setsockopt(fixture->channel, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fixture->process > 0 ? 0 : -1;
}

int end_process(struct fixture *fixture)
{
	int status = -1;

	varlink_close(&fixture->client);
	if (fixture->process > 0)
		waitpid(fixture->process, &status, 0);
	fixture->process = 0;
	return status;
}

static void remove_socket(const struct fixture *fixture)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", fixture->directory, CONTROL_SOCKET);
	unlink(path);
	rmdir(fixture->directory);
}

int tear_down(void **state)
{
	struct fixture *fixture = *state;
	int result = fixture->process > 0 && end_process(fixture) != 0 ? -1 : 0;

	varlink_close(&fixture->client);
	if (fixture->channel >= 0)
		close(fixture->channel);
	close(fixture->listener);
	state_close(&fixture->state);
	remove_socket(fixture);
	return result;
}

/* ---- a conversation ---- */

void say(struct fixture *fixture, const char *text, size_t length)
{
	assert_int_equal(send(fixture->client.fd, text, length, MSG_NOSIGNAL), (ssize_t)length);
}

void call(struct fixture *fixture, const char *text)
{
	say(fixture, text, strlen(text) + 1);
}

struct json_object *hear(struct fixture *fixture)
{
	struct json_object *message = NULL;

	for (;;) {
		int result = varlink_take(&fixture->client, &message);

		if (result == 0)
			return message;
		assert_int_equal(result, -EAGAIN);
		assert_int_equal(varlink_fill(&fixture->client), 0);
	}
}

void expect_end(struct fixture *fixture)
{
	assert_int_equal(varlink_fill(&fixture->client), -EPIPE);
}

struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *found = NULL;

	assert_true(json_object_object_get_ex(object, key, &found));
	return found;
}

int64_t number(struct json_object *object, const char *key)
{
	struct json_object *found = member(object, key);

	assert_true(json_object_is_type(found, json_type_int));
	return json_object_get_int64(found);
}

bool flag(struct json_object *object, const char *key)
{
	struct json_object *found = member(object, key);

	assert_true(json_object_is_type(found, json_type_boolean));
	return json_object_get_boolean(found);
}

void expect_error(struct fixture *fixture, const char *error, const char *key, const char *value)
{
	auto_json struct json_object *message = hear(fixture);

	assert_string_equal(varlink_text(message, "error"), error);
	assert_string_equal(varlink_text(member(message, "parameters"), key), value);
}

void expect_lines(struct json_object *message, const char *expected)
{
	struct json_object *lines = member(member(message, "parameters"), "lines");

	assert_string_equal(json_object_to_json_string_ext(lines, JSON_C_TO_STRING_PLAIN),
			    expected);
}

/* ---- as the keeper ---- */

struct message take_order(struct fixture *fixture)
{
	struct message message;
	int fd;

	assert_int_equal(channel_receive(fixture->channel, &message, &fd), 0);
	assert_int_equal(fd, -1);
	return message;
}

void tell(struct fixture *fixture, enum message_kind kind, int status, const char *text)
{
	assert_int_equal(channel_report(fixture->channel, kind, status, text), 0);
}

void expect_no_order(struct fixture *fixture)
{
	struct pollfd poll_fd = {.fd = fixture->channel, .events = POLLIN};

	assert_int_equal(poll(&poll_fd, 1, 0), 0);
}
