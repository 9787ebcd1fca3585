/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

#define IMAGE_LIMIT ((off_t)64 << 20)

static int refuse(char **reason, int error, const char *format, ...) LXCFS_PRINTF(3, 4);

static int refuse(char **reason, int error, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	if (vasprintf(reason, format, list) < 0)
		*reason = NULL;
	va_end(list);
	return error;
}

static struct file_stamp stamp_of(const struct stat *status)
{
	return (struct file_stamp){.device = status->st_dev,
				   .inode = status->st_ino,
				   .size = status->st_size,
				   .modified = status->st_mtim,
				   .changed = status->st_ctim};
}

int file_stamp_get(const char *path, struct file_stamp *stamp)
{
	struct stat status;

	*stamp = (struct file_stamp){0};
	if (stat(path, &status) != 0)
		return -errno;
	*stamp = stamp_of(&status);
	return 0;
}

bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->modified.tv_sec == b->modified.tv_sec &&
	       a->modified.tv_nsec == b->modified.tv_nsec &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* The code will run as root: only root may be able to have put it there. */
static int check_owner(const char *path, const struct stat *status, char **reason)
{
	if (status->st_uid != 0 && status->st_uid != geteuid())
		return refuse(reason, -EACCES, "%s belongs to uid %u; it must belong to root", path,
			      (unsigned)status->st_uid);
	/* In a sticky directory (/tmp) others cannot replace what root put there. */
	if ((status->st_mode & (S_IWGRP | S_IWOTH)) &&
	    !(S_ISDIR(status->st_mode) && (status->st_mode & S_ISVTX)))
		return refuse(reason, -EACCES,
			      "%s can be written by group or others; run chmod go-w on it", path);
	return 0;
}

static int check_directory(const char *path, char **reason)
{
	auto_free char *directory = strdup(path);
	char *slash = directory ? strrchr(directory, '/') : NULL;
	struct stat status;

	if (!directory)
		return -ENOMEM;
	if (slash == directory)
		slash++;
	if (slash)
		*slash = '\0';
	if (stat(slash ? directory : ".", &status) != 0)
		return refuse(reason, -errno, "%s: %s", directory, strerror(errno));
	return check_owner(slash ? directory : ".", &status, reason);
}

static int create_memfd(void)
{
	int fd = memfd_create("lxcfs-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	/* Linux before 6.3 does not know the flag. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("lxcfs-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

static int copy_bytes(int from, int to)
{
	char buffer[65536];
	off_t total = 0;

	for (;;) {
		ssize_t count = read(from, buffer, sizeof(buffer));

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		if (count == 0)
			return 0;
		total += count;
		if (total > IMAGE_LIMIT)
			return -EFBIG;
		if (write(to, buffer, (size_t)count) != count)
			return errno ? -errno : -EIO;
	}
}

static int check_memfd(struct image *image, char **reason)
{
	const char *complaint = NULL;
	struct stat status;
	void *map;
	int result;

	if (fstat(image->memfd, &status) != 0)
		return -errno;
	if (status.st_size == 0)
		return refuse(reason, -ENOEXEC, "empty file");
	map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, image->memfd, 0);
	if (map == MAP_FAILED)
		return -errno;
	result = elf_check(map, (size_t)status.st_size, image->build_id, &complaint);
	munmap(map, (size_t)status.st_size);
	return complaint ? refuse(reason, result, "%s", complaint) : result;
}

int image_read(const char *path, struct image *image, char **reason)
{
	auto_close int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	auto_close int memfd = -1;
	struct stat status;
	int result;

	*reason = NULL;
	*image = (struct image){.memfd = -1};
	if (file < 0 || fstat(file, &status) != 0)
		return refuse(reason, -errno, "%s", strerror(errno));
	if (!S_ISREG(status.st_mode))
		return refuse(reason, -EACCES, "not a regular file");
	result = check_owner(path, &status, reason);
	if (result == 0)
		result = check_directory(path, reason);
	if (result != 0)
		return result;
	memfd = create_memfd();
	if (memfd < 0)
		return refuse(reason, memfd, "memfd_create: %s", strerror(-memfd));
	result = copy_bytes(file, memfd);
	if (result != 0)
		return refuse(reason, result, "copying it: %s", strerror(-result));
	if (fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) !=
	    0)
		return refuse(reason, -errno, "sealing its copy: %s", strerror(errno));
	image->memfd = memfd;
	result = check_memfd(image, reason);
	if (result != 0) {
		image->memfd = -1;
		return result;
	}
	image->stamp = stamp_of(&status);
	take_fd(&memfd);
	return 0;
}

int image_adopt(int memfd, struct image *image, char **reason)
{
	int result;

	*reason = NULL;
	*image = (struct image){.memfd = memfd};
	result = check_memfd(image, reason);
	if (result != 0)
		image->memfd = -1;
	return result;
}

int image_map(struct image *image, char **reason)
{
	char path[64];
	void *stale;

	*reason = NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", image->memfd);
	/* Code that could not be unmapped (it left a thread-local destructor) still has its name. */
	while ((stale = dlopen(path, RTLD_NOW | RTLD_NOLOAD))) {
		int other = fcntl(image->memfd, F_DUPFD_CLOEXEC, image->memfd + 1);

		dlclose(stale);
		if (other < 0)
			return refuse(reason, -errno, "%s", strerror(errno));
		close(image->memfd);
		image->memfd = other;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", image->memfd);
	}
	image->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!image->handle)
		return refuse(reason, -ENOEXEC, "%s (a missing library? see ldd)", dlerror());
	/* POSIX lets an object pointer be read as a function pointer this way. */
	*(void **)&image->init = dlsym(image->handle, "lxcfs_plugin_init");
	if (image->init)
		return 0;
	dlclose(image->handle);
	image->handle = NULL;
	return refuse(reason, -ENOEXEC, "it does not export lxcfs_plugin_init");
}

static bool same_bytes(int a, int b)
{
	char left[4096];
	char right[4096];
	off_t offset = 0;

	for (;;) {
		ssize_t count = pread(a, left, sizeof(left), offset);

		if (count < 0 || pread(b, right, sizeof(right), offset) != count ||
		    memcmp(left, right, (size_t)count) != 0)
			return false;
		if (count == 0)
			return true;
		offset += count;
	}
}

uint64_t image_number(const struct image *image)
{
	const struct file_stamp *stamp = &image->stamp;
	char text[BUILD_ID_TEXT + 64];
	uint64_t number = 0xcbf29ce484222325ull;

	if (image->build_id[0])
		snprintf(text, sizeof(text), "%s", image->build_id);
	else
		snprintf(text, sizeof(text), "%ju %jd %jd.%09ld", (uintmax_t)stamp->inode,
			 (intmax_t)stamp->size, (intmax_t)stamp->changed.tv_sec,
			 stamp->changed.tv_nsec);
	for (const char *byte = text; *byte; byte++)
		number = (number ^ (unsigned char)*byte) * 0x100000001b3ull;
	return number;
}

bool image_is_current(const struct image *image, const char *path)
{
	auto_close int fd = -1;
	struct file_stamp stamp;

	if (file_stamp_get(path, &stamp) != 0)
		return false;
	if (image->stamp.inode != 0)
		return file_stamp_equal(&stamp, &image->stamp);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd >= 0 && same_bytes(fd, image->memfd);
}

void image_close(struct image *image)
{
	if (image->handle)
		dlclose(image->handle);
	if (image->memfd >= 0)
		close(image->memfd);
	*image = (struct image){.memfd = -1};
}
