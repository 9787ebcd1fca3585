/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <json.h>

#include "cleanup.h"

int varlink_open(struct varlink *varlink, int fd, size_t limit)
{
	*varlink = (struct varlink){.fd = fd, .limit = limit, .buffer = malloc(limit)};
	if (varlink->buffer)
		return 0;
	varlink_close(varlink);
	return -ENOMEM;
}

void varlink_close(struct varlink *varlink)
{
	if (varlink->fd >= 0)
		close(varlink->fd);
	free(varlink->buffer);
	*varlink = (struct varlink){.fd = -1};
}

int varlink_fill(struct varlink *varlink)
{
	ssize_t count;

	if (varlink->used == varlink->limit)
		return -EMSGSIZE;
	do
		count = recv(varlink->fd, varlink->buffer + varlink->used,
			     varlink->limit - varlink->used, 0);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (count == 0)
		return -EPIPE;
	varlink->used += (size_t)count;
	return 0;
}

static struct json_object *parse(const char *text, size_t length)
{
	struct json_tokener *tokener = json_tokener_new_ex(VARLINK_DEPTH_MAX);
	struct json_object *message;
	bool whole;

	if (!tokener)
		return NULL;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	message = json_tokener_parse_ex(tokener, text, (int)length);
	whole = json_tokener_get_error(tokener) == json_tokener_success &&
		json_tokener_get_parse_end(tokener) == length &&
		json_object_is_type(message, json_type_object);
	json_tokener_free(tokener);
	if (whole)
		return message;
	json_object_put(message);
	return NULL;
}

int varlink_take(struct varlink *varlink, struct json_object **message)
{
	char *end = memchr(varlink->buffer, '\0', varlink->used);
	size_t length;

	if (!end)
		return varlink->used == varlink->limit ? -EMSGSIZE : -EAGAIN;
	length = (size_t)(end - varlink->buffer);
	*message = parse(varlink->buffer, length);
	if (!*message)
		return -EBADMSG;
	varlink->used -= length + 1;
	memmove(varlink->buffer, end + 1, varlink->used);
	return 0;
}

int varlink_send(struct varlink *varlink, struct json_object *message)
{
	size_t length;
	const char *text = json_object_to_json_string_length(
		message, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &length);

	if (!text)
		return -ENOMEM;
	/* With its NUL. */
	length++;
	while (length > 0) {
		ssize_t count = send(varlink->fd, text, length, MSG_NOSIGNAL);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		text += count;
		length -= (size_t)count;
	}
	return 0;
}

const char *varlink_text(struct json_object *object, const char *key)
{
	struct json_object *member;
	const char *text;

	if (!json_object_object_get_ex(object, key, &member) ||
	    !json_object_is_type(member, json_type_string))
		return NULL;
	text = json_object_get_string(member);
	return strlen(text) == (size_t)json_object_get_string_len(member) ? text : NULL;
}

static size_t claimed_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	if (first < 0xe0)
		return 2;
	return first < 0xf0 ? 3 : 4;
}

/* How many bytes the character that begins here has; 0: it is none. */
static size_t character_length(const unsigned char *text)
{
	size_t length = claimed_length(text[0]);

	for (size_t index = 1; index < length; index++)
		if ((text[index] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, a surrogate, or beyond the last character. */
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

struct json_object *varlink_new_text(const char *text)
{
	auto_free char *copy = strdup(text);
	unsigned char *place = (unsigned char *)copy;

	if (!copy)
		return NULL;
	while (*place) {
		size_t length = character_length(place);

		if (length == 0)
			*place = '?';
		place += length ? length : 1;
	}
	return json_object_new_string(copy);
}

void varlink_put(struct json_object **object)
{
	json_object_put(*object);
}
