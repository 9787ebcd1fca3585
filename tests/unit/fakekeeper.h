/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A keeper without anything but its workers (fakeworker.h), for tests of succession.c. */
#ifndef FAKEKEEPER_H
#define FAKEKEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "inheritance.h"
#include "state.h"
#include "succession.h"

/* A test that waits longer hangs. */
#define PATIENCE_MILLISECONDS 60000

struct fixture {
	struct state state;
	struct inheritance inheritance;
	struct succession succession;
	int fuse_fd;
};

/* The command line. */
extern char *const keeper_arguments[];

int set_up(void **state);
int tear_down(void **state);

/* What happens next, until `end`. */
enum succession_event wait_step(struct fixture *fixture, int64_t end);
/* The next event that the keeper is told. */
enum succession_event next_event(struct fixture *fixture);
#define assert_event(fixture, expected) assert_int_equal(next_event(fixture), expected)
/* Until this phase, in which nothing that is told of has happened yet. */
void await_phase(struct fixture *fixture, enum succession_phase phase);
/* As if that much time had passed. */
void pass_deadline(struct fixture *fixture);

/* A first worker serves: a good one, or one with this script; those after it are good. */
void serve(struct fixture *fixture);
void serve_by(struct fixture *fixture, const char *script);
/* A planned hand-over. */
int replace(struct fixture *fixture);
void end_current(const struct fixture *fixture, int signal_number);

bool is_gone(pid_t pid);
/* A worker of this kind serves, and all is well. */
void assert_settled(const struct fixture *fixture, bool rescue);
void assert_counted(const struct fixture *fixture, unsigned hand_overs, unsigned takeovers);

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
