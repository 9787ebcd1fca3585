/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The build id of the running program, and what is told of it. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"
#include "program.h"

#define ROLE "--say-where"

static char program_name[] = "test_program";
static char *const program_arguments[] = {program_name, NULL};

/* As the loader has it in memory, not as it is read from the file. */
static int find_note(struct dl_phdr_info *information, size_t size, void *argument)
{
	char *build_id = argument;

	(void)size;
	for (int index = 0; index < information->dlpi_phnum; index++) {
		const ElfW(Phdr) *segment = &information->dlpi_phdr[index];
		const char *place = (const char *)(information->dlpi_addr + segment->p_vaddr);
		const char *end = place + segment->p_memsz;

		while (segment->p_type == PT_NOTE && place < end) {
			const ElfW(Nhdr) *note = (const void *)place;
			const unsigned char *bytes = (const void *)(place + sizeof(*note) + 4);

			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4)
				for (size_t byte = 0; byte < note->n_descsz; byte++)
					snprintf(build_id + 2 * byte, 3, "%02x", bytes[byte]);
			place += sizeof(*note) + ((note->n_namesz + 3) & ~3u) +
				 ((note->n_descsz + 3) & ~3u);
		}
	}
	/* The program comes first; libraries have their own. */
	return 1;
}

static void the_build_id_is_that_of_this_program(void **state)
{
	char expected[BUILD_ID_TEXT] = "";
	char build_id[BUILD_ID_TEXT];

	(void)state;
	dl_iterate_phdr(find_note, expected);
	program_build_id(build_id);
	assert_string_equal(build_id, expected);
}

static void what_is_no_program_has_no_build_id(void **state)
{
	char build_id[BUILD_ID_TEXT] = "x";
	static const unsigned char header[sizeof(ElfW(Ehdr))] = {0x7f, 'E', 'L', 'F'};

	(void)state;
	elf_build_id("#!/bin/sh\n", 10, build_id);
	assert_string_equal(build_id, "");
	elf_build_id(header, sizeof(header), build_id);
	assert_string_equal(build_id, "");
}

static void a_program_tells_of_itself(void **state)
{
	static struct state_program program;
	struct state_program copy;
	uint64_t before = (uint64_t)time(NULL);

	(void)state;
	program_get(&program, &copy);
	assert_int_equal(copy.pid, 0);
	program_fill(&program);
	program_get(&program, &copy);
	assert_int_equal(copy.pid, getpid());
	assert_string_equal(copy.release, PACKAGE_VERSION);
	assert_in_range(copy.since, before, (uint64_t)time(NULL));
}

/* ---- the program file ---- */

static int make_folder(void **state)
{
	static char folder[] = "/tmp/lxcfs-test.XXXXXX";

	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	*state = mkdtemp(folder);
	return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
	return rmdir(*state);
}

/* A copy of this program; its path, to be freed. */
static char *copy_program(const char *folder, mode_t mode)
{
	auto_close int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	auto_close int to = -1;
	struct stat status;
	char *path;

	assert_true(asprintf(&path, "%s/program", folder) > 0);
	to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fstat(from, &status), 0);
	for (off_t done = 0; done < status.st_size;)
		assert_true(sendfile(to, from, &done, (size_t)status.st_size) > 0);
	assert_int_equal(fchmod(to, mode), 0);
	return path;
}

static void assert_refused(const char *path, int error, const char *why)
{
	auto_free char *reason = NULL;

	assert_int_equal(program_open(path, &reason), error);
	assert_non_null(reason);
	assert_non_null(strstr(reason, path));
	assert_non_null(strstr(reason, why));
}

static void only_a_program_is_opened(void **state)
{
	const char *folder = *state;
	auto_free char *path = copy_program(folder, 0755);
	auto_free char *reason = NULL;
	int fd = program_open(path, &reason);

	assert_true(fd > 0);
	assert_null(reason);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	assert_int_equal(chmod(path, 0644), 0);
	assert_refused(path, -EACCES, "not an executable file");
	assert_int_equal(unlink(path), 0);
	assert_refused(path, -ENOENT, "No such file");
	assert_refused(folder, -EACCES, "not an executable file");
	/* Nobody waits for who writes to it. */
	assert_int_equal(mkfifo(path, 0755), 0);
	assert_refused(path, -EACCES, "not an executable file");
	assert_int_equal(unlink(path), 0);
}

static void only_root_may_have_written_it(void **state)
{
	static const mode_t modes[] = {0775, 0757, 0777};
	auto_free char *path = copy_program(*state, 0755);

	for (unsigned index = 0; index < sizeof(modes) / sizeof(modes[0]); index++) {
		assert_int_equal(chmod(path, modes[index]), 0);
		assert_refused(path, -EACCES, "must belong to root");
	}
	assert_int_equal(chmod(path, 0755), 0);
	/* Only root can give it away. */
	if (chown(path, 12345, 12345) == 0)
		assert_refused(path, -EACCES, "must belong to root");
	assert_int_equal(unlink(path), 0);
}

/* The other end of become_copy(): says in which file it runs, which it has removed. */
static int say_where(const char *removed)
{
	char path[PATH_MAX];

	if (unlink(removed) != 0 || program_path(path) != 0)
		return EXIT_FAILURE;
	return dprintf(PROGRAM_FIRST_FD, "%s", path) > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static _Noreturn void become_copy(char *path, int output)
{
	char *const arguments[] = {program_name, path, NULL};
	auto_free char *reason = NULL;
	int program = program_open(path, &reason);

	program_execute(program, ROLE, arguments, (const int[]){output, output, output});
	_exit(EXIT_FAILURE);
}

static void the_path_is_known_when_the_file_is_gone(void **state)
{
	auto_free char *path = copy_program(*state, 0755);
	char said[PATH_MAX] = "";
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		become_copy(path, ends[1]);
	close(ends[1]);
	assert_true(read(ends[0], said, sizeof(said) - 1) > 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_string_equal(said, path);
	close(ends[0]);
}

static void what_fails_leaves_no_descriptor_behind(void **state)
{
	/* In the way of one another. */
	int descriptors[PROGRAM_DESCRIPTORS] = {PROGRAM_FIRST_FD + 2, PROGRAM_FIRST_FD,
						PROGRAM_FIRST_FD + 1};
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		int ends[2];
		struct stat nothing;
		struct stat found;
		auto_close int program = open("/dev/zero", O_RDONLY | O_CLOEXEC);

		program = fcntl(program, F_DUPFD_CLOEXEC, 20);
		if (pipe(ends) != 0)
			_exit(2);
		dup2(ends[0], descriptors[0]);
		dup2(open("/", O_RDONLY | O_DIRECTORY), descriptors[1]);
		dup2(open("/dev/zero", O_RDONLY), descriptors[2]);
		/* It fails; the places are kept free, and hold nothing of what was to be passed on. */
		if (program_execute(program, ROLE, program_arguments, descriptors) != -EACCES)
			_exit(3);
		if (stat("/dev/null", &nothing) != 0)
			_exit(5);
		for (int index = 0; index < PROGRAM_DESCRIPTORS; index++)
			if (fstat(PROGRAM_FIRST_FD + index, &found) != 0 ||
			    found.st_rdev != nothing.st_rdev)
				_exit(4);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_build_id_is_that_of_this_program),
		cmocka_unit_test(what_is_no_program_has_no_build_id),
		cmocka_unit_test(a_program_tells_of_itself),
		cmocka_unit_test_setup_teardown(only_a_program_is_opened, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(only_root_may_have_written_it, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(the_path_is_known_when_the_file_is_gone,
						make_folder, remove_folder),
		cmocka_unit_test(what_fails_leaves_no_descriptor_behind),
	};

	if (argc > 2 && strcmp(argv[1], ROLE) == 0)
		return say_where(argv[2]);
	program_reserve_descriptors();
	return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
