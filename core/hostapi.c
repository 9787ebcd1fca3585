/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hostapi.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "config.h"
#include "generation.h"
#include "log.h"
#include "pluginstate.h"
#include "polls.h"
#include "request.h"
#include "timers.h"

#define MESSAGE_BYTES 512

/* The members of struct lxcfs_attributes that every plugin knows. */
#define ATTRIBUTES_SIZE_MIN (offsetof(struct lxcfs_attributes, file_size) + sizeof(uint64_t))

/* A request to close a handle has no container: nothing of one can be asked for then. */
static bool has_container(const struct lxcfs_request *shown)
{
	return request_of(shown)->rendering.container != NULL;
}

static void api_log(const struct lxcfs_host *host, uint32_t level, const char *format, ...)
	LXCFS_PRINTF(3, 4);

static void api_log(const struct lxcfs_host *host, uint32_t level, const char *format, ...)
{
	char message[MESSAGE_BYTES];
	va_list list;

	va_start(list, format);
	vsnprintf(message, sizeof(message), format, list);
	va_end(list);
	log_write(&generation_of(host)->log_site, level, "plugin %s: %s", generation_of(host)->name,
		  message);
}

static int32_t api_error(const struct lxcfs_request *shown, int32_t error, const char *format, ...)
	LXCFS_PRINTF(3, 4);

static int32_t api_error(const struct lxcfs_request *shown, int32_t error, const char *format, ...)
{
	const struct request *request = request_of(shown);
	const struct container *container = request->rendering.container;
	char message[MESSAGE_BYTES];
	va_list list;

	va_start(list, format);
	vsnprintf(message, sizeof(message), format, list);
	va_end(list);
	log_write(&request->generation->error_site, LXCFS_LOG_WARNING,
		  "plugin %s: %s for container %s: %s (%s)", request->generation->name, shown->path,
		  container && container->name ? container->name : "?", message,
		  strerror(error < 0 ? -error : error));
	return error < 0 ? error : -error;
}

static uint64_t api_now(const struct lxcfs_host *host, uint32_t clock)
{
	const struct hostfs *hostfs = generation_of(host)->services->hostfs;

	return clock == LXCFS_CLOCK_REALTIME ? hostfs_realtime(hostfs) : hostfs_boottime(hostfs);
}

/* ---- output ---- */

void output_reset(struct lxcfs_output *output, const struct lxcfs_host *host)
{
	output->size = sizeof(*output);
	output->version = LXCFS_ABI_VERSION;
	output->host = host;
	output->length = 0;
	output->status = 0;
}

void output_free(struct lxcfs_output *output)
{
	free(output->data);
	*output = (struct lxcfs_output){0};
}

static int32_t api_output_grow(struct lxcfs_output *output, uint64_t more)
{
	uint64_t capacity = output->capacity ? output->capacity : 8192;
	char *data;

	if (output->status != 0)
		return output->status;
	if (more > OUTPUT_LIMIT || output->length > OUTPUT_LIMIT - more)
		return output->status = -EFBIG;
	while (capacity - output->length < more)
		capacity *= 2;
	if (capacity == output->capacity)
		return 0;
	data = realloc(output->data, capacity);
	if (!data)
		return output->status = -ENOMEM;
	output->data = data;
	output->capacity = capacity;
	return 0;
}

int32_t output_append(struct lxcfs_output *output, const char *data, uint64_t length)
{
	if (output->capacity - output->length < length && api_output_grow(output, length) != 0)
		return output->status;
	if (length != 0)
		memcpy(output->data + output->length, data, length);
	output->length += length;
	return 0;
}

static int32_t api_output_print(struct lxcfs_output *output, const char *format, ...)
	LXCFS_PRINTF(2, 3);

static int32_t api_output_print(struct lxcfs_output *output, const char *format, ...)
{
	for (;;) {
		uint64_t room = output->capacity - output->length;
		va_list list;
		int length;

		if (output->status != 0)
			return output->status;
		va_start(list, format);
		length = vsnprintf(room ? output->data + output->length : NULL, room, format, list);
		va_end(list);
		if (length < 0)
			return output->status = -EINVAL;
		if ((uint64_t)length < room) {
			output->length += (uint64_t)length;
			return 0;
		}
		api_output_grow(output, (uint64_t)length + 1);
	}
}

/* ---- listings ---- */

int32_t directory_add(struct lxcfs_directory *directory, const char *name, uint32_t mode)
{
	struct lxcfs_output *output = &directory->output;
	size_t length = strlen(name);
	size_t size = (sizeof(struct directory_record) + length + 1 + 3) / 4 * 4;
	struct directory_record *record;

	if (length == 0 || length > NAME_MAX || strchr(name, '/'))
		return -EINVAL;
	if (output->capacity - output->length < size && api_output_grow(output, size) != 0)
		return output->status;
	record = (struct directory_record *)(output->data + output->length);
	record->mode = mode;
	record->name_length = (uint32_t)length;
	memset(record->name, 0, size - sizeof(*record));
	memcpy(record->name, name, length);
	output->length += size;
	return 0;
}

const struct directory_record *directory_next(const char *data, uint64_t length,
					      const struct directory_record *record)
{
	const char *next = data;

	if (record)
		next = (const char *)record +
		       (sizeof(*record) + record->name_length + 1 + 3) / 4 * 4;
	return next < data + length ? (const struct directory_record *)next : NULL;
}

/* ---- host ---- */

static int32_t api_host_file(const struct lxcfs_request *shown, const char *path,
			     struct lxcfs_text *text)
{
	return rendering_host_file(&request_of(shown)->rendering, path, text);
}

static int32_t api_host_attributes(const struct lxcfs_host *host, const char *path,
				   struct lxcfs_attributes *attributes)
{
	const char *rest;
	int directory = hostfs_resolve(generation_of(host)->services->hostfs, path, &rest);
	struct stat status;

	if (directory < 0)
		return directory;
	if (fstatat(directory, rest, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	if (attributes->size < ATTRIBUTES_SIZE_MIN)
		return -EINVAL;
	attributes->version = LXCFS_ABI_VERSION;
	attributes->mode = status.st_mode;
	attributes->uid = status.st_uid;
	attributes->gid = status.st_gid;
	attributes->valid = 0;
	attributes->file_size = (uint64_t)status.st_size;
	return 0;
}

static uint32_t mode_of_entry(DIR *stream, const struct dirent *entry)
{
	struct stat status;

	switch (entry->d_type) {
	case DT_DIR:
		return S_IFDIR;
	case DT_LNK:
		return S_IFLNK;
	case DT_REG:
		return S_IFREG;
	default:
		if (fstatat(dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
			return S_IFREG;
		return status.st_mode & S_IFMT;
	}
}

int32_t hostapi_list(const struct hostfs *hostfs, const char *path,
		     struct lxcfs_directory *directory)
{
	const char *rest;
	int root = hostfs_resolve(hostfs, path, &rest);
	auto_close int fd = -1;
	auto_directory DIR *stream = NULL;

	if (root < 0)
		return root;
	fd = openat(root, rest, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	stream = fdopendir(fd);
	if (!stream)
		return -errno;
	take_fd(&fd);
	for (;;) {
		const struct dirent *entry = readdir(stream);
		int32_t result;

		if (!entry)
			return 0;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		result = directory_add(directory, entry->d_name, mode_of_entry(stream, entry));
		if (result != 0)
			return result;
	}
}

static int32_t api_host_directory(const struct lxcfs_request *shown, const char *path,
				  struct lxcfs_directory *directory)
{
	return hostapi_list(request_of(shown)->rendering.hostfs, path, directory);
}

int32_t hostapi_read_link(const struct hostfs *hostfs, const char *path,
			  struct lxcfs_output *output)
{
	const char *rest;
	int directory = hostfs_resolve(hostfs, path, &rest);
	char target[PATH_MAX];
	ssize_t length;

	if (directory < 0)
		return directory;
	length = readlinkat(directory, rest, target, sizeof(target));
	if (length < 0)
		return -errno;
	if ((size_t)length == sizeof(target))
		return -ENAMETOOLONG;
	return output_append(output, target, (uint64_t)length);
}

static int32_t api_host_link(const struct lxcfs_host *host, const char *path,
			     struct lxcfs_output *output)
{
	return hostapi_read_link(generation_of(host)->services->hostfs, path, output);
}

/* ---- container ---- */

static uint32_t api_cgroup_version(const struct lxcfs_request *shown, const char *controller)
{
	return has_container(shown)
		       ? rendering_cgroup_version(&request_of(shown)->rendering, controller)
		       : LXCFS_CGROUP_NONE;
}

static int32_t api_cgroup_file(const struct lxcfs_request *shown, const char *controller,
			       const char *file, struct lxcfs_text *text)
{
	struct rendering *rendering = &request_of(shown)->rendering;

	if (!has_container(shown) ||
	    rendering_cgroup_version(rendering, controller) == LXCFS_CGROUP_NONE)
		return -ENODEV;
	/* The root counts for the whole host. */
	if (!rendering_owns_cgroup(rendering, controller))
		return -ENOENT;
	return rendering_cgroup_file(rendering, controller, file, text);
}

static int32_t api_cpu_view(const struct lxcfs_request *shown, const struct lxcfs_cpu_view **view)
{
	return has_container(shown) ? cpu_view_get(&request_of(shown)->rendering, view) : -ENODEV;
}

static int32_t api_cpu_usage(const struct lxcfs_request *shown,
			     const struct lxcfs_cpu_usage **usage)
{
	return has_container(shown) ? cpu_usage_get(&request_of(shown)->rendering, usage) : -ENODEV;
}

static int32_t api_memory_view(const struct lxcfs_request *shown,
			       const struct lxcfs_memory_view **view)
{
	return has_container(shown) ? memory_view_get(&request_of(shown)->rendering, view)
				    : -ENODEV;
}

static int32_t api_age(const struct lxcfs_request *shown, uint64_t *nanoseconds)
{
	return has_container(shown) ? age_get(&request_of(shown)->rendering, nanoseconds) : -ENODEV;
}

static int32_t api_state_update(const struct lxcfs_request *shown, uint32_t version, uint32_t size,
				lxcfs_state_function function, void *argument)
{
	struct request *request = request_of(shown);
	const struct generation *generation = request->generation;
	struct container_key key;

	if (!has_container(shown))
		return -ENODEV;
	key = request->rendering.container->key;
	key.started = start_get(&request->rendering);
	return plugin_state_update(generation->services->plugin_state, &key,
				   request->rendering.container->group, generation->name, version,
				   size, function, argument);
}

/* ---- events ---- */

static void api_poll_wake(const struct lxcfs_host *host, uint64_t handle)
{
	struct polls *polls = generation_of(host)->services->polls;

	if (polls)
		polls_wake(polls, handle);
}

static int32_t api_timer_start(const struct lxcfs_host *host, uint64_t period,
			       lxcfs_timer_function function, void *argument, uint64_t *id)
{
	return timers_start(generation_of(host)->services->timers, host, period, function, argument,
			    id);
}

static void api_timer_stop(const struct lxcfs_host *host, uint64_t id)
{
	timers_stop(generation_of(host)->services->timers, host, id);
}

void hostapi_fill(struct lxcfs_host *host)
{
	*host = (struct lxcfs_host){
		.size = sizeof(*host),
		.version = LXCFS_ABI_VERSION,
		.release = PACKAGE_STRING,
		.log = api_log,
		.error = api_error,
		.now = api_now,
		.output_grow = api_output_grow,
		.output_print = api_output_print,
		.directory_add = directory_add,
		.host_file = api_host_file,
		.host_attributes = api_host_attributes,
		.host_directory = api_host_directory,
		.host_link = api_host_link,
		.cgroup_version = api_cgroup_version,
		.cgroup_file = api_cgroup_file,
		.cpu_view = api_cpu_view,
		.cpu_usage = api_cpu_usage,
		.memory_view = api_memory_view,
		.age = api_age,
		.state_update = api_state_update,
		.poll_wake = api_poll_wake,
		.timer_start = api_timer_start,
		.timer_stop = api_timer_stop,
	};
}
