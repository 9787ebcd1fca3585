/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For tests of the control socket: the keeper and the client of a process that serves it, which is the
 * test program run again.
 */
#ifndef LXCFS_TESTS_CONTROLCLIENT_H
#define LXCFS_TESTS_CONTROLCLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "channel.h"
#include "ledger.h"
#include "state.h"
#include "varlink.h"

struct json_object;

struct fixture {
	char directory[64];
	struct state state;
	struct ledger ledger;
	int listener;
	int channel;
	pid_t process;
	struct varlink client;
};

/* A socket that nobody has connected to; a client whose calls a process answers. */
int set_up_socket(void **state);
int set_up(void **state);
int tear_down(void **state);

int connect_client(struct fixture *fixture);
/* The process ends by itself as soon as the client has gone; how, is returned. */
int end_process(struct fixture *fixture);

/* ---- as the client ---- */

void say(struct fixture *fixture, const char *text, size_t length);
/* With its NUL. */
void call(struct fixture *fixture, const char *text);
struct json_object *hear(struct fixture *fixture);
void expect_end(struct fixture *fixture);
void expect_error(struct fixture *fixture, const char *error, const char *key, const char *value);

/* ---- a message ---- */

struct json_object *member(struct json_object *object, const char *key);
int64_t number(struct json_object *object, const char *key);
bool flag(struct json_object *object, const char *key);
void expect_lines(struct json_object *message, const char *expected);

/* ---- as the keeper ---- */

struct message take_order(struct fixture *fixture);
void tell(struct fixture *fixture, enum message_kind kind, int status, const char *text);
void expect_no_order(struct fixture *fixture);

#endif
