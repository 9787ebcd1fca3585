/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "program.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

#define ATTEMPTS_MAX 20

void program_build_id(char build_id[BUILD_ID_TEXT])
{
	auto_close int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *map;

	build_id[0] = '\0';
	if (fd < 0 || fstat(fd, &status) != 0 || status.st_size == 0)
		return;
	map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return;
	elf_build_id(map, (size_t)status.st_size, build_id);
	munmap(map, (size_t)status.st_size);
}

void program_fill(struct state_program *program)
{
	char build_id[BUILD_ID_TEXT];

	program_build_id(build_id);
	/* Without a process id while the rest changes. */
	atomic_store(&program->pid, 0);
	program->since = (uint64_t)time(NULL);
	snprintf(program->release, sizeof(program->release), "%s", PACKAGE_VERSION);
	snprintf(program->build_id, sizeof(program->build_id), "%.*s", STATE_BUILD_MAX - 1,
		 build_id);
	atomic_store(&program->pid, (uint32_t)getpid());
}

void program_get(const struct state_program *program, struct state_program *copy)
{
	for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		uint32_t pid = atomic_load(&program->pid);

		*copy = (struct state_program){.since = program->since};
		memcpy(copy->release, program->release, sizeof(copy->release));
		memcpy(copy->build_id, program->build_id, sizeof(copy->build_id));
		copy->release[sizeof(copy->release) - 1] = '\0';
		copy->build_id[sizeof(copy->build_id) - 1] = '\0';
		atomic_init(&copy->pid, pid);
		if (pid != 0 && atomic_load(&program->pid) == pid)
			return;
		usleep(1000);
	}
	*copy = (struct state_program){0};
}
