/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakekeeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "fakeworker.h"
#include "log.h"
#include "program.h"
#include "worker.h"

static char name[] = "test_succession";
char *const keeper_arguments[] = {name, NULL};

int set_up(void **state)
{
	static struct fixture fixture;

	fixture.fuse_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(state_create(&fixture.state), 0);
	inheritance_init(&fixture.inheritance);
	fixture.succession = (struct succession){.argv = keeper_arguments,
						 .fuse_fd = fixture.fuse_fd,
						 .state = &fixture.state,
						 .inheritance = &fixture.inheritance};
	succession_init(&fixture.succession);
	fake_worker_script(FAKE_GOOD, FAKE_GOOD);
	*state = &fixture;
	return 0;
}

int tear_down(void **state)
{
	struct fixture *fixture = *state;

	succession_end(&fixture->succession);
	journal_close(&fixture->succession.journal);
	state_close(&fixture->state);
	close(fixture->state.fd);
	close(fixture->fuse_fd);
	return 0;
}

/* ---- as the keeper does ---- */

static enum succession_event take_message(struct fixture *fixture, struct worker_process *from)
{
	struct message message;
	int fd;
	int result = channel_receive(from->channel, &message, &fd);

	if (result == 0)
		return succession_take(&fixture->succession, from, &message);
	assert_int_equal(result, -EPIPE);
	close(from->channel);
	from->channel = -1;
	return SUCCESSION_NONE;
}

static bool has_message(const struct worker_process *process)
{
	struct pollfd fd = {.fd = process->channel, .events = POLLIN};

	return process->channel >= 0 && poll(&fd, 1, 0) > 0;
}

/* What it said before it ended comes first. */
static enum succession_event look_at(struct fixture *fixture, struct worker_process *process)
{
	enum succession_event event = SUCCESSION_NONE;
	int status;

	while (event == SUCCESSION_NONE && has_message(process))
		event = take_message(fixture, process);
	if (event != SUCCESSION_NONE || !worker_process_has_ended(process, &status))
		return event;
	if (has_message(process))
		return take_message(fixture, process);
	return succession_ended(&fixture->succession, process, status);
}

static int time_left(const struct succession *succession, int64_t end)
{
	int64_t now = clock_milliseconds();
	int64_t until = end;

	if (succession->deadline != 0 && succession->deadline < until)
		until = succession->deadline;
	if (succession->outage != 0 && succession->outage + OUTAGE_MILLISECONDS < until)
		until = succession->outage + OUTAGE_MILLISECONDS;
	return until <= now ? 0 : (int)(until - now);
}

enum succession_event wait_step(struct fixture *fixture, int64_t end)
{
	struct succession *succession = &fixture->succession;
	struct pollfd fds[] = {{.fd = succession->current.channel, .events = POLLIN},
			       {.fd = succession->current.pidfd, .events = POLLIN},
			       {.fd = succession->next.channel, .events = POLLIN},
			       {.fd = succession->next.pidfd, .events = POLLIN}};
	enum succession_event event;

	poll(fds, 4, time_left(succession, end));
	event = look_at(fixture, &succession->current);
	if (event == SUCCESSION_NONE)
		event = look_at(fixture, &succession->next);
	if (event == SUCCESSION_NONE)
		event = succession_timeout(succession);
	return event;
}

enum succession_event next_event(struct fixture *fixture)
{
	int64_t end = clock_milliseconds() + PATIENCE_MILLISECONDS;
	enum succession_event event = SUCCESSION_NONE;

	while (event == SUCCESSION_NONE && clock_milliseconds() < end)
		event = wait_step(fixture, end);
	return event;
}

void await_phase(struct fixture *fixture, enum succession_phase phase)
{
	int64_t end = clock_milliseconds() + PATIENCE_MILLISECONDS;

	while (fixture->succession.phase != phase && clock_milliseconds() < end)
		assert_int_equal(wait_step(fixture, end), SUCCESSION_NONE);
	assert_int_equal(fixture->succession.phase, phase);
}

void pass_deadline(struct fixture *fixture)
{
	assert_int_not_equal(fixture->succession.deadline, 0);
	fixture->succession.deadline = 1;
}

void serve(struct fixture *fixture)
{
	assert_int_equal(succession_begin(&fixture->succession), 0);
	assert_event(fixture, SUCCESSION_READY);
	succession_serve(&fixture->succession);
	assert_event(fixture, SUCCESSION_SERVES);
}

void serve_by(struct fixture *fixture, const char *script)
{
	fake_worker_script(script, FAKE_GOOD);
	serve(fixture);
	fake_worker_script(FAKE_GOOD, FAKE_GOOD);
}

int replace(struct fixture *fixture)
{
	int program = program_open_own();
	int result = succession_replace(&fixture->succession, START_RESUME, program);

	close(program);
	return result;
}

void end_current(const struct fixture *fixture, int signal_number)
{
	assert_int_equal(kill(fixture->succession.current.pid, signal_number), 0);
}

bool is_gone(pid_t pid)
{
	waitpid(pid, NULL, WNOHANG);
	return kill(pid, 0) != 0 && errno == ESRCH;
}

void assert_settled(const struct fixture *fixture, bool rescue)
{
	const struct succession *succession = &fixture->succession;

	assert_true(succession_is_settled(succession));
	assert_int_equal(succession->outage, 0);
	assert_int_equal(succession->next.pid, 0);
	assert_int_equal(succession->rescue, rescue);
	assert_int_equal(fixture->state.header->rescue, rescue);
	assert_int_equal(succession->deadline != 0, rescue);
	assert_int_equal(kill(succession->current.pid, 0), 0);
}

void assert_counted(const struct fixture *fixture, unsigned hand_overs, unsigned takeovers)
{
	assert_int_equal(fixture->state.header->hand_overs, hand_overs);
	assert_int_equal(fixture->state.header->takeovers, takeovers);
}
