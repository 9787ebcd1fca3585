/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <json.h>

#include "channel.h"
#include "cleanup.h"
#include "interface.h"
#include "ledger.h"
#include "status.h"
#include "varlink.h"

#define BACKLOG          64
#define KEEPER_PATIENCE  1
#define CLIENT_PATIENCE  30
#define NO_CHANNEL_ERROR "the daemon ended before it was done"

/* ---- the socket ---- */

/* By a descriptor of the directory: its path may be longer than an address. */
static int make_address(const char *runtime_directory, struct sockaddr_un *address, int *directory)
{
	*directory = open(runtime_directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*directory < 0)
		return -errno;
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", *directory,
		 CONTROL_SOCKET);
	return 0;
}

/* With the lock held nobody listens there. */
static void remove_stale(int directory)
{
	struct stat status;

	if (fstatat(directory, CONTROL_SOCKET, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISSOCK(status.st_mode))
		unlinkat(directory, CONTROL_SOCKET, 0);
}

int control_listen(const char *runtime_directory)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	auto_close int directory = -1;
	struct sockaddr_un address;
	int result;

	if (fd < 0)
		return -errno;
	result = make_address(runtime_directory, &address, &directory);
	if (result != 0)
		return result;
	remove_stale(directory);
	/* Before bind(): there is no moment in which others could connect. */
	if (fchmod(fd, 0600) != 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fd, BACKLOG) != 0)
		return -errno;
	return take_fd(&fd);
}

int control_connect(const char *runtime_directory, const struct timeval *patience)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	auto_close int directory = -1;
	struct sockaddr_un address;
	int result;

	if (fd < 0)
		return -errno;
	result = make_address(runtime_directory, &address, &directory);
	if (result != 0)
		return result;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, patience, sizeof(*patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return -errno;
	return take_fd(&fd);
}

/* ---- in the keeper ---- */

static bool is_allowed(int client)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	return getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

/* In the child: put the descriptors where control_main() looks for them, and become it. */
static _Noreturn void become_control(const char *program, int client, int state, int channel)
{
	const int from[] = {client, state, channel};
	const int to[] = {CONTROL_CLIENT_FD, CONTROL_STATE_FD, CONTROL_CHANNEL_FD};
	char *const arguments[] = {(char *)"lxcfs", (char *)CONTROL_ARGUMENT, NULL};
	sigset_t none;
	int high[3];

	/* First out of the way, so that none overwrites another. */
	for (size_t index = 0; index < 3; index++)
		high[index] = fcntl(from[index], F_DUPFD_CLOEXEC, 16);
	for (size_t index = 0; index < 3; index++)
		if (high[index] < 0 || dup2(high[index], to[index]) < 0)
			_exit(EXIT_FAILURE);
	/* The keeper's are close-on-exec, but not what it inherited. */
	syscall(SYS_close_range, CONTROL_CHANNEL_FD + 1, ~0U, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(program, arguments);
	_exit(EXIT_FAILURE);
}

pid_t control_accept(int listener, const struct state *state, const char *program, int *channel)
{
	static const struct timeval patience = {.tv_sec = KEEPER_PATIENCE};
	auto_close int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	int ends[2];
	pid_t pid;
	int result;

	if (client < 0)
		return -errno;
	if (!is_allowed(client))
		return -EPERM;
	result = channel_open(ends);
	if (result != 0)
		return result;
	pid = fork();
	if (pid == 0)
		become_control(program, client, state->fd, ends[1]);
	result = -errno;
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return result;
	}
	/* A process that does not read must not hold up the keeper. */
	setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	*channel = ends[0];
	return pid;
}

/* ---- in the process of one client ---- */

struct control {
	struct varlink client;
	int channel;
	struct state state;
	struct ledger ledger;
};

struct call {
	struct json_object *parameters; /* NULL: none */
	bool more;
	bool oneway;
};

static int send_message(struct control *control, const struct call *call,
			struct json_object *message)
{
	return call->oneway ? 0 : varlink_send(&control->client, message);
}

/* Owns `parameters`. */
static int reply(struct control *control, const struct call *call, struct json_object *parameters,
		 bool continues)
{
	auto_json struct json_object *message = json_object_new_object();

	json_object_object_add(message, "parameters", parameters);
	if (continues)
		json_object_object_add(message, "continues", json_object_new_boolean(true));
	return send_message(control, call, message);
}

/* Owns `parameters`. */
static int reply_error(struct control *control, const struct call *call, const char *error,
		       struct json_object *parameters)
{
	auto_json struct json_object *message = json_object_new_object();

	json_object_object_add(message, "error", json_object_new_string(error));
	json_object_object_add(message, "parameters", parameters);
	return send_message(control, call, message);
}

/* An error with one text. */
static int refuse(struct control *control, const struct call *call, const char *error,
		  const char *key, const char *value)
{
	struct json_object *parameters = json_object_new_object();

	json_object_object_add(parameters, key, varlink_new_text(value));
	return reply_error(control, call, error, parameters);
}

/* ---- orders ---- */

static struct json_object *with_lines(struct json_object *lines)
{
	struct json_object *parameters = json_object_new_object();

	json_object_object_add(parameters, "lines", lines);
	return parameters;
}

static int take_line(struct control *control, const struct call *call, const char *text,
		     struct json_object *lines)
{
	struct json_object *line;

	if (!call->more)
		return json_object_array_add(lines, varlink_new_text(text));
	line = json_object_new_array();
	json_object_array_add(line, varlink_new_text(text));
	return reply(control, call, with_lines(line), true);
}

static int fail(struct control *control, const struct call *call, const char *reason,
		struct json_object *lines)
{
	struct json_object *parameters = with_lines(json_object_get(lines));

	json_object_object_add(parameters, "reason", varlink_new_text(reason));
	return reply_error(control, call, INTERFACE_ERROR_FAILED, parameters);
}

/* Wait for the keeper.  -EPIPE: the client has gone meanwhile.  What it still says waits. */
static int wait_for_keeper(const struct control *control)
{
	struct pollfd fds[] = {{.fd = control->channel, .events = POLLIN},
			       {.fd = control->client.fd, .events = 0}};

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			return 0;
		if (fds[1].revents)
			return -EPIPE;
	}
}

static int await_result(struct control *control, const struct call *call)
{
	auto_json struct json_object *lines = json_object_new_array();

	for (;;) {
		struct message message;
		auto_close int fd = -1;
		int result = wait_for_keeper(control);

		if (result != 0)
			return result;
		result = channel_receive(control->channel, &message, &fd);
		if (result != 0) {
			fail(control, call, NO_CHANNEL_ERROR, lines);
			return result;
		}
		if (message.kind == MESSAGE_LINE)
			result = take_line(control, call, message.text, lines);
		else if (message.kind == MESSAGE_RESULT && message.status != 0)
			return fail(control, call,
				    message.text[0] ? message.text : strerror(-message.status),
				    lines);
		else if (message.kind == MESSAGE_RESULT)
			return reply(control, call, with_lines(json_object_get(lines)), false);
		if (result != 0)
			return result;
	}
}

static int order(struct control *control, const struct call *call, enum message_kind kind,
		 int status, const char *text)
{
	int result = channel_report(control->channel, kind, status, text);

	return result == 0 ? await_result(control, call) : result;
}

/* As configfile.c accepts it; names are sent with spaces between them. */
static bool is_plugin_name(const char *name)
{
	if (!name || name[0] == '\0' || name[0] == '.')
		return false;
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || *name == '/' || *name == 0x7f)
			return false;
	return true;
}

/* "a b c".  false: what was given is no list of names, or too long a one. */
static bool join_names(struct json_object *names, char text[CHANNEL_TEXT_MAX])
{
	size_t length = 0;

	text[0] = '\0';
	if (!names)
		return true;
	if (!json_object_is_type(names, json_type_array))
		return false;
	for (size_t index = 0; index < json_object_array_length(names); index++) {
		struct json_object *name = json_object_array_get_idx(names, index);
		int count;

		if (!json_object_is_type(name, json_type_string) ||
		    !is_plugin_name(json_object_get_string(name)))
			return false;
		count = snprintf(text + length, CHANNEL_TEXT_MAX - length, "%s%s",
				 length ? " " : "", json_object_get_string(name));
		if (count < 0 || (size_t)count >= CHANNEL_TEXT_MAX - length)
			return false;
		length += (size_t)count;
	}
	return true;
}

static int do_reload(struct control *control, const struct call *call)
{
	struct json_object *names = NULL;
	char text[CHANNEL_TEXT_MAX];

	json_object_object_get_ex(call->parameters, "names", &names);
	if (!join_names(names, text))
		return refuse(control, call, VARLINK_ERROR_PARAMETER, "parameter", "names");
	return order(control, call, MESSAGE_RELOAD, 0, text);
}

static int do_reconfigure(struct control *control, const struct call *call)
{
	return order(control, call, MESSAGE_RECONFIGURE, 0, NULL);
}

static int do_passthrough(struct control *control, const struct call *call)
{
	struct json_object *on;

	if (!json_object_object_get_ex(call->parameters, "on", &on) ||
	    !json_object_is_type(on, json_type_boolean))
		return refuse(control, call, VARLINK_ERROR_PARAMETER, "parameter", "on");
	return order(control, call, MESSAGE_PASSTHROUGH, json_object_get_boolean(on), NULL);
}

static int do_upgrade(struct control *control, const struct call *call)
{
	return order(control, call, MESSAGE_UPGRADE, 0, NULL);
}

static int do_unmount(struct control *control, const struct call *call)
{
	return order(control, call, MESSAGE_UNMOUNT, 0, NULL);
}

/* ---- questions ---- */

static int do_status(struct control *control, const struct call *call)
{
	return reply(control, call, status_report(&control->state, &control->ledger), false);
}

static int do_plugins(struct control *control, const struct call *call)
{
	return reply(control, call, status_plugins(&control->ledger), false);
}

static int do_info(struct control *control, const struct call *call)
{
	struct json_object *parameters = json_object_new_object();
	struct json_object *interfaces = json_object_new_array();

	json_object_object_add(parameters, "vendor", json_object_new_string(PACKAGE_NAME));
	json_object_object_add(parameters, "product", json_object_new_string(PACKAGE_NAME));
	json_object_object_add(parameters, "version", json_object_new_string(PACKAGE_VERSION));
	json_object_object_add(parameters, "url", json_object_new_string(PACKAGE_URL));
	json_object_array_add(interfaces, json_object_new_string(INTERFACE_SERVICE));
	json_object_array_add(interfaces, json_object_new_string(INTERFACE_LXCFS));
	json_object_object_add(parameters, "interfaces", interfaces);
	return reply(control, call, parameters, false);
}

static int do_description(struct control *control, const struct call *call)
{
	const char *name = varlink_text(call->parameters, "interface");
	const char *description = name ? interface_description(name) : NULL;
	struct json_object *parameters;

	if (!name)
		return refuse(control, call, VARLINK_ERROR_PARAMETER, "parameter", "interface");
	if (!description)
		return refuse(control, call, VARLINK_ERROR_INTERFACE, "interface", name);
	parameters = json_object_new_object();
	json_object_object_add(parameters, "description", json_object_new_string(description));
	return reply(control, call, parameters, false);
}

static const struct method {
	const char *name;
	int (*call)(struct control *control, const struct call *call);
} methods[] = {
	{INTERFACE_SERVICE ".GetInfo", do_info},
	{INTERFACE_SERVICE ".GetInterfaceDescription", do_description},
	{INTERFACE_LXCFS ".Status", do_status},
	{INTERFACE_LXCFS ".Plugins", do_plugins},
	{INTERFACE_LXCFS ".Reload", do_reload},
	{INTERFACE_LXCFS ".Reconfigure", do_reconfigure},
	{INTERFACE_LXCFS ".Passthrough", do_passthrough},
	{INTERFACE_LXCFS ".Upgrade", do_upgrade},
	{INTERFACE_LXCFS ".Unmount", do_unmount},
};

/* ---- a call ---- */

/* Nobody has the method: is it the interface that is unknown? */
static int refuse_method(struct control *control, const struct call *call, const char *method)
{
	auto_free char *interface = strdup(method);
	char *dot = interface ? strrchr(interface, '.') : NULL;

	if (!dot)
		return refuse(control, call, VARLINK_ERROR_PARAMETER, "parameter", "method");
	*dot = '\0';
	if (!interface_description(interface))
		return refuse(control, call, VARLINK_ERROR_INTERFACE, "interface", interface);
	return refuse(control, call, VARLINK_ERROR_METHOD, "method", method);
}

/* false: a member that is there is no truth value. */
static bool take_flag(struct json_object *message, const char *key, bool *flag)
{
	struct json_object *member;

	*flag = false;
	if (!json_object_object_get_ex(message, key, &member))
		return true;
	if (!json_object_is_type(member, json_type_boolean))
		return false;
	*flag = json_object_get_boolean(member);
	return true;
}

static int answer(struct control *control, struct json_object *message)
{
	const char *method = varlink_text(message, "method");
	struct call call = {0};

	if (!method)
		return refuse(control, &call, VARLINK_ERROR_PARAMETER, "parameter", "method");
	if (json_object_object_get_ex(message, "parameters", &call.parameters) && call.parameters &&
	    !json_object_is_type(call.parameters, json_type_object))
		return refuse(control, &call, VARLINK_ERROR_PARAMETER, "parameter", "parameters");
	if (!take_flag(message, "more", &call.more))
		return refuse(control, &call, VARLINK_ERROR_PARAMETER, "parameter", "more");
	if (!take_flag(message, "oneway", &call.oneway))
		return refuse(control, &call, VARLINK_ERROR_PARAMETER, "parameter", "oneway");
	for (size_t index = 0; index < sizeof(methods) / sizeof(methods[0]); index++)
		if (strcmp(methods[index].name, method) == 0)
			return methods[index].call(control, &call);
	return refuse_method(control, &call, method);
}

/* All calls that are whole.  Not 0: the connection ends. */
static int answer_all(struct control *control)
{
	for (;;) {
		auto_json struct json_object *message = NULL;
		int result = varlink_take(&control->client, &message);

		if (result == -EAGAIN)
			return 0;
		if (result == 0)
			result = answer(control, message);
		else
			refuse(control, &(struct call){0}, VARLINK_ERROR_PARAMETER, "parameter",
			       "message");
		if (result != 0)
			return result;
	}
}

/* The keeper was not asked for anything.  -EPIPE: it is gone, or another one took its place. */
static int drop_message(int channel)
{
	struct message message;
	auto_close int fd = -1;
	int result = channel_receive(channel, &message, &fd);

	return result == -EPROTO ? 0 : result;
}

static int serve(struct control *control)
{
	struct pollfd fds[] = {{.fd = control->client.fd, .events = POLLIN},
			       {.fd = control->channel, .events = POLLIN}};

	for (;;) {
		int result;

		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (fds[1].revents) {
			result = drop_message(control->channel);
		} else {
			result = varlink_fill(&control->client);
			if (result == 0)
				result = answer_all(control);
		}
		if (result != 0)
			return result;
	}
}

static int open_control(struct control *control)
{
	static const struct timeval patience = {.tv_sec = CLIENT_PATIENCE};
	int result = varlink_open(&control->client, CONTROL_CLIENT_FD, VARLINK_CALL_MAX);

	/* A client that does not read is left. */
	setsockopt(CONTROL_CLIENT_FD, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	control->channel = CONTROL_CHANNEL_FD;
	if (result == 0)
		result = state_map(CONTROL_STATE_FD, &control->state);
	if (result == 0)
		ledger_open(&control->state, &control->ledger);
	return result;
}

int control_main(void)
{
	struct control control = {0};
	int result = open_control(&control);

	if (result == 0)
		result = serve(&control);
	varlink_close(&control.client);
	state_close(&control.state);
	return result == 0 || result == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
}
