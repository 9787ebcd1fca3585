/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inheritance.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

void inheritance_init(struct inheritance *inheritance)
{
	inheritance->config_fd = -1;
	inheritance->image_count = 0;
}

void inheritance_free(struct inheritance *inheritance)
{
	for (size_t index = 0; index < inheritance->image_count; index++)
		if (inheritance->images[index].memfd >= 0)
			close(inheritance->images[index].memfd);
	if (inheritance->config_fd >= 0)
		close(inheritance->config_fd);
	inheritance_init(inheritance);
}

struct inherited_image *inheritance_find(struct inheritance *inheritance, const char *name)
{
	for (size_t index = 0; index < inheritance->image_count; index++)
		if (strcmp(inheritance->images[index].name, name) == 0)
			return &inheritance->images[index];
	return NULL;
}

void inheritance_take_config(struct inheritance *inheritance, int fd)
{
	if (inheritance->config_fd >= 0)
		close(inheritance->config_fd);
	inheritance->config_fd = fd;
}

void inheritance_take_image(struct inheritance *inheritance, const char *name, const char *path,
			    int memfd)
{
	struct inherited_image *image = inheritance_find(inheritance, name);

	if (!image && inheritance->image_count == INHERITANCE_IMAGES_MAX) {
		log_error("too many plugins to keep a copy of %s", name);
		close(memfd);
		return;
	}
	if (!image)
		image = &inheritance->images[inheritance->image_count++];
	else if (image->memfd >= 0)
		close(image->memfd);
	snprintf(image->name, sizeof(image->name), "%s", name);
	snprintf(image->path, sizeof(image->path), "%s", path);
	image->memfd = memfd;
}

static void drop(struct inheritance *inheritance, const char *name)
{
	struct inherited_image *image = inheritance_find(inheritance, name);

	if (!image)
		return;
	if (image->memfd >= 0)
		close(image->memfd);
	*image = inheritance->images[--inheritance->image_count];
}

bool inheritance_take(struct inheritance *inheritance, const struct message *message, int fd)
{
	if (message->kind == MESSAGE_CONFIG && fd >= 0)
		inheritance_take_config(inheritance, fd);
	else if (message->kind == MESSAGE_PLUGIN && fd >= 0)
		inheritance_take_image(inheritance, message->name, message->text, fd);
	else if (message->kind == MESSAGE_DROPPED && fd < 0)
		drop(inheritance, message->name);
	else
		return false;
	return true;
}

int inheritance_send(const struct inheritance *inheritance, int channel)
{
	int result = 0;

	if (inheritance->config_fd >= 0)
		result = channel_send(channel, MESSAGE_CONFIG, NULL, NULL, inheritance->config_fd);
	for (size_t index = 0; index < inheritance->image_count && result == 0; index++) {
		const struct inherited_image *image = &inheritance->images[index];

		result = channel_send(channel, MESSAGE_PLUGIN, image->name, image->path,
				      image->memfd);
	}
	return result;
}
