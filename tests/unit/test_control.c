/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control socket, the process of one client, and calls that cannot be understood. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <json.h>

#include "control.h"
#include "controlclient.h"

#define OTHER_USER 65534

/* The process has gone without having said anything. */
static void expect_no_order_at_its_end(struct fixture *fixture)
{
	struct message message;
	int fd;

	assert_int_equal(channel_receive(fixture->channel, &message, &fd), -EPIPE);
}

/* ---- the socket ---- */

static void the_socket_is_for_root_alone(void **state)
{
	struct fixture *fixture = *state;
	struct stat status;
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", fixture->directory, CONTROL_SOCKET);
	assert_int_equal(stat(path, &status), 0);
	assert_true(S_ISSOCK(status.st_mode));
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(fcntl(fixture->listener, F_GETFD), FD_CLOEXEC);
}

static void a_dead_daemon_s_socket_is_replaced(void **state)
{
	struct fixture *fixture = *state;

	close(fixture->listener);
	assert_int_equal(connect_client(fixture), -ECONNREFUSED);
	fixture->listener = control_listen(fixture->directory);
	assert_true(fixture->listener >= 0);
	assert_int_equal(connect_client(fixture), 0);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	struct stat status;
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", fixture->directory, CONTROL_SOCKET);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(connect_client(fixture), -ENOENT);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(control_listen(fixture->directory), -EADDRINUSE);
	assert_int_equal(stat(path, &status), 0);
	assert_true(S_ISREG(status.st_mode));
}

static void the_directory_s_name_may_be_long(void **state)
{
	struct fixture *fixture = *state;
	char directory[256];
	char path[300];
	int listener;

	snprintf(directory, sizeof(directory), "%s/%0150d", fixture->directory, 0);
	snprintf(path, sizeof(path), "%s/%s", directory, CONTROL_SOCKET);
	assert_int_equal(mkdir(directory, 0700), 0);
	listener = control_listen(directory);
	assert_true(listener >= 0);
	assert_int_equal(access(path, F_OK), 0);
	close(listener);
	unlink(path);
	rmdir(directory);
}

static _Noreturn void connect_as_other_user(struct fixture *fixture)
{
	char byte;

	if (setuid(OTHER_USER) != 0 || connect_client(fixture) != 0)
		_exit(2);
	/* The end, and no process that would answer. */
	_exit(recv(fixture->client.fd, &byte, 1, 0) == 0 ? 0 : 1);
}

static void another_user_is_turned_away(void **state)
{
	struct fixture *fixture = *state;
	char path[96];
	int channel = -1;
	int status = 0;
	pid_t pid;
	struct pollfd listener = {.fd = fixture->listener, .events = POLLIN};

	if (geteuid() != 0)
		skip();
	/* Even where it gets this far. */
	snprintf(path, sizeof(path), "%s/%s", fixture->directory, CONTROL_SOCKET);
	assert_int_equal(chmod(fixture->directory, 0755), 0);
	assert_int_equal(chmod(path, 0666), 0);
	pid = fork();
	if (pid == 0)
		connect_as_other_user(fixture);
	assert_int_equal(poll(&listener, 1, 20000), 1);
	assert_int_equal(
		control_accept(fixture->listener, &fixture->state, "/proc/self/exe", &channel),
		-EPERM);
	assert_int_equal(channel, -1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void nobody_to_accept_is_no_wait(void **state)
{
	struct fixture *fixture = *state;
	int channel = -1;

	assert_int_equal(
		control_accept(fixture->listener, &fixture->state, "/proc/self/exe", &channel),
		-EAGAIN);
}

/* ---- the process ---- */

static int count_open(pid_t pid)
{
	char path[64];
	int count = 0;

	for (int fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
		count += faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	}
	return count;
}

static unsigned long blocked_signals(pid_t pid)
{
	char path[64];
	char line[256];
	unsigned long blocked = ~0UL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "SigBlk:", 7) == 0)
			blocked = strtoul(line + 7, NULL, 16);
	fclose(file);
	return blocked;
}

static void the_process_inherits_nothing_else(void **state)
{
	struct fixture *fixture;
	int leaked = fcntl(STDERR_FILENO, F_DUPFD, 100);
	sigset_t signals;
	sigset_t before;

	sigfillset(&signals);
	sigprocmask(SIG_BLOCK, &signals, &before);
	assert_int_equal(set_up(state), 0);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(leaked);
	fixture = *state;
	/* Once it answers it has begun. */
	call(fixture, "{\"method\":\"org.varlink.service.GetInfo\"}");
	json_object_put(hear(fixture));
	assert_int_equal(count_open(fixture->process), CONTROL_CHANNEL_FD + 1);
	assert_int_equal(blocked_signals(fixture->process), 0);
	assert_int_equal(tear_down(state), 0);
}

static void it_ends_with_the_client(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(end_process(fixture), 0);
}

static void it_ends_with_half_a_message(void **state)
{
	struct fixture *fixture = *state;

	say(fixture, "{\"method\":", 10);
	assert_int_equal(end_process(fixture), 0);
}

static void it_ends_with_the_keeper(void **state)
{
	struct fixture *fixture = *state;

	close(fixture->channel);
	fixture->channel = -1;
	expect_end(fixture);
	assert_int_equal(end_process(fixture), 0);
}

/* ---- what cannot be understood ---- */

static void nonsense_ends_the_connection(void **state)
{
	static const struct {
		const char *text;
		size_t length;
	} bad[] = {
		{"nonsense", 9}, {"", 1}, {"\0\0\0\0", 4}, {"[]", 3}, {"\xff\xfe", 3},
	};

	for (size_t index = 0; index < sizeof(bad) / sizeof(bad[0]); index++) {
		struct fixture *fixture;

		assert_int_equal(set_up(state), 0);
		fixture = *state;
		say(fixture, bad[index].text, bad[index].length);
		expect_error(fixture, VARLINK_ERROR_PARAMETER, "parameter", "message");
		expect_end(fixture);
		expect_no_order_at_its_end(fixture);
		end_process(fixture);
		tear_down(state);
	}
}

static void a_message_without_end_ends_the_connection(void **state)
{
	static char text[VARLINK_CALL_MAX];
	struct fixture *fixture;

	assert_int_equal(set_up(state), 0);
	fixture = *state;
	memset(text, 'x', sizeof(text));
	say(fixture, text, sizeof(text));
	expect_error(fixture, VARLINK_ERROR_PARAMETER, "parameter", "message");
	expect_end(fixture);
	end_process(fixture);
	tear_down(state);
}

/* An error, and the connection is as good as before. */
static void a_bad_call_is_refused(void **state)
{
	static const struct {
		const char *call;
		const char *error;
		const char *key;
		const char *value;
	} bad[] = {
		{"{}", VARLINK_ERROR_PARAMETER, "parameter", "method"},
		{"{\"method\":1}", VARLINK_ERROR_PARAMETER, "parameter", "method"},
		{"{\"method\":\"x\"}", VARLINK_ERROR_PARAMETER, "parameter", "method"},
		{"{\"method\":\"io.lxcfs.Unmount\\u0000\"}", VARLINK_ERROR_PARAMETER, "parameter",
		 "method"},
		{"{\"method\":\"io.other.Status\"}", VARLINK_ERROR_INTERFACE, "interface",
		 "io.other"},
		{"{\"method\":\"io.lxcfs.Nothing\"}", VARLINK_ERROR_METHOD, "method",
		 "io.lxcfs.Nothing"},
		{"{\"method\":\"io.lxcfs.\"}", VARLINK_ERROR_METHOD, "method", "io.lxcfs."},
		{"{\"method\":\"io.lxcfs.Unmount\",\"parameters\":[]}", VARLINK_ERROR_PARAMETER,
		 "parameter", "parameters"},
		{"{\"method\":\"io.lxcfs.Unmount\",\"more\":1}", VARLINK_ERROR_PARAMETER,
		 "parameter", "more"},
		{"{\"method\":\"io.lxcfs.Unmount\",\"oneway\":\"yes\"}", VARLINK_ERROR_PARAMETER,
		 "parameter", "oneway"},
		{"{\"method\":\"io.lxcfs.Passthrough\"}", VARLINK_ERROR_PARAMETER, "parameter",
		 "on"},
		{"{\"method\":\"io.lxcfs.Passthrough\",\"parameters\":{\"on\":1}}",
		 VARLINK_ERROR_PARAMETER, "parameter", "on"},
		{"{\"method\":\"io.lxcfs.Reload\",\"parameters\":{\"names\":\"a\"}}",
		 VARLINK_ERROR_PARAMETER, "parameter", "names"},
		{"{\"method\":\"io.lxcfs.Reload\",\"parameters\":{\"names\":[1]}}",
		 VARLINK_ERROR_PARAMETER, "parameter", "names"},
		{"{\"method\":\"io.lxcfs.Reload\",\"parameters\":{\"names\":[\"\"]}}",
		 VARLINK_ERROR_PARAMETER, "parameter", "names"},
		{"{\"method\":\"io.lxcfs.Reload\",\"parameters\":{\"names\":[\"a b\"]}}",
		 VARLINK_ERROR_PARAMETER, "parameter", "names"},
		{"{\"method\":\"io.lxcfs.Reload\",\"parameters\":{\"names\":[\"../a\"]}}",
		 VARLINK_ERROR_PARAMETER, "parameter", "names"},
		{"{\"method\":\"io.lxcfs.Reload\",\"parameters\":{\"names\":[\"a\\u0000b\"]}}",
		 VARLINK_ERROR_PARAMETER, "parameter", "names"},
		{"{\"method\":\"org.varlink.service.GetInterfaceDescription\"}",
		 VARLINK_ERROR_PARAMETER, "parameter", "interface"},
		{"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
		 "{\"interface\":\"io.other\"}}",
		 VARLINK_ERROR_INTERFACE, "interface", "io.other"},
	};
	struct fixture *fixture = *state;

	for (size_t index = 0; index < sizeof(bad) / sizeof(bad[0]); index++) {
		call(fixture, bad[index].call);
		expect_error(fixture, bad[index].error, bad[index].key, bad[index].value);
	}
	expect_no_order(fixture);
}

static void too_many_names_are_refused(void **state)
{
	struct fixture *fixture = *state;
	auto_json struct json_object *message = json_object_new_object();
	struct json_object *parameters = json_object_new_object();
	struct json_object *names = json_object_new_array();

	for (int count = 0; count < CHANNEL_TEXT_MAX / 2; count++)
		json_object_array_add(names, json_object_new_string("a"));
	json_object_object_add(parameters, "names", names);
	json_object_object_add(message, "method", json_object_new_string("io.lxcfs.Reload"));
	json_object_object_add(message, "parameters", parameters);
	/* One byte, its space, and the NUL: exactly as many as there is room for. */
	assert_int_equal(varlink_send(&fixture->client, message), 0);
	assert_int_equal(strlen(take_order(fixture).text), CHANNEL_TEXT_MAX - 1);
	tell(fixture, MESSAGE_RESULT, 0, NULL);
	json_object_put(hear(fixture));
	json_object_array_add(names, json_object_new_string("a"));
	assert_int_equal(varlink_send(&fixture->client, message), 0);
	expect_error(fixture, VARLINK_ERROR_PARAMETER, "parameter", "names");
	expect_no_order(fixture);
}

#define WITH_SOCKET(test) cmocka_unit_test_setup_teardown(test, set_up_socket, tear_down)
#define WITH_CLIENT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static int check_all(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SOCKET(the_socket_is_for_root_alone),
		WITH_SOCKET(a_dead_daemon_s_socket_is_replaced),
		WITH_SOCKET(what_is_no_socket_is_left_alone),
		WITH_SOCKET(the_directory_s_name_may_be_long),
		WITH_SOCKET(another_user_is_turned_away),
		WITH_SOCKET(nobody_to_accept_is_no_wait),
		cmocka_unit_test(the_process_inherits_nothing_else),
		WITH_CLIENT(it_ends_with_the_client),
		WITH_CLIENT(it_ends_with_half_a_message),
		WITH_CLIENT(it_ends_with_the_keeper),
		cmocka_unit_test(nonsense_ends_the_connection),
		cmocka_unit_test(a_message_without_end_ends_the_connection),
		WITH_CLIENT(a_bad_call_is_refused),
		WITH_CLIENT(too_many_names_are_refused),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return argc > 1 && strcmp(argv[1], CONTROL_ARGUMENT) == 0 ? control_main() : check_all();
}
