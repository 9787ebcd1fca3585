/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tree of registered paths, and the catalog that holds it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "catalog.h"
#include "log.h"
#include "tree.h"

/* A plugin that serves these files and this subtree; it is never unloaded. */
struct stub {
	struct generation generation;
	struct lxcfs_file files[4];
	struct lxcfs_subtree subtree;
};

static void fill_stub(struct stub *stub, const char *name, const char *const *files,
		      const char *subtree)
{
	*stub = (struct stub){0};
	atomic_init(&stub->generation.references, 1);
	stub->generation.name = (char *)(uintptr_t)name;
	stub->generation.files = stub->files;
	stub->generation.subtrees = &stub->subtree;
	stub->generation.on_fault = ON_FAULT_ERROR;
	for (; files && files[stub->generation.plugin.file_count];
	     stub->generation.plugin.file_count++)
		stub->files[stub->generation.plugin.file_count].path =
			files[stub->generation.plugin.file_count];
	stub->subtree.path = subtree;
	stub->generation.plugin.subtree_count = subtree != NULL;
}

static const char *const meminfo_files[] = {"proc/meminfo", NULL};
static const char *const stat_files[] = {"proc/stat", "proc/net/stat", NULL};

static struct tree *new_tree(void)
{
	struct tree *tree;

	assert_int_equal(tree_new(&tree), 0);
	return tree;
}

static void add(struct tree *tree, struct stub *stub)
{
	char *reason;

	assert_int_equal(tree_add(tree, &stub->generation, &reason), 0);
}

static void check_refused(struct tree *tree, struct stub *stub, const char *path)
{
	size_t before = tree->count;
	char *reason;

	assert_int_equal(tree_add(tree, &stub->generation, &reason), -EEXIST);
	assert_non_null(reason);
	assert_non_null(strstr(reason, path));
	assert_int_equal(tree->count, before);
	free(reason);
}

static struct tree_node *walk(const struct tree *tree, const char *path)
{
	char copy[128];
	char *rest = copy;
	const char *name;
	struct tree_node *node = tree_find(tree, TREE_ROOT_ID);

	strncpy(copy, path, sizeof(copy) - 1);
	copy[sizeof(copy) - 1] = '\0';
	while (node && (name = strsep(&rest, "/")))
		node = tree_child(tree, node, name);
	return node;
}

/* ---- tree ---- */

static void an_empty_tree_is_a_root(void **state)
{
	struct tree *tree = new_tree();

	(void)state;
	assert_int_equal(tree->count, 1);
	assert_int_equal(tree_find(tree, TREE_ROOT_ID)->kind, NODE_DIRECTORY);
	assert_null(tree_find(tree, 12345));
	assert_null(walk(tree, "proc"));
	tree_free(tree);
}

static void directories_come_with_their_files(void **state)
{
	struct tree *tree = new_tree();
	struct stub stub;

	(void)state;
	fill_stub(&stub, "stat", stat_files, "sys/devices/system/cpu");
	add(tree, &stub);
	assert_int_equal(walk(tree, "proc")->kind, NODE_DIRECTORY);
	assert_int_equal(walk(tree, "proc/stat")->kind, NODE_FILE);
	assert_ptr_equal(walk(tree, "proc/net/stat")->file, &stub.files[1]);
	assert_ptr_equal(walk(tree, "proc/net/stat")->parent, walk(tree, "proc/net"));
	assert_int_equal(walk(tree, "sys/devices/system/cpu")->kind, NODE_SUBTREE);
	assert_string_equal(walk(tree, "sys/devices/system/cpu")->name, "cpu");
	assert_null(walk(tree, "proc/sta"));
	assert_null(walk(tree, "stat"));
	tree_free(tree);
}

static void parents_come_before_children(void **state)
{
	struct tree *tree = new_tree();
	struct stub stub;

	(void)state;
	fill_stub(&stub, "stat", stat_files, "sys/devices/system/cpu");
	add(tree, &stub);
	for (size_t index = 1; index < tree->count; index++) {
		size_t parent = 0;

		while (tree->nodes[parent] != tree->nodes[index]->parent)
			parent++;
		assert_true(parent < index);
	}
	tree_free(tree);
}

static void ids_do_not_depend_on_the_order(void **state)
{
	struct tree *one = new_tree();
	struct tree *other = new_tree();
	struct stub meminfo;
	struct stub stat;

	(void)state;
	fill_stub(&meminfo, "meminfo", meminfo_files, NULL);
	fill_stub(&stat, "stat", stat_files, "sys/cpu");
	add(one, &meminfo);
	add(one, &stat);
	add(other, &stat);
	add(other, &meminfo);
	assert_int_equal(one->count, other->count);
	for (size_t index = 0; index < one->count; index++) {
		const struct tree_node *node = tree_find(other, one->nodes[index]->id);

		assert_non_null(node);
		assert_string_equal(node->path, one->nodes[index]->path);
	}
	tree_free(one);
	tree_free(other);
}

static void a_path_belongs_to_one_plugin(void **state)
{
	static const char *const both[] = {"proc/uptime", "proc/meminfo", NULL};
	struct tree *tree = new_tree();
	struct stub first;
	struct stub second;

	(void)state;
	fill_stub(&first, "meminfo", meminfo_files, NULL);
	fill_stub(&second, "second", both, NULL);
	add(tree, &first);
	check_refused(tree, &second, "proc/meminfo");
	/* Nothing of the refused plugin is left. */
	assert_null(walk(tree, "proc/uptime"));
	assert_ptr_equal(walk(tree, "proc/meminfo")->generation, &first.generation);
	tree_free(tree);
}

static void a_name_is_a_file_or_a_directory(void **state)
{
	static const char *const proc[] = {"proc", NULL};
	static const char *const below[] = {"proc/meminfo/total", NULL};
	struct tree *tree = new_tree();
	struct stub first;
	struct stub second;

	(void)state;
	fill_stub(&first, "meminfo", meminfo_files, NULL);
	add(tree, &first);
	fill_stub(&second, "second", proc, NULL);
	check_refused(tree, &second, "proc");
	fill_stub(&second, "second", below, NULL);
	check_refused(tree, &second, "proc/meminfo/total");
	fill_stub(&second, "second", NULL, "proc");
	check_refused(tree, &second, "proc");
	fill_stub(&second, "second", NULL, "proc/meminfo");
	check_refused(tree, &second, "proc/meminfo");
	tree_free(tree);
}

static void nothing_is_registered_below_a_subtree(void **state)
{
	static const char *const below[] = {"sys/cpu/online", NULL};
	struct tree *tree = new_tree();
	struct stub first;
	struct stub second;

	(void)state;
	fill_stub(&first, "first", NULL, "sys/cpu");
	add(tree, &first);
	fill_stub(&second, "second", below, NULL);
	check_refused(tree, &second, "sys/cpu/online");
	tree_free(tree);
}

static void an_absent_node_answers_without_a_name(void **state)
{
	struct tree *tree = new_tree();
	struct stub stub;
	uint64_t id = node_id_of_path("proc/meminfo", false);

	(void)state;
	assert_int_equal(
		tree_add_absent(tree, NODE_FILE, "proc/meminfo", ON_FAULT_PASSTHROUGH, false), 0);
	assert_null(tree_child(tree, tree->nodes[0], "meminfo"));
	assert_string_equal(tree_find(tree, id)->path, "proc/meminfo");
	assert_int_equal(tree_find(tree, id)->on_fault, ON_FAULT_PASSTHROUGH);
	assert_null(tree_find(tree, id)->generation);
	tree_free(tree);

	tree = new_tree();
	fill_stub(&stub, "meminfo", meminfo_files, NULL);
	add(tree, &stub);
	assert_int_equal(tree_add_absent(tree, NODE_FILE, "proc/meminfo", ON_FAULT_ERROR, true), 0);
	assert_ptr_equal(tree_find(tree, id)->generation, &stub.generation);
	tree_free(tree);
}

static void an_absent_node_may_have_a_name(void **state)
{
	struct tree *tree = new_tree();
	uint64_t id = node_id_of_path("proc/meminfo", false);
	struct stub stub;

	(void)state;
	assert_int_equal(tree_add_absent(tree, NODE_FILE, "proc/meminfo", ON_FAULT_ERROR, true), 0);
	/* What is said last counts; what has no name any more is said of another plugin. */
	assert_int_equal(
		tree_add_absent(tree, NODE_FILE, "proc/meminfo", ON_FAULT_PASSTHROUGH, true), 0);
	assert_int_equal(tree_add_absent(tree, NODE_FILE, "proc/meminfo", ON_FAULT_ERROR, false),
			 0);
	assert_ptr_equal(walk(tree, "proc/meminfo"), tree_find(tree, id));
	assert_int_equal(tree_find(tree, id)->on_fault, ON_FAULT_PASSTHROUGH);
	tree_free(tree);

	/* Its place is taken: it answers whoever holds it, and nothing else. */
	tree = new_tree();
	fill_stub(&stub, "meminfo", meminfo_files, NULL);
	add(tree, &stub);
	assert_int_equal(
		tree_add_absent(tree, NODE_FILE, "proc/meminfo/below", ON_FAULT_ERROR, true), 0);
	assert_non_null(tree_find(tree, node_id_of_path("proc/meminfo/below", false)));
	assert_null(walk(tree, "proc/meminfo/below"));
	assert_ptr_equal(tree_find(tree, id)->generation, &stub.generation);
	tree_free(tree);
}

/* ---- catalog ---- */

struct fixture {
	struct state state;
	struct nodes *nodes;
	struct config *config;
	struct stub meminfo;
	struct stub stat;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	char *reason;

	fill_stub(&fixture.meminfo, "meminfo", meminfo_files, NULL);
	fixture.meminfo.generation.on_fault = ON_FAULT_PASSTHROUGH;
	fill_stub(&fixture.stat, "stat", stat_files, "sys/cpu");
	*state = &fixture;
	return state_create(&fixture.state) != 0 ||
	       nodes_open(&fixture.state, &fixture.nodes) != 0 ||
	       config_load(NULL, NULL, &fixture.config, &reason) != 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	config_put(fixture->config);
	nodes_free(fixture->nodes);
	state_close(&fixture->state);
	return 0;
}

static struct catalog *new_catalog(struct fixture *fixture, struct stub *first, struct stub *second)
{
	struct generation *generations[] = {first ? &first->generation : NULL,
					    second ? &second->generation : NULL};
	struct catalog *catalog;

	assert_int_equal(catalog_new(fixture->config, generations, 2, fixture->nodes, &catalog), 0);
	return catalog;
}

static void a_catalog_holds_its_generations(void **state)
{
	struct fixture *fixture = *state;
	struct catalog *catalog = new_catalog(fixture, &fixture->meminfo, NULL);

	assert_int_equal(catalog->count, 1);
	assert_int_equal(fixture->meminfo.generation.references, 2);
	assert_ptr_equal(catalog_find(catalog, "meminfo"), &fixture->meminfo.generation);
	assert_null(catalog_find(catalog, "stat"));
	catalog_free(catalog);
	assert_int_equal(fixture->meminfo.generation.references, 1);
}

static void a_plugin_in_conflict_is_left_out(void **state)
{
	struct fixture *fixture = *state;
	struct stub twin;
	struct catalog *catalog;

	fill_stub(&twin, "twin", meminfo_files, NULL);
	catalog = new_catalog(fixture, &fixture->meminfo, &twin);
	assert_int_equal(catalog->count, 1);
	assert_null(catalog_find(catalog, "twin"));
	assert_int_equal(twin.generation.references, 1);
	catalog_free(catalog);
}

static void configure(struct fixture *fixture, const char *text)
{
	int fd = memfd_create("config", MFD_CLOEXEC);
	char *reason;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	config_put(fixture->config);
	assert_int_equal(config_load_text(fd, NULL, &fixture->config, &reason), 0);
	close(fd);
}

static void what_does_not_run_keeps_its_name(void **state)
{
	struct fixture *fixture = *state;
	struct catalog *catalog = new_catalog(fixture, &fixture->meminfo, &fixture->stat);
	const struct tree_node *node;

	catalog_note_served(catalog, fixture->nodes);
	catalog_free(catalog);
	catalog = new_catalog(fixture, &fixture->stat, NULL);
	node = walk(catalog->tree, "proc/meminfo");
	assert_non_null(node);
	assert_int_equal(node->id, node_id_of_path("proc/meminfo", false));
	assert_null(node->generation);
	assert_int_equal(node->on_fault, ON_FAULT_PASSTHROUGH);
	assert_ptr_equal(walk(catalog->tree, "sys/cpu")->generation, &fixture->stat.generation);
	catalog_free(catalog);
}

static void what_goes_away_keeps_its_node(void **state)
{
	struct fixture *fixture = *state;
	struct catalog *before = new_catalog(fixture, &fixture->meminfo, &fixture->stat);
	struct catalog *after;
	const uint64_t file = node_id_of_path("proc/meminfo", false);
	const uint64_t subtree = node_id_of_path("sys/cpu", true);

	catalog_note_served(before, fixture->nodes);
	catalog_free(before);
	configure(fixture, "plugins = { \"uptime\" }\n");
	/* A successor knows only what is in the memfd. */
	nodes_free(fixture->nodes);
	assert_int_equal(nodes_open(&fixture->state, &fixture->nodes), 0);
	after = new_catalog(fixture, NULL, NULL);
	assert_non_null(tree_find(after->tree, file));
	assert_int_equal(tree_find(after->tree, file)->kind, NODE_FILE);
	assert_int_equal(tree_find(after->tree, file)->on_fault, ON_FAULT_PASSTHROUGH);
	assert_string_equal(tree_find(after->tree, file)->path, "proc/meminfo");
	assert_int_equal(tree_find(after->tree, subtree)->kind, NODE_SUBTREE);
	assert_int_equal(tree_find(after->tree, subtree)->on_fault, ON_FAULT_ERROR);
	assert_null(walk(after->tree, "proc/meminfo"));
	catalog_free(after);
	/* It comes back as what it was. */
	after = new_catalog(fixture, &fixture->meminfo, NULL);
	assert_ptr_equal(tree_find(after->tree, file)->generation, &fixture->meminfo.generation);
	assert_ptr_equal(walk(after->tree, "proc/meminfo"), tree_find(after->tree, file));
	catalog_free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_tree_is_a_root),
		cmocka_unit_test(directories_come_with_their_files),
		cmocka_unit_test(parents_come_before_children),
		cmocka_unit_test(ids_do_not_depend_on_the_order),
		cmocka_unit_test(a_path_belongs_to_one_plugin),
		cmocka_unit_test(a_name_is_a_file_or_a_directory),
		cmocka_unit_test(nothing_is_registered_below_a_subtree),
		cmocka_unit_test(an_absent_node_answers_without_a_name),
		cmocka_unit_test(an_absent_node_may_have_a_name),
		cmocka_unit_test_setup_teardown(a_catalog_holds_its_generations, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_plugin_in_conflict_is_left_out, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_does_not_run_keeps_its_name, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_goes_away_keeps_its_node, set_up, tear_down),
	};

	log_open(LOG_TARGET_STDERR, 0);
	return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
