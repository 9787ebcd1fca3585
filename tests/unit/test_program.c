/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The build id of the running program, and what is told of it. */
#include <elf.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "program.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_build_id_is_that_of_this_program),
		cmocka_unit_test(what_is_no_program_has_no_build_id),
		cmocka_unit_test(a_program_tells_of_itself),
	};

	return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
