/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "ownership.h"

static int set_up(void **state)
{
	static struct state memfd;

	*state = &memfd;
	return state_create(&memfd);
}

static int tear_down(void **state)
{
	state_close(*state);
	return 0;
}

static pid_t owner_of(const struct state *state)
{
	return (pid_t)(uint32_t)atomic_load(&state->header->owner);
}

/* A process that claims, tells the result by its status, or sleeps if it got it. */
static pid_t start_claimer(const struct state *state, int told)
{
	pid_t pid = fork();
	char result;

	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	result = (char)-ownership_claim(state);
	if (write(told, &result, 1) != 1 || result != 0)
		_exit(EXIT_FAILURE);
	for (;;)
		pause();
}

static int claim_elsewhere(const struct state *state, pid_t *pid)
{
	int ends[2];
	char result = -1;

	assert_int_equal(pipe(ends), 0);
	*pid = start_claimer(state, ends[1]);
	assert_int_equal(read(ends[0], &result, 1), 1);
	close(ends[0]);
	close(ends[1]);
	if (result != 0)
		assert_int_equal(waitpid(*pid, NULL, 0), *pid);
	return -result;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void one_at_a_time_owns_it(void **state)
{
	pid_t pid;

	assert_false(ownership_is_held(*state));
	assert_int_equal(ownership_claim(*state), 0);
	assert_true(ownership_is_held(*state));
	assert_int_equal(owner_of(*state), getpid());
	assert_int_equal(claim_elsewhere(*state, &pid), -EBUSY);
	assert_int_equal(ownership_claim(*state), 0);
}

static void a_dead_owner_is_followed(void **state)
{
	pid_t pid;

	assert_int_equal(claim_elsewhere(*state, &pid), 0);
	assert_int_equal(ownership_claim(*state), -EBUSY);
	/* Also before anybody has waited for it. */
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, NULL, WEXITED | WNOWAIT), 0);
	assert_false(ownership_is_held(*state));
	assert_int_equal(ownership_claim(*state), 0);
	end(pid);
}

/* A process of the same number that started at another time is another one. */
static void a_number_that_came_again_owns_nothing(void **state)
{
	const struct state *memfd = *state;
	pid_t pid;

	assert_int_equal(claim_elsewhere(memfd, &pid), 0);
	atomic_fetch_add(&memfd->header->owner, (uint64_t)1 << 32);
	assert_false(ownership_is_held(memfd));
	ownership_pass(memfd, 0, getpid());
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	end(pid);
}

static void whoever_yields_names_the_heir(void **state)
{
	pid_t heir = fork();
	pid_t other;

	if (heir == 0)
		for (;;)
			pause();
	assert_int_equal(ownership_claim(*state), 0);
	ownership_yield(*state, heir);
	assert_int_equal(owner_of(*state), heir);
	/* Nobody else comes in between. */
	assert_int_equal(claim_elsewhere(*state, &other), -EBUSY);
	end(heir);
	assert_int_equal(ownership_claim(*state), 0);
	ownership_yield(*state, 0);
	assert_int_equal(owner_of(*state), 0);
}

static void only_the_owner_can_yield(void **state)
{
	pid_t pid;

	assert_int_equal(claim_elsewhere(*state, &pid), 0);
	ownership_yield(*state, getpid());
	assert_int_equal(owner_of(*state), pid);
	end(pid);
}

static void the_keeper_ends_whom_another_left(void **state)
{
	int status;
	pid_t pid;

	assert_int_equal(claim_elsewhere(*state, &pid), 0);
	ownership_pass(*state, 0, getpid());
	assert_int_equal(owner_of(*state), getpid());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(ownership_claim(*state), 0);
}

static void but_not_the_predecessor(void **state)
{
	pid_t pid;

	assert_int_equal(claim_elsewhere(*state, &pid), 0);
	ownership_pass(*state, pid, getpid());
	assert_int_equal(owner_of(*state), getpid());
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	end(pid);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_at_a_time_owns_it),
		TEST(a_dead_owner_is_followed),
		TEST(a_number_that_came_again_owns_nothing),
		TEST(whoever_yields_names_the_heir),
		TEST(only_the_owner_can_yield),
		TEST(the_keeper_ends_whom_another_left),
		TEST(but_not_the_predecessor),
	};

	log_open(LOG_TARGET_STDERR, 0);
	return cmocka_run_group_tests_name("ownership", tests, NULL, NULL);
}
