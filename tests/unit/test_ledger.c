/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is charged to whom when a worker dies, and who is quarantined by it. */
#include <errno.h>
#include <linux/fuse.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal.h"
#include "ledger.h"
#include "log.h"
#include "state.h"

#define EXITED(status) ((status) << 8)

enum group { ONE = 101, TWO, THREE };

struct fixture {
	struct state state;
	struct journal journal;
	struct ledger ledger;
	uint64_t unique; /* of the last request */
};

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){.unique = 0};
	assert_int_equal(state_create(&fixture.state), 0);
	journal_open(&fixture.journal, &fixture.state);
	ledger_open(&fixture.state, &fixture.ledger);
	assert_non_null(fixture.ledger.section);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	journal_close(&fixture->journal);
	state_close(&fixture->state);
	return 0;
}

static unsigned serve(struct fixture *fixture, const char *name, bool changed)
{
	struct ledger_plugin plugin = {.generation = 7, .loaded = 8};
	int row;

	snprintf(plugin.name, sizeof(plugin.name), "%s", name);
	snprintf(plugin.path, sizeof(plugin.path), "/plugins/%s.so", name);
	snprintf(plugin.release, sizeof(plugin.release), "1.2");
	row = ledger_serve(&fixture->ledger, &plugin, changed);
	assert_true(row >= 0);
	return (unsigned)row;
}

/* A request in a slot, for which the plugin's code was called. */
static struct journal_mark *request(struct fixture *fixture, int slot, unsigned row, uint64_t group)
{
	struct fuse_in_header *header = journal_request(&fixture->journal, slot);
	struct journal_mark *mark;

	*header = (struct fuse_in_header){.len = sizeof(*header), .unique = ++fixture->unique};
	mark = journal_mark(&fixture->journal, slot);
	atomic_store(&mark->plugin, row + 1);
	atomic_store(&mark->group, group);
	return mark;
}

/* As the handler of its thread does. */
static void hit(struct journal_mark *mark, int signal_number)
{
	atomic_store(&mark->signal, (uint32_t)signal_number);
	atomic_fetch_add(&mark->charges, 1);
}

static void die(struct fixture *fixture, int status)
{
	ledger_record_death(&fixture->ledger, &fixture->journal, 0, status);
}

/* A worker dies of a request of this container. */
static void crash(struct fixture *fixture, unsigned row, uint64_t group)
{
	hit(request(fixture, 5, row, group), SIGSEGV);
	die(fixture, SIGSEGV);
	journal_clear(&fixture->journal, 5);
}

/* A copy, as long as none other is made. */
static const struct ledger_plugin *get(const struct fixture *fixture, unsigned row)
{
	static struct ledger_plugin plugin;

	assert_int_equal(ledger_plugin_get(&fixture->ledger, row, &plugin), 0);
	return &plugin;
}

static unsigned count_faults(const struct fixture *fixture)
{
	const struct ledger_fault *fault;
	unsigned count = 0;

	for (unsigned index = 0; (fault = ledger_fault_get(&fixture->ledger, index)); index++)
		count += atomic_load(&fault->row) != 0;
	return count;
}

static bool is_quarantined(const struct fixture *fixture, unsigned row, uint64_t group)
{
	return ledger_is_quarantined(&fixture->ledger, row, group);
}

/* ---- rows ---- */

static void a_row_is_found_by_its_name(void **state)
{
	struct fixture *fixture = *state;
	unsigned one = serve(fixture, "one", false);
	unsigned two = serve(fixture, "two", false);
	struct ledger_plugin plugin = *get(fixture, two);

	assert_int_not_equal(one, two);
	assert_int_equal(serve(fixture, "one", false), one);
	assert_int_equal(ledger_find(&fixture->ledger, "two"), two);
	assert_int_equal(ledger_find(&fixture->ledger, "three"), -ENOENT);
	assert_string_equal(plugin.name, "two");
	assert_string_equal(plugin.path, "/plugins/two.so");
	assert_int_equal(plugin.generation, 7);
	assert_int_equal(plugin.serving, 1);
	ledger_drop(&fixture->ledger, "two");
	assert_int_equal(get(fixture, two)->serving, 0);
	assert_int_equal(get(fixture, one)->serving, 1);
	assert_int_equal(ledger_plugin_get(&fixture->ledger, two + 1, &plugin), -ENOENT);
	assert_int_equal(ledger_plugin_get(&fixture->ledger, LEDGER_PLUGINS_MAX, &plugin), -ENOENT);
}

static void rows_end(void **state)
{
	struct fixture *fixture = *state;
	struct ledger_plugin plugin = {.name = "one too many"};
	char name[LEDGER_NAME_MAX];

	for (unsigned row = 0; row < LEDGER_PLUGINS_MAX; row++) {
		snprintf(name, sizeof(name), "plugin-%u", row);
		assert_int_equal(serve(fixture, name, false), row);
	}
	assert_int_equal(ledger_serve(&fixture->ledger, &plugin, false), -ENOSPC);
	assert_int_equal(ledger_find(&fixture->ledger, "plugin-255"), 255);
}

static void a_long_name_is_one_name(void **state)
{
	struct fixture *fixture = *state;
	struct ledger_plugin plugin = {.generation = 1};
	int row;

	memset(plugin.name, 'x', LEDGER_NAME_MAX - 1);
	row = ledger_serve(&fixture->ledger, &plugin, false);
	assert_int_equal(ledger_find(&fixture->ledger, plugin.name), row);
	assert_int_equal(ledger_serve(&fixture->ledger, &plugin, false), row);
}

/* The row in the shared memory, as one who dies in it leaves it. */
static struct ledger_plugin *shared_row(const struct fixture *fixture, const char *name)
{
	size_t length;
	char *section = state_section(&fixture->state, STATE_LEDGER, &length);
	struct ledger_plugin *row = memmem(section, length, name, strlen(name) + 1) -
				    offsetof(struct ledger_plugin, name);

	assert_string_equal(row->name, name);
	return row;
}

static void a_torn_row_is_written_anew(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);
	struct ledger_plugin *shared = shared_row(fixture, "one");
	struct ledger_plugin plugin;

	crash(fixture, row, ONE);
	shared->sequence |= 1;
	memset(shared->path, 'x', sizeof(shared->path));
	assert_int_equal(ledger_plugin_get(&fixture->ledger, row, &plugin), -ENOENT);
	assert_int_equal(ledger_find(&fixture->ledger, "one"), row);
	assert_int_equal(serve(fixture, "other", false), row + 1);
	assert_int_equal(serve(fixture, "one", false), row);
	assert_string_equal(get(fixture, row)->path, "/plugins/one.so");
	assert_int_equal(get(fixture, row)->faults, 1);
}

static void a_row_without_a_whole_name_is_free(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);
	struct ledger_plugin *shared = shared_row(fixture, "one");

	shared->sequence = 1;
	assert_int_equal(ledger_find(&fixture->ledger, "one"), -ENOENT);
	assert_int_equal(serve(fixture, "two", false), row);
	assert_string_equal(get(fixture, row)->name, "two");
}

/* ---- charging ---- */

static void one_fault_is_only_counted(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);

	crash(fixture, row, ONE);
	assert_int_equal(get(fixture, row)->faults, 1);
	assert_int_equal(count_faults(fixture), 1);
	assert_int_equal(ledger_fault_get(&fixture->ledger, 0)->group, ONE);
	assert_int_equal(ledger_fault_get(&fixture->ledger, 0)->signal, SIGSEGV);
	assert_false(is_quarantined(fixture, row, ONE));
	assert_int_equal(ledger_deaths(&fixture->ledger), 0);
}

static void two_faults_quarantine_for_the_container(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);
	unsigned other = serve(fixture, "two", false);

	crash(fixture, row, ONE);
	crash(fixture, row, ONE);
	assert_true(is_quarantined(fixture, row, ONE));
	assert_false(is_quarantined(fixture, row, TWO));
	assert_false(is_quarantined(fixture, row, 0));
	assert_false(is_quarantined(fixture, other, ONE));
	assert_false(ledger_is_banned(&fixture->ledger, row));
	assert_int_equal(get(fixture, row)->containers, 1);
	assert_int_equal(count_faults(fixture), 1);
}

static void one_container_never_bans(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);

	for (int round = 0; round < 5; round++) {
		crash(fixture, row, ONE);
		crash(fixture, row, LEDGER_NO_READER);
	}
	assert_true(is_quarantined(fixture, row, ONE));
	assert_true(is_quarantined(fixture, row, LEDGER_NO_READER));
	assert_false(is_quarantined(fixture, row, TWO));
	assert_int_equal(get(fixture, row)->containers, 1);
	crash(fixture, row, TWO);
	assert_false(ledger_is_banned(&fixture->ledger, row));
}

static void two_containers_quarantine_for_all(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);

	for (int round = 0; round < 2; round++) {
		crash(fixture, row, ONE);
		assert_false(ledger_is_banned(&fixture->ledger, row));
		crash(fixture, row, TWO);
	}
	assert_true(ledger_is_banned(&fixture->ledger, row));
	assert_true(is_quarantined(fixture, row, THREE));
	assert_true(is_quarantined(fixture, row, LEDGER_NO_READER));
}

/* As pid_namespace_group() has it, for a process in our own namespace. */
static uint64_t group_of(pid_t init)
{
	struct stat status;

	assert_int_equal(stat("/proc/self/ns/pid", &status), 0);
	return (uint32_t)status.st_ino | (uint64_t)init << 32;
}

static void a_container_that_ended_does_not_count(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);
	pid_t pid = fork();
	uint64_t group;

	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	group = group_of(pid);
	for (int round = 0; round < 2; round++)
		crash(fixture, row, group);
	assert_true(is_quarantined(fixture, row, group));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (int round = 0; round < 2; round++)
		crash(fixture, row, group_of(getpid()));
	assert_false(ledger_is_banned(&fixture->ledger, row));
	assert_true(is_quarantined(fixture, row, group_of(getpid())));
	assert_int_equal(get(fixture, row)->containers, 1);
	assert_int_equal(count_faults(fixture), 1);
	/* One that lives does. */
	for (int round = 0; round < 2; round++)
		crash(fixture, row, group_of(getppid()));
	assert_true(ledger_is_banned(&fixture->ledger, row));
}

static void a_mark_is_entered_once(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);
	struct journal_mark *mark = request(fixture, 3, row, ONE);

	hit(mark, SIGABRT);
	die(fixture, SIGABRT);
	die(fixture, SIGKILL);
	die(fixture, SIGKILL);
	assert_int_equal(get(fixture, row)->faults, 1);
	/* The same request ends the successor too. */
	hit(mark, SIGSEGV);
	die(fixture, SIGSEGV);
	assert_int_equal(get(fixture, row)->faults, 2);
	assert_true(is_quarantined(fixture, row, ONE));
	assert_int_equal(ledger_deaths(&fixture->ledger), 0);
}

static void threads_hit_at_once_are_all_charged(void **state)
{
	struct fixture *fixture = *state;
	unsigned one = serve(fixture, "one", false);
	unsigned two = serve(fixture, "two", false);

	hit(request(fixture, 3, one, ONE), SIGSEGV);
	hit(request(fixture, 9, two, TWO), SIGBUS);
	request(fixture, 10, two, ONE);
	/* It was killed while it was dying: they are charged all the same. */
	die(fixture, SIGKILL);
	assert_int_equal(get(fixture, one)->faults, 1);
	assert_int_equal(get(fixture, two)->faults, 1);
	assert_int_equal(count_faults(fixture), 2);
}

static void a_fault_of_an_earlier_request_is_not_charged(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);
	struct fuse_in_header *header = journal_request(&fixture->journal, 3);

	hit(request(fixture, 3, row, ONE), SIGSEGV);
	header->unique = ++fixture->unique;
	die(fixture, SIGKILL);
	hit(request(fixture, 4, row, ONE), SIGSEGV);
	journal_clear(&fixture->journal, 4);
	die(fixture, SIGKILL);
	assert_int_equal(get(fixture, row)->faults, 0);
	assert_int_equal(count_faults(fixture), 0);
}

static void marks_of_no_row_charge_nobody(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);

	hit(request(fixture, 3, LEDGER_PLUGINS_MAX + 5, ONE), SIGSEGV);
	hit(request(fixture, 4, row + 1, ONE), SIGSEGV);
	die(fixture, SIGSEGV);
	assert_int_equal(count_faults(fixture), 0);
	assert_int_equal(ledger_deaths(&fixture->ledger), 1);
	assert_false(is_quarantined(fixture, LEDGER_PLUGINS_MAX + 5, ONE));
}

static void outside_of_requests_two_faults_are_for_all(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);

	for (int round = 0; round < 2; round++) {
		assert_false(ledger_is_banned(&fixture->ledger, row));
		ledger_enter(&fixture->ledger, round ? LEDGER_TIMERS : LEDGER_CONTROL, (int)row);
		ledger_mark(&fixture->ledger, round ? LEDGER_TIMERS : LEDGER_CONTROL, SIGSEGV);
		die(fixture, SIGSEGV);
	}
	assert_true(ledger_is_banned(&fixture->ledger, row));
	assert_int_equal(get(fixture, row)->outside, 2);
	assert_int_equal(ledger_deaths(&fixture->ledger), 0);
	die(fixture, SIGSEGV);
	assert_int_equal(get(fixture, row)->outside, 2);
}

static void a_thread_in_no_plugin_charges_nobody(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);

	ledger_enter(&fixture->ledger, LEDGER_TIMERS, (int)row);
	ledger_enter(&fixture->ledger, LEDGER_TIMERS, -1);
	ledger_mark(&fixture->ledger, LEDGER_TIMERS, SIGSEGV);
	die(fixture, SIGSEGV);
	/* One that was in a plugin when its worker was killed. */
	ledger_enter(&fixture->ledger, LEDGER_TIMERS, (int)row);
	die(fixture, SIGKILL);
	ledger_mark(&fixture->ledger, LEDGER_TIMERS, SIGSEGV);
	die(fixture, SIGSEGV);
	assert_int_equal(get(fixture, row)->faults, 0);
	assert_int_equal(ledger_deaths(&fixture->ledger), 2);
}

static void who_did_not_serve_charges_nobody(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);

	ledger_enter(&fixture->ledger, LEDGER_CONTROL, (int)row);
	ledger_mark(&fixture->ledger, LEDGER_CONTROL, SIGSEGV);
	ledger_forget_death(&fixture->ledger, 0);
	die(fixture, SIGKILL);
	assert_int_equal(get(fixture, row)->faults, 0);
	assert_int_equal(ledger_deaths(&fixture->ledger), 0);
}

/* One gets ready while the other one serves. */
static void two_workers_keep_marks_apart(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);
	struct ledger next = fixture->ledger;

	ledger_join(&fixture->ledger, 10, 0);
	ledger_enter(&fixture->ledger, LEDGER_TIMERS, (int)row);
	ledger_mark(&fixture->ledger, LEDGER_TIMERS, SIGSEGV);
	ledger_join(&next, 11, 10);
	ledger_enter(&next, LEDGER_CONTROL, (int)row);
	ledger_mark(&next, LEDGER_CONTROL, SIGSEGV);
	ledger_forget_death(&next, 11);
	ledger_join(&next, 12, 10);
	ledger_enter(&next, LEDGER_TIMERS, (int)row);
	ledger_record_death(&fixture->ledger, &fixture->journal, 10, SIGSEGV);
	assert_int_equal(get(fixture, row)->outside, 1);
	/* The next one is still in it, and serves now. */
	ledger_join(&fixture->ledger, 13, 12);
	ledger_mark(&next, LEDGER_TIMERS, SIGBUS);
	ledger_record_death(&fixture->ledger, &fixture->journal, 13, SIGKILL);
	assert_int_equal(get(fixture, row)->outside, 1);
	ledger_record_death(&fixture->ledger, &fixture->journal, 12, SIGBUS);
	assert_int_equal(get(fixture, row)->outside, 2);
	assert_int_equal(ledger_deaths(&fixture->ledger), 0);
}

static void crash_on_trial(struct fixture *fixture, unsigned row, uint64_t code)
{
	ledger_enter_trial(&fixture->ledger, LEDGER_CONTROL, (int)row, code);
	ledger_mark(&fixture->ledger, LEDGER_CONTROL, SIGSEGV);
}

static void code_on_trial_is_charged_alone(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);

	for (uint64_t code = 70; code < 73; code++) {
		assert_false(ledger_is_refused(&fixture->ledger, (int)row, code));
		crash_on_trial(fixture, row, code);
		die(fixture, SIGSEGV);
		assert_true(ledger_is_refused(&fixture->ledger, (int)row, code));
	}
	assert_int_equal(get(fixture, row)->faults, 0);
	assert_false(ledger_is_banned(&fixture->ledger, row));
	assert_int_equal(ledger_deaths(&fixture->ledger), 0);
	/* That of a worker beside the one that serves. */
	crash_on_trial(fixture, row, 80);
	ledger_forget_death(&fixture->ledger, 0);
	assert_true(ledger_is_refused(&fixture->ledger, (int)row, 80));
	/* When it was loaded the same thread may be in what serves. */
	crash_on_trial(fixture, row, 90);
	ledger_enter(&fixture->ledger, LEDGER_CONTROL, (int)row);
	die(fixture, SIGSEGV);
	assert_int_equal(get(fixture, row)->outside, 1);
	assert_false(ledger_is_refused(&fixture->ledger, (int)row, 90));
	assert_false(ledger_is_refused(&fixture->ledger, (int)row, 0));
	assert_false(ledger_is_refused(&fixture->ledger, -1, 80));
}

static void other_code_that_serves_lifts_it(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);

	crash_on_trial(fixture, row, 70);
	die(fixture, SIGSEGV);
	serve(fixture, "one", false);
	assert_true(ledger_is_refused(&fixture->ledger, (int)row, 70));
	serve(fixture, "one", true);
	assert_false(ledger_is_refused(&fixture->ledger, (int)row, 70));
}

/* ---- lifting ---- */

static void lifting_forgets_all_of_one_plugin(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);
	unsigned other = serve(fixture, "two", false);

	assert_false(ledger_lift(&fixture->ledger, "one"));
	assert_false(ledger_lift(&fixture->ledger, "nobody"));
	for (int round = 0; round < 2; round++) {
		crash(fixture, row, ONE);
		crash(fixture, row, TWO);
		crash(fixture, other, ONE);
	}
	assert_true(ledger_lift(&fixture->ledger, "one"));
	assert_false(ledger_is_banned(&fixture->ledger, row));
	assert_false(is_quarantined(fixture, row, ONE));
	assert_true(is_quarantined(fixture, other, ONE));
	assert_int_equal(get(fixture, row)->faults, 0);
	assert_int_equal(get(fixture, row)->containers, 0);
	assert_int_equal(count_faults(fixture), 1);
	crash(fixture, row, ONE);
	assert_false(is_quarantined(fixture, row, ONE));
}

static void other_code_lifts_and_the_same_does_not(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);

	crash(fixture, row, ONE);
	crash(fixture, row, ONE);
	serve(fixture, "one", false);
	assert_true(is_quarantined(fixture, row, ONE));
	serve(fixture, "one", true);
	assert_false(is_quarantined(fixture, row, ONE));
	assert_int_equal(get(fixture, row)->faults, 0);
}

/* ---- deaths ---- */

static void sigkill_and_a_good_end_are_nobodys(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);

	for (int slot = 0; slot < 4; slot++)
		request(fixture, slot, row, ONE);
	die(fixture, SIGKILL);
	die(fixture, EXITED(0));
	assert_int_equal(get(fixture, row)->faults, 0);
	assert_int_equal(ledger_deaths(&fixture->ledger), 0);
}

static void a_death_lists_what_ran(void **state)
{
	struct fixture *fixture = *state;
	unsigned one = serve(fixture, "one", false);
	unsigned two = serve(fixture, "two", false);
	struct ledger_death death;
	struct fuse_in_header *header = journal_request(&fixture->journal, 8);

	serve(fixture, "three", false);
	request(fixture, 1, two, ONE);
	request(fixture, 2, one, ONE);
	request(fixture, 3, two, TWO);
	/* In service, but no plugin was called for it yet. */
	*header = (struct fuse_in_header){.len = sizeof(*header), .unique = ++fixture->unique};
	assert_int_equal(ledger_death_get(&fixture->ledger, 0, &death), -ENOENT);
	die(fixture, SIGABRT);
	die(fixture, EXITED(3));
	assert_int_equal(ledger_deaths(&fixture->ledger), 2);
	assert_int_equal(ledger_death_get(&fixture->ledger, 1, &death), 0);
	assert_int_equal(death.status, SIGABRT);
	assert_string_equal(death.ran, "one two");
	assert_int_equal(ledger_death_get(&fixture->ledger, 0, &death), 0);
	assert_int_equal(death.status, EXITED(3));
	assert_int_equal(ledger_death_get(&fixture->ledger, 2, &death), -ENOENT);
}

static void the_youngest_deaths_are_listed(void **state)
{
	struct fixture *fixture = *state;
	struct ledger_death death;

	for (int number = 1; number <= 40; number++)
		die(fixture, EXITED(number));
	assert_int_equal(ledger_deaths(&fixture->ledger), 40);
	for (unsigned index = 0; index < LEDGER_DEATHS_MAX; index++) {
		assert_int_equal(ledger_death_get(&fixture->ledger, index, &death), 0);
		assert_int_equal(death.status, EXITED(40 - (int)index));
	}
	assert_int_equal(ledger_death_get(&fixture->ledger, LEDGER_DEATHS_MAX, &death), -ENOENT);
}

static void the_list_of_names_has_whole_names(void **state)
{
	struct fixture *fixture = *state;
	struct ledger_death death;

	for (int slot = 0; slot < 30; slot++) {
		char name[LEDGER_NAME_MAX];

		snprintf(name, sizeof(name), "plugin-with-a-long-name-%02d", slot);
		request(fixture, slot, serve(fixture, name, false), ONE);
	}
	die(fixture, SIGABRT);
	assert_int_equal(ledger_death_get(&fixture->ledger, 0, &death), 0);
	/* 26 bytes each, and a space between them */
	assert_int_equal(strlen(death.ran), 9 * 26 + 8);
	assert_string_equal(death.ran + strlen(death.ran) - 26, "plugin-with-a-long-name-08");
}

/* ---- bounds ---- */

static void a_full_table_keeps_who_is_quarantined(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);

	crash(fixture, row, ONE);
	crash(fixture, row, ONE);
	for (unsigned number = 0; number < 3 * LEDGER_FAULTS_MAX; number++)
		crash(fixture, row, 1000 + number);
	assert_int_equal(count_faults(fixture), LEDGER_FAULTS_MAX);
	assert_true(is_quarantined(fixture, row, ONE));
	assert_int_equal(get(fixture, row)->faults, 2 + 3 * LEDGER_FAULTS_MAX);
	/* The youngest was not lost: its second fault counts. */
	crash(fixture, row, 1000 + 3 * LEDGER_FAULTS_MAX - 1);
	assert_true(ledger_is_banned(&fixture->ledger, row));
}

static void there_is_room_when_every_plugin_is_quarantined(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = 0;

	for (unsigned number = 0; number < LEDGER_PLUGINS_MAX; number++) {
		char name[LEDGER_NAME_MAX];

		snprintf(name, sizeof(name), "plugin-%u", number);
		row = serve(fixture, name, false);
		for (int round = 0; round < 2; round++) {
			crash(fixture, row, ONE);
			crash(fixture, row, LEDGER_NO_READER);
		}
	}
	for (unsigned number = 0; number < 2 * LEDGER_FAULTS_MAX; number++)
		crash(fixture, row, 1000 + number);
	for (unsigned number = 0; number < LEDGER_PLUGINS_MAX; number++)
		assert_true(is_quarantined(fixture, number, ONE));
	crash(fixture, 0, TWO);
	crash(fixture, 0, TWO);
	assert_true(ledger_is_banned(&fixture->ledger, 0));
}

/* ---- versions ---- */

static void a_successor_goes_on_with_it(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);
	struct state mapped;
	struct ledger successor;

	crash(fixture, row, ONE);
	crash(fixture, row, ONE);
	assert_int_equal(state_map(dup(fixture->state.fd), &mapped), 0);
	ledger_open(&mapped, &successor);
	assert_int_equal(ledger_find(&successor, "one"), row);
	assert_true(ledger_is_quarantined(&successor, row, ONE));
	state_close(&mapped);
}

static void another_version_starts_anew(void **state)
{
	struct fixture *fixture = *state;
	unsigned row = serve(fixture, "one", false);
	struct ledger_plugin plugin;
	size_t length;
	uint32_t *section = state_section(&fixture->state, STATE_LEDGER, &length);
	struct ledger successor;

	crash(fixture, row, ONE);
	crash(fixture, row, ONE);
	/* Its version is the second word. */
	section[1]++;
	/* Who still has the old one open leaves it alone. */
	crash(fixture, row, TWO);
	assert_false(is_quarantined(fixture, row, ONE));
	assert_int_equal(ledger_find(&fixture->ledger, "one"), -ENOENT);
	memset(&plugin, 0, sizeof(plugin));
	assert_int_equal(ledger_serve(&fixture->ledger, &plugin, true), -ENOSPC);
	ledger_open(&fixture->state, &successor);
	assert_int_equal(ledger_find(&successor, "one"), -ENOENT);
	assert_false(ledger_is_quarantined(&successor, row, ONE));
	assert_int_equal(ledger_plugin_get(&successor, row, &plugin), -ENOENT);
	assert_int_equal(count_faults(fixture), 0);
}

static void without_a_section_nothing_is_known(void **state)
{
	struct fixture *fixture = *state;
	struct ledger none = {.section = NULL};
	struct ledger_plugin plugin = {.name = "one"};
	struct ledger_death death;

	assert_int_equal(ledger_serve(&none, &plugin, true), -ENOSPC);
	assert_int_equal(ledger_find(&none, "one"), -ENOENT);
	ledger_drop(&none, "one");
	assert_false(ledger_lift(&none, "one"));
	assert_false(ledger_is_quarantined(&none, 0, ONE));
	assert_false(ledger_is_banned(&none, 0));
	ledger_enter(&none, LEDGER_TIMERS, 0);
	ledger_mark(&none, LEDGER_TIMERS, SIGSEGV);
	ledger_record_death(&none, &fixture->journal, 0, SIGSEGV);
	ledger_forget_death(&none, 0);
	assert_int_equal(ledger_plugin_get(&none, 0, &plugin), -ENOENT);
	assert_null(ledger_fault_get(&none, 0));
	assert_int_equal(ledger_death_get(&none, 0, &death), -ENOENT);
	assert_int_equal(ledger_deaths(&none), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_row_is_found_by_its_name),
		TEST(rows_end),
		TEST(a_long_name_is_one_name),
		TEST(a_torn_row_is_written_anew),
		TEST(a_row_without_a_whole_name_is_free),
		TEST(one_fault_is_only_counted),
		TEST(two_faults_quarantine_for_the_container),
		TEST(one_container_never_bans),
		TEST(two_containers_quarantine_for_all),
		TEST(a_container_that_ended_does_not_count),
		TEST(a_mark_is_entered_once),
		TEST(threads_hit_at_once_are_all_charged),
		TEST(a_fault_of_an_earlier_request_is_not_charged),
		TEST(marks_of_no_row_charge_nobody),
		TEST(outside_of_requests_two_faults_are_for_all),
		TEST(a_thread_in_no_plugin_charges_nobody),
		TEST(who_did_not_serve_charges_nobody),
		TEST(two_workers_keep_marks_apart),
		TEST(code_on_trial_is_charged_alone),
		TEST(other_code_that_serves_lifts_it),
		TEST(lifting_forgets_all_of_one_plugin),
		TEST(other_code_lifts_and_the_same_does_not),
		TEST(sigkill_and_a_good_end_are_nobodys),
		TEST(a_death_lists_what_ran),
		TEST(the_youngest_deaths_are_listed),
		TEST(the_list_of_names_has_whole_names),
		TEST(a_full_table_keeps_who_is_quarantined),
		TEST(there_is_room_when_every_plugin_is_quarantined),
		TEST(a_successor_goes_on_with_it),
		TEST(another_version_starts_anew),
		TEST(without_a_section_nothing_is_known),
	};

	log_open(LOG_TARGET_STDERR, 0);
	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
