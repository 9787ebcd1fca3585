/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A first try of a plugin in a process that may die of it.
 *
 * The program (lxcfs or lxcfsctl) runs itself again with the sealed image, maps it, starts it and renders
 * each of its files once against the live host.  Whatever the code does, in its constructors too, only that
 * process is hit.
 */
#ifndef LXCFS_CORE_SELFTEST_H
#define LXCFS_CORE_SELFTEST_H

#include "config.h"
#include "image.h"

/* The first argument by which the program knows that it is the throw-away process. */
#define SELFTEST_ARGUMENT "--internal-self-test"

/*
 * Run it; returns what generation_new() would, or -ENOEXEC when it crashed, hung or failed.  *reason
 * (to be freed) says what happened.
 */
int selftest_run(const struct image *image, const struct config_plugin *section, char **reason);

/* The same; *description (to be freed) is then what describe_generation() says. */
int selftest_describe(const struct image *image, const struct config_plugin *section,
		      char **description, char **reason);

/* main() of the throw-away process. */
int selftest_main(int argc, char **argv);

#endif
