/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json.h>

#include "cleanup.h"
#include "image.h"
#include "output.h"
#include "selftest.h"
#include "varlink.h"

#define SUFFIX ".so"

/* NAME of a path that ends in NAME.so, by which the configuration would know it; NULL: it does not. */
static char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t length = strlen(name);

	if (length <= strlen(SUFFIX) || name[0] == '.' ||
	    strcmp(name + length - strlen(SUFFIX), SUFFIX) != 0)
		return NULL;
	return strndup(name, length - strlen(SUFFIX));
}

/* The code is never mapped here: what it says of itself comes from the process that tried it. */
static int try_file(const char *path, char *name, char build_id[BUILD_ID_TEXT], char **description,
		    char **reason)
{
	const struct config_plugin section = {.name = name};
	struct image image;
	int result = image_read(path, &image, reason);

	if (result != 0)
		return result;
	memcpy(build_id, image.build_id, BUILD_ID_TEXT);
	result = selftest_describe(&image, &section, description, reason);
	image_close(&image);
	return result;
}

static enum ctl_status print_description(const char *path, const char *build_id, const char *text,
					 bool json)
{
	auto_json struct json_object *description = json_tokener_parse(text);

	if (!json_object_is_type(description, json_type_object)) {
		output_error("%s passed its self-test, but what it is cannot be told", path);
		return CTL_REFUSED;
	}
	json_object_object_add(description, "file", varlink_new_text(path));
	json_object_object_add(description, "buildId", varlink_new_text(build_id));
	if (json)
		output_json(description);
	else
		output_description(description);
	return CTL_DONE;
}

enum ctl_status check_plugin(const char *path, bool json)
{
	auto_free char *name = name_of(path);
	auto_free char *description = NULL;
	auto_free char *reason = NULL;
	char build_id[BUILD_ID_TEXT];
	int result;

	if (!name) {
		output_error("%s is refused: a plugin lies in a file NAME.so", path);
		return CTL_REFUSED;
	}
	if (geteuid() != 0) {
		output_error("run this as root: the plugin is tried on the host's own files, as the"
			     " daemon does");
		return CTL_REFUSED;
	}
	result = try_file(path, name, build_id, &description, &reason);
	if (result == 0)
		return print_description(path, build_id, description, json);
	output_error("%s is refused: %s", path, reason ? reason : strerror(-result));
	return CTL_REFUSED;
}
