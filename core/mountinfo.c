/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mountinfo.h"

#include <stdio.h>
#include <string.h>

static bool is_octal(const char *digits)
{
	for (int index = 0; index < 3; index++)
		if (digits[index] < '0' || digits[index] > '7')
			return false;
	return true;
}

/* The kernel writes space, tab, newline and backslash as \040 and so on. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		if (text[0] == '\\' && is_octal(text + 1)) {
			*to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0');
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
}

static bool parse_device(const char *text, struct mount *mount)
{
	return text && sscanf(text, "%u:%u", &mount->major, &mount->minor) == 2;
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELD]... - TYPE SOURCE OPTIONS */
static bool parse(char *line, struct mount *mount)
{
	char *rest = NULL;
	char *word;
	char *root;
	char *point;

	strtok_r(line, " ", &rest);
	strtok_r(NULL, " ", &rest);
	if (!parse_device(strtok_r(NULL, " ", &rest), mount))
		return false;
	root = strtok_r(NULL, " ", &rest);
	point = strtok_r(NULL, " ", &rest);
	do
		word = strtok_r(NULL, " ", &rest);
	while (word && strcmp(word, "-") != 0);
	mount->type = strtok_r(NULL, " ", &rest);
	/* A source can be empty, and the field of it then is: two spaces follow each other. */
	word = rest ? strchr(rest, ' ') : NULL;
	if (!root || !point || !mount->type || !word)
		return false;
	unescape(root);
	unescape(point);
	mount->root = root;
	mount->point = point;
	mount->options = word + 1;
	return true;
}

bool mountinfo_next(char **rest, struct mount *mount)
{
	char *line;

	while ((line = strsep(rest, "\n")))
		if (parse(line, mount))
			return true;
	return false;
}

bool mountinfo_has_option(const char *options, const char *option)
{
	size_t length = strlen(option);

	while (options) {
		if (strncmp(options, option, length) == 0 &&
		    (options[length] == ',' || options[length] == '\0'))
			return true;
		options = strchr(options, ',');
		if (options)
			options++;
	}
	return false;
}
