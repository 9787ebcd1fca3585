/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What clients of the control socket can ask and order. */
#include <errno.h>
#include <linux/fuse.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <json.h>

#include "control.h"
#include "controlclient.h"
#include "interface.h"
#include "journal.h"
#include "ownership.h"
#include "program.h"

/* ---- orders ---- */

static void orders_reach_the_keeper(void **state)
{
	static const struct {
		const char *call;
		enum message_kind kind;
		int status;
		const char *text;
	} orders[] = {
		{"{\"method\":\"io.lxcfs.Reload\"}", MESSAGE_RELOAD, 0, ""},
		{"{\"method\":\"io.lxcfs.Reload\",\"parameters\":{\"names\":null}}", MESSAGE_RELOAD,
		 0, ""},
		{"{\"method\":\"io.lxcfs.Reload\",\"parameters\":{\"names\":[\"stat\",\"uptime\"]}"
		 "}",
		 MESSAGE_RELOAD, 0, "stat uptime"},
		{"{\"method\":\"io.lxcfs.Reconfigure\",\"parameters\":{}}", MESSAGE_RECONFIGURE, 0,
		 ""},
		{"{\"method\":\"io.lxcfs.Passthrough\",\"parameters\":{\"on\":true}}",
		 MESSAGE_PASSTHROUGH, 1, ""},
		{"{\"method\":\"io.lxcfs.Passthrough\",\"parameters\":{\"on\":false}}",
		 MESSAGE_PASSTHROUGH, 0, ""},
		{"{\"method\":\"io.lxcfs.Upgrade\",\"parameters\":null}", MESSAGE_UPGRADE, 0, ""},
		{"{\"method\":\"io.lxcfs.Unmount\"}", MESSAGE_UNMOUNT, 0, ""},
	};
	struct fixture *fixture = *state;

	for (size_t index = 0; index < sizeof(orders) / sizeof(orders[0]); index++) {
		auto_json struct json_object *message = NULL;
		struct message order;

		call(fixture, orders[index].call);
		order = take_order(fixture);
		assert_int_equal(order.kind, orders[index].kind);
		assert_int_equal(order.status, orders[index].status);
		assert_string_equal(order.text, orders[index].text);
		tell(fixture, MESSAGE_LINE, 0, "one");
		tell(fixture, MESSAGE_LINE, 0, "t\xffwo");
		tell(fixture, MESSAGE_RESULT, 0, NULL);
		message = hear(fixture);
		assert_null(varlink_text(message, "error"));
		assert_false(json_object_object_get_ex(message, "continues", NULL));
		expect_lines(message, "[\"one\",\"t?wo\"]");
	}
}

static void lines_come_at_once_if_asked_for(void **state)
{
	struct fixture *fixture = *state;
	struct json_object *message;

	call(fixture, "{\"method\":\"io.lxcfs.Reload\",\"more\":true}");
	take_order(fixture);
	tell(fixture, MESSAGE_LINE, 0, "one");
	message = hear(fixture);
	assert_true(flag(message, "continues"));
	expect_lines(message, "[\"one\"]");
	json_object_put(message);
	tell(fixture, MESSAGE_RESULT, 0, NULL);
	message = hear(fixture);
	assert_false(json_object_object_get_ex(message, "continues", NULL));
	expect_lines(message, "[]");
	json_object_put(message);
}

static void a_failed_order_says_why(void **state)
{
	struct fixture *fixture = *state;
	struct json_object *message;

	call(fixture, "{\"method\":\"io.lxcfs.Upgrade\"}");
	take_order(fixture);
	tell(fixture, MESSAGE_LINE, 0, "one");
	tell(fixture, MESSAGE_RESULT, -ENOEXEC, "the new program is a text");
	message = hear(fixture);
	assert_string_equal(varlink_text(message, "error"), INTERFACE_ERROR_FAILED);
	assert_string_equal(varlink_text(member(message, "parameters"), "reason"),
			    "the new program is a text");
	expect_lines(message, "[\"one\"]");
	json_object_put(message);
	/* Without a text: what the number means. */
	call(fixture, "{\"method\":\"io.lxcfs.Upgrade\"}");
	take_order(fixture);
	tell(fixture, MESSAGE_RESULT, -ENOMEM, NULL);
	expect_error(fixture, INTERFACE_ERROR_FAILED, "reason", strerror(ENOMEM));
}

static void a_keeper_that_ends_meanwhile_is_a_failure(void **state)
{
	struct fixture *fixture = *state;

	call(fixture, "{\"method\":\"io.lxcfs.Reconfigure\"}");
	take_order(fixture);
	close(fixture->channel);
	fixture->channel = -1;
	expect_error(fixture, INTERFACE_ERROR_FAILED, "reason",
		     "the daemon ended before it was done");
	expect_end(fixture);
	assert_int_equal(end_process(fixture), 0);
}

static void a_client_that_goes_meanwhile_is_not_waited_for(void **state)
{
	struct fixture *fixture = *state;

	call(fixture, "{\"method\":\"io.lxcfs.Reconfigure\"}");
	take_order(fixture);
	assert_int_equal(end_process(fixture), 0);
	assert_int_equal(channel_report(fixture->channel, MESSAGE_RESULT, 0, NULL), -EPIPE);
}

/* As `printf ... | socat` does. */
static void a_client_that_says_no_more_gets_its_answer(void **state)
{
	struct fixture *fixture = *state;

	call(fixture, "{\"method\":\"io.lxcfs.Reconfigure\"}");
	shutdown(fixture->client.fd, SHUT_WR);
	take_order(fixture);
	tell(fixture, MESSAGE_RESULT, 0, NULL);
	json_object_put(hear(fixture));
	expect_end(fixture);
}

static void one_way_calls_get_no_reply(void **state)
{
	struct fixture *fixture = *state;
	auto_json struct json_object *message = NULL;

	call(fixture, "{\"method\":\"io.lxcfs.Status\",\"oneway\":true}");
	call(fixture, "{\"method\":\"io.lxcfs.Nothing\",\"oneway\":true}");
	call(fixture, "{\"method\":\"io.lxcfs.Reload\",\"oneway\":true}");
	take_order(fixture);
	tell(fixture, MESSAGE_RESULT, 0, NULL);
	call(fixture, "{\"method\":\"org.varlink.service.GetInfo\"}");
	message = hear(fixture);
	assert_string_equal(varlink_text(member(message, "parameters"), "product"), "lxcfs");
}

static void what_the_keeper_says_unasked_is_dropped(void **state)
{
	struct fixture *fixture = *state;
	auto_json struct json_object *message = NULL;

	tell(fixture, MESSAGE_LINE, 0, "unasked");
	/* It has been read when there is room for many more. */
	for (int count = 0; count < 1000; count++)
		tell(fixture, MESSAGE_LINE, 0, "unasked");
	call(fixture, "{\"method\":\"org.varlink.service.GetInfo\"}");
	message = hear(fixture);
	assert_string_equal(varlink_text(member(message, "parameters"), "version"),
			    PACKAGE_VERSION);
}

/* ---- questions ---- */

static void every_interface_is_described(void **state)
{
	struct fixture *fixture = *state;
	struct json_object *message;
	struct json_object *interfaces;

	call(fixture, "{\"method\":\"org.varlink.service.GetInfo\"}");
	message = hear(fixture);
	interfaces = member(member(message, "parameters"), "interfaces");
	assert_int_equal(json_object_array_length(interfaces), 2);
	for (size_t index = 0; index < 2; index++) {
		const char *name =
			json_object_get_string(json_object_array_get_idx(interfaces, index));
		struct json_object *answer;
		char text[256];

		snprintf(text, sizeof(text),
			 "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
			 "\"parameters\":{\"interface\":\"%s\"}}",
			 name);
		call(fixture, text);
		answer = hear(fixture);
		snprintf(text, sizeof(text), "\ninterface %s\n", name);
		assert_non_null(
			strstr(varlink_text(member(answer, "parameters"), "description"), text));
		json_object_put(answer);
	}
	json_object_put(message);
}

static void serve_plugin(struct fixture *fixture, const char *name, uint64_t generation)
{
	struct ledger_plugin plugin = {
		.generation = generation, .loaded = 1234, .release = "1.2", .build_id = "abcd"};

	snprintf(plugin.name, sizeof(plugin.name), "%s", name);
	snprintf(plugin.path, sizeof(plugin.path), "/lib/%s.so", name);
	assert_true(ledger_serve(&fixture->ledger, &plugin, true) >= 0);
}

/* A thread was hit by SIGSEGV in this plugin while it served a reader of this group. */
static void charge(struct fixture *fixture, const char *plugin, uint64_t group)
{
	const struct fuse_in_header header = {.len = sizeof(header), .unique = group};
	struct journal journal;
	struct journal_mark *mark;
	int slot;

	journal_open(&journal, &fixture->state);
	slot = journal_take(&journal);
	memcpy(journal_request(&journal, slot), &header, sizeof(header));
	mark = journal_mark(&journal, slot);
	mark->plugin = (uint32_t)ledger_find(&fixture->ledger, plugin) + 1;
	mark->group = group;
	mark->signal = SIGSEGV;
	mark->charges++;
	ledger_record_death(&fixture->ledger, &journal, 0, SIGSEGV);
	journal_clear(&journal, slot);
	journal_close(&journal);
}

static void fill_state(struct fixture *fixture)
{
	struct state_header *header = fixture->state.header;
	struct journal journal;

	program_fill(&header->keeper);
	program_fill(&header->worker);
	header->generation = 7;
	assert_int_equal(ownership_claim(&fixture->state), 0);
	header->takeovers = 5;
	header->hand_overs = 1;
	header->passthrough = 1;
	header->passthrough_answers = 42;
	header->supervised = 1;
	serve_plugin(fixture, "meminfo", 3);
	serve_plugin(fixture, "stat", 1);
	serve_plugin(fixture, "uptime", 1);
	serve_plugin(fixture, "swaps", 1);
	ledger_drop(&fixture->ledger, "swaps");
	/* The upper half tells apart those that have the number one after the other. */
	charge(fixture, "stat", UINT64_C(5) << 32 | 1001);
	charge(fixture, "stat", UINT64_C(5) << 32 | 1001);
	charge(fixture, "uptime", 1001);
	charge(fixture, "uptime", 1001);
	charge(fixture, "uptime", 1002);
	charge(fixture, "uptime", 1002);
	/* And two deaths that nobody is charged for: by a signal, and by an exit. */
	journal_open(&journal, &fixture->state);
	ledger_record_death(&fixture->ledger, &journal, 0, SIGABRT);
	ledger_record_death(&fixture->ledger, &journal, 0, 3 << 8);
	journal_close(&journal);
}

static struct json_object *find_plugin(struct json_object *plugins, const char *name)
{
	for (size_t index = 0; index < json_object_array_length(plugins); index++) {
		struct json_object *plugin = json_object_array_get_idx(plugins, index);

		if (strcmp(varlink_text(plugin, "name"), name) == 0)
			return plugin;
	}
	fail_msg("no plugin %s", name);
	return NULL;
}

static void check_plugins(struct json_object *plugins)
{
	struct json_object *plugin = find_plugin(plugins, "meminfo");
	struct json_object *fault;

	assert_int_equal(json_object_array_length(plugins), 4);
	assert_string_equal(varlink_text(plugin, "file"), "/lib/meminfo.so");
	assert_string_equal(varlink_text(plugin, "release"), "1.2");
	assert_string_equal(varlink_text(plugin, "buildId"), "abcd");
	assert_string_equal(varlink_text(plugin, "state"), "serving");
	assert_int_equal(number(plugin, "generation"), 3);
	assert_int_equal(number(plugin, "loaded"), 1234);
	assert_int_equal(number(plugin, "faults"), 0);
	assert_int_equal(json_object_array_length(member(plugin, "faultyContainers")), 0);
	assert_string_equal(varlink_text(find_plugin(plugins, "swaps"), "state"), "dropped");
	assert_string_equal(varlink_text(find_plugin(plugins, "uptime"), "state"), "quarantined");
	plugin = find_plugin(plugins, "stat");
	assert_string_equal(varlink_text(plugin, "state"), "restricted");
	assert_int_equal(number(plugin, "faults"), 2);
	assert_int_equal(number(plugin, "quarantinedFor"), 1);
	fault = json_object_array_get_idx(member(plugin, "faultyContainers"), 0);
	assert_string_equal(varlink_text(fault, "group"), "1001");
	assert_int_equal(number(fault, "charges"), 2);
	assert_int_equal(number(fault, "signal"), SIGSEGV);
	assert_true(flag(fault, "quarantined"));
}

static void status_tells_what_the_state_holds(void **state)
{
	struct fixture *fixture = *state;
	auto_json struct json_object *message = NULL;
	struct json_object *status;
	struct json_object *deaths;

	fill_state(fixture);
	call(fixture, "{\"method\":\"io.lxcfs.Status\"}");
	message = hear(fixture);
	status = member(message, "parameters");
	assert_int_equal(number(member(status, "keeper"), "pid"), getpid());
	assert_string_equal(varlink_text(member(status, "worker"), "release"), PACKAGE_VERSION);
	assert_int_equal(number(status, "generation"), 7);
	assert_true(flag(status, "serving"));
	assert_int_equal(number(status, "since"), fixture->state.header->created);
	assert_int_equal(number(status, "takeovers"), 5);
	assert_int_equal(number(status, "handOvers"), 1);
	assert_false(flag(status, "rescue"));
	assert_true(flag(status, "supervised"));
	assert_true(flag(status, "passthrough"));
	assert_int_equal(number(status, "passthroughAnswers"), 42);
	assert_int_equal(number(status, "unattributedDeaths"), 2);
	deaths = member(status, "deaths");
	assert_int_equal(json_object_array_length(deaths), 2);
	assert_int_equal(number(json_object_array_get_idx(deaths, 0), "status"), 3);
	assert_int_equal(number(json_object_array_get_idx(deaths, 1), "signal"), SIGABRT);
	check_plugins(member(status, "plugins"));
}

static void plugins_are_those_of_status(void **state)
{
	struct fixture *fixture = *state;
	auto_json struct json_object *message = NULL;

	fill_state(fixture);
	call(fixture, "{\"method\":\"io.lxcfs.Plugins\"}");
	message = hear(fixture);
	check_plugins(member(member(message, "parameters"), "plugins"));
}

static void status_works_when_nobody_serves(void **state)
{
	struct fixture *fixture = *state;
	auto_json struct json_object *message = NULL;
	struct json_object *status;

	call(fixture, "{\"method\":\"io.lxcfs.Status\"}");
	message = hear(fixture);
	status = member(message, "parameters");
	assert_null(member(status, "worker"));
	assert_false(flag(status, "serving"));
	assert_int_equal(json_object_array_length(member(status, "plugins")), 0);
}

static void who_has_ended_does_not_serve(void **state)
{
	struct fixture *fixture = *state;
	auto_json struct json_object *message = NULL;
	siginfo_t information;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(0);
	/* It stays as long as nobody has waited for it. */
	assert_int_equal(waitid(P_PID, (id_t)pid, &information, WEXITED | WNOWAIT), 0);
	fixture->state.header->owner = (uint32_t)pid;
	call(fixture, "{\"method\":\"io.lxcfs.Status\"}");
	message = hear(fixture);
	assert_false(flag(member(message, "parameters"), "serving"));
	waitpid(pid, NULL, 0);
}

/* As many plugins as there can be, with long names: more than a call could have. */
static void a_reply_may_be_long(void **state)
{
	struct fixture *fixture = *state;
	auto_json struct json_object *message = NULL;
	struct json_object *plugins;
	char name[LEDGER_NAME_MAX];

	for (unsigned row = 0; row < LEDGER_PLUGINS_MAX; row++) {
		snprintf(name, sizeof(name), "%060u", row);
		serve_plugin(fixture, name, 1);
	}
	call(fixture, "{\"method\":\"io.lxcfs.Plugins\"}");
	message = hear(fixture);
	plugins = member(member(message, "parameters"), "plugins");
	assert_int_equal(json_object_array_length(plugins), LEDGER_PLUGINS_MAX);
}

#define WITH_CLIENT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static int check_all(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CLIENT(orders_reach_the_keeper),
		WITH_CLIENT(lines_come_at_once_if_asked_for),
		WITH_CLIENT(a_failed_order_says_why),
		WITH_CLIENT(a_keeper_that_ends_meanwhile_is_a_failure),
		WITH_CLIENT(a_client_that_goes_meanwhile_is_not_waited_for),
		WITH_CLIENT(a_client_that_says_no_more_gets_its_answer),
		WITH_CLIENT(one_way_calls_get_no_reply),
		WITH_CLIENT(what_the_keeper_says_unasked_is_dropped),
		WITH_CLIENT(every_interface_is_described),
		WITH_CLIENT(status_tells_what_the_state_holds),
		WITH_CLIENT(plugins_are_those_of_status),
		WITH_CLIENT(status_works_when_nobody_serves),
		WITH_CLIENT(who_has_ended_does_not_serve),
		WITH_CLIENT(a_reply_may_be_long),
	};

	return cmocka_run_group_tests_name("control calls", tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return argc > 1 && strcmp(argv[1], CONTROL_ARGUMENT) == 0 ? control_main() : check_all();
}
