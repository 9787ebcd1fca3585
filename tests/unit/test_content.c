/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a reader gets when rendering fails, and when the plugin is quarantined for its container. */
#include <errno.h>
#include <linux/fuse.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "content.h"
#include "fault.h"
#include "log.h"
#include "recordedhost.h"

#define SLOT 3

static struct fixture {
	struct recordedhost *host;
	struct server server;
	struct server_thread thread;
	struct generation generation;
	struct lxcfs_file file;
	struct lxcfs_subtree subtree;
	struct config *config;
	struct catalog catalog;
	struct tree_node node;
	struct target target;
	int result; /* of the plugin's functions */
	unsigned calls;
} fixture;

/* ---- the plugin ---- */

static int32_t render(const struct lxcfs_request *request, struct lxcfs_output *output)
{
	(void)request;
	fixture.calls++;
	lxcfs_append_string(output, "rendered\n");
	return fixture.result;
}

static int32_t list(const struct lxcfs_request *request, struct lxcfs_directory *directory)
{
	(void)request;
	fixture.calls++;
	directory_add(directory, "listed", S_IFREG);
	return fixture.result;
}

static int32_t open_node(const struct lxcfs_request *request, uint32_t flags)
{
	(void)request;
	(void)flags;
	fixture.calls++;
	return fixture.result;
}

static int32_t look_up(const struct lxcfs_host *host, const char *path,
		       struct lxcfs_attributes *attributes)
{
	(void)host;
	(void)path;
	fixture.calls++;
	attributes->mode = S_IFREG | 0640;
	return fixture.result;
}

/* ---- the fixture ---- */

static void open_server(struct server *server)
{
	const struct ledger_plugin plugin = {.name = "plugin"};

	assert_int_equal(state_create(&server->state), 0);
	journal_open(&server->journal, &server->state);
	ledger_open(&server->state, &server->ledger);
	assert_int_equal(nodes_open(&server->state, &server->nodes), 0);
	server->services.hostfs = fixture.host->hostfs;
	fixture.generation.row = ledger_serve(&server->ledger, &plugin, false);
}

static int set_up(void **state)
{
	char *reason = NULL;

	(void)state;
	fixture = (struct fixture){.host = recordedhost_new(LAYOUT_V2)};
	recordedhost_set(fixture.host, "proc/plugin", "the host's\n");
	recordedhost_set(fixture.host, "sys/tree/there", "the host's\n");
	recordedhost_enter(fixture.host, "/ct1");
	open_server(&fixture.server);
	assert_int_equal(config_load(NULL, NULL, &fixture.config, &reason), 0);
	hostapi_fill(&fixture.generation.host);
	fixture.generation.name = (char *)"plugin";
	fixture.generation.plugin.threads = LXCFS_THREADS_PARALLEL;
	fixture.file = (struct lxcfs_file){.render = render};
	fixture.subtree = (struct lxcfs_subtree){
		.render = render, .readdir = list, .open = open_node, .lookup = look_up};
	fixture.catalog.config = fixture.config;
	fixture.node = (struct tree_node){.generation = &fixture.generation,
					  .file = &fixture.file,
					  .subtree = &fixture.subtree,
					  .kind = NODE_FILE,
					  .path = (char *)"proc/plugin",
					  .on_fault = ON_FAULT_ERROR};
	fixture.target.node = &fixture.node;
	fixture.thread = (struct server_thread){
		.server = &fixture.server, .slot = SLOT, .catalog = &fixture.catalog};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	content_finish(&fixture.thread);
	arena_free(&fixture.thread.arena);
	output_free(&fixture.thread.output);
	output_free(&fixture.thread.directory.output);
	nodes_free(fixture.server.nodes);
	journal_close(&fixture.server.journal);
	state_close(&fixture.server.state);
	config_put(fixture.config);
	recordedhost_free(fixture.host);
	return 0;
}

static void use_subtree(const char *path)
{
	fixture.node.kind = NODE_SUBTREE;
	fixture.node.path = (char *)"sys/tree";
	snprintf(fixture.target.path, sizeof(fixture.target.path), "%s", path);
}

/* A reader in the container of the fixture. */
static void begin(void)
{
	struct caller caller = {.container = fixture.host->container};

	atomic_fetch_add(&fixture.host->container->references, 1);
	content_begin_for(&fixture.thread, &fixture.target, &caller, &fixture.host->policy, 1);
}

/* Two workers die of the plugin for this group. */
static void quarantine(uint64_t group)
{
	struct fuse_in_header *header = journal_request(&fixture.server.journal, SLOT + 1);

	for (uint64_t unique = 1; unique <= LEDGER_CHARGES_MAX; unique++) {
		struct journal_mark *mark;

		*header = (struct fuse_in_header){.len = sizeof(*header), .unique = unique};
		mark = journal_mark(&fixture.server.journal, SLOT + 1);
		mark->plugin = (uint32_t)fixture.generation.row + 1;
		mark->group = group;
		mark->charges = 1;
		mark->signal = SIGSEGV;
		ledger_record_death(&fixture.server.ledger, &fixture.server.journal, 0, SIGSEGV);
	}
	journal_clear(&fixture.server.journal, SLOT + 1);
}

static void quarantine_container(void)
{
	quarantine(fixture.host->container->group);
}

static void assert_output(const char *text)
{
	assert_int_equal(fixture.thread.output.length, strlen(text));
	assert_memory_equal(fixture.thread.output.data, text, strlen(text));
}

static uint64_t passthrough_answers(void)
{
	return fixture.server.state.header->passthrough_answers;
}

/* ---- files ---- */

static void a_rendering_is_what_the_reader_gets(void **state)
{
	(void)state;
	begin();
	assert_int_equal(content_render(&fixture.thread, &fixture.target), 0);
	assert_output("rendered\n");
	assert_int_equal(passthrough_answers(), 0);
}

static void a_failed_rendering_is_an_error(void **state)
{
	(void)state;
	fixture.result = -ENOENT;
	begin();
	assert_int_equal(content_render(&fixture.thread, &fixture.target), -EIO);
	assert_int_equal(passthrough_answers(), 0);
}

static void a_failed_rendering_is_the_hosts_file(void **state)
{
	(void)state;
	fixture.result = -ENOENT;
	fixture.node.on_fault = ON_FAULT_PASSTHROUGH;
	begin();
	assert_int_equal(content_render(&fixture.thread, &fixture.target), 0);
	assert_output("the host's\n");
	assert_int_equal(passthrough_answers(), 1);
}

static void in_quarantine_it_is_not_called(void **state)
{
	(void)state;
	quarantine_container();
	begin();
	assert_int_equal(content_render(&fixture.thread, &fixture.target), -EIO);
	fixture.node.on_fault = ON_FAULT_PASSTHROUGH;
	assert_int_equal(content_render(&fixture.thread, &fixture.target), 0);
	assert_output("the host's\n");
	assert_int_equal(passthrough_answers(), 1);
	assert_int_equal(fixture.calls, 0);
}

static void the_quarantine_of_another_container_is_not_its_own(void **state)
{
	(void)state;
	quarantine(fixture.host->container->group + 1);
	quarantine(LEDGER_NO_READER);
	begin();
	assert_int_equal(content_render(&fixture.thread, &fixture.target), 0);
	assert_output("rendered\n");
	quarantine(fixture.host->container->group + 2);
	assert_int_equal(content_render(&fixture.thread, &fixture.target), -EIO);
	assert_int_equal(fixture.calls, 1);
	ledger_lift(&fixture.server.ledger, "plugin");
	assert_int_equal(content_render(&fixture.thread, &fixture.target), 0);
}

static void a_request_that_was_charged_twice_is_not_tried_again(void **state)
{
	struct fuse_in_header *header = journal_request(&fixture.server.journal, SLOT);

	(void)state;
	*header = (struct fuse_in_header){.len = sizeof(*header), .unique = 9};
	journal_mark(&fixture.server.journal, SLOT)->charges = FAULT_CHARGES_MAX;
	begin();
	assert_int_equal(content_render(&fixture.thread, &fixture.target), -EIO);
	assert_int_equal(fixture.calls, 0);
	assert_false(fault_is_hopeless(&fixture.thread));
	header->unique = 11;
	assert_int_equal(content_render(&fixture.thread, &fixture.target), 0);
}

/* ---- subtrees ---- */

static void opening_and_listing_are_by_on_fault_too(void **state)
{
	(void)state;
	use_subtree("");
	quarantine_container();
	begin();
	assert_int_equal(content_open(&fixture.thread, &fixture.target, 0), -EIO);
	assert_int_equal(content_list(&fixture.thread, &fixture.target), -EIO);
	fixture.node.on_fault = ON_FAULT_PASSTHROUGH;
	assert_int_equal(content_open(&fixture.thread, &fixture.target, 0), 0);
	assert_int_equal(content_list(&fixture.thread, &fixture.target), 0);
	assert_int_equal(passthrough_answers(), 1);
	assert_int_equal(fixture.calls, 0);
	assert_non_null(memmem(fixture.thread.directory.output.data,
			       fixture.thread.directory.output.length, "there", 6));
}

static void names_do_not_depend_on_who_reads(void **state)
{
	struct stat attributes;

	(void)state;
	use_subtree("there");
	assert_int_equal(nodes_get(fixture.server.nodes, 5, "there", &fixture.target.id), 0);
	quarantine_container();
	assert_int_equal(target_attributes(&fixture.thread, &fixture.target, &attributes), 0);
	assert_int_equal(attributes.st_mode, S_IFREG | 0640);
	assert_int_equal(fixture.calls, 1);
	quarantine(LEDGER_NO_READER);
	assert_int_equal(target_attributes(&fixture.thread, &fixture.target, &attributes), 0);
	assert_true(S_ISREG(attributes.st_mode));
	assert_int_equal(fixture.calls, 1);
}

static int look(const char *name, struct stat *attributes)
{
	struct target child;
	int result;

	use_subtree("");
	fixture.target.id = 5;
	result = target_lookup(&fixture.thread, &fixture.target, name, &child, attributes);
	if (result == 0)
		assert_true(child.id & NODE_ID_TABLE);
	return result;
}

static void names_that_were_given_out_stay(void **state)
{
	struct stat before;
	struct stat after;

	(void)state;
	assert_int_equal(look("made", &before), 0);
	quarantine(LEDGER_NO_READER);
	assert_int_equal(look("made", &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(after.st_mode & S_IFMT, S_IFREG);
	assert_int_equal(look("there", &after), 0);
	assert_int_equal(look("nowhere", &after), -ENOENT);
	assert_int_equal(fixture.calls, 1);
}

/* ---- nothing that passes makes the kernel forget a name ---- */

static void look_up_child(const char *name, int result, int expected, mode_t mode)
{
	struct target found;
	struct stat attributes = {.st_mode = 0};

	fixture.result = result;
	assert_int_equal(target_lookup(&fixture.thread, &fixture.target, name, &found, &attributes),
			 expected);
	assert_int_equal(attributes.st_mode & S_IFMT, mode);
	if (expected == 0)
		assert_int_equal(attributes.st_ino, found.id);
}

static void a_lookup_that_fails_is_not_the_readers(void **state)
{
	(void)state;
	use_subtree("");
	fixture.target.id = 5;
	look_up_child("known", 0, 0, S_IFREG);
	look_up_child("known", -EMFILE, 0, S_IFREG);
	look_up_child("known", 7, 0, S_IFREG);
	look_up_child("there", -EIO, 0, S_IFREG);
	/* That there is none is an answer. */
	look_up_child("there", -ENOENT, -ENOENT, 0);
	look_up_child("nowhere", -EIO, -ENOENT, 0);
}

static void attributes_of_a_subtree_do_not_fail(void **state)
{
	struct stat attributes;

	(void)state;
	use_subtree("");
	fixture.result = -EMFILE;
	assert_int_equal(target_attributes(&fixture.thread, &fixture.target, &attributes), 0);
	assert_true(S_ISDIR(attributes.st_mode));
}

/* ---- the emergency brake, where no plugin could be loaded ---- */

static void passthrough_for_all_needs_no_plugin(void **state)
{
	(void)state;
	fixture.node.generation = NULL;
	begin();
	assert_int_equal(content_render(&fixture.thread, &fixture.target), -EIO);
	fixture.server.state.header->passthrough = 1;
	assert_int_equal(content_render(&fixture.thread, &fixture.target), 0);
	assert_output("the host's\n");
	use_subtree("");
	assert_int_equal(content_list(&fixture.thread, &fixture.target), 0);
	fixture.server.state.header->passthrough = 0;
	assert_int_equal(content_list(&fixture.thread, &fixture.target), -EIO);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_rendering_is_what_the_reader_gets),
		TEST(a_failed_rendering_is_an_error),
		TEST(a_failed_rendering_is_the_hosts_file),
		TEST(in_quarantine_it_is_not_called),
		TEST(the_quarantine_of_another_container_is_not_its_own),
		TEST(a_request_that_was_charged_twice_is_not_tried_again),
		TEST(opening_and_listing_are_by_on_fault_too),
		TEST(names_do_not_depend_on_who_reads),
		TEST(names_that_were_given_out_stay),
		TEST(a_lookup_that_fails_is_not_the_readers),
		TEST(attributes_of_a_subtree_do_not_fail),
		TEST(passthrough_for_all_needs_no_plugin),
	};

	log_open(LOG_TARGET_STDERR, 0);
	return cmocka_run_group_tests_name("content", tests, NULL, NULL);
}
