/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_CONFIG            CONFIG_DIRECTORY "/lxcfs.conf"
#define DEFAULT_RUNTIME_DIRECTORY "/run"

enum long_option {
	OPTION_ENABLE_CFS = 256,
	OPTION_ENABLE_PIDFD,
	OPTION_ENABLE_CGROUP,
	OPTION_ENABLE_PSI_POLL,
	OPTION_PLUGIN_DIRECTORY,
	OPTION_RUNTIME_DIRECTORY,
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"debug", no_argument, NULL, 'd'},
	{"foreground", no_argument, NULL, 'f'},
	{"help", no_argument, NULL, 'h'},
	{"pidfile", required_argument, NULL, 'p'},
	{"version", no_argument, NULL, 'v'},
	{"disable-swap", no_argument, NULL, 'u'},
	{"enable-loadavg", no_argument, NULL, 'l'},
	{"enable-cfs", no_argument, NULL, OPTION_ENABLE_CFS},
	{"enable-pidfd", no_argument, NULL, OPTION_ENABLE_PIDFD},
	{"enable-cgroup", no_argument, NULL, OPTION_ENABLE_CGROUP},
	{"enable-psi-poll", no_argument, NULL, OPTION_ENABLE_PSI_POLL},
	{"plugin-dir", required_argument, NULL, OPTION_PLUGIN_DIRECTORY},
	{"runtime-dir", required_argument, NULL, OPTION_RUNTIME_DIRECTORY},
	{NULL, 0, NULL, 0},
};

static void print_help(void)
{
	puts("Usage: lxcfs [OPTION]... MOUNTPOINT\n"
	     "       lxcfs render --root=DIR [OPTION]... FILE\n"
	     "\n"
	     "Mount a file system whose files show a container its own CPUs, memory and uptime.\n"
	     "\n"
	     "  -c, --config=FILE      configuration (default: " DEFAULT_CONFIG " if it exists)\n"
	     "  -d, --debug            log each request\n"
	     "  -f, --foreground       accepted; the daemon always stays in the foreground\n"
	     "  -o OPTIONS             options for mount(2), as in -o context=...\n"
	     "  -p, --pidfile=FILE     default: RUNTIME-DIR/lxcfs.pid\n"
	     "  -s                     serve requests on one thread\n"
	     "  -u, --disable-swap     show no swap\n"
	     "      --enable-cfs       count CPUs by quota (cpu-policy = quota)\n"
	     "      --plugin-dir=DIR   look for plugins there; may be given several times\n"
	     "      --runtime-dir=DIR  for pidfile and lock (default: " DEFAULT_RUNTIME_DIRECTORY
	     ")\n"
	     "  -h, --help             print this and exit\n"
	     "  -v, --version          print the version and exit\n"
	     "\n"
	     "Options of other lxcfs versions that are accepted: -l, -z, --enable-pidfd,\n"
	     "--enable-cgroup, --enable-psi-poll.\n"
	     "\n"
	     "Signals: USR1 reloads changed plugins, HUP reads the configuration again, USR2 "
	     "shows\n"
	     "the host's files (and back), TERM and INT unmount and exit.\n");
}

static void not_yet(const char *option)
{
	fprintf(stderr, "lxcfs: %s has no effect in this version; going on without it\n", option);
}

static enum options_result take_option(int option, struct options *options)
{
	switch (option) {
	case 'c':
		options->config = optarg;
		options->config_given = true;
		break;
	case 'd':
		options->debug = true;
		break;
	case 'f':
		break;
	case 'h':
		print_help();
		return OPTIONS_DONE;
	case 'l':
		not_yet("--enable-loadavg");
		break;
	case 'o':
		options->fuse_options = optarg;
		break;
	case 'p':
		options->pidfile = optarg;
		break;
	case 's':
		options->single_thread = true;
		break;
	case 'u':
		options->overrides.disable_swap = true;
		break;
	case 'v':
		puts(PACKAGE_VERSION);
		return OPTIONS_DONE;
	case 'z':
		not_yet("-z");
		break;
	case OPTION_ENABLE_CFS:
		options->overrides.cfs = true;
		break;
	case OPTION_ENABLE_PIDFD:
		/* Always on. */
		break;
	case OPTION_ENABLE_CGROUP:
		not_yet("--enable-cgroup");
		break;
	case OPTION_ENABLE_PSI_POLL:
		not_yet("--enable-psi-poll");
		break;
	case OPTION_PLUGIN_DIRECTORY:
		options->plugin_directories[options->overrides.directory_count++] = optarg;
		break;
	case OPTION_RUNTIME_DIRECTORY:
		options->runtime_directory = optarg;
		break;
	default:
		fputs("Try 'lxcfs --help'.\n", stderr);
		return OPTIONS_ERROR;
	}
	return OPTIONS_RUN;
}

enum options_result options_parse(int argc, char **argv, struct options *options)
{
	*options = (struct options){.runtime_directory = DEFAULT_RUNTIME_DIRECTORY};
	options->plugin_directories = calloc((size_t)argc + 1, sizeof(char *));
	if (!options->plugin_directories) {
		fputs("lxcfs: no memory\n", stderr);
		return OPTIONS_ERROR;
	}
	options->overrides.directories = options->plugin_directories;
	optind = 1;
	for (;;) {
		int option = getopt_long(argc, argv, "c:dfhlo:p:suvz", long_options, NULL);
		enum options_result result;

		if (option < 0)
			break;
		result = take_option(option, options);
		if (result != OPTIONS_RUN)
			return result;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "lxcfs: %s; try 'lxcfs --help'\n",
			optind >= argc ? "where to mount? Name one folder"
				       : "more than one mount point");
		return OPTIONS_ERROR;
	}
	options->mountpoint = argv[optind];
	if (!options->config && access(DEFAULT_CONFIG, F_OK) == 0)
		options->config = DEFAULT_CONFIG;
	return OPTIONS_RUN;
}

void options_free(struct options *options)
{
	free(options->plugin_directories);
	*options = (struct options){0};
}
