/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The Varlink wire form: what comes in, as friends and as others send it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <json.h>

#include "varlink.h"

#define LIMIT ((size_t)4096)

struct fixture {
	struct varlink varlink;
	int other;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	int ends[2];

	*state = &fixture;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		return -1;
	fixture.other = ends[1];
	return varlink_open(&fixture.varlink, ends[0], LIMIT);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	varlink_close(&fixture->varlink);
	if (fixture->other >= 0)
		close(fixture->other);
	return 0;
}

static void say(struct fixture *fixture, const void *bytes, size_t length)
{
	assert_int_equal(send(fixture->other, bytes, length, MSG_NOSIGNAL), (ssize_t)length);
	assert_int_equal(varlink_fill(&fixture->varlink), 0);
}

/* With its NUL. */
static void say_text(struct fixture *fixture, const char *text)
{
	say(fixture, text, strlen(text) + 1);
}

static void expect(struct fixture *fixture, const char *key, const char *value)
{
	auto_json struct json_object *message = NULL;

	assert_int_equal(varlink_take(&fixture->varlink, &message), 0);
	assert_string_equal(varlink_text(message, key), value);
}

static void expect_error(struct fixture *fixture, int error)
{
	struct json_object *message = NULL;

	assert_int_equal(varlink_take(&fixture->varlink, &message), error);
	assert_null(message);
}

static void a_message_arrives(void **state)
{
	struct fixture *fixture = *state;

	say_text(fixture, "{\"method\":\"a.b.C\"}");
	expect(fixture, "method", "a.b.C");
	expect_error(fixture, -EAGAIN);
}

static void a_message_arrives_byte_by_byte(void **state)
{
	static const char text[] = " {\"method\" : \"x\"} ";
	struct fixture *fixture = *state;

	for (size_t index = 0; index < sizeof(text); index++) {
		expect_error(fixture, -EAGAIN);
		say(fixture, text + index, 1);
	}
	expect(fixture, "method", "x");
}

static void several_messages_arrive_at_once(void **state)
{
	static const char text[] = "{\"a\":\"1\"}\0{\"a\":\"2\"}\0{\"a\":";
	struct fixture *fixture = *state;

	say(fixture, text, sizeof(text) - 1);
	expect(fixture, "a", "1");
	expect(fixture, "a", "2");
	expect_error(fixture, -EAGAIN);
	say_text(fixture, "\"3\"}");
	expect(fixture, "a", "3");
}

static void what_is_sent_can_be_read(void **state)
{
	struct fixture *fixture = *state;
	auto_json struct json_object *message = json_object_new_object();
	char text[64];

	json_object_object_add(message, "a/b", varlink_new_text("c/\"d"));
	assert_int_equal(varlink_send(&fixture->varlink, message), 0);
	assert_int_equal(recv(fixture->other, text, sizeof(text), 0), 16);
	assert_string_equal(text, "{\"a/b\":\"c/\\\"d\"}");
}

static void to_send_to_nobody_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	auto_json struct json_object *message = json_object_new_object();

	close(fixture->other);
	fixture->other = -1;
	assert_int_equal(varlink_send(&fixture->varlink, message), -EPIPE);
}

/* Anything but one object, and nothing behind it. */
static void other_things_are_no_message(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"nonsense",
		"{",
		"}",
		"[]",
		"1",
		"null",
		"\"{}\"",
		"{}}",
		"{} {}",
		"{}x",
		"{\"a\":}",
		"{\"a\":1,}",
		"{\"a\":\"b}",
		"{\"a\":\"\xff\"}",
		"GET / HTTP/1.1\r\n\r\n",
	};

	for (size_t index = 0; index < sizeof(bad) / sizeof(bad[0]); index++) {
		struct fixture *fixture;

		assert_int_equal(set_up(state), 0);
		fixture = *state;
		say_text(fixture, bad[index]);
		expect_error(fixture, -EBADMSG);
		tear_down(state);
	}
}

static void nul_after_nul_is_no_message(void **state)
{
	static const char nothing[1000];
	struct fixture *fixture = *state;

	say(fixture, nothing, sizeof(nothing));
	expect_error(fixture, -EBADMSG);
}

static void nest(char *text, size_t depth)
{
	snprintf(text, 64, "{\"a\":");
	memset(text + 5, '[', depth - 1);
	memset(text + 5 + depth - 1, ']', depth - 1);
	snprintf(text + 5 + 2 * (depth - 1), 2, "}");
}

static void depth_is_bounded(void **state)
{
	struct fixture *fixture = *state;
	auto_json struct json_object *message = NULL;
	char text[64];

	nest(text, VARLINK_DEPTH_MAX - 1);
	say_text(fixture, text);
	assert_int_equal(varlink_take(&fixture->varlink, &message), 0);
	nest(text, VARLINK_DEPTH_MAX + 1);
	say_text(fixture, text);
	expect_error(fixture, -EBADMSG);
}

static void length_is_bounded(void **state)
{
	static char text[LIMIT + 1];
	struct fixture *fixture = *state;
	auto_json struct json_object *message = NULL;

	/* The longest that fits, its NUL included. */
	memset(text, ' ', sizeof(text));
	text[0] = '{';
	text[1] = '}';
	text[LIMIT - 1] = '\0';
	say(fixture, text, LIMIT);
	assert_int_equal(varlink_take(&fixture->varlink, &message), 0);
	text[LIMIT - 1] = ' ';
	say(fixture, text, LIMIT);
	expect_error(fixture, -EMSGSIZE);
	assert_int_equal(varlink_fill(&fixture->varlink), -EMSGSIZE);
}

static void half_a_message_is_none(void **state)
{
	struct fixture *fixture = *state;

	say(fixture, "{\"method\":\"a", 12);
	close(fixture->other);
	fixture->other = -1;
	expect_error(fixture, -EAGAIN);
	assert_int_equal(varlink_fill(&fixture->varlink), -EPIPE);
}

static void a_text_has_no_nul_in_it(void **state)
{
	struct fixture *fixture = *state;
	auto_json struct json_object *message = NULL;

	say_text(fixture, "{\"a\":\"x\\u0000y\",\"b\":1,\"c\":\"x\"}");
	assert_int_equal(varlink_take(&fixture->varlink, &message), 0);
	assert_null(varlink_text(message, "a"));
	assert_null(varlink_text(message, "b"));
	assert_null(varlink_text(message, "d"));
	assert_null(varlink_text(NULL, "a"));
	assert_string_equal(varlink_text(message, "c"), "x");
}

static void expect_text(const char *text, const char *expected)
{
	auto_json struct json_object *object = varlink_new_text(text);

	assert_string_equal(json_object_get_string(object), expected);
}

static void every_text_becomes_utf_8(void **state)
{
	(void)state;
	expect_text("", "");
	expect_text("a \xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xa7",
		    "a \xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xa7");
	expect_text("\xff\xfe", "??");
	expect_text("a\xc3", "a?");
	expect_text("\xe2\x82", "??");
	/* Longer than need be, a surrogate, beyond the last character. */
	expect_text("\xc0\xaf", "??");
	expect_text("\xe0\x80\xaf", "???");
	expect_text("\xed\xa0\x80", "???");
	expect_text("\xf4\x90\x80\x80", "????");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message_arrives, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_message_arrives_byte_by_byte, set_up, tear_down),
		cmocka_unit_test_setup_teardown(several_messages_arrive_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_sent_can_be_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(to_send_to_nobody_is_an_error, set_up, tear_down),
		cmocka_unit_test(other_things_are_no_message),
		cmocka_unit_test_setup_teardown(nul_after_nul_is_no_message, set_up, tear_down),
		cmocka_unit_test_setup_teardown(depth_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(length_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(half_a_message_is_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_text_has_no_nul_in_it, set_up, tear_down),
		cmocka_unit_test(every_text_becomes_utf_8),
	};

	return cmocka_run_group_tests_name("varlink", tests, NULL, NULL);
}
