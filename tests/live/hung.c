/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file system that never answers: whoever uses it sits in the kernel until this process ends, and not even
 * SIGKILL helps.  It ends by itself after a while.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#define LIFE_SECONDS  300
#define REQUEST_BYTES (1U << 17)
#define WRITE_BYTES   4096

static int serve_init(int fd, const struct fuse_in_header *request)
{
	struct {
		struct fuse_out_header header;
		struct fuse_init_out init;
	} reply = {.header = {.len = sizeof(reply), .unique = request->unique},
		   .init = {.major = FUSE_KERNEL_VERSION,
			    .minor = FUSE_KERNEL_MINOR_VERSION,
			    .max_write = WRITE_BYTES}};

	return write(fd, &reply, sizeof(reply)) == sizeof(reply) ? 0 : -1;
}

int main(int argc, char **argv)
{
	static union {
		char bytes[REQUEST_BYTES];
		struct fuse_in_header header;
	} request;
	char options[128];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (argc != 2) {
		fputs("usage: hung DIRECTORY\n", stderr);
		return 2;
	}
	alarm(LIFE_SECONDS);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 fd);
	if (mount("hung", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) != 0) {
		perror(argv[1]);
		return 1;
	}
	for (;;) {
		ssize_t length = read(fd, &request, sizeof(request));

		if (length < (ssize_t)sizeof(request.header))
			return 1;
		if (request.header.opcode == FUSE_INIT && serve_init(fd, &request.header) != 0)
			return 1;
	}
}
