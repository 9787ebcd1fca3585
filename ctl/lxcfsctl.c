/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lxcfsctl: looks at a running lxcfs, gives it orders, and checks plugins. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json.h>

#include "check.h"
#include "client.h"
#include "control.h"
#include "interface.h"
#include "output.h"
#include "program.h"
#include "selftest.h"
#include "varlink.h"

#define QUESTION_SECONDS 10
/* Each plugin may take ten seconds for its self-test. */
#define ORDER_SECONDS 3600

struct invocation {
	const char *runtime_directory;
	bool json;
	int count;
	char **arguments; /* behind the command */
};

/* ---- questions and orders ---- */

static enum ctl_status ask(const struct invocation *invocation, const char *method,
			   void (*output)(struct json_object *parameters))
{
	const struct client_call call = {.runtime_directory = invocation->runtime_directory,
					 .method = method,
					 .patience = QUESTION_SECONDS};
	auto_json struct json_object *reply = NULL;
	enum ctl_status status = client_call(&call, &reply);

	if (status != CTL_DONE)
		return status;
	if (invocation->json)
		output = output_json;
	output(output_member(reply, "parameters"));
	return CTL_DONE;
}

/* Owns `parameters`. */
static enum ctl_status give_order(const struct invocation *invocation, const char *method,
				  struct json_object *parameters)
{
	auto_json struct json_object *owned = parameters;
	const struct client_call call = {.runtime_directory = invocation->runtime_directory,
					 .method = method,
					 .parameters = owned,
					 .patience = ORDER_SECONDS,
					 .take_line = invocation->json ? NULL : output_line};
	auto_json struct json_object *reply = NULL;
	enum ctl_status status = client_call(&call, &reply);

	/* Of a failed one too: what was said before it failed. */
	if (invocation->json && reply)
		output_json(output_member(reply, "parameters"));
	return status;
}

/* ---- commands ---- */

static enum ctl_status do_status(const struct invocation *invocation)
{
	return ask(invocation, INTERFACE_LXCFS ".Status", output_status);
}

static enum ctl_status do_plugins(const struct invocation *invocation)
{
	return ask(invocation, INTERFACE_LXCFS ".Plugins", output_plugins);
}

static enum ctl_status do_reload(const struct invocation *invocation)
{
	struct json_object *parameters = NULL;
	struct json_object *names;

	if (invocation->count > 0) {
		names = json_object_new_array();
		for (int index = 0; index < invocation->count; index++)
			json_object_array_add(names,
					      varlink_new_text(invocation->arguments[index]));
		parameters = json_object_new_object();
		json_object_object_add(parameters, "names", names);
	}
	return give_order(invocation, INTERFACE_LXCFS ".Reload", parameters);
}

static enum ctl_status do_reconfigure(const struct invocation *invocation)
{
	return give_order(invocation, INTERFACE_LXCFS ".Reconfigure", NULL);
}

static enum ctl_status do_check(const struct invocation *invocation)
{
	return check_plugin(invocation->arguments[0], invocation->json);
}

static enum ctl_status do_passthrough(const struct invocation *invocation)
{
	const char *word = invocation->arguments[0];
	bool on = strcmp(word, "on") == 0;
	struct json_object *parameters;

	if (!on && strcmp(word, "off") != 0) {
		output_error("passthrough on, or off? \"%s\" is neither", word);
		return CTL_USAGE;
	}
	parameters = json_object_new_object();
	json_object_object_add(parameters, "on", json_object_new_boolean(on));
	return give_order(invocation, INTERFACE_LXCFS ".Passthrough", parameters);
}

static enum ctl_status do_upgrade(const struct invocation *invocation)
{
	return give_order(invocation, INTERFACE_LXCFS ".Upgrade", NULL);
}

static enum ctl_status do_unmount(const struct invocation *invocation)
{
	return give_order(invocation, INTERFACE_LXCFS ".Unmount", NULL);
}

static const struct command {
	const char *name;
	const char *arguments;
	int least; /* how many of them it takes */
	int most;
	enum ctl_status (*run)(const struct invocation *invocation);
	const char *help;
} commands[] = {
	{"status", "", 0, 0, do_status, "how it is: processes, plugins, faults"},
	{"plugins", "", 0, 0, do_plugins, "only the plugins"},
	{"reload", "[NAME...]", 0, 4096, do_reload, "load plugins that changed, or these"},
	{"reconfigure", "", 0, 0, do_reconfigure, "read the configuration again"},
	{"check", "FILE.so", 1, 1, do_check, "would this plugin be loaded? Needs no daemon"},
	{"passthrough", "on|off", 1, 1, do_passthrough,
	 "show the host's files to all, or no longer"},
	{"upgrade", "", 0, 0, do_upgrade, "go on with the program that is installed now"},
	{"unmount", "", 0, 0, do_unmount, "unmount and end"},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* ---- the command line ---- */

static const struct option long_options[] = {
	{"help", no_argument, NULL, 'h'},
	{"json", no_argument, NULL, 'j'},
	{"runtime-dir", required_argument, NULL, 'r'},
	{"version", no_argument, NULL, 'v'},
	{NULL, 0, NULL, 0},
};

static void print_help(void)
{
	puts("Usage: lxcfsctl [OPTION]... COMMAND\n"
	     "\n"
	     "Look at a running lxcfs, give it orders, and check plugins.\n");
	for (size_t index = 0; index < COMMANDS; index++)
		printf("  %-11s %-9s %s\n", commands[index].name, commands[index].arguments,
		       commands[index].help);
	puts("\n"
	     "  --json                for programs: what the daemon replies\n"
	     "  --runtime-dir=DIR     that of the daemon (default: " CONTROL_DIRECTORY ")\n"
	     "  -h, --help            print this and exit\n"
	     "  -v, --version         print the version and exit\n"
	     "\n"
	     "It ends with 0; 1: it was refused or failed; 2: the command line is wrong;\n"
	     "3: no daemon answers.");
}

static enum ctl_status run_command(int argc, char **argv, struct invocation *invocation)
{
	const struct command *command = NULL;

	if (argc == 0) {
		output_error("what is to be done? Try 'lxcfsctl --help'");
		return CTL_USAGE;
	}
	for (size_t index = 0; index < COMMANDS && !command; index++)
		if (strcmp(commands[index].name, argv[0]) == 0)
			command = &commands[index];
	if (!command) {
		output_error("there is no command \"%s\"; try 'lxcfsctl --help'", argv[0]);
		return CTL_USAGE;
	}
	invocation->count = argc - 1;
	invocation->arguments = argv + 1;
	if (invocation->count < command->least || invocation->count > command->most) {
		output_error("too %s arguments; usage: lxcfsctl %s %s",
			     invocation->count < command->least ? "few" : "many", command->name,
			     command->arguments);
		return CTL_USAGE;
	}
	return command->run(invocation);
}

static enum ctl_status run(int argc, char **argv)
{
	struct invocation invocation = {.runtime_directory = CONTROL_DIRECTORY};

	for (;;) {
		/* Options stand anywhere. */
		switch (getopt_long(argc, argv, "hv", long_options, NULL)) {
		case 'h':
			print_help();
			return CTL_DONE;
		case 'j':
			invocation.json = true;
			break;
		case 'r':
			invocation.runtime_directory = optarg;
			break;
		case 'v':
			puts(PACKAGE_VERSION);
			return CTL_DONE;
		case -1:
			return run_command(argc - optind, argv + optind, &invocation);
		default:
			fputs("Try 'lxcfsctl --help'.\n", stderr);
			return CTL_USAGE;
		}
	}
}

int main(int argc, char **argv)
{
	enum ctl_status status;

	program_open_standard_descriptors();
	/* `check` runs this program again. */
	if (argc > 1 && strcmp(argv[1], SELFTEST_ARGUMENT) == 0)
		return selftest_main(argc - 2, argv + 2);
	status = run(argc, argv);
	/* A full disk behind standard output is a failure too. */
	if (fflush(stdout) != 0 && status == CTL_DONE)
		return CTL_REFUSED;
	return status;
}
