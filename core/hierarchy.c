/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hierarchy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "arena.h"
#include "cleanup.h"
#include "hostfs.h"
#include "log.h"
#include "mountinfo.h"

/* One line of /proc/PID/cgroup: "4:memory:/ct1", "0::/ct1". */
struct line {
	char *number;
	char *controllers;
	char *path;
};

static bool next_line(char **rest, struct line *line)
{
	char *text;

	while ((text = strsep(rest, "\n"))) {
		line->number = strsep(&text, ":");
		line->controllers = text ? strsep(&text, ":") : NULL;
		line->path = text;
		if (line->path && line->path[0] == '/')
			return true;
	}
	return false;
}

static bool is_unified(const struct line *line)
{
	return strcmp(line->number, "0") == 0 && line->controllers[0] == '\0';
}

/* ---- finding the mount of a hierarchy ---- */

static bool has_all_options(const char *options, const char *wanted)
{
	char copy[256];
	char *rest = copy;
	const char *option;

	if (strlen(wanted) >= sizeof(copy))
		return false;
	memcpy(copy, wanted, strlen(wanted) + 1);
	while ((option = strsep(&rest, ",")))
		if (!mountinfo_has_option(options, option))
			return false;
	return true;
}

static bool is_mount_of(const struct mount *mount, const struct hierarchy *hierarchy)
{
	if (hierarchy->version == LXCFS_CGROUP_V2)
		return strcmp(mount->type, "cgroup2") == 0;
	return strcmp(mount->type, "cgroup") == 0 &&
	       has_all_options(mount->options, hierarchy->controllers);
}

/* How a mount point becomes a descriptor: of this host, or of a recorded one. */
struct opener {
	int recorded; /* descriptor of the recorded root, or AT_FDCWD for this host */
};

/* -ENOENT also when something else covers the mount. */
static int open_mount(const struct opener *opener, const struct mount *mount)
{
	struct stat status;
	int fd;

	if (opener->recorded != AT_FDCWD) {
		const char *below = mount->point + strspn(mount->point, "/");

		fd = openat(opener->recorded, below, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	fd = hostfs_clone_mount(mount->point);
	if (fd < 0)
		return fd;
	if (fstat(fd, &status) == 0 && major(status.st_dev) == mount->major &&
	    minor(status.st_dev) == mount->minor)
		return fd;
	close(fd);
	return -ENOENT;
}

/* Take this mount unless the one that is there shows more of the hierarchy. */
static void consider(struct hierarchy *hierarchy, const struct opener *opener,
		     const struct mount *mount)
{
	bool whole = strcmp(mount->root, "/") == 0;
	char *root;
	int fd;

	if (hierarchy->fd >= 0 && (!whole || strcmp(hierarchy->root, "/") == 0))
		return;
	/* A mount that shows more than our cgroup namespace has no path that we could use. */
	if (strncmp(mount->root, "/..", 3) == 0)
		return;
	root = strdup(mount->root);
	fd = root ? open_mount(opener, mount) : -ENOMEM;
	if (fd < 0) {
		free(root);
		return;
	}
	if (hierarchy->fd >= 0)
		close(hierarchy->fd);
	free(hierarchy->root);
	hierarchy->fd = fd;
	hierarchy->root = root;
}

static int configure_v1(int context, const char *controllers)
{
	auto_free char *copy = strdup(controllers);
	char *rest = copy;
	const char *option;
	bool named_only = true;

	if (!copy)
		return -ENOMEM;
	while ((option = strsep(&rest, ","))) {
		int result;

		if (strncmp(option, "name=", 5) == 0) {
			result = fsconfig(context, FSCONFIG_SET_STRING, "name", option + 5, 0);
		} else {
			result = fsconfig(context, FSCONFIG_SET_FLAG, option, NULL, 0);
			named_only = false;
		}
		if (result != 0)
			return -errno;
	}
	if (named_only && fsconfig(context, FSCONFIG_SET_FLAG, "none", NULL, 0) != 0)
		return -errno;
	return fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0 ? 0 : -errno;
}

/* A v1 hierarchy that is mounted nowhere, as a mount that only this descriptor knows. */
static void mount_privately(struct hierarchy *hierarchy)
{
	auto_close int context = fsopen("cgroup", FSOPEN_CLOEXEC);
	int result = context < 0 ? -errno : configure_v1(context, hierarchy->controllers);
	int fd = -1;

	if (result == 0) {
		fd = fsmount(context, FSMOUNT_CLOEXEC, 0);
		result = fd < 0 ? -errno : 0;
	}
	hierarchy->root = result == 0 ? strdup("/") : NULL;
	if (hierarchy->root) {
		hierarchy->fd = fd;
		return;
	}
	if (fd >= 0)
		close(fd);
	log_warning("the cgroup hierarchy %s is mounted nowhere and cannot be reached: %s; mount it"
		    " to have its limits seen",
		    hierarchy->controllers, strerror(-result));
}

/* ---- opening ---- */

static char *read_controllers(int fd)
{
	struct arena arena = {0};
	struct lxcfs_text text;
	char *controllers = NULL;

	if (hostfs_read_at(fd, "cgroup.controllers", &arena, &text) == 0)
		controllers = strndup(text.data, strcspn(text.data, "\n"));
	arena_free(&arena);
	return controllers ? controllers : strdup("");
}

static void hierarchy_clear(struct hierarchy *hierarchy)
{
	if (hierarchy->fd >= 0)
		close(hierarchy->fd);
	free(hierarchy->controllers);
	free(hierarchy->available);
	free(hierarchy->root);
}

/* Open the hierarchy of a line; false: it cannot be reached. */
static bool open_hierarchy(struct hierarchy *hierarchy, const struct opener *opener,
			   const struct line *line, const struct lxcfs_text *mounts)
{
	auto_free char *copy = strndup(mounts->data, mounts->length);
	char *rest = copy;
	struct mount mount;

	*hierarchy = (struct hierarchy){
		.version = is_unified(line) ? LXCFS_CGROUP_V2 : LXCFS_CGROUP_V1,
		.controllers = strdup(line->controllers),
		.fd = -1,
	};
	if (!hierarchy->controllers || !copy)
		return false;
	while (mountinfo_next(&rest, &mount))
		if (is_mount_of(&mount, hierarchy))
			consider(hierarchy, opener, &mount);
	/*
	 * Mounting the unified hierarchy would set its options for the whole machine, so that one is
	 * left alone where nobody mounted it.
	 */
	if (hierarchy->fd < 0 && hierarchy->version == LXCFS_CGROUP_V1 &&
	    opener->recorded == AT_FDCWD)
		mount_privately(hierarchy);
	if (hierarchy->fd < 0)
		return false;
	if (hierarchy->version == LXCFS_CGROUP_V2)
		hierarchy->available = read_controllers(hierarchy->fd);
	return hierarchy->version == LXCFS_CGROUP_V1 || hierarchy->available;
}

static int open_all(struct hierarchies *hierarchies, const struct opener *opener, int proc_fd)
{
	struct arena arena = {0};
	struct lxcfs_text lines = {NULL, 0};
	struct lxcfs_text mounts = {NULL, 0};
	struct line line;
	char *rest;
	int result = hostfs_read_at(proc_fd, "self/cgroup", &arena, &lines);

	if (result == 0)
		result = hostfs_read_at(proc_fd, "self/mountinfo", &arena, &mounts);
	*hierarchies = (struct hierarchies){0};
	rest = (char *)(uintptr_t)lines.data;
	while (result == 0 && hierarchies->count < HIERARCHY_MAX && next_line(&rest, &line)) {
		struct hierarchy *hierarchy = &hierarchies->items[hierarchies->count];

		if (open_hierarchy(hierarchy, opener, &line, &mounts))
			hierarchies->count++;
		else
			hierarchy_clear(hierarchy);
	}
	arena_free(&arena);
	if (result == 0 && hierarchies->count == 0)
		result = -ENODEV;
	return result;
}

int hierarchies_open_live(struct hierarchies *hierarchies, int proc_fd)
{
	const struct opener opener = {.recorded = AT_FDCWD};

	return open_all(hierarchies, &opener, proc_fd);
}

int hierarchies_open_recorded(struct hierarchies *hierarchies, const char *root)
{
	auto_close int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int proc_fd = -1;
	const struct opener opener = {.recorded = root_fd};

	*hierarchies = (struct hierarchies){0};
	if (root_fd < 0)
		return -errno;
	proc_fd = openat(root_fd, "proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return proc_fd < 0 ? -errno : open_all(hierarchies, &opener, proc_fd);
}

void hierarchies_close(struct hierarchies *hierarchies)
{
	for (unsigned index = 0; index < hierarchies->count; index++)
		hierarchy_clear(&hierarchies->items[index]);
	hierarchies->count = 0;
}

/* ---- use ---- */

static bool has_word(const char *list, const char *word, const char *separators)
{
	size_t length = strlen(word);

	while (*list) {
		size_t part = strcspn(list, separators);

		if (part == length && strncmp(list, word, length) == 0)
			return true;
		list += part;
		list += strspn(list, separators);
	}
	return false;
}

int hierarchies_find(const struct hierarchies *hierarchies, const char *controller)
{
	int unified = -1;

	for (unsigned index = 0; index < hierarchies->count; index++) {
		const struct hierarchy *hierarchy = &hierarchies->items[index];

		if (hierarchy->version == LXCFS_CGROUP_V2) {
			if (controller[0] == '\0' ||
			    has_word(hierarchy->available, controller, " "))
				unified = (int)index;
		} else if (controller[0] != '\0' &&
			   has_word(hierarchy->controllers, controller, ",")) {
			return (int)index;
		}
	}
	return unified;
}

static int find_line(const struct hierarchies *hierarchies, const struct line *line)
{
	for (unsigned index = 0; index < hierarchies->count; index++)
		if (strcmp(hierarchies->items[index].controllers, line->controllers) == 0)
			return (int)index;
	return -1;
}

int cgroup_paths_parse(const struct hierarchies *hierarchies, char *text,
		       struct cgroup_paths *paths)
{
	struct line line;
	int known = 0;

	*paths = (struct cgroup_paths){{NULL}};
	while (next_line(&text, &line)) {
		int index = find_line(hierarchies, &line);

		if (index < 0)
			continue;
		paths->path[index] = line.path;
		known++;
	}
	return known > 0 ? 0 : -EINVAL;
}
