/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a successor gets: the configuration that is served, and the sealed code of each plugin that is.
 */
#ifndef LXCFS_CORE_INHERITANCE_H
#define LXCFS_CORE_INHERITANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "channel.h"

#define INHERITANCE_IMAGES_MAX 256u

struct inherited_image {
	char name[CHANNEL_NAME_MAX];
	char path[CHANNEL_TEXT_MAX]; /* of the file that it was loaded from; "": not known */
	int memfd;
};

struct inheritance {
	int config_fd; /* -1: none */
	size_t image_count;
	struct inherited_image images[INHERITANCE_IMAGES_MAX];
};

void inheritance_init(struct inheritance *inheritance);
void inheritance_free(struct inheritance *inheritance);

/*
 * Take what MESSAGE_CONFIG, MESSAGE_PLUGIN or MESSAGE_DROPPED says; owns `fd` then.  false: it is another
 * message, and nothing happened.
 */
bool inheritance_take(struct inheritance *inheritance, const struct message *message, int fd);
void inheritance_take_config(struct inheritance *inheritance, int fd);
void inheritance_take_image(struct inheritance *inheritance, const char *name, const char *path,
			    int memfd);
struct inherited_image *inheritance_find(struct inheritance *inheritance, const char *name);
/* Send all of it; it stays here. */
int inheritance_send(const struct inheritance *inheritance, int channel);

#endif
