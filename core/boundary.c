/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boundary.h"

#include <errno.h>
#include <string.h>

unsigned boundary_depth(const char *path)
{
	unsigned depth = 0;

	for (; *path; path++)
		depth += path[0] == '/' && path[1] != '/' && path[1] != '\0';
	return depth;
}

size_t boundary_prefix(const char *path, unsigned depth)
{
	const char *end = path;

	if (depth == 0)
		return 1;
	while (depth > 0 && *end) {
		end++;
		end += strcspn(end, "/");
		depth--;
	}
	return (size_t)(end - path);
}

bool boundary_contains(const char *ancestor, const char *path)
{
	size_t length = strlen(ancestor);

	if (strcmp(ancestor, "/") == 0)
		return true;
	return strncmp(ancestor, path, length) == 0 &&
	       (path[length] == '/' || path[length] == '\0');
}

void boundary_strip_init_scope(char *path)
{
	static const char scope[] = "/init.scope";
	size_t length = strlen(path);
	size_t cut = sizeof(scope) - 1;

	if (length < cut || strcmp(path + length - cut, scope) != 0)
		return;
	/* The root keeps its slash. */
	path[length == cut ? 1 : length - cut] = '\0';
}

int boundary_root_depth(const char *inside, const char *host)
{
	unsigned up = 0;
	unsigned shared;
	size_t length;

	while (strncmp(inside, "/..", 3) == 0 && (inside[3] == '/' || inside[3] == '\0')) {
		inside += 3;
		up++;
	}
	if (strcmp(inside, "/") == 0)
		inside = "";
	if (strcmp(host, "/") == 0)
		host = "";
	/* What is left is the way down from the common ancestor: the end of the host's path. */
	length = strlen(inside);
	if (length > strlen(host) || strcmp(host + strlen(host) - length, inside) != 0)
		return -EINVAL;
	shared = boundary_depth(host) - boundary_depth(inside);
	return (int)(shared + up);
}
