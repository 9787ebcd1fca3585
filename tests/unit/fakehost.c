/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _XOPEN_SOURCE 700 /* strdup, S_IFDIR; compiled as strict C99 with the plugins */

#include "fakehost.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static struct fakehost *fake_of(const struct lxcfs_host *host)
{
	return (struct fakehost *)(uintptr_t)host;
}

static struct fakehost *fake_of_request(const struct lxcfs_request *request)
{
	return fake_of(request->host);
}

LXCFS_PRINTF(3, 4)
static void fake_log(const struct lxcfs_host *host, uint32_t level, const char *format, ...)
{
	struct fakehost *fake = fake_of(host);
	va_list list;

	(void)level;
	va_start(list, format);
	vsnprintf(fake->message, sizeof(fake->message), format, list);
	va_end(list);
}

LXCFS_PRINTF(3, 4)
static int32_t fake_error(const struct lxcfs_request *request, int32_t error, const char *format,
			  ...)
{
	struct fakehost *fake = fake_of_request(request);
	va_list list;

	va_start(list, format);
	vsnprintf(fake->message, sizeof(fake->message), format, list);
	va_end(list);
	return error;
}

static uint64_t fake_now(const struct lxcfs_host *host, uint32_t clock)
{
	return clock == LXCFS_CLOCK_REALTIME ? fake_of(host)->realtime : fake_of(host)->boottime;
}

/* One byte more than asked for at a time, so that every growth is exercised. */
static int32_t fake_output_grow(struct lxcfs_output *output, uint64_t more)
{
	uint64_t capacity = output->length + more + 1;

	if (output->capacity - output->length >= more)
		return 0;
	output->data = realloc(output->data, capacity);
	assert_non_null(output->data);
	output->capacity = capacity;
	return 0;
}

LXCFS_PRINTF(2, 3)
static int32_t fake_output_print(struct lxcfs_output *output, const char *format, ...)
{
	char text[4096];
	va_list list;
	int length;

	va_start(list, format);
	length = vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	assert_in_range(length, 0, sizeof(text) - 1);
	lxcfs_append(output, text, (uint64_t)length);
	return output->status;
}

static int32_t fake_directory_add(struct lxcfs_directory *directory, const char *name,
				  uint32_t mode)
{
	assert_true(directory->count < FAKEHOST_ENTRIES);
	directory->names[directory->count] = strdup(name);
	directory->modes[directory->count++] = mode;
	return 0;
}

/* ---- files ---- */

static struct fakehost_file *find_file(struct fakehost *fake, const char *path)
{
	for (size_t index = 0; index < fake->file_count; index++)
		if (strcmp(fake->files[index].path, path) == 0)
			return &fake->files[index];
	return NULL;
}

static void set_file(struct fakehost *fake, const char *path, const char *text, uint32_t mode)
{
	struct fakehost_file *file = find_file(fake, path);

	if (!file) {
		assert_true(fake->file_count < FAKEHOST_FILES);
		file = &fake->files[fake->file_count++];
		file->path = strdup(path);
	}
	file->text = text;
	file->mode = mode;
	file->error = 0;
}

void fakehost_set_file(struct fakehost *fake, const char *path, const char *text)
{
	set_file(fake, path, text, S_IFREG | 0444);
}

void fakehost_set_link(struct fakehost *fake, const char *path, const char *target)
{
	set_file(fake, path, target, S_IFLNK | 0777);
}

void fakehost_set_mode(struct fakehost *fake, const char *path, uint32_t mode)
{
	find_file(fake, path)->mode = mode;
}

void fakehost_set_error(struct fakehost *fake, const char *path, int32_t error)
{
	fakehost_set_file(fake, path, "");
	find_file(fake, path)->error = error;
}

static void cgroup_path(char *path, size_t size, const char *controller, const char *file)
{
	snprintf(path, size, "cgroup/%s/%s", controller, file);
}

void fakehost_set_cgroup_file(struct fakehost *fake, const char *controller, const char *file,
			      const char *text)
{
	char path[256];

	cgroup_path(path, sizeof(path), controller, file);
	fakehost_set_file(fake, path, text);
}

static int32_t read_file(struct fakehost *fake, const char *path, struct lxcfs_text *text)
{
	const struct fakehost_file *file = find_file(fake, path);

	if (file && file->error != 0)
		return file->error;
	if (!file || !file->text || !S_ISREG(file->mode))
		return -ENOENT;
	text->data = file->text;
	text->length = strlen(file->text);
	return 0;
}

static int32_t fake_host_file(const struct lxcfs_request *request, const char *path,
			      struct lxcfs_text *text)
{
	return read_file(fake_of_request(request), path, text);
}

/* Whether `path` lies below the folder, and the length of the next name then. */
static size_t name_below(const char *folder, const char *path, const char **name)
{
	size_t length = strlen(folder);

	if (strncmp(path, folder, length) != 0 || path[length] != '/')
		return 0;
	*name = path + length + 1;
	return strcspn(*name, "/");
}

static int32_t fake_host_attributes(const struct lxcfs_host *host, const char *path,
				    struct lxcfs_attributes *attributes)
{
	struct fakehost *fake = fake_of(host);
	const struct fakehost_file *file = find_file(fake, path);
	const char *name;

	assert_int_equal(attributes->size, sizeof(*attributes));
	*attributes = (struct lxcfs_attributes){.size = sizeof(*attributes)};
	if (file && file->text) {
		attributes->mode = file->mode;
		attributes->file_size = strlen(file->text);
		return 0;
	}
	for (size_t index = 0; index < fake->file_count; index++) {
		if (!fake->files[index].text || !name_below(path, fake->files[index].path, &name))
			continue;
		attributes->mode = S_IFDIR | 0755;
		return 0;
	}
	return -ENOENT;
}

static int is_listed(const struct lxcfs_directory *directory, const char *name)
{
	for (size_t index = 0; index < directory->count; index++)
		if (strcmp(directory->names[index], name) == 0)
			return 1;
	return 0;
}

static int32_t fake_host_directory(const struct lxcfs_request *request, const char *path,
				   struct lxcfs_directory *directory)
{
	struct fakehost *fake = fake_of_request(request);

	for (size_t index = 0; index < fake->file_count; index++) {
		const struct fakehost_file *file = &fake->files[index];
		const char *name;
		size_t length = file->text ? name_below(path, file->path, &name) : 0;
		char *copy;

		if (length == 0)
			continue;
		copy = strndup(name, length);
		if (!is_listed(directory, copy))
			fake_directory_add(directory, copy,
					   name[length] ? S_IFDIR : file->mode & S_IFMT);
		free(copy);
	}
	return directory->count ? 0 : -ENOENT;
}

static int32_t fake_host_link(const struct lxcfs_host *host, const char *path,
			      struct lxcfs_output *output)
{
	const struct fakehost_file *file = find_file(fake_of(host), path);

	if (!file || !file->text)
		return -ENOENT;
	if (!S_ISLNK(file->mode))
		return -EINVAL;
	lxcfs_append_string(output, file->text);
	return 0;
}

/* ---- the container ---- */

static uint32_t fake_cgroup_version(const struct lxcfs_request *request, const char *controller)
{
	(void)controller;
	return fake_of_request(request)->cgroup_version;
}

static int32_t fake_cgroup_file(const struct lxcfs_request *request, const char *controller,
				const char *file, struct lxcfs_text *text)
{
	char path[256];

	cgroup_path(path, sizeof(path), controller, file);
	return read_file(fake_of_request(request), path, text);
}

static int32_t fake_cpu_view(const struct lxcfs_request *request,
			     const struct lxcfs_cpu_view **view)
{
	*view = fake_of_request(request)->cpu_view;
	return *view ? 0 : -ENODEV;
}

static int32_t fake_cpu_usage(const struct lxcfs_request *request,
			      const struct lxcfs_cpu_usage **usage)
{
	*usage = fake_of_request(request)->cpu_usage;
	return *usage ? 0 : -ENODEV;
}

static int32_t fake_memory_view(const struct lxcfs_request *request,
				const struct lxcfs_memory_view **view)
{
	*view = fake_of_request(request)->memory_view;
	return *view ? 0 : -ENODEV;
}

static int32_t fake_age(const struct lxcfs_request *request, uint64_t *nanoseconds)
{
	*nanoseconds = fake_of_request(request)->age;
	return 0;
}

static int32_t fake_state_update(const struct lxcfs_request *request, uint32_t version,
				 uint32_t size, lxcfs_state_function function, void *argument)
{
	struct fakehost *fake = fake_of_request(request);
	void *after = calloc(1, size);
	int32_t result;

	assert_non_null(after);
	assert_in_range(size, 1, 65536);
	result = function(fake->state, fake->state_size, fake->state_version, after, argument);
	fake->state_updates++;
	if (result != 0) {
		free(after);
		return result;
	}
	free(fake->state);
	fake->state = after;
	fake->state_size = size;
	fake->state_version = version;
	return 0;
}

void fakehost_drop_state(struct fakehost *fake)
{
	free(fake->state);
	fake->state = NULL;
	fake->state_size = 0;
	fake->state_version = 0;
}

static void fake_poll_wake(const struct lxcfs_host *host, uint64_t handle)
{
	(void)handle;
	fake_of(host)->wake_ups++;
}

static int32_t fake_timer_start(const struct lxcfs_host *host, uint64_t period,
				lxcfs_timer_function function, void *argument, uint64_t *id)
{
	(void)argument;
	assert_true(period >= 1000000);
	assert_true(function != NULL);
	*id = ++fake_of(host)->timers_started;
	return 0;
}

static void fake_timer_stop(const struct lxcfs_host *host, uint64_t id)
{
	struct fakehost *fake = fake_of(host);

	assert_in_range(id, 1, fake->timers_started);
	fake->timers_stopped++;
}

void fakehost_see(struct fakehost *fake, const char *list, uint32_t numbering)
{
	uint32_t count = 0;

	while (*list) {
		char *end;
		unsigned long first = strtoul(list, &end, 10);
		unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;

		for (unsigned long cpu = first; cpu <= last; cpu++) {
			assert_true(count < FAKEHOST_CPUS);
			fake->seen_physical[count] = (uint32_t)cpu;
			fake->seen_shown[count] =
				numbering == LXCFS_CPU_NUMBERS_PHYSICAL ? (uint32_t)cpu : count;
			count++;
		}
		list = *end == ',' ? end + 1 : end;
	}
	fake->seen = (struct lxcfs_cpu_view){
		.size = sizeof(fake->seen),
		.count = count,
		.numbering = numbering,
		.physical = fake->seen_physical,
		.shown = fake->seen_shown,
	};
	fake->cpu_view = &fake->seen;
}

/* ---- the fake ---- */

struct fakehost *fakehost_new(uint32_t cgroup_version)
{
	struct fakehost *fake = calloc(1, sizeof(*fake));

	assert_non_null(fake);
	fake->host = (struct lxcfs_host){
		.size = sizeof(fake->host),
		.version = LXCFS_ABI_VERSION,
		.release = "fake",
		.log = fake_log,
		.error = fake_error,
		.now = fake_now,
		.output_grow = fake_output_grow,
		.output_print = fake_output_print,
		.directory_add = fake_directory_add,
		.host_file = fake_host_file,
		.host_attributes = fake_host_attributes,
		.host_directory = fake_host_directory,
		.host_link = fake_host_link,
		.cgroup_version = fake_cgroup_version,
		.cgroup_file = fake_cgroup_file,
		.cpu_view = fake_cpu_view,
		.cpu_usage = fake_cpu_usage,
		.memory_view = fake_memory_view,
		.age = fake_age,
		.state_update = fake_state_update,
		.poll_wake = fake_poll_wake,
		.timer_start = fake_timer_start,
		.timer_stop = fake_timer_stop,
	};
	fake->cgroup_version = cgroup_version;
	fake->output = (struct lxcfs_output){.size = sizeof(fake->output), .host = &fake->host};
	fake->request = (struct lxcfs_request){
		.size = sizeof(fake->request), .host = &fake->host, .tid = 4711};
	fake->plugin = lxcfs_plugin_init(&fake->host);
	assert_non_null(fake->plugin);
	assert_int_equal(fake->plugin->threads, LXCFS_THREADS_PARALLEL);
	if (fake->plugin->start)
		assert_int_equal(fake->plugin->start(&fake->host, &fake->request.instance), 0);
	return fake;
}

static void clear_directory(struct lxcfs_directory *directory)
{
	while (directory->count > 0)
		free(directory->names[--directory->count]);
}

void fakehost_free(struct fakehost *fake)
{
	if (fake->plugin->stop)
		fake->plugin->stop(&fake->host, fake->request.instance);
	for (size_t index = 0; index < fake->file_count; index++)
		free(fake->files[index].path);
	clear_directory(&fake->directory);
	free(fake->output.data);
	free(fake->state);
	free(fake);
}

/* The text is terminated behind its length, as a C string; the terminator is not part of it. */
static int32_t finish(struct fakehost *fake, int32_t result)
{
	if (result == 0)
		result = fake->output.status;
	if (fake->output.length > 0)
		assert_null(memchr(fake->output.data, '\0', fake->output.length));
	assert_int_equal(fake_output_grow(&fake->output, 1), 0);
	fake->output.data[fake->output.length] = '\0';
	return result;
}

static void begin(struct fakehost *fake, const char *path)
{
	fake->request.path = path;
	fake->output.length = 0;
	fake->output.status = 0;
	fake->message[0] = '\0';
}

int32_t fakehost_render(struct fakehost *fake)
{
	const struct lxcfs_file *file = fake->plugin->files;

	begin(fake, file->path);
	return finish(fake, file->render(&fake->request, &fake->output));
}

int32_t fakehost_render_path(struct fakehost *fake, const char *path)
{
	begin(fake, path);
	return finish(fake, fake->plugin->subtrees->render(&fake->request, &fake->output));
}

const char *fakehost_text(const struct fakehost *fake)
{
	return fake->output.data;
}

int32_t fakehost_lookup(struct fakehost *fake, const char *path,
			struct lxcfs_attributes *attributes)
{
	*attributes = (struct lxcfs_attributes){.size = sizeof(*attributes),
						.version = LXCFS_ABI_VERSION};
	return fake->plugin->subtrees->lookup(&fake->host, path, attributes);
}

int32_t fakehost_open(struct fakehost *fake, const char *path, uint32_t flags)
{
	begin(fake, path);
	return fake->plugin->subtrees->open(&fake->request, flags);
}

void fakehost_expect(struct fakehost *fake, const char *text)
{
	assert_int_equal(fakehost_render(fake), 0);
	assert_string_equal(fakehost_text(fake), text);
}

void fakehost_expect_path(struct fakehost *fake, const char *path, const char *text)
{
	assert_int_equal(fakehost_render_path(fake, path), 0);
	assert_string_equal(fakehost_text(fake), text);
}

unsigned fakehost_count(const struct fakehost *fake, const char *part)
{
	unsigned count = 0;

	for (const char *place = strstr(fakehost_text(fake), part); place;
	     place = strstr(place + 1, part))
		count++;
	return count;
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

int32_t fakehost_list(struct fakehost *fake, const char *path)
{
	int32_t result;

	begin(fake, path);
	clear_directory(&fake->directory);
	result = fake->plugin->subtrees->readdir(&fake->request, &fake->directory);
	return result;
}

void fakehost_listing(const struct fakehost *fake, char *text, size_t size)
{
	size_t count = fake->directory.count;
	char *names[FAKEHOST_ENTRIES];
	size_t length = 0;

	memcpy(names, fake->directory.names, count * sizeof(*names));
	qsort(names, count, sizeof(*names), compare_names);
	text[0] = '\0';
	for (size_t index = 0; index < count; index++) {
		length += (size_t)snprintf(text + length, size - length, "%s%s", index ? " " : "",
					   names[index]);
		assert_true(length < size);
	}
}

uint64_t fakehost_value(const struct fakehost *fake, const char *key)
{
	struct lxcfs_text text = {fake->output.data, fake->output.length};
	char label[128];
	uint64_t value = 0;

	snprintf(label, sizeof(label), "%s:", key);
	if (!lxcfs_find_number(text, label, &value))
		fail_msg("no number behind \"%s\" in:\n%s", label, fake->output.data);
	return value;
}
