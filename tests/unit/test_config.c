/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration: what each key means, and what a bad file is told. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/config.h"

#define SIXTEEN    "abcdefghijklmnop"
#define SIXTY_FOUR SIXTEEN SIXTEEN SIXTEEN SIXTEEN

/* A folder of its own, removed with its files. */
struct fixture {
	char root[32];
	unsigned count;
	char *files[64];
};

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){.root = "/tmp/lxcfs-test-XXXXXX"};
	*state = &fixture;
	return mkdtemp(fixture.root) == NULL;
}

static void remove_last(struct fixture *fixture)
{
	char *path = fixture->files[--fixture->count];

	remove(path);
	free(path);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	while (fixture->count > 0)
		remove_last(fixture);
	return rmdir(fixture->root);
}

static const char *new_path(struct fixture *fixture, const char *name)
{
	char **path = &fixture->files[fixture->count];

	assert_true(fixture->count < 64);
	assert_true(asprintf(path, "%s/%s", fixture->root, name) > 0);
	fixture->count++;
	return *path;
}

static const char *write_file(struct fixture *fixture, const char *name, const char *text)
{
	const char *path = new_path(fixture, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	return path;
}

static struct config *load_with(struct fixture *fixture, const char *text,
				const struct config_overrides *overrides)
{
	struct config *config = NULL;
	char *reason = NULL;
	int result =
		config_load(write_file(fixture, "lxcfs.conf", text), overrides, &config, &reason);

	if (result != 0)
		fail_msg("refused: %s", reason ? reason : "?");
	assert_null(reason);
	return config;
}

static struct config *load(struct fixture *fixture, const char *text)
{
	return load_with(fixture, text, NULL);
}

/* The file is refused, and the complaint is FILE:REST. */
static void check_refused(struct fixture *fixture, const char *text, const char *rest)
{
	const char *path = write_file(fixture, "bad.conf", text);
	struct config *config = NULL;
	char *reason = NULL;
	char expected[512];

	snprintf(expected, sizeof(expected), "%s:%s", path, rest);
	assert_int_equal(config_load(path, NULL, &config, &reason), -EINVAL);
	assert_null(config);
	assert_non_null(reason);
	assert_string_equal(reason, expected);
	free(reason);
}

static const char *option_of(const struct config_plugin *plugin, const char *key)
{
	for (size_t index = 0; index < plugin->option_count; index++)
		if (strcmp(plugin->options[index].key, key) == 0)
			return plugin->options[index].value;
	return NULL;
}

/* ---- what is accepted ---- */

static void without_a_file_it_is_as_upstream(void **state)
{
	static const char *const names[] = {"cpuinfo", "diskstats", "meminfo", "stat",
					    "swaps",   "sysfs_cpu", "uptime"};
	struct config *config;
	char *reason;

	(void)state;
	assert_int_equal(config_load(NULL, NULL, &config, &reason), 0);
	assert_int_equal(config->plugin_count, 7);
	for (size_t index = 0; index < 7; index++)
		assert_string_equal(config->plugins[index].name, names[index]);
	assert_int_equal(config->directory_count, 1);
	assert_string_equal(config->directories[0], PLUGIN_DIRECTORY);
	assert_int_equal(config->policy.cpu_policy, CPU_POLICY_CPUSET);
	assert_int_equal(config->policy.cpu_numbering, CPU_NUMBERING_AUTO);
	assert_int_equal(config->policy.identity, IDENTITY_AUTO);
	assert_true(config->policy.swap);
	assert_true(config->policy.virtual_uptime);
	assert_int_equal(config->render_timeout, 5000);
	assert_int_equal(config->threads, 16);
	assert_int_equal(config->container_count, 0);
	config_put(config);
}

static void every_key_is_taken(void **state)
{
	struct config *config = load(*state, "plugins = {\"stat\", \"uptime\", \"stat\"}\n"
					     "plugin-directories = {\"/a\", \"/b\"}\n"
					     "cpu-policy = quota\n"
					     "cpu-numbering = contiguous\n"
					     "identity = pid1\n"
					     "swap = off\n"
					     "uptime = host\n"
					     "render-timeout = 250\n"
					     "threads = 3\n");

	assert_int_equal(config->plugin_count, 2);
	assert_string_equal(config->plugins[1].name, "uptime");
	assert_int_equal(config->directory_count, 2);
	assert_string_equal(config->directories[1], "/b");
	assert_int_equal(config->policy.cpu_policy, CPU_POLICY_QUOTA);
	assert_int_equal(config->policy.cpu_numbering, CPU_NUMBERING_CONTIGUOUS);
	assert_int_equal(config->policy.identity, IDENTITY_PID1);
	assert_false(config->policy.swap);
	assert_false(config->policy.virtual_uptime);
	assert_int_equal(config->render_timeout, 250);
	assert_int_equal(config->threads, 3);
	config_put(config);
}

static void plugins_have_free_keys(void **state)
{
	struct config *config = load(*state, "plugins = {\"stat\", \"probe\"}\n"
					     "plugin \"probe\" {\n"
					     "  on-fault = passthrough\n"
					     "  greeting = \"hello world\"\n"
					     "  period = 10\n"
					     "}\n"
					     "plugin \"not-loaded\" { anything = 1 }\n");
	const struct config_plugin *probe = config_find_plugin(config, "probe");

	assert_int_equal(probe->on_fault, ON_FAULT_PASSTHROUGH);
	assert_int_equal(probe->option_count, 2);
	assert_string_equal(option_of(probe, "greeting"), "hello world");
	assert_string_equal(option_of(probe, "period"), "10");
	assert_int_equal(config_find_plugin(config, "stat")->on_fault, ON_FAULT_DEFAULT);
	assert_int_equal(config_find_plugin(config, "stat")->option_count, 0);
	assert_null(config_find_plugin(config, "not-loaded"));
	config_put(config);
}

static void a_container_goes_before_the_rest(void **state)
{
	struct config *config = load(*state, "cpu-policy = quota\n"
					     "identity = caller\n"
					     "container \"/lxc/a*\" {\n"
					     "  cpu-policy = cpuset\n"
					     "  cpu-numbering = physical\n"
					     "  swap = off\n"
					     "  uptime = host\n"
					     "  passthrough = {\"stat\", \"meminfo\"}\n"
					     "}\n"
					     "container \"/lxc/*\" { identity = auto }\n");
	const struct policy *policy = config_policy(config, "/lxc/alpha");

	assert_int_equal(policy->cpu_policy, CPU_POLICY_CPUSET);
	assert_int_equal(policy->cpu_numbering, CPU_NUMBERING_PHYSICAL);
	assert_int_equal(policy->identity, IDENTITY_CALLER);
	assert_false(policy->swap);
	assert_false(policy->virtual_uptime);
	policy = config_policy(config, "/lxc/beta");
	assert_int_equal(policy->cpu_policy, CPU_POLICY_QUOTA);
	assert_int_equal(policy->identity, IDENTITY_AUTO);
	assert_true(policy->swap);
	assert_ptr_equal(config_policy(config, "/docker/a"), &config->policy);
	assert_ptr_equal(config_policy(config, "/x/lxc/alpha"), &config->policy);
	assert_true(config_passthrough(config, "/lxc/alpha", "meminfo"));
	assert_false(config_passthrough(config, "/lxc/alpha", "uptime"));
	assert_false(config_passthrough(config, "/lxc/beta", "meminfo"));
	assert_false(config_passthrough(config, "/", "meminfo"));
	config_put(config);
}

static void the_first_glob_wins(void **state)
{
	struct config *config = load(*state, "container \"/a\" { swap = off }\n"
					     "container \"/[ab]\" { swap = auto }\n"
					     "container \"/*\" { swap = off }\n");

	assert_string_equal(config_find_container(config, "/a")->glob, "/a");
	assert_string_equal(config_find_container(config, "/b")->glob, "/[ab]");
	assert_string_equal(config_find_container(config, "/c/d")->glob, "/*");
	config_put(config);
}

static void the_command_line_goes_before_the_file(void **state)
{
	char one[] = "/one";
	char two[] = "/two";
	char *const directories[] = {one, two};
	const struct config_overrides overrides = {.cfs = true,
						   .disable_swap = true,
						   .directory_count = 2,
						   .directories = directories};
	struct config *config = load_with(*state,
					  "cpu-policy = cpuset\n"
					  "swap = auto\n"
					  "plugins = {\"stat\"}\n"
					  "plugin-directories = {\"/file\"}\n",
					  &overrides);

	assert_int_equal(config->policy.cpu_policy, CPU_POLICY_QUOTA);
	assert_false(config->policy.swap);
	assert_int_equal(config->directory_count, 2);
	assert_string_equal(config->directories[0], "/one");
	assert_string_equal(config->directories[1], "/two");
	config_put(config);
}

/* ---- includes ---- */

static void includes_come_in_the_order_of_names(void **state)
{
	struct fixture *fixture = *state;
	char text[256];
	struct config *config;

	write_file(fixture, "20.inc", "threads = 20\ncontainer \"/b\" { swap = off }\n");
	write_file(fixture, "10.inc", "threads = 10\ncontainer \"/a\" { swap = off }\n");
	snprintf(text, sizeof(text), "include(\"%s/*.inc\")\nrender-timeout = 1\n", fixture->root);
	config = load(fixture, text);
	assert_int_equal(config->threads, 20);
	assert_int_equal(config->render_timeout, 1);
	assert_int_equal(config->container_count, 2);
	assert_string_equal(config->containers[0].glob, "/a");
	assert_string_equal(config->containers[1].glob, "/b");
	config_put(config);
}

static void many_files_are_included(void **state)
{
	struct fixture *fixture = *state;
	char text[256];
	char name[64];
	struct config *config;

	for (unsigned index = 0; index < 40; index++) {
		snprintf(name, sizeof(name), "%02u $\"[.inc", index);
		snprintf(text, sizeof(text), "container \"/%u\" { swap = off }\n", index);
		write_file(fixture, name, text);
	}
	snprintf(text, sizeof(text), "include(\"%s/*.inc\")\n", fixture->root);
	config = load(fixture, text);
	assert_int_equal(config->container_count, 40);
	for (unsigned index = 0; index < 40; index++) {
		snprintf(name, sizeof(name), "/%u", index);
		assert_string_equal(config->containers[index].glob, name);
	}
	config_put(config);
}

static void an_include_of_nothing_is_nothing(void **state)
{
	struct config *config = load(*state, "include(\"/nonexistent/*.conf\")\nthreads = 2\n");

	assert_int_equal(config->threads, 2);
	config_put(config);
}

static void an_error_names_the_included_file(void **state)
{
	struct fixture *fixture = *state;
	const char *included = write_file(fixture, "1.inc", "threads = 2\n\nswap = maybe\n");
	struct config *config;
	char *reason;
	char text[256];

	snprintf(text, sizeof(text), "include(\"%s\")\n", included);
	assert_int_equal(
		config_load(write_file(fixture, "main.conf", text), NULL, &config, &reason),
		-EINVAL);
	snprintf(text, sizeof(text), "%s:3: swap = maybe: not one of auto, off", included);
	assert_string_equal(reason, text);
	free(reason);
}

static void lines_are_right_behind_an_include(void **state)
{
	struct fixture *fixture = *state;
	char text[256];

	write_file(fixture, "1.inc", "threads = 2\n\n\n\n");
	snprintf(text, sizeof(text), "include(\"%s/*.inc\")\nthreads = 0\n", fixture->root);
	check_refused(fixture, text, "2: threads = 0: must be from 1 to 128");
}

static void what_is_included_goes_before_the_file(void **state)
{
	struct fixture *fixture = *state;
	struct config *config;
	char text[256];

	write_file(fixture, "1.inc", "threads = 20\n");
	snprintf(text, sizeof(text), "include(\"%s/*.inc\")\nthreads = 3\n", fixture->root);
	config = load(fixture, text);
	assert_int_equal(config->threads, 20);
	config_put(config);
}

static void an_included_file_may_include(void **state)
{
	struct fixture *fixture = *state;
	struct config *config;
	char text[256];

	write_file(fixture, "2.inc2", "render-timeout = 5\n");
	snprintf(text, sizeof(text), "include(\"%s/*.inc2\")\n", fixture->root);
	write_file(fixture, "1.inc", text);
	snprintf(text, sizeof(text), "include(\"%s/*.inc\")\n", fixture->root);
	config = load(fixture, text);
	assert_int_equal(config->render_timeout, 5);
	config_put(config);
}

/* `included` is refused, and the reason says `part`. */
static void check_include(struct fixture *fixture, const char *included, int error,
			  const char *part)
{
	struct config *config = NULL;
	char *reason = NULL;
	char text[256];

	snprintf(text, sizeof(text), "include(%s)\n", included);
	assert_int_equal(
		config_load(write_file(fixture, "main.conf", text), NULL, &config, &reason), error);
	assert_null(config);
	assert_non_null(reason);
	if (!strstr(reason, part))
		fail_msg("\"%s\" does not say \"%s\"", reason, part);
	free(reason);
}

static void what_cannot_be_included_is_told(void **state)
{
	struct fixture *fixture = *state;
	char quoted[64];

	check_include(fixture, "\"a\", \"b\"", -EINVAL, "one file name or glob");
	snprintf(quoted, sizeof(quoted), "\"%s\"", fixture->root);
	check_include(fixture, quoted, -EINVAL, "is a directory");
	snprintf(quoted, sizeof(quoted), "\"%s/main.conf\"", fixture->root);
	check_include(fixture, quoted, -EINVAL, "include itself");
}

/* ---- what is refused ---- */

static void every_complaint_has_file_line_and_reason(void **state)
{
	static const struct {
		const char *text;
		const char *rest;
	} cases[] = {
		{"bogus = 1\n", "1: no such option 'bogus'"},
		{"\n\ncpu-policy = all\n", "3: cpu-policy = all: not one of quota, cpuset"},
		{"cpu-numbering = odd\n",
		 "1: cpu-numbering = odd: not one of auto, physical, contiguous"},
		{"identity = me\n", "1: identity = me: not one of auto, pid1, caller"},
		{"swap = on\n", "1: swap = on: not one of auto, off"},
		{"uptime = real\n", "1: uptime = real: not one of virtual, host"},
		{"threads = 0\n", "1: threads = 0: must be from 1 to 128"},
		{"threads = 129\n", "1: threads = 129: must be from 1 to 128"},
		{"threads = many\n", "1: invalid integer value for option 'threads'"},
		{"render-timeout = -1\n", "1: render-timeout = -1: must be from 0 to 3600000"},
		{"\nplugins = {\"stat\", \"../evil\"}\n\n",
		 "2: plugins: \"../evil\" is not the name of a plugin"},
		{"plugins = {\"\"}\n", "1: plugins: \"\" is not the name of a plugin"},
		{"plugins = {\"two words\"}\n",
		 "1: plugins: \"two words\" is not the name of a plugin"},
		/* 64 bytes: a successor would look for its code by another name. */
		{"plugins = {\"" SIXTY_FOUR "\"}\n",
		 "1: plugins: \"" SIXTY_FOUR "\" is not the name of a plugin"},
		{"plugin \"a\" {\n on-fault = never\n}\n",
		 "2: on-fault = never: not one of error, passthrough"},
		{"plugin \"a\" { x = 1 }\nplugin \"a\" { x = 2 }\n",
		 "2: found duplicate title 'a'"},
		{"container \"/a\" {\n bogus = 1\n}\n", "2: no such option 'bogus'"},
		{"container \"/a\" {\n\n identity = x\n}\n",
		 "3: identity = x: not one of auto, pid1, caller"},
		{"# one\n// two\n/* three\n */ x = 1 # four\n", "4: no such option 'x'"},
		{"plugins = { \"#\", # one\n '//' }\n",
		 "2: plugins: \"//\" is not the name of a plugin"},
		{"plugins = {\"stat\"", "2: a section or a list is not closed: a '}' is missing"},
		{"container \"/a\" {\n swap = off\n",
		 "3: a section or a list is not closed: a '}' is missing"},
	};

	for (size_t index = 0; index < sizeof(cases) / sizeof(cases[0]); index++) {
		struct fixture *fixture = *state;

		check_refused(fixture, cases[index].text, cases[index].rest);
		remove_last(fixture);
	}
}

static void what_cannot_be_read_is_told_apart(void **state)
{
	struct fixture *fixture = *state;
	struct config *config;
	char *reason;

	assert_int_equal(config_load("/nonexistent/lxcfs.conf", NULL, &config, &reason), -ENOENT);
	assert_string_equal(reason, "/nonexistent/lxcfs.conf: No such file or directory");
	free(reason);
	assert_int_equal(config_load(fixture->root, NULL, &config, &reason), -EISDIR);
	assert_non_null(strstr(reason, fixture->root));
	free(reason);
}

static void an_old_complaint_is_not_told_again(void **state)
{
	struct fixture *fixture = *state;
	struct config *config;
	char *reason;

	check_refused(fixture, "bogus = 1\n", "1: no such option 'bogus'");
	config = load(fixture, "threads = 5\n");
	config_put(config);
	assert_int_equal(config_load("/nonexistent", NULL, &config, &reason), -ENOENT);
	assert_null(strstr(reason, "bogus"));
	free(reason);
}

/* ---- for a successor ---- */

static void the_text_tells_all(void **state)
{
	struct fixture *fixture = *state;
	struct config *config;
	struct config *again;
	char *reason;
	char text[1024];
	int fd;

	write_file(fixture, "1.inc", "container \"/c\\\"1*\" { passthrough = {\"stat\"} }\n");
	snprintf(text, sizeof(text),
		 "include(\"%s/*.inc\")\n"
		 "plugins = {\"probe\", \"stat\"}\n"
		 "plugin \"probe\" {\n"
		 "  on-fault = error\n"
		 "  quoted = \"a \\\"q\\\" \\\\ z\"\n"
		 "  lines = \"a\\nb\"\n"
		 "  literal = 'no ${HOME} \\ here'\n"
		 "}\n"
		 "cpu-policy = quota\nidentity = caller\nswap = off\nrender-timeout = 77\n",
		 fixture->root);
	config = load(fixture, text);
	fd = open(write_file(fixture, "text", config->text), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	/* The position of a descriptor that was written to is its end. */
	lseek(fd, 0, SEEK_END);
	assert_int_equal(config_load_text(fd, NULL, &again, &reason), 0);
	close(fd);
	assert_string_equal(again->text, config->text);
	assert_int_equal(again->plugin_count, 2);
	assert_int_equal(again->plugins[0].on_fault, ON_FAULT_ERROR);
	assert_int_equal(again->plugins[0].option_count, 3);
	assert_string_equal(option_of(&config->plugins[0], "quoted"), "a \"q\" \\ z");
	for (size_t index = 0; index < 3; index++) {
		const struct config_option *option = &config->plugins[0].options[index];

		assert_string_equal(option_of(&again->plugins[0], option->key), option->value);
	}
	assert_int_equal(again->policy.cpu_policy, CPU_POLICY_QUOTA);
	assert_int_equal(again->policy.identity, IDENTITY_CALLER);
	assert_int_equal(again->policy.cpu_numbering, CPU_NUMBERING_AUTO);
	assert_false(again->policy.swap);
	assert_int_equal(again->render_timeout, 77);
	assert_string_equal(again->containers[0].glob, "/c\"1*");
	assert_true(config_passthrough(again, "/c\"12", "stat"));
	config_put(again);
	config_put(config);
}

static void references_are_counted(void **state)
{
	struct config *config = load(*state, "threads = 5\n");

	assert_ptr_equal(config_get(config), config);
	config_put(config);
	assert_int_equal(config->threads, 5);
	config_put(config);
	config_put(NULL);
}

#define with_folder(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_folder(without_a_file_it_is_as_upstream),
		with_folder(every_key_is_taken),
		with_folder(plugins_have_free_keys),
		with_folder(a_container_goes_before_the_rest),
		with_folder(the_first_glob_wins),
		with_folder(the_command_line_goes_before_the_file),
		with_folder(includes_come_in_the_order_of_names),
		with_folder(many_files_are_included),
		with_folder(an_include_of_nothing_is_nothing),
		with_folder(an_error_names_the_included_file),
		with_folder(lines_are_right_behind_an_include),
		with_folder(what_is_included_goes_before_the_file),
		with_folder(an_included_file_may_include),
		with_folder(what_cannot_be_included_is_told),
		with_folder(every_complaint_has_file_line_and_reason),
		with_folder(what_cannot_be_read_is_told_apart),
		with_folder(an_old_complaint_is_not_told_again),
		with_folder(the_text_tells_all),
		with_folder(references_are_counted),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
