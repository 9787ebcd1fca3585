/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "selftest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "caller.h"
#include "cleanup.h"
#include "clock.h"
#include "describe.h"
#include "generation.h"
#include "hostapi.h"
#include "hostfs.h"
#include "log.h"
#include "pluginstate.h"
#include "timers.h"

#define IMAGE_FD        3
#define TIMEOUT_SECONDS 10
#define REASON_BYTES    512
#define REPORT_BYTES    ((size_t)1 << 20)

extern char **environ;

/* ---- in the throw-away process ---- */

struct trial {
	FILE *report;
	struct hostfs *hostfs;
	struct caller_resolver *resolver;
	struct services services;
	struct arena arena;
	struct lxcfs_output output;
	struct lxcfs_directory directory;
	struct policy policy;
	struct caller caller;
	struct generation *generation;
	struct request request;
};

static int trial_open(struct trial *trial)
{
	int result = hostfs_open_live(&trial->hostfs);

	if (result == 0)
		result = caller_resolver_new(trial->hostfs, 16, &trial->resolver);
	if (result == 0)
		result = plugin_state_open(NULL, &trial->services.plugin_state);
	if (result == 0)
		result = timers_new(NULL, &trial->services.timers);
	if (result == 0)
		result = caller_identify(trial->resolver, (uint32_t)getpid(), IDENTITY_CALLER,
					 &trial->arena, &trial->caller);
	trial->services.hostfs = trial->hostfs;
	trial->policy = (struct policy){.swap = true, .virtual_uptime = true};
	return result;
}

static void begin_request(struct trial *trial, const char *path)
{
	struct generation *generation = trial->generation;

	trial->request = (struct request){
		.shown = {.size = sizeof(struct lxcfs_request),
			  .version = LXCFS_ABI_VERSION,
			  .host = &generation->host,
			  .instance = generation->instance,
			  .path = path},
		.rendering = {.hostfs = trial->hostfs,
			      .container = trial->caller.container,
			      .policy = &trial->policy,
			      .arena = &trial->arena},
		.generation = generation,
	};
	output_reset(&trial->output, &generation->host);
	output_reset(&trial->directory.output, &generation->host);
}

static int try_files(struct trial *trial)
{
	struct generation *generation = trial->generation;

	for (uint32_t index = 0; index < generation->plugin.file_count; index++) {
		const struct lxcfs_file *file = &generation->files[index];
		int result;

		begin_request(trial, file->path);
		result = file->render(&trial->request.shown, &trial->output);
		if (result == 0)
			result = trial->output.status;
		if (result != 0) {
			fprintf(trial->report, "rendering %s on this host: %s", file->path,
				strerror(result < 0 ? -result : result));
			return -ENOEXEC;
		}
	}
	return 0;
}

static int try_subtrees(struct trial *trial)
{
	struct generation *generation = trial->generation;

	for (uint32_t index = 0; index < generation->plugin.subtree_count; index++) {
		const struct lxcfs_subtree *subtree = &generation->subtrees[index];
		struct lxcfs_attributes attributes = {.size = sizeof(attributes),
						      .version = LXCFS_ABI_VERSION};
		int result = subtree->lookup(&generation->host, "", &attributes);

		begin_request(trial, "");
		if (result == 0)
			result = subtree->readdir(&trial->request.shown, &trial->directory);
		if (result == 0)
			result = trial->directory.output.status;
		if (result != 0) {
			fprintf(trial->report, "listing %s on this host: %s", subtree->path,
				strerror(result < 0 ? -result : result));
			return -ENOEXEC;
		}
	}
	return 0;
}

/* NAME [KEY VALUE]... */
static int read_section(int argc, char **argv, struct config_plugin *section)
{
	if (argc < 1 || argc % 2 != 1)
		return -EINVAL;
	section->name = argv[0];
	section->options = calloc((size_t)argc, sizeof(*section->options));
	if (!section->options)
		return -ENOMEM;
	for (int index = 1; index + 1 < argc; index += 2)
		section->options[section->option_count++] =
			(struct config_option){.key = argv[index], .value = argv[index + 1]};
	return 0;
}

static void describe(const struct trial *trial)
{
	auto_free char *description = describe_generation(trial->generation);

	if (description)
		fprintf(trial->report, "%s", description);
}

static int try_plugin(struct trial *trial, const struct config_plugin *section)
{
	auto_free char *reason = NULL;
	struct image image;
	int result = image_adopt(IMAGE_FD, &image, &reason);

	if (result == 0)
		result = generation_new(&image, "(self-test)", section, &trial->services, 0,
					&trial->generation, &reason);
	if (result != 0) {
		fprintf(trial->report, "%s", reason ? reason : strerror(-result));
		return result;
	}
	result = try_files(trial);
	if (result == 0)
		result = try_subtrees(trial);
	if (result == 0)
		describe(trial);
	generation_put(trial->generation);
	return result;
}

/* Standard output is for the report; what the plugin prints goes where its errors go. */
static FILE *open_report(void)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, IMAGE_FD + 1);

	if (fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return NULL;
	return fdopen(fd, "w");
}

/* The exit status is the errno value; the report is the reason, or a description of the plugin. */
int selftest_main(int argc, char **argv)
{
	struct config_plugin section = {0};
	struct trial trial = {0};
	int result;

	/* Whoever waits for it may be gone. */
	alarm(TIMEOUT_SECONDS + 1);
	log_open(LOG_TARGET_STDERR, LXCFS_LOG_ERROR);
	trial.report = open_report();
	if (!trial.report)
		_exit(ENOMEM);
	result = read_section(argc, argv, &section);
	if (result == 0)
		result = trial_open(&trial);
	if (result != 0)
		fprintf(trial.report, "the self-test cannot run: %s", strerror(-result));
	else
		result = try_plugin(&trial, &section);
	fflush(trial.report);
	_exit(-result);
}

/* ---- in the worker ---- */

static int spawn(const struct image *image, const struct config_plugin *section, int output,
		 pid_t *pid)
{
	auto_free char **arguments = calloc(4 + 2 * section->option_count, sizeof(char *));
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	size_t count = 0;
	sigset_t none;
	int result;

	if (!arguments)
		return -ENOMEM;
	arguments[count++] = (char *)"lxcfs";
	arguments[count++] = (char *)SELFTEST_ARGUMENT;
	arguments[count++] = section->name;
	for (size_t index = 0; index < section->option_count; index++) {
		arguments[count++] = section->options[index].key;
		arguments[count++] = section->options[index].value;
	}
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, image->memfd, IMAGE_FD);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	result = -posix_spawn(pid, "/proc/self/exe", &actions, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return result;
}

/* Read until the process closes its end.  false: it did not in time. */
static bool read_output(int fd, char *text, size_t size)
{
	int64_t deadline = clock_milliseconds() + TIMEOUT_SECONDS * INT64_C(1000);
	size_t used = 0;

	for (;;) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - clock_milliseconds();
		char scrap[256];
		ssize_t count;

		if (left <= 0)
			return false;
		if (poll(&poll_fd, 1, (int)left) <= 0)
			continue;
		count = used + 1 < size ? read(fd, text + used, size - 1 - used)
					: read(fd, scrap, sizeof(scrap));
		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return true;
		if (used + 1 < size)
			used += (size_t)count;
		text[used] = '\0';
	}
}

static int judge(int status, bool in_time, const char *output, char **reason)
{
	int length;

	if (!in_time)
		length = asprintf(reason, "its self-test hung for %d seconds", TIMEOUT_SECONDS);
	else if (WIFSIGNALED(status))
		length = asprintf(reason, "its self-test was ended by signal %d (%s)",
				  WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 0)
		return 0;
	else
		length = asprintf(reason, "%s",
				  output[0] ? output : "its self-test failed without a word");
	if (length < 0)
		*reason = NULL;
	return in_time && WIFEXITED(status) && WEXITSTATUS(status) == EINVAL ? -EINVAL : -ENOEXEC;
}

static int run(const struct image *image, const struct config_plugin *section, char *output,
	       size_t size, char **reason)
{
	int ends[2];
	pid_t pid;
	int status = 0;
	bool in_time;
	int result;

	*reason = NULL;
	output[0] = '\0';
	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	result = spawn(image, section, ends[1], &pid);
	close(ends[1]);
	if (result != 0) {
		close(ends[0]);
		if (asprintf(reason, "its self-test cannot be started: %s", strerror(-result)) < 0)
			*reason = NULL;
		return result;
	}
	in_time = read_output(ends[0], output, size);
	close(ends[0]);
	if (!in_time)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return judge(status, in_time, output, reason);
}

int selftest_run(const struct image *image, const struct config_plugin *section, char **reason)
{
	char output[REASON_BYTES];

	return run(image, section, output, sizeof(output), reason);
}

int selftest_describe(const struct image *image, const struct config_plugin *section,
		      char **description, char **reason)
{
	auto_free char *output = malloc(REPORT_BYTES);
	int result;

	*description = NULL;
	*reason = NULL;
	if (!output)
		return -ENOMEM;
	result = run(image, section, output, REPORT_BYTES, reason);
	if (result == 0)
		*description = take_pointer(output);
	return result;
}
