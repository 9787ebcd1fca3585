/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of the daemon. */
#ifndef LXCFS_CORE_OPTIONS_H
#define LXCFS_CORE_OPTIONS_H

#include <stdbool.h>

#include "config.h"

struct options {
	const char *mountpoint;
	const char *config;       /* NULL: the default file if it exists */
	bool config_given;        /* -c: it must exist */
	const char *fuse_options; /* -o, for mount(2); NULL: none */
	const char *pidfile;      /* NULL: RUNTIME_DIR/lxcfs.pid */
	const char *runtime_directory;
	bool debug;
	bool single_thread;
	struct config_overrides overrides;
	char **plugin_directories; /* what overrides.directories points to */
};

enum options_result {
	OPTIONS_RUN,   /* start the daemon */
	OPTIONS_DONE,  /* --help, --version: printed */
	OPTIONS_ERROR, /* said on stderr */
};

/* Keeps pointers into argv. */
enum options_result options_parse(int argc, char **argv, struct options *options);
void options_free(struct options *options);

#endif
