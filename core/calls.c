/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "calls.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json.h>

#include "channel.h"
#include "cleanup.h"
#include "config.h"
#include "interface.h"
#include "status.h"

#define NO_CHANNEL_ERROR "the daemon ended before it was done"

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

/* A JSON text can have a NUL in its middle. */
static bool is_plugin_name(struct json_object *text)
{
	return json_object_is_type(text, json_type_string) &&
	       config_is_plugin_name(json_object_get_string(text),
				     (size_t)json_object_get_string_len(text));
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

		if (!is_plugin_name(name))
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

int calls_answer(struct control *control, struct json_object *message)
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

int calls_refuse_message(struct control *control)
{
	const struct call call = {0};

	return refuse(control, &call, VARLINK_ERROR_PARAMETER, "parameter", "message");
}
