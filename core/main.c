/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program: a keeper, a worker, a self-test, a control process, or `lxcfs render`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adoption.h"
#include "cleanup.h"
#include "config.h"
#include "control.h"
#include "keeper.h"
#include "log.h"
#include "options.h"
#include "program.h"
#include "render.h"
#include "selftest.h"
#include "supervisor.h"
#include "worker.h"

/*
 * A bad file is told at once, before anything else is looked at.  What goes on with a mount has the
 * configuration that was served.
 */
static int check_config(const struct options *options)
{
	__attribute__((cleanup(config_cleanup))) struct config *config = NULL;
	auto_free char *reason = NULL;
	int result = config_load(options->config, &options->overrides, &config, &reason);

	if (result != 0)
		log_error("%s", reason ? reason : strerror(-result));
	return result;
}

enum role { ROLE_START, ROLE_KEEPER, ROLE_WORKER };

static int run_daemon(int argc, char **argv, enum role role)
{
	struct options options;
	enum options_result parsed = options_parse(argc, argv, &options);
	int status = EXIT_FAILURE;

	if (parsed == OPTIONS_RUN) {
		log_open(LOG_TARGET_AUTO, options.debug ? LXCFS_LOG_DEBUG : LXCFS_LOG_INFO);
		if (role == ROLE_WORKER)
			status = worker_main(&options, argv);
		else if (role == ROLE_KEEPER || supervisor_holds() || check_config(&options) == 0)
			status = keeper_main(&options, argv, role == ROLE_KEEPER);
	}
	options_free(&options);
	return parsed == OPTIONS_DONE ? EXIT_SUCCESS : status;
}

/* Behind the argument that tells the role lies the command line of the daemon. */
static int run_role(int argc, char **argv, enum role role)
{
	argv[1] = argv[0];
	return run_daemon(argc - 1, argv + 1, role);
}

int main(int argc, char **argv)
{
	const char *first = argc > 1 ? argv[1] : "";

	program_open_standard_descriptors();
	if (strcmp(first, "render") == 0)
		return render_main(argc - 1, argv + 1);
	if (strcmp(first, SELFTEST_ARGUMENT) == 0)
		return selftest_main(argc - 2, argv + 2);
	program_set_name();
	if (strcmp(first, CONTROL_ARGUMENT) == 0)
		return control_main();
	if (strcmp(first, WORKER_ARGUMENT) == 0)
		return run_role(argc, argv, ROLE_WORKER);
	if (strcmp(first, KEEPER_ARGUMENT) == 0)
		return run_role(argc, argv, ROLE_KEEPER);
	return run_daemon(argc, argv, ROLE_START);
}
