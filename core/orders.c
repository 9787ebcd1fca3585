/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "orders.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

#define PATIENCE_MILLISECONDS 60000

void orders_init(struct orders *orders)
{
	*orders = (struct orders){.count = 0};
}

int orders_add_client(struct orders *orders, pid_t pid, int channel)
{
	for (int client = 0; client < (int)ORDERS_CLIENTS_MAX; client++) {
		if (orders->clients[client].pid != 0)
			continue;
		orders->clients[client] = (struct order_client){.pid = pid, .channel = channel};
		return client;
	}
	return -EBUSY;
}

bool orders_take_clients(const struct orders *orders)
{
	for (unsigned client = 0; client < ORDERS_CLIENTS_MAX; client++)
		if (orders->clients[client].pid == 0)
			return true;
	return false;
}

void orders_forget_client(struct orders *orders, int client)
{
	for (size_t index = 0; index < orders->count; index++)
		if (orders->queue[index].client == client)
			orders->queue[index].client = -1;
	close(orders->clients[client].channel);
	orders->clients[client] = (struct order_client){.pid = 0};
}

static bool is_waiting(const struct orders *orders, enum message_kind kind)
{
	for (size_t index = orders->busy ? 1 : 0; index < orders->count; index++)
		if (orders->queue[index].kind == kind && orders->queue[index].text[0] == '\0')
			return true;
	return false;
}

int orders_add(struct orders *orders, enum message_kind kind, int status, const char *text,
	       int client)
{
	struct order *order;

	if (client < 0 && is_waiting(orders, kind))
		return 0;
	if (orders->count == ORDERS_MAX) {
		log_error("%u orders wait already; this one is dropped", ORDERS_MAX);
		return -EBUSY;
	}
	order = &orders->queue[orders->count++];
	*order = (struct order){.kind = kind, .status = status, .client = client};
	snprintf(order->text, sizeof(order->text), "%s", text ? text : "");
	return 0;
}

const struct order *orders_begin(struct orders *orders)
{
	if (orders->busy || orders->count == 0)
		return NULL;
	orders->busy = true;
	orders->queue[0].attempts++;
	orders->deadline = clock_milliseconds() + PATIENCE_MILLISECONDS;
	return &orders->queue[0];
}

static int channel_of_client(const struct orders *orders)
{
	int client = orders->queue[0].client;

	return client < 0 ? -1 : orders->clients[client].channel;
}

void orders_tell(struct orders *orders, const char *line)
{
	if (!orders->busy)
		return;
	orders->deadline = clock_milliseconds() + PATIENCE_MILLISECONDS;
	if (channel_of_client(orders) >= 0)
		channel_report(channel_of_client(orders), MESSAGE_LINE, 0, line);
}

void orders_finish(struct orders *orders, int status, const char *reason)
{
	if (!orders->busy)
		return;
	if (channel_of_client(orders) >= 0)
		channel_report(channel_of_client(orders), MESSAGE_RESULT, status, reason);
	orders->busy = false;
	orders->count--;
	memmove(&orders->queue[0], &orders->queue[1], orders->count * sizeof(orders->queue[0]));
}

void orders_retry(struct orders *orders, const char *reason)
{
	if (!orders->busy)
		return;
	if (orders->queue[0].attempts >= ORDERS_ATTEMPTS_MAX) {
		log_error("an order is given up: %s", reason);
		orders_finish(orders, -EIO, reason);
		return;
	}
	orders->busy = false;
}
