/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Varlink wire form: JSON objects over a stream socket, each ended by a NUL.
 *
 * What comes in is bounded in length and depth.  A message that breaks the form ends the connection: where
 * the next one begins is then not known.
 */
#ifndef LXCFS_CORE_VARLINK_H
#define LXCFS_CORE_VARLINK_H

#include <stddef.h>

#define VARLINK_CALL_MAX  ((size_t)64 << 10)
#define VARLINK_REPLY_MAX ((size_t)4 << 20)
#define VARLINK_DEPTH_MAX 16

#define VARLINK_ERROR_INTERFACE  "org.varlink.service.InterfaceNotFound"
#define VARLINK_ERROR_METHOD     "org.varlink.service.MethodNotFound"
#define VARLINK_ERROR_PARAMETER  "org.varlink.service.InvalidParameter"
#define VARLINK_ERROR_PERMISSION "org.varlink.service.PermissionDenied"

struct json_object;

struct varlink {
	int fd;
	size_t limit; /* of a message that comes in, its NUL included */
	size_t used;
	char *buffer;
};

/* Owns `fd`, also on failure. */
int varlink_open(struct varlink *varlink, int fd, size_t limit);
void varlink_close(struct varlink *varlink);

/* Read once, as much as there is.  -EPIPE: the other end said all it will say. */
int varlink_fill(struct varlink *varlink);
/*
 * Take the next message, without reading.  -EAGAIN: it is not whole yet; -EMSGSIZE: it is too long;
 * -EBADMSG: it is not a JSON object, or too deep.
 */
int varlink_take(struct varlink *varlink, struct json_object **message);
int varlink_send(struct varlink *varlink, struct json_object *message);

/* NULL: no such member, of another type, or with a NUL in it. */
const char *varlink_text(struct json_object *object, const char *key);
/* A string that is valid UTF-8, whatever `text` is. */
struct json_object *varlink_new_text(const char *text);
void varlink_put(struct json_object **object);

#define auto_json __attribute__((cleanup(varlink_put)))

#endif
