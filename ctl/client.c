/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <json.h>

#include "control.h"
#include "interface.h"
#include "output.h"
#include "varlink.h"

#define CONNECT_SECONDS 5

static enum ctl_status explain_connect(const char *directory, int error)
{
	switch (-error) {
	case ENOENT:
		output_error("no lxcfs has its socket at %s/" CONTROL_SOCKET
			     ": it does not run, or with"
			     " another --runtime-dir",
			     directory);
		break;
	case ECONNREFUSED:
		output_error("nobody listens at %s/" CONTROL_SOCKET
			     ": the lxcfs that did has ended;"
			     " start it again",
			     directory);
		break;
	case EACCES:
	case EPERM:
		output_error("%s/" CONTROL_SOCKET ": %s; run this as root", directory,
			     strerror(-error));
		break;
	case EAGAIN:
		output_error("%s/" CONTROL_SOCKET
			     ": nobody takes this connection within %d seconds;"
			     " is the keeper stopped?",
			     directory, CONNECT_SECONDS);
		break;
	default:
		output_error("%s/" CONTROL_SOCKET ": %s", directory, strerror(-error));
	}
	return CTL_UNREACHABLE;
}

static enum ctl_status explain_silence(const struct client_call *call, int error)
{
	const char *directory = call->runtime_directory;

	if (error == -EPIPE && geteuid() == 0)
		output_error("the lxcfs at %s/" CONTROL_SOCKET
			     " closed the connection before it was done; look at 'lxcfsctl status'"
			     " and the log",
			     directory);
	else if (error == -EPIPE)
		output_error("the lxcfs at %s/" CONTROL_SOCKET
			     " closed the connection; only root may"
			     " ask it",
			     directory);
	else if (error == -EAGAIN)
		output_error("the lxcfs at %s/" CONTROL_SOCKET " did not answer within %d seconds",
			     directory, call->patience);
	else
		output_error("what %s/" CONTROL_SOCKET " answers is no answer of an lxcfs: %s",
			     directory, strerror(-error));
	return CTL_UNREACHABLE;
}

static int send_call(struct varlink *connection, const struct client_call *call)
{
	auto_json struct json_object *message = json_object_new_object();

	json_object_object_add(message, "method", json_object_new_string(call->method));
	if (call->parameters)
		json_object_object_add(message, "parameters", json_object_get(call->parameters));
	if (call->take_line)
		json_object_object_add(message, "more", json_object_new_boolean(true));
	return varlink_send(connection, message);
}

static int receive(struct varlink *connection, struct json_object **message)
{
	for (;;) {
		int result = varlink_take(connection, message);

		if (result != -EAGAIN)
			return result;
		result = varlink_fill(connection);
		if (result != 0)
			return result;
	}
}

static bool continues(struct json_object *message)
{
	struct json_object *member;

	return json_object_object_get_ex(message, "continues", &member) &&
	       json_object_get_boolean(member);
}

static void take_lines(const struct client_call *call, struct json_object *message)
{
	struct json_object *lines = output_member(output_member(message, "parameters"), "lines");

	if (!call->take_line || !json_object_is_type(lines, json_type_array))
		return;
	for (size_t index = 0; index < json_object_array_length(lines); index++) {
		const char *line = json_object_get_string(json_object_array_get_idx(lines, index));

		call->take_line(line ? line : "");
	}
}

static void explain_refusal(struct json_object *message, const char *error)
{
	struct json_object *parameters = output_member(message, "parameters");
	const char *reason = varlink_text(parameters, "reason");

	if (strcmp(error, INTERFACE_ERROR_FAILED) == 0 && reason)
		output_error("%s", reason);
	else if (strcmp(error, VARLINK_ERROR_METHOD) == 0)
		output_error("the lxcfs that runs is another version and does not know this");
	else
		output_error("%s %s", error,
			     json_object_to_json_string_ext(parameters, JSON_C_TO_STRING_PLAIN));
}

static enum ctl_status converse(struct varlink *connection, const struct client_call *call,
				struct json_object **reply)
{
	int result = send_call(connection, call);

	while (result == 0) {
		const char *error;

		result = receive(connection, reply);
		if (result != 0)
			break;
		error = varlink_text(*reply, "error");
		if (error)
			explain_refusal(*reply, error);
		else
			take_lines(call, *reply);
		if (error || !continues(*reply))
			return error ? CTL_REFUSED : CTL_DONE;
		json_object_put(*reply);
		*reply = NULL;
	}
	return explain_silence(call, result);
}

enum ctl_status client_call(const struct client_call *call, struct json_object **reply)
{
	const struct timeval connecting = {.tv_sec = CONNECT_SECONDS};
	const struct timeval waiting = {.tv_sec = call->patience};
	int fd = control_connect(call->runtime_directory, &connecting);
	struct varlink connection;
	enum ctl_status status;

	*reply = NULL;
	if (fd < 0)
		return explain_connect(call->runtime_directory, fd);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &waiting, sizeof(waiting));
	if (varlink_open(&connection, fd, VARLINK_REPLY_MAX) != 0) {
		output_error("no memory");
		return CTL_REFUSED;
	}
	status = converse(&connection, call, reply);
	varlink_close(&connection);
	return status;
}
