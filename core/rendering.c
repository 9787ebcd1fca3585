/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rendering.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* `hierarchy` of what was read from the host itself. */
#define HOST_FILE (-1)

/*
 * One input and what reading it gave, a failure too: asked twice, a rendering must not find a file
 * there and then not, or the other way round.
 */
struct rendering_text {
	struct rendering_text *next;
	int hierarchy;
	unsigned level;
	int result;
	struct lxcfs_text text;
	char name[];
};

static int hierarchy_of(const struct rendering *rendering, const char *controller)
{
	return hierarchies_find(&rendering->hostfs->hierarchies, controller);
}

/* A container may lack a cgroup in a hierarchy, or have it where we cannot reach it. */
static bool has_cgroup(const struct rendering *rendering, int hierarchy)
{
	return hierarchy >= 0 && rendering->container->directory[hierarchy] >= 0;
}

static struct rendering_text *find(const struct rendering *rendering, int hierarchy, unsigned level,
				   const char *name)
{
	struct rendering_text *known;

	for (known = rendering->texts; known; known = known->next)
		if (known->hierarchy == hierarchy && known->level == level &&
		    strcmp(known->name, name) == 0)
			return known;
	return NULL;
}

static struct rendering_text *read_new(struct rendering *rendering, int hierarchy, unsigned level,
				       const char *name)
{
	size_t size = strlen(name) + 1;
	struct rendering_text *read =
		arena_allocate(rendering->arena, sizeof(struct rendering_text) + size);

	if (!read)
		return NULL;
	*read = (struct rendering_text){
		.next = rendering->texts, .hierarchy = hierarchy, .level = level};
	memcpy(read->name, name, size);
	if (hierarchy == HOST_FILE)
		read->result = hostfs_read(rendering->hostfs, name, rendering->arena, &read->text);
	else
		read->result = container_read(rendering->container, hierarchy, level, name,
					      rendering->arena, &read->text);
	rendering->texts = read;
	return read;
}

static int read_once(struct rendering *rendering, int hierarchy, unsigned level, const char *name,
		     struct lxcfs_text *text)
{
	const struct rendering_text *read = find(rendering, hierarchy, level, name);

	if (!read)
		read = read_new(rendering, hierarchy, level, name);
	if (!read)
		return -ENOMEM;
	if (read->result == 0)
		*text = read->text;
	return read->result;
}

int rendering_host_file(struct rendering *rendering, const char *path, struct lxcfs_text *text)
{
	return read_once(rendering, HOST_FILE, 0, path, text);
}

int rendering_cgroup_file(struct rendering *rendering, const char *controller, const char *file,
			  struct lxcfs_text *text)
{
	return rendering_ancestor_file(rendering, controller, 0, file, text);
}

int rendering_ancestor_file(struct rendering *rendering, const char *controller, unsigned level,
			    const char *file, struct lxcfs_text *text)
{
	int hierarchy = hierarchy_of(rendering, controller);

	if (!has_cgroup(rendering, hierarchy))
		return -ENODEV;
	return read_once(rendering, hierarchy, level, file, text);
}

unsigned rendering_cgroup_depth(const struct rendering *rendering, const char *controller)
{
	int hierarchy = hierarchy_of(rendering, controller);

	return has_cgroup(rendering, hierarchy) ? container_depth(rendering->container, hierarchy)
						: 0;
}

uint32_t rendering_cgroup_version(const struct rendering *rendering, const char *controller)
{
	int hierarchy = hierarchy_of(rendering, controller);

	return hierarchy < 0 ? LXCFS_CGROUP_NONE
			     : rendering->hostfs->hierarchies.items[hierarchy].version;
}

bool rendering_owns_cgroup(const struct rendering *rendering, const char *controller)
{
	int hierarchy = hierarchy_of(rendering, controller);

	return has_cgroup(rendering, hierarchy) &&
	       (rendering->container->host || container_depth(rendering->container, hierarchy) > 0);
}
