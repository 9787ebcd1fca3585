/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program: a keeper, a worker, a self-test, or `lxcfs render`. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "config.h"
#include "keeper.h"
#include "log.h"
#include "options.h"
#include "render.h"
#include "selftest.h"
#include "worker.h"

/* A bad file is told at once, before anything else is looked at. */
static int check_config(const struct options *options)
{
	__attribute__((cleanup(config_cleanup))) struct config *config = NULL;
	auto_free char *reason = NULL;
	int result = config_load(options->config, &options->overrides, &config, &reason);

	if (result != 0)
		log_error("%s", reason ? reason : strerror(-result));
	return result;
}

static int run_daemon(int argc, char **argv, int is_worker)
{
	struct options options;
	enum options_result parsed = options_parse(argc, argv, &options);
	int status = EXIT_FAILURE;

	if (parsed == OPTIONS_RUN) {
		log_open(LOG_TARGET_AUTO, options.debug ? LXCFS_LOG_DEBUG : LXCFS_LOG_INFO);
		if (is_worker)
			status = worker_main(&options);
		else if (check_config(&options) == 0)
			status = keeper_main(&options, argv);
	}
	options_free(&options);
	return parsed == OPTIONS_DONE ? EXIT_SUCCESS : status;
}

/* Else the first descriptors that are opened would get what is printed and logged. */
static void open_standard_descriptors(void)
{
	int fd = open("/dev/null", O_RDWR);

	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = dup(fd);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	const char *first = argc > 1 ? argv[1] : "";

	open_standard_descriptors();
	if (strcmp(first, "render") == 0)
		return render_main(argc - 1, argv + 1);
	if (strcmp(first, SELFTEST_ARGUMENT) == 0)
		return selftest_main(argc - 2, argv + 2);
	if (strcmp(first, WORKER_ARGUMENT) == 0) {
		/* The keeper's own command line follows. */
		argv[1] = argv[0];
		return run_daemon(argc - 1, argv + 1, 1);
	}
	return run_daemon(argc, argv, 0);
}
