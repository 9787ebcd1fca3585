/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which containers share a group when their pid namespace cannot tell: over a folder in place of a hierarchy. */
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

#include "container.h"
#include "ledger.h"
#include "pidnamespace.h"

#define LIMIT 16

struct fixture {
	char root[32];
	struct hostfs hostfs;
	struct container_cache *cache;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	struct hierarchies *hierarchies = &fixture.hostfs.hierarchies;

	fixture = (struct fixture){.root = "/tmp/lxcfs-test-XXXXXX"};
	*state = &fixture;
	if (!mkdtemp(fixture.root))
		return -1;
	hierarchies->count = 1;
	hierarchies->items[0] = (struct hierarchy){.version = LXCFS_CGROUP_V1,
						   .controllers = (char *)"memory",
						   .root = (char *)"/",
						   .fd = open(fixture.root, O_PATH | O_DIRECTORY)};
	return container_cache_new(&fixture.hostfs, LIMIT, &fixture.cache);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	container_cache_free(fixture->cache);
	close(fixture->hostfs.hierarchies.items[0].fd);
	return rmdir(fixture->root);
}

/* The group of a cgroup, which is there as long as it is looked at. */
static uint64_t group_of(struct fixture *fixture, const char *path, uint64_t group)
{
	struct cgroup_paths paths = {{(char *)(uintptr_t)path}};
	struct container *container;
	char made[512];

	for (const char *end = path; *path && end && end[1]; end = strchr(end + 1, '/')) {
		snprintf(made, sizeof(made), "%s%.*s", fixture->root, (int)(end - path), path);
		mkdir(made, 0700);
	}
	snprintf(made, sizeof(made), "%s%s", fixture->root, path);
	mkdir(made, 0700);
	assert_int_equal(container_get(fixture->cache, &paths, group, &container), 0);
	group = container->group;
	container_put(container);
	while (strlen(made) > strlen(fixture->root) + 1) {
		rmdir(made);
		*strrchr(made, '/') = '\0';
	}
	return group;
}

static void assert_one(struct fixture *fixture, const char *path, const char *other)
{
	assert_true(group_of(fixture, path, 0) == group_of(fixture, other, 0));
}

static void assert_two(struct fixture *fixture, const char *path, const char *other)
{
	assert_true(group_of(fixture, path, 0) != group_of(fixture, other, 0));
}

static void a_group_that_is_known_is_kept(void **state)
{
	assert_int_equal(group_of(*state, "/lxc.payload.one", 77), 77);
	assert_int_equal(group_of(*state, "/", 77), 77);
}

static void the_root_is_the_hosts(void **state)
{
	assert_int_equal(group_of(*state, "/", 0), 0);
}

static void an_outermost_cgroup_is_a_group(void **state)
{
	struct fixture *fixture = *state;

	assert_two(fixture, "/lxc.payload.one", "/lxc.payload.two");
	assert_one(fixture, "/lxc.payload.one", "/lxc.payload.one/made/inside");
	assert_one(fixture, "/lxc.payload.one/a.slice/b", "/lxc.payload.one/c.slice/d");
}

static void slices_are_of_nobody(void **state)
{
	struct fixture *fixture = *state;

	assert_two(fixture, "/system.slice/docker-1.scope", "/system.slice/docker-2.scope");
	assert_one(fixture, "/system.slice/docker-1.scope", "/system.slice/docker-1.scope/x");
	assert_two(fixture, "/k.slice/k-pod.slice/1.scope", "/k.slice/k-pod.slice/2.scope");
	assert_one(fixture, "/k.slice/k-pod.slice/1.scope/a", "/k.slice/k-pod.slice/1.scope/b");
	/* But anyone can make himself another session. */
	assert_one(fixture, "/user.slice/user-1.slice/session-1.scope",
		   "/user.slice/user-1.slice/session-2.scope");
}

static void it_is_no_other_kind_of_group(void **state)
{
	uint64_t group = group_of(*state, "/lxc.payload.one", 0);
	char text[LEDGER_GROUP_TEXT];

	assert_true(group != LEDGER_NO_READER);
	assert_true(group & CONTAINER_GROUP_CGROUP);
	assert_false(pid_namespace_has_ended(group));
	ledger_describe_group(group, text);
	assert_int_equal(strncmp(text, "cgroup ", 7), 0);
	ledger_describe_group(UINT64_C(5) << 32 | 1001, text);
	assert_string_equal(text, "1001");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_group_that_is_known_is_kept),  TEST(the_root_is_the_hosts),
		TEST(an_outermost_cgroup_is_a_group), TEST(slices_are_of_nobody),
		TEST(it_is_no_other_kind_of_group),
	};

	return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
