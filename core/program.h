/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The running program: which build it is. */
#ifndef LXCFS_CORE_PROGRAM_H
#define LXCFS_CORE_PROGRAM_H

#include "elfcheck.h"
#include "state.h"

/* The build id of /proc/self/exe; "" when it has none. */
void program_build_id(char build_id[BUILD_ID_TEXT]);

/* Tell of this process: for keeper and worker, each once, about itself. */
void program_fill(struct state_program *program);
/* A consistent copy.  Its pid is 0 while nobody has told. */
void program_get(const struct state_program *program, struct state_program *copy);

#endif
