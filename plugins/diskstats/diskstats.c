/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/diskstats: a row for each disk that the container read from or wrote to.
 *
 * Order, names and the number of columns are those of the host's file.  A cgroup counts for whole
 * disks only, and it counts no times: those columns are 0.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lxcfs/plugin.h"

#define SECTOR 512u

enum count { READ_BYTES, WRITTEN_BYTES, DISCARDED_BYTES, READS, WRITES, DISCARDS, COUNTS };

struct disk {
	uint64_t major;
	uint64_t minor;
	uint64_t counts[COUNTS];
};

/* Grows by need; the owner frees `items`. */
struct disks {
	struct disk *items;
	size_t count;
	size_t capacity;
};

/* Columns of a row behind the name: Documentation/admin-guide/iostats.rst. */
enum column {
	COLUMN_READS = 0,
	COLUMN_SECTORS_READ = 2,
	COLUMN_WRITES = 4,
	COLUMN_SECTORS_WRITTEN = 6,
	COLUMN_DISCARDS = 11,
	COLUMN_SECTORS_DISCARDED = 13,
};

static struct disk *find_disk(const struct disks *disks, uint64_t major, uint64_t minor)
{
	for (size_t index = 0; index < disks->count; index++)
		if (disks->items[index].major == major && disks->items[index].minor == minor)
			return &disks->items[index];
	return NULL;
}

/* The disk's item, added if need be; NULL without memory. */
static struct disk *get_disk(struct disks *disks, uint64_t major, uint64_t minor)
{
	struct disk *disk = find_disk(disks, major, minor);

	if (disk)
		return disk;
	if (disks->count == disks->capacity) {
		size_t capacity = disks->capacity ? 2 * disks->capacity : 16;
		struct disk *items = realloc(disks->items, capacity * sizeof(*items));

		if (!items)
			return NULL;
		disks->items = items;
		disks->capacity = capacity;
	}
	disk = &disks->items[disks->count++];
	memset(disk, 0, sizeof(*disk));
	disk->major = major;
	disk->minor = minor;
	return disk;
}

/* Cut a word at the first `separator`; returns 0 if it has none. */
static int cut(struct lxcfs_text word, char separator, struct lxcfs_text *left,
	       struct lxcfs_text *right)
{
	const char *place = memchr(word.data, separator, (size_t)word.length);

	if (!place)
		return 0;
	left->data = word.data;
	left->length = (uint64_t)(place - word.data);
	right->data = place + 1;
	right->length = word.length - left->length - 1;
	return 1;
}

static int parse_device(struct lxcfs_text word, uint64_t *major, uint64_t *minor)
{
	struct lxcfs_text left;
	struct lxcfs_text right;

	return cut(word, ':', &left, &right) && lxcfs_parse_number(left, major) &&
	       lxcfs_parse_number(right, minor);
}

static int find_name(struct lxcfs_text word, const char *const *names, int count)
{
	for (int index = 0; index < count; index++)
		if (names[index] && lxcfs_equals(word, names[index]))
			return index;
	return -1;
}

/*
 * io.stat: "MAJOR:MINOR rbytes=N wbytes=N ...".  Some kernels end a disk without numbers with no
 * newline, so words count and lines do not.
 */
static int32_t parse_io_stat(struct lxcfs_text text, struct disks *disks)
{
	static const char *const names[COUNTS] = {"rbytes", "wbytes", "dbytes",
						  "rios",   "wios",   "dios"};
	struct disk *disk = NULL;
	struct lxcfs_text word;

	while (lxcfs_next_word(&text, &word)) {
		struct lxcfs_text name;
		struct lxcfs_text value;
		uint64_t major;
		uint64_t minor;
		int count;

		if (parse_device(word, &major, &minor)) {
			disk = get_disk(disks, major, minor);
			if (!disk)
				return -ENOMEM;
			continue;
		}
		/* A disk that the kernel has no number for: what follows is not the last one's. */
		if (!cut(word, '=', &name, &value)) {
			disk = NULL;
			continue;
		}
		count = find_name(name, names, COUNTS);
		if (disk && count >= 0)
			lxcfs_parse_number(value, &disk->counts[count]);
	}
	return 0;
}

/* A v1 file: "MAJOR:MINOR Read N", "... Write N", "... Discard N" and others. */
static int32_t parse_blkio(struct lxcfs_text text, enum count first, struct disks *disks)
{
	static const char *const operations[] = {"Read", "Write", "Discard"};
	struct lxcfs_text line;

	while (lxcfs_next_line(&text, &line)) {
		struct lxcfs_text word;
		struct disk *disk;
		uint64_t major;
		uint64_t minor;
		int operation;

		if (!lxcfs_next_word(&line, &word) || !parse_device(word, &major, &minor) ||
		    !lxcfs_next_word(&line, &word))
			continue;
		operation = find_name(word, operations, 3);
		if (operation < 0 || !lxcfs_next_word(&line, &word))
			continue;
		disk = get_disk(disks, major, minor);
		if (!disk)
			return -ENOMEM;
		lxcfs_parse_number(word, &disk->counts[(int)first + operation]);
	}
	return 0;
}

/* 1 when the container has such a file, 0 when it has not. */
static int32_t get_file(const struct lxcfs_request *request, const char *controller,
			const char *name, struct lxcfs_text *text)
{
	int32_t result = request->host->cgroup_file(request, controller, name, text);

	if (result == -ENOENT || result == -ENODEV)
		return 0;
	return result != 0 ? lxcfs_fail(request, result, "%s cannot be read", name) : 1;
}

static int is_idle(const struct disk *disk)
{
	for (int count = 0; count < COUNTS; count++)
		if (disk->counts[count] != 0)
			return 0;
	return 1;
}

static int had_io(const struct disks *disks)
{
	for (size_t index = 0; index < disks->count; index++)
		if (!is_idle(&disks->items[index]))
			return 1;
	return 0;
}

static int32_t read_blkio_pair(const struct lxcfs_request *request, const char *bytes,
			       const char *operations, struct disks *disks)
{
	struct lxcfs_text text;
	int32_t result = get_file(request, "blkio", bytes, &text);

	if (result <= 0)
		return result;
	result = parse_blkio(text, READ_BYTES, disks);
	if (result != 0)
		return result;
	result = get_file(request, "blkio", operations, &text);
	return result <= 0 ? result : parse_blkio(text, READS, disks);
}

/*
 * Which files there are depends on the kernel's age and on the disks' schedulers.  The first pair that
 * tells of any IO is taken.
 */
static int32_t read_v1(const struct lxcfs_request *request, struct disks *disks)
{
	static const char *const pairs[][2] = {
		{"blkio.throttle.io_service_bytes_recursive",
		 "blkio.throttle.io_serviced_recursive"},
		{"blkio.throttle.io_service_bytes", "blkio.throttle.io_serviced"},
		{"blkio.bfq.io_service_bytes_recursive", "blkio.bfq.io_serviced_recursive"},
		{"blkio.bfq.io_service_bytes", "blkio.bfq.io_serviced"},
		{"blkio.io_service_bytes_recursive", "blkio.io_serviced_recursive"},
	};

	for (size_t index = 0; index < sizeof(pairs) / sizeof(pairs[0]); index++) {
		int32_t result = read_blkio_pair(request, pairs[index][0], pairs[index][1], disks);

		if (result != 0 || had_io(disks))
			return result;
		disks->count = 0;
	}
	return 0;
}

static int32_t read_v2(const struct lxcfs_request *request, struct disks *disks)
{
	struct lxcfs_text text;
	int32_t result = get_file(request, "io", "io.stat", &text);

	return result <= 0 ? result : parse_io_stat(text, disks);
}

static uint64_t column_value(const struct disk *disk, uint32_t column)
{
	const uint64_t *counts = disk->counts;

	switch (column) {
	case COLUMN_READS:
		return counts[READS];
	case COLUMN_SECTORS_READ:
		return counts[READ_BYTES] / SECTOR;
	case COLUMN_WRITES:
		return counts[WRITES];
	case COLUMN_SECTORS_WRITTEN:
		return counts[WRITTEN_BYTES] / SECTOR;
	case COLUMN_DISCARDS:
		return counts[DISCARDS];
	case COLUMN_SECTORS_DISCARDED:
		return counts[DISCARDED_BYTES] / SECTOR;
	default:
		return 0;
	}
}

/* `columns` holds what follows the name in the host's row. */
static void append_row(struct lxcfs_output *output, const struct disk *disk, struct lxcfs_text name,
		       struct lxcfs_text columns)
{
	struct lxcfs_text word;

	lxcfs_append_number(output, disk->major, 4);
	lxcfs_append_string(output, " ");
	lxcfs_append_number(output, disk->minor, 7);
	lxcfs_append_string(output, " ");
	lxcfs_append_text(output, name);
	for (uint32_t column = 0; lxcfs_next_word(&columns, &word); column++) {
		lxcfs_append_string(output, " ");
		lxcfs_append_number(output, column_value(disk, column), 1);
	}
	lxcfs_append_string(output, "\n");
}

static void append_rows(struct lxcfs_output *output, const struct disks *disks,
			struct lxcfs_text host)
{
	struct lxcfs_text line;

	while (lxcfs_next_line(&host, &line)) {
		const struct disk *disk;
		struct lxcfs_text major_word;
		struct lxcfs_text minor_word;
		struct lxcfs_text name;
		uint64_t major;
		uint64_t minor;

		if (!lxcfs_next_word(&line, &major_word) || !lxcfs_next_word(&line, &minor_word) ||
		    !lxcfs_next_word(&line, &name) || !lxcfs_parse_number(major_word, &major) ||
		    !lxcfs_parse_number(minor_word, &minor))
			continue;
		disk = find_disk(disks, major, minor);
		if (disk && !is_idle(disk))
			append_row(output, disk, name, line);
	}
}

static int32_t render(const struct lxcfs_request *request, struct lxcfs_output *output)
{
	const struct lxcfs_host *host = request->host;
	struct disks disks = {.items = NULL};
	struct lxcfs_text text;
	int32_t result = host->host_file(request, "proc/diskstats", &text);

	if (result != 0)
		return lxcfs_fail(request, result, "the host's diskstats cannot be read");
	if (lxcfs_is_host(request)) {
		lxcfs_append_text(output, text);
		return 0;
	}
	if (host->cgroup_version(request, "blkio") == LXCFS_CGROUP_V1)
		result = read_v1(request, &disks);
	else
		result = read_v2(request, &disks);
	if (result == 0)
		append_rows(output, &disks, text);
	free(disks.items);
	return result;
}

static const struct lxcfs_file file = {
	.size = sizeof(file),
	.version = LXCFS_ABI_VERSION,
	.path = "proc/diskstats",
	.mode = 0444,
	.render = render,
};

static const struct lxcfs_plugin plugin = {
	.size = sizeof(plugin),
	.version = LXCFS_ABI_VERSION,
	.name = "diskstats",
	.release = PLUGIN_RELEASE,
	.threads = LXCFS_THREADS_PARALLEL,
	.on_fault = LXCFS_ON_FAULT_ERROR,
	.file_count = 1,
	.files = &file,
};

const struct lxcfs_plugin *lxcfs_plugin_init(const struct lxcfs_host *host)
{
	(void)host;
	return &plugin;
}
