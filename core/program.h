/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program file: which build runs, and becoming it again in another role.
 *
 * A role is told by the first argument (--internal-...); the rest of the command line follows.  What a
 * role needs lies at the descriptors from PROGRAM_FIRST_FD on.
 */
#ifndef LXCFS_CORE_PROGRAM_H
#define LXCFS_CORE_PROGRAM_H

#include <limits.h>
#include <stddef.h>

#include "elfcheck.h"
#include "state.h"

#define PROGRAM_FIRST_FD    3
#define PROGRAM_DESCRIPTORS 3

/*
 * Keep PROGRAM_DESCRIPTORS descriptors from the first one on free for program_execute(): in a process
 * that goes on when that fails nothing else may lie there.
 */
void program_reserve_descriptors(void);

/* The path that this process was started from, also when the file was replaced meanwhile.  0 or -errno. */
int program_path(char path[PATH_MAX]);
/*
 * Open what is at `path` to become it.  Refused (-EACCES): not a regular file that root owns and nobody
 * else can write, not executable.  *reason, to be freed, says what is wrong.
 */
int program_open(const char *path, char **reason);
/* What this process runs, whatever happened to the file. */
int program_open_own(void);

/* Become it.  `argv` is the whole command line; returns -errno when that fails. */
int program_execute(int program, const char *role, char *const *argv,
		    const int descriptors[PROGRAM_DESCRIPTORS]);
/* The build id of /proc/self/exe; "" when it has none. */
void program_build_id(char build_id[BUILD_ID_TEXT]);

/* Tell of this process: for keeper and worker, each once, about itself. */
void program_fill(struct state_program *program);
/* A consistent copy.  Its pid is 0 while nobody has told. */
void program_get(const struct state_program *program, struct state_program *copy);

/* Standard input, output and error: else the first descriptors that are opened would get what is printed. */
void program_open_standard_descriptors(void);
/* Set the name under which ps(1) shows this process. */
void program_set_name(void);

#endif
