/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host for one plugin under test: canned files, views and clocks, and memory for its state.
 *
 * The test is linked with the plugin's object, so lxcfs_plugin_init() is that plugin's.  Texts and views
 * that are set are borrowed: they must live as long as the fake host.
 */
#ifndef LXCFS_TESTS_FAKEHOST_H
#define LXCFS_TESTS_FAKEHOST_H

#include <stddef.h>
#include <stdint.h>

#include "lxcfs/plugin.h"

#define FAKEHOST_FILES   4096
#define FAKEHOST_ENTRIES 1024
#define FAKEHOST_CPUS    4096

struct fakehost_file {
	char *path; /* of the host; of a cgroup: "cgroup/CONTROLLER/FILE" */
	const char *text;
	uint32_t mode;
	int32_t error; /* what reading it gives; 0: the text */
};

struct lxcfs_directory {
	size_t count;
	char *names[FAKEHOST_ENTRIES];
	uint32_t modes[FAKEHOST_ENTRIES];
};

struct fakehost {
	struct lxcfs_host host; /* first: functions get a pointer to it */
	struct lxcfs_request request;
	const struct lxcfs_plugin *plugin;
	struct fakehost_file files[FAKEHOST_FILES];
	size_t file_count;
	uint32_t cgroup_version; /* of every controller */
	/* What the functions of these names answer; NULL: -ENODEV. */
	const struct lxcfs_cpu_view *cpu_view;
	const struct lxcfs_cpu_usage *cpu_usage;
	const struct lxcfs_memory_view *memory_view;
	uint64_t age;
	uint64_t boottime;
	uint64_t realtime;
	/* The container's state, and how often it was updated. */
	void *state;
	uint32_t state_size;
	uint32_t state_version;
	unsigned state_updates;
	/* The CPUs of fakehost_see(). */
	struct lxcfs_cpu_view seen;
	uint32_t seen_physical[FAKEHOST_CPUS];
	uint32_t seen_shown[FAKEHOST_CPUS];
	/* Timers and wake-ups are only counted. */
	unsigned timers_started;
	unsigned timers_stopped;
	unsigned wake_ups;
	/* The last answer. */
	struct lxcfs_output output;
	struct lxcfs_directory directory;
	char message[512]; /* of error() or log() */
};

/* A new fake host with the plugin initialised and started.  Freed by fakehost_free(). */
struct fakehost *fakehost_new(uint32_t cgroup_version);
void fakehost_free(struct fakehost *fake);

/* Set a file; an earlier text of the same name is replaced, NULL removes it. */
void fakehost_set_file(struct fakehost *fake, const char *path, const char *text);
void fakehost_set_link(struct fakehost *fake, const char *path, const char *target);
void fakehost_set_cgroup_file(struct fakehost *fake, const char *controller, const char *file,
			      const char *text);
void fakehost_set_mode(struct fakehost *fake, const char *path, uint32_t mode);
/* Reading this file (of a cgroup: "cgroup/CONTROLLER/FILE") fails. */
void fakehost_set_error(struct fakehost *fake, const char *path, int32_t error);

/* The container sees these CPUs ("1-2,5") of the host, under LXCFS_CPU_NUMBERS_*. */
void fakehost_see(struct fakehost *fake, const char *list, uint32_t numbering);

/* Forget the plugin's state, as the host may. */
void fakehost_drop_state(struct fakehost *fake);

/* Render the plugin's file; the text is in fakehost_text() until the next call. */
int32_t fakehost_render(struct fakehost *fake);
/* The same for a path of the plugin's subtree. */
int32_t fakehost_render_path(struct fakehost *fake, const char *path);
const char *fakehost_text(const struct fakehost *fake);

int32_t fakehost_lookup(struct fakehost *fake, const char *path,
			struct lxcfs_attributes *attributes);
int32_t fakehost_open(struct fakehost *fake, const char *path, uint32_t flags);
/* The listing is in fake->directory. */
int32_t fakehost_list(struct fakehost *fake, const char *path);
/* The names of the listing, sorted, with a blank between. */
void fakehost_listing(const struct fakehost *fake, char *text, size_t size);

/* The answer is rendered without an error and is exactly this text. */
void fakehost_expect(struct fakehost *fake, const char *text);
void fakehost_expect_path(struct fakehost *fake, const char *path, const char *text);
/* How often the text has this part. */
unsigned fakehost_count(const struct fakehost *fake, const char *part);

/* The number behind "KEY" and a colon in the rendered text; fails the test if there is none. */
uint64_t fakehost_value(const struct fakehost *fake, const char *key);

#endif
