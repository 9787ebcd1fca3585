/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What systemd is told and gives: a socket of the test takes its place. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor.h"

#ifdef HAVE_LIBSYSTEMD

#define LISTEN_FDS_START 3
#define HELD_MAX         4

struct fixture {
	int socket;
};

static void set_number(const char *variable, long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", number);
	setenv(variable, text, 1);
}

static int set_up(void **state)
{
	static struct fixture fixture;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t length = sizeof(address);
	char name[sizeof(address.sun_path)];

	fixture.socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The kernel finds a name: an abstract one of five letters. */
	if (fixture.socket < 0 ||
	    bind(fixture.socket, (struct sockaddr *)&address, sizeof(sa_family_t)) != 0 ||
	    getsockname(fixture.socket, (struct sockaddr *)&address, &length) != 0)
		return -1;
	snprintf(name, sizeof(name), "@%.*s",
		 (int)(length - offsetof(struct sockaddr_un, sun_path) - 1), address.sun_path + 1);
	setenv("NOTIFY_SOCKET", name, 1);
	set_number("SYSTEMD_EXEC_PID", getpid());
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	close(fixture->socket);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("SYSTEMD_EXEC_PID");
	return 0;
}

/* The next message; "" if there is none.  *fd is -1 without a descriptor. */
static const char *receive(const struct fixture *fixture, int *fd)
{
	static char text[4096];
	union {
		char buffer[CMSG_SPACE(sizeof(int) * 4)];
		struct cmsghdr alignment;
	} control;
	struct iovec vector = {.iov_base = text, .iov_len = sizeof(text) - 1};
	struct msghdr message = {.msg_iov = &vector,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	ssize_t length = recvmsg(fixture->socket, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = length < 0 ? NULL : CMSG_FIRSTHDR(&message);

	*fd = -1;
	if (header) {
		assert_int_equal(header->cmsg_type, SCM_RIGHTS);
		assert_int_equal(header->cmsg_len, CMSG_LEN(sizeof(int)));
		memcpy(fd, CMSG_DATA(header), sizeof(int));
	}
	text[length < 0 ? 0 : length] = '\0';
	return text;
}

static void assert_told(const struct fixture *fixture, const char *expected)
{
	int fd;

	assert_string_equal(receive(fixture, &fd), expected);
	assert_int_equal(fd, -1);
}

static void states_are_told(void **state)
{
	struct fixture *fixture = *state;

	assert_true(supervisor_present());
	supervisor_ready("serves /mnt");
	assert_told(fixture, "READY=1\nSTATUS=serves /mnt");
	supervisor_status("a worker died");
	assert_told(fixture, "STATUS=a worker died");
	supervisor_stopping();
	assert_told(fixture, "STOPPING=1");
	assert_told(fixture, "");
}

static void only_the_first_line_of_a_status_is_told(void **state)
{
	supervisor_ready("serves /a\nMAINPID=1");
	assert_told(*state, "READY=1\nSTATUS=serves /a");
}

static void a_descriptor_is_stored_in_place_of_the_one_before(void **state)
{
	struct fixture *fixture = *state;
	int memfd = memfd_create("test", MFD_CLOEXEC);
	struct stat sent;
	struct stat received;
	int fd;

	assert_int_equal(fstat(memfd, &sent), 0);
	assert_int_equal(supervisor_store("plugin-stat", memfd), 0);
	assert_told(fixture, "FDSTOREREMOVE=1\nFDNAME=plugin-stat");
	assert_string_equal(receive(fixture, &fd), "FDSTORE=1\nFDNAME=plugin-stat\nFDPOLL=0");
	assert_int_equal(fstat(fd, &received), 0);
	assert_int_equal(received.st_ino, sent.st_ino);
	/* It stays the caller's. */
	assert_int_equal(fstat(memfd, &sent), 0);
	close(fd);
	close(memfd);
	supervisor_drop("plugin-stat");
	assert_told(fixture, "FDSTOREREMOVE=1\nFDNAME=plugin-stat");
}

static void bad_names_are_refused(void **state)
{
	static const char *const names[] = {"", "a:b", "a b", "a\nREADY=1", "a\x7f", "\xc3\xa4"};
	char name[512];

	for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
		assert_int_equal(supervisor_store(names[index], STDIN_FILENO), -EINVAL);
		supervisor_drop(names[index]);
	}
	memset(name, 'a', sizeof(name));
	name[256] = '\0';
	assert_int_equal(supervisor_store(name, STDIN_FILENO), -EINVAL);
	assert_told(*state, "");
	name[255] = '\0';
	assert_int_equal(supervisor_store(name, STDIN_FILENO), 0);
}

static void a_child_of_the_main_process_says_nothing(void **state)
{
	set_number("SYSTEMD_EXEC_PID", getppid());
	assert_false(supervisor_present());
	supervisor_ready("serves /mnt");
	assert_int_equal(supervisor_store("fuse", STDIN_FILENO), 0);
	assert_told(*state, "");
	/* systemd before 248 does not set it. */
	unsetenv("SYSTEMD_EXEC_PID");
	assert_true(supervisor_present());
}

static void without_systemd_nothing_is_told(void **state)
{
	unsetenv("NOTIFY_SOCKET");
	assert_false(supervisor_present());
	supervisor_ready("serves /mnt");
	assert_int_equal(supervisor_store("fuse", STDIN_FILENO), 0);
	assert_told(*state, "");
}

static void a_socket_that_is_gone_is_an_error(void **state)
{
	(void)state;
	setenv("NOTIFY_SOCKET", "@lxcfs-test-nobody-listens-here", 1);
	assert_int_equal(supervisor_store("fuse", STDIN_FILENO), -ECONNREFUSED);
}

/* ---- what was held ---- */

struct held {
	char name[64];
	int fd;
};

struct taken {
	size_t count;
	struct held held[HELD_MAX];
};

/* cmocka's own assertions would go on with the other tests in the child. */
static void expect(bool condition)
{
	if (!condition)
		_exit(EXIT_FAILURE);
}

static void note(void *argument, const char *name, int fd)
{
	struct taken *taken = argument;

	expect(taken->count < HELD_MAX);
	snprintf(taken->held[taken->count].name, sizeof(taken->held[0].name), "%s", name);
	taken->held[taken->count++].fd = fd;
}

/* In a process of its own: descriptors from 3 on may be in use in this one. */
static int in_child(void (*test)(const struct fixture *fixture), const struct fixture *fixture)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		set_number("SYSTEMD_EXEC_PID", getpid());
		set_number("LISTEN_PID", getpid());
		test(fixture);
		_exit(EXIT_SUCCESS);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void take_two(const struct fixture *fixture)
{
	struct taken taken = {.count = 0};
	char text[8] = "";
	int memfd = memfd_create("test", 0);

	(void)fixture;
	expect(write(memfd, "state", 5) == 5);
	expect(dup2(memfd, LISTEN_FDS_START + 1) >= 0);
	expect(dup2(STDERR_FILENO, LISTEN_FDS_START) >= 0);
	setenv("LISTEN_FDS", "2", 1);
	setenv("LISTEN_FDNAMES", "fuse:state", 1);
	expect(supervisor_holds());
	supervisor_take(note, &taken);
	expect(!supervisor_holds());
	expect(taken.count == 2);
	expect(strcmp(taken.held[0].name, "fuse") == 0);
	expect(strcmp(taken.held[1].name, "state") == 0);
	expect(pread(taken.held[1].fd, text, sizeof(text), 0) == 5);
	expect(strcmp(text, "state") == 0);
	expect(fcntl(taken.held[0].fd, F_GETFD) == FD_CLOEXEC);
	expect(fcntl(taken.held[1].fd, F_GETFD) == FD_CLOEXEC);
	/* Neither for a child nor for this program once more, but it can still speak. */
	expect(!getenv("LISTEN_FDS") && !getenv("LISTEN_PID") && !getenv("LISTEN_FDNAMES"));
	supervisor_take(note, &taken);
	expect(taken.count == 2);
	expect(supervisor_present());
}

static void what_was_held_is_taken_once(void **state)
{
	assert_int_equal(in_child(take_two, *state), 0);
}

/* The end of a pipe that nobody reads shows what an aborted connection does: POLLERR. */
static void take_dead_one(const struct fixture *fixture)
{
	struct taken taken = {.count = 0};
	int ends[2];

	(void)fixture;
	expect(pipe(ends) == 0);
	expect(dup2(ends[1], LISTEN_FDS_START + 8) >= 0);
	close(ends[0]);
	close(ends[1]);
	expect(dup2(LISTEN_FDS_START + 8, LISTEN_FDS_START) >= 0);
	expect(dup2(STDERR_FILENO, LISTEN_FDS_START + 1) >= 0);
	close(LISTEN_FDS_START + 8);
	setenv("LISTEN_FDS", "2", 1);
	setenv("LISTEN_FDNAMES", "fuse:state", 1);
	supervisor_take(note, &taken);
	expect(taken.count == 1);
	expect(strcmp(taken.held[0].name, "state") == 0);
	expect(fcntl(LISTEN_FDS_START, F_GETFD) < 0);
}

static void a_dead_one_is_dropped(void **state)
{
	assert_int_equal(in_child(take_dead_one, *state), 0);
	assert_told(*state, "FDSTOREREMOVE=1\nFDNAME=fuse");
}

static void take_those_of_another(const struct fixture *fixture)
{
	struct taken taken = {.count = 0};

	(void)fixture;
	set_number("LISTEN_PID", getppid());
	setenv("LISTEN_FDS", "1", 1);
	expect(!supervisor_holds());
	supervisor_take(note, &taken);
	expect(taken.count == 0);
	expect(!getenv("LISTEN_FDS"));
}

static void those_of_another_process_are_left(void **state)
{
	assert_int_equal(in_child(take_those_of_another, *state), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(states_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_the_first_line_of_a_status_is_told, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_descriptor_is_stored_in_place_of_the_one_before,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_names_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_child_of_the_main_process_says_nothing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(without_systemd_nothing_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_socket_that_is_gone_is_an_error, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_was_held_is_taken_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_dead_one_is_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(those_of_another_process_are_left, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void nothing_is_told_or_taken(void **state)
{
	(void)state;
	setenv("NOTIFY_SOCKET", "@lxcfs-test-nobody-listens-here", 1);
	assert_false(supervisor_present());
	assert_int_equal(supervisor_store("fuse", STDIN_FILENO), 0);
	supervisor_take(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_told_or_taken)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
