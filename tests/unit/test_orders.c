/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Orders until they are done: what is kept, what is dropped, and who is told. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "log.h"
#include "orders.h"

#define CLIENTS 2

struct fixture {
	struct orders orders;
	int clients[CLIENTS]; /* as the orders know them */
	int ends[CLIENTS];    /* of these clients */
};

static int set_up(void **state)
{
	static struct fixture fixture;

	orders_init(&fixture.orders);
	for (int index = 0; index < CLIENTS; index++) {
		int ends[2];

		assert_int_equal(channel_open(ends), 0);
		fixture.clients[index] = orders_add_client(&fixture.orders, 100 + index, ends[0]);
		assert_true(fixture.clients[index] >= 0);
		fixture.ends[index] = ends[1];
	}
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (int client = 0; client < (int)ORDERS_CLIENTS_MAX; client++)
		if (fixture->orders.clients[client].pid != 0)
			orders_forget_client(&fixture->orders, client);
	for (int index = 0; index < CLIENTS; index++)
		close(fixture->ends[index]);
	return 0;
}

static int add(struct fixture *fixture, enum message_kind kind, const char *text, int index)
{
	return orders_add(&fixture->orders, kind, 0, text,
			  index < 0 ? -1 : fixture->clients[index]);
}

static void add_well(struct fixture *fixture, enum message_kind kind, const char *text, int index)
{
	assert_int_equal(add(fixture, kind, text, index), 0);
}

/* That the next order is this one. */
static void begin(struct fixture *fixture, enum message_kind kind, const char *text)
{
	const struct order *order = orders_begin(&fixture->orders);

	assert_non_null(order);
	assert_int_equal(order->kind, kind);
	assert_string_equal(order->text, text);
	/* One at a time. */
	assert_null(orders_begin(&fixture->orders));
}

static void finish(struct fixture *fixture, enum message_kind kind, const char *text)
{
	begin(fixture, kind, text);
	orders_finish(&fixture->orders, 0, NULL);
}

static void assert_told(const struct fixture *fixture, int index, enum message_kind kind,
			int status, const char *text)
{
	struct pollfd end = {.fd = fixture->ends[index], .events = POLLIN};
	struct message message;
	int fd;

	assert_int_equal(poll(&end, 1, 0), 1);
	assert_int_equal(channel_receive(end.fd, &message, &fd), 0);
	assert_int_equal(message.kind, kind);
	assert_int_equal(message.status, status);
	assert_string_equal(message.text, text);
}

static void assert_not_told(const struct fixture *fixture, int index)
{
	struct pollfd end = {.fd = fixture->ends[index], .events = POLLIN};

	assert_int_equal(poll(&end, 1, 0), 0);
}

/* ---- what waits ---- */

static void orders_are_obeyed_in_turn(void **state)
{
	struct fixture *fixture = *state;

	assert_null(orders_begin(&fixture->orders));
	add_well(fixture, MESSAGE_RELOAD, "stat", 0);
	add_well(fixture, MESSAGE_RECONFIGURE, NULL, -1);
	add_well(fixture, MESSAGE_RELOAD, "stat", 1);
	finish(fixture, MESSAGE_RELOAD, "stat");
	finish(fixture, MESSAGE_RECONFIGURE, "");
	finish(fixture, MESSAGE_RELOAD, "stat");
	assert_null(orders_begin(&fixture->orders));
}

static void signals_that_ask_for_what_is_to_be_done_are_dropped(void **state)
{
	struct fixture *fixture = *state;

	for (int round = 0; round < 100; round++) {
		add_well(fixture, MESSAGE_RELOAD, NULL, -1);
		add_well(fixture, MESSAGE_RECONFIGURE, NULL, -1);
	}
	assert_int_equal(fixture->orders.count, 2);
	/* What changed since it was begun is not seen by it. */
	begin(fixture, MESSAGE_RELOAD, "");
	add_well(fixture, MESSAGE_RELOAD, NULL, -1);
	add_well(fixture, MESSAGE_RELOAD, NULL, -1);
	assert_int_equal(fixture->orders.count, 3);
	orders_finish(&fixture->orders, 0, NULL);
	finish(fixture, MESSAGE_RECONFIGURE, "");
	finish(fixture, MESSAGE_RELOAD, "");
	assert_int_equal(fixture->orders.count, 0);
}

static void an_order_for_some_plugins_is_not_one_for_all(void **state)
{
	struct fixture *fixture = *state;

	add_well(fixture, MESSAGE_RELOAD, "stat", 0);
	add_well(fixture, MESSAGE_RELOAD, NULL, -1);
	finish(fixture, MESSAGE_RELOAD, "stat");
	finish(fixture, MESSAGE_RELOAD, "");
	/* A client waits for its own answer. */
	add_well(fixture, MESSAGE_RELOAD, NULL, -1);
	add_well(fixture, MESSAGE_RELOAD, NULL, 0);
	assert_int_equal(fixture->orders.count, 2);
	add_well(fixture, MESSAGE_RELOAD, NULL, -1);
	assert_int_equal(fixture->orders.count, 2);
}

static void too_many_are_refused(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned index = 0; index < ORDERS_MAX; index++)
		add_well(fixture, MESSAGE_RELOAD, "stat", 0);
	assert_int_equal(add(fixture, MESSAGE_RELOAD, "stat", 0), -EBUSY);
	assert_int_equal(add(fixture, MESSAGE_RECONFIGURE, NULL, -1), -EBUSY);
	finish(fixture, MESSAGE_RELOAD, "stat");
	add_well(fixture, MESSAGE_RECONFIGURE, NULL, -1);
	for (unsigned index = 1; index < ORDERS_MAX; index++)
		finish(fixture, MESSAGE_RELOAD, "stat");
	finish(fixture, MESSAGE_RECONFIGURE, "");
}

/* ---- who is told ---- */

static void who_gave_it_is_told(void **state)
{
	struct fixture *fixture = *state;

	add_well(fixture, MESSAGE_RELOAD, "a", 0);
	add_well(fixture, MESSAGE_RELOAD, "b", 1);
	add_well(fixture, MESSAGE_RELOAD, NULL, -1);
	begin(fixture, MESSAGE_RELOAD, "a");
	orders_tell(&fixture->orders, "looking");
	orders_finish(&fixture->orders, 0, NULL);
	/* Nothing is obeyed. */
	orders_tell(&fixture->orders, "late");
	orders_finish(&fixture->orders, -EIO, "late");
	assert_told(fixture, 0, MESSAGE_LINE, 0, "looking");
	assert_told(fixture, 0, MESSAGE_RESULT, 0, "");
	assert_not_told(fixture, 0);
	assert_not_told(fixture, 1);
	begin(fixture, MESSAGE_RELOAD, "b");
	orders_finish(&fixture->orders, -ENOEXEC, "refused");
	assert_told(fixture, 1, MESSAGE_RESULT, -ENOEXEC, "refused");
	begin(fixture, MESSAGE_RELOAD, "");
	orders_tell(&fixture->orders, "nobody hears this");
	orders_finish(&fixture->orders, 0, NULL);
	assert_not_told(fixture, 0);
	assert_not_told(fixture, 1);
}

static void what_is_said_gives_more_time(void **state)
{
	struct fixture *fixture = *state;

	add_well(fixture, MESSAGE_RELOAD, NULL, -1);
	begin(fixture, MESSAGE_RELOAD, "");
	assert_true(fixture->orders.deadline > clock_milliseconds());
	fixture->orders.deadline = 1;
	orders_tell(&fixture->orders, "still looking");
	assert_true(fixture->orders.deadline > clock_milliseconds());
}

/* Its place is taken by another client, which must not get its answers. */
static void a_client_may_go(void **state)
{
	struct fixture *fixture = *state;
	struct pollfd end;
	int ends[2];

	add_well(fixture, MESSAGE_RELOAD, "a", 0);
	add_well(fixture, MESSAGE_RELOAD, "b", 1);
	begin(fixture, MESSAGE_RELOAD, "a");
	orders_forget_client(&fixture->orders, fixture->clients[0]);
	assert_int_equal(channel_open(ends), 0);
	assert_int_equal(orders_add_client(&fixture->orders, 200, ends[0]), fixture->clients[0]);
	orders_tell(&fixture->orders, "line");
	orders_finish(&fixture->orders, 0, NULL);
	end = (struct pollfd){.fd = ends[1], .events = POLLIN};
	assert_int_equal(poll(&end, 1, 0), 0);
	begin(fixture, MESSAGE_RELOAD, "b");
	orders_finish(&fixture->orders, 0, NULL);
	assert_told(fixture, 1, MESSAGE_RESULT, 0, "");
	close(ends[1]);
}

static void one_that_has_gone_without_a_word_harms_nobody(void **state)
{
	struct fixture *fixture = *state;

	add_well(fixture, MESSAGE_RELOAD, "a", 0);
	begin(fixture, MESSAGE_RELOAD, "a");
	close(fixture->ends[0]);
	orders_tell(&fixture->orders, "line");
	orders_finish(&fixture->orders, 0, NULL);
	assert_int_equal(fixture->orders.count, 0);
	fixture->ends[0] = -1;
}

static void there_is_room_for_so_many_clients(void **state)
{
	struct fixture *fixture = *state;
	int ends[2];

	for (unsigned client = CLIENTS; client < ORDERS_CLIENTS_MAX; client++) {
		assert_true(orders_take_clients(&fixture->orders));
		assert_int_equal(channel_open(ends), 0);
		assert_int_equal(orders_add_client(&fixture->orders, 200, ends[0]), client);
		close(ends[1]);
	}
	assert_false(orders_take_clients(&fixture->orders));
	assert_int_equal(orders_add_client(&fixture->orders, 200, -1), -EBUSY);
	orders_forget_client(&fixture->orders, 7);
	assert_true(orders_take_clients(&fixture->orders));
}

/* ---- when whoever obeyed is gone ---- */

static void it_is_given_anew(void **state)
{
	struct fixture *fixture = *state;

	orders_retry(&fixture->orders, "nothing is obeyed");
	add_well(fixture, MESSAGE_RELOAD, "a", 0);
	add_well(fixture, MESSAGE_RELOAD, "b", 1);
	begin(fixture, MESSAGE_RELOAD, "a");
	orders_retry(&fixture->orders, "gone");
	assert_not_told(fixture, 0);
	begin(fixture, MESSAGE_RELOAD, "a");
	orders_finish(&fixture->orders, 0, NULL);
	assert_told(fixture, 0, MESSAGE_RESULT, 0, "");
	begin(fixture, MESSAGE_RELOAD, "b");
}

static void but_not_for_ever(void **state)
{
	struct fixture *fixture = *state;

	add_well(fixture, MESSAGE_RELOAD, "a", 0);
	add_well(fixture, MESSAGE_RELOAD, "b", 1);
	for (unsigned attempt = 0; attempt < ORDERS_ATTEMPTS_MAX; attempt++) {
		assert_not_told(fixture, 0);
		begin(fixture, MESSAGE_RELOAD, "a");
		orders_retry(&fixture->orders, "they die of it");
	}
	assert_told(fixture, 0, MESSAGE_RESULT, -EIO, "they die of it");
	begin(fixture, MESSAGE_RELOAD, "b");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(orders_are_obeyed_in_turn),
		TEST(signals_that_ask_for_what_is_to_be_done_are_dropped),
		TEST(an_order_for_some_plugins_is_not_one_for_all),
		TEST(too_many_are_refused),
		TEST(who_gave_it_is_told),
		TEST(what_is_said_gives_more_time),
		TEST(a_client_may_go),
		TEST(one_that_has_gone_without_a_word_harms_nobody),
		TEST(there_is_room_for_so_many_clients),
		TEST(it_is_given_anew),
		TEST(but_not_for_ever),
	};

	log_open(LOG_TARGET_STDERR, 0);
	return cmocka_run_group_tests_name("orders", tests, NULL, NULL);
}
