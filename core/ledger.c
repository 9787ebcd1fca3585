/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "container.h"
#include "journal.h"
#include "ledgersection.h"
#include "log.h"
#include "pidnamespace.h"

/* How often a row that is being written is looked at again. */
#define READ_ATTEMPTS 1000u

/* The part of a row that changes under its sequence: from there to its end. */
#define TEXTS_LENGTH (sizeof(struct ledger_plugin) - offsetof(struct ledger_plugin, generation))

size_t ledger_bytes(void)
{
	return sizeof(struct ledger_section);
}

void ledger_open(const struct state *state, struct ledger *ledger)
{
	struct ledger_section *section;
	size_t length;

	section = state_section(state, STATE_LEDGER, &length);
	*ledger = (struct ledger){.section = NULL};
	if (length < sizeof(*section))
		return;
	ledger->section = section;
	if (section->size == sizeof(*section) && atomic_load(&section->version) == LEDGER_VERSION)
		return;
	memset(section, 0, sizeof(*section));
	section->size = sizeof(*section);
	atomic_store(&section->version, LEDGER_VERSION);
}

/* ---- rows ---- */

/* Whether its name was ever whole: who died at the very first text left 1 here. */
static bool has_name(const struct ledger_plugin *row)
{
	return atomic_load_explicit(&row->sequence, memory_order_acquire) > 1;
}

static int find_row(const struct ledger_section *section, const char *name)
{
	for (int row = 0; row < (int)LEDGER_PLUGINS_MAX; row++)
		if (has_name(&section->plugins[row]) &&
		    strncmp(section->plugins[row].name, name, LEDGER_NAME_MAX) == 0)
			return row;
	return -ENOENT;
}

static int free_row(const struct ledger_section *section)
{
	for (int row = 0; row < (int)LEDGER_PLUGINS_MAX; row++)
		if (!has_name(&section->plugins[row]))
			return row;
	return -ENOSPC;
}

int ledger_find(const struct ledger *ledger, const char *name)
{
	const struct ledger_section *section = ledger_section_of(ledger);

	return section ? find_row(section, name) : -ENOENT;
}

static void lift(struct ledger_section *section, unsigned row)
{
	struct ledger_plugin *plugin = &section->plugins[row];

	for (unsigned index = 0; index < LEDGER_FAULTS_MAX; index++)
		if (atomic_load(&section->faults[index].row) == row + 1)
			atomic_store(&section->faults[index].row, 0);
	atomic_store(&plugin->quarantined, 0);
	atomic_store(&plugin->containers, 0);
	atomic_store(&plugin->outside, 0);
	atomic_store(&plugin->faults, 0);
	atomic_store(&plugin->refused, 0);
}

/*
 * What changes under the sequence is written and read byte by byte: none of it can then be seen before the
 * sequence is odd, nor be read after it was looked at again.
 */
static void store_bytes(void *to, const void *from, size_t length)
{
	_Atomic unsigned char *bytes = to;

	for (size_t index = 0; index < length; index++)
		atomic_store_explicit(&bytes[index], ((const unsigned char *)from)[index],
				      memory_order_release);
}

static void load_bytes(void *to, const void *from, size_t length)
{
	const _Atomic unsigned char *bytes = from;

	for (size_t index = 0; index < length; index++)
		((unsigned char *)to)[index] =
			atomic_load_explicit(&bytes[index], memory_order_acquire);
}

/* The name of a row that has one is never written again: others look for it at any time. */
static void write_texts(struct ledger_plugin *row, const struct ledger_plugin *plugin)
{
	uint32_t odd = atomic_load(&row->sequence) | 1;

	atomic_store(&row->sequence, odd);
	if (odd == 1)
		snprintf(row->name, sizeof(row->name), "%s", plugin->name);
	store_bytes(&row->generation, &plugin->generation, TEXTS_LENGTH);
	atomic_store_explicit(&row->sequence, odd + 1, memory_order_release);
}

static void read_texts(struct ledger_plugin *plugin, const struct ledger_plugin *row)
{
	memcpy(plugin->name, row->name, sizeof(plugin->name));
	load_bytes(&plugin->generation, &row->generation, TEXTS_LENGTH);
}

static void read_counts(struct ledger_plugin *plugin, const struct ledger_plugin *row)
{
	atomic_init(&plugin->sequence, 0);
	atomic_init(&plugin->serving, atomic_load(&row->serving));
	atomic_init(&plugin->faults, atomic_load(&row->faults));
	atomic_init(&plugin->containers, atomic_load(&row->containers));
	atomic_init(&plugin->quarantined, atomic_load(&row->quarantined));
	atomic_init(&plugin->outside, atomic_load(&row->outside));
	atomic_init(&plugin->refused, atomic_load(&row->refused));
}

int ledger_serve(struct ledger *ledger, const struct ledger_plugin *plugin, bool changed)
{
	struct ledger_section *section = ledger_section_of(ledger);
	int row;

	if (!section)
		return -ENOSPC;
	row = find_row(section, plugin->name);
	if (row < 0)
		row = free_row(section);
	if (row < 0)
		return row;
	write_texts(&section->plugins[row], plugin);
	if (changed)
		lift(section, (unsigned)row);
	atomic_store(&section->plugins[row].serving, 1);
	return row;
}

void ledger_drop(struct ledger *ledger, const char *name)
{
	int row = ledger_find(ledger, name);

	if (row >= 0)
		atomic_store(&ledger->section->plugins[row].serving, 0);
}

bool ledger_lift(struct ledger *ledger, const char *name)
{
	int row = ledger_find(ledger, name);
	const struct ledger_plugin *plugin;
	bool had_faults;

	if (row < 0)
		return false;
	plugin = &ledger->section->plugins[row];
	had_faults = atomic_load(&plugin->faults) != 0 || atomic_load(&plugin->quarantined) != 0;
	lift(ledger->section, (unsigned)row);
	return had_faults;
}

/* ---- quarantine ---- */

static bool is_charged_to(const struct ledger_fault *fault, unsigned row, uint64_t group)
{
	return atomic_load_explicit(&fault->row, memory_order_acquire) == row + 1 &&
	       atomic_load_explicit(&fault->group, memory_order_relaxed) == group;
}

bool ledger_is_banned(const struct ledger *ledger, unsigned row)
{
	const struct ledger_section *section = ledger_section_of(ledger);

	return section && row < LEDGER_PLUGINS_MAX &&
	       atomic_load_explicit(&section->plugins[row].quarantined, memory_order_relaxed);
}

bool ledger_is_quarantined(const struct ledger *ledger, unsigned row, uint64_t group)
{
	const struct ledger_section *section = ledger_section_of(ledger);

	if (!section || row >= LEDGER_PLUGINS_MAX)
		return false;
	if (atomic_load_explicit(&section->plugins[row].quarantined, memory_order_relaxed))
		return true;
	/* What every read of a sound plugin comes to. */
	if (atomic_load_explicit(&section->plugins[row].faults, memory_order_relaxed) <
	    LEDGER_CHARGES_MAX)
		return false;
	for (unsigned index = 0; index < LEDGER_FAULTS_MAX; index++)
		if (is_charged_to(&section->faults[index], row, group))
			return atomic_load_explicit(&section->faults[index].charges,
						    memory_order_relaxed) >= LEDGER_CHARGES_MAX;
	return false;
}

/* ---- charging ---- */

static void ban(struct ledger_plugin *plugin, const char *why)
{
	if (atomic_exchange(&plugin->quarantined, 1))
		return;
	log_error("plugin %s is quarantined for all: %s; its files answer by on-fault until it is"
		  " replaced or reloaded",
		  plugin->name, why);
}

/* Whether this entry keeps a plugin from being called; one that is called for nobody needs none. */
static bool quarantines(const struct ledger_section *section, const struct ledger_fault *fault)
{
	return atomic_load(&fault->charges) >= LEDGER_CHARGES_MAX &&
	       !atomic_load(&section->plugins[atomic_load(&fault->row) - 1].quarantined);
}

static bool is_older(const struct ledger_fault *fault, const struct ledger_fault *other)
{
	return !other || fault->last < other->last;
}

/*
 * The entry of this plugin and container, made if need be in the place of the oldest that quarantines
 * nobody.  There is always one: a plugin is quarantined for fewer than two containers, and for requests
 * without a reader, or for all.
 */
static struct ledger_fault *get_fault(struct ledger_section *section, unsigned row, uint64_t group)
{
	struct ledger_fault *found = NULL;

	for (unsigned index = 0; index < LEDGER_FAULTS_MAX; index++)
		if (is_charged_to(&section->faults[index], row, group))
			return &section->faults[index];
	for (unsigned index = 0; index < LEDGER_FAULTS_MAX; index++) {
		struct ledger_fault *fault = &section->faults[index];

		if (atomic_load(&fault->row) == 0) {
			found = fault;
			break;
		}
		if (!quarantines(section, fault) && is_older(fault, found))
			found = fault;
	}
	if (!found)
		return NULL;
	atomic_store(&found->row, 0);
	atomic_store(&found->charges, 0);
	atomic_store(&found->group, group);
	atomic_store(&found->row, row + 1);
	return found;
}

/*
 * Forget the quarantines of containers that have ended.  One that is started again is another one then, and
 * must not count twice: `reboot` would end a plugin for all.
 */
static void forget_ended(struct ledger_section *section, unsigned row, uint64_t except)
{
	for (unsigned index = 0; index < LEDGER_FAULTS_MAX; index++) {
		struct ledger_fault *fault = &section->faults[index];
		uint64_t group = atomic_load(&fault->group);

		if (atomic_load(&fault->row) != row + 1 || group == LEDGER_NO_READER ||
		    group == except || !quarantines(section, fault) ||
		    !pid_namespace_has_ended(group))
			continue;
		atomic_store(&fault->row, 0);
		atomic_fetch_sub(&section->plugins[row].containers, 1);
	}
}

void ledger_describe_group(uint64_t group, char text[LEDGER_GROUP_TEXT])
{
	if (group & CONTAINER_GROUP_CGROUP)
		snprintf(text, LEDGER_GROUP_TEXT, "cgroup %08" PRIx32, (uint32_t)group);
	else
		snprintf(text, LEDGER_GROUP_TEXT, "%" PRIu32, (uint32_t)group);
}

static void quarantine(struct ledger_section *section, unsigned row, uint64_t group)
{
	struct ledger_plugin *plugin = &section->plugins[row];
	char text[LEDGER_GROUP_TEXT];

	if (group == LEDGER_NO_READER) {
		log_error("plugin %s is quarantined for lookups: they are answered from the host",
			  plugin->name);
		return;
	}
	ledger_describe_group(group, text);
	log_error("plugin %s is quarantined for one container, %s%s: its files answer by on-fault"
		  " there",
		  plugin->name, group & CONTAINER_GROUP_CGROUP ? "" : "pid namespace ", text);
	forget_ended(section, row, group);
	if (atomic_fetch_add(&plugin->containers, 1) + 1 >= LEDGER_CONTAINERS_MAX)
		ban(plugin, "it failed for several containers");
}

static void charge(struct ledger_section *section, unsigned row, uint64_t group,
		   uint32_t signal_number)
{
	struct ledger_plugin *plugin = &section->plugins[row];
	struct ledger_fault *fault = get_fault(section, row, group);

	log_error("plugin %s ended its worker by signal %u (%s)", plugin->name, signal_number,
		  strsignal((int)signal_number));
	atomic_fetch_add(&plugin->faults, 1);
	if (!fault)
		return;
	fault->last = (uint64_t)time(NULL);
	fault->signal = signal_number;
	if (atomic_fetch_add(&fault->charges, 1) + 1 == LEDGER_CHARGES_MAX)
		quarantine(section, row, group);
}

static void charge_outside(struct ledger_section *section, unsigned row, uint32_t signal_number)
{
	struct ledger_plugin *plugin = &section->plugins[row];

	log_error("plugin %s ended its worker by signal %u (%s), outside of any request",
		  plugin->name, signal_number, strsignal((int)signal_number));
	atomic_fetch_add(&plugin->faults, 1);
	if (atomic_fetch_add(&plugin->outside, 1) + 1 >= LEDGER_CHARGES_MAX)
		ban(plugin, "it failed outside of any request");
}

/* Whether the plugin of this row + 1 can be charged; marks are shared memory that anyone wrote to. */
static bool is_row(const struct ledger_section *section, uint32_t row)
{
	return row != 0 && row <= LEDGER_PLUGINS_MAX && has_name(&section->plugins[row - 1]);
}

/* Enter what the thread of a slot was hit by, once; whether a plugin was charged. */
static bool enter_slot(struct ledger_section *section, struct journal_mark *mark)
{
	uint32_t charges = atomic_load(&mark->charges);
	uint32_t row = atomic_load(&mark->plugin);

	if (charges == atomic_load(&mark->entered))
		return false;
	atomic_store(&mark->entered, charges);
	if (!is_row(section, row))
		return false;
	charge(section, row - 1, atomic_load(&mark->group), atomic_load(&mark->signal));
	return true;
}

static void refuse(struct ledger_section *section, unsigned row, uint64_t code)
{
	struct ledger_plugin *plugin = &section->plugins[row];

	log_error(
		"plugin %s: the code that was to replace it ended the worker that loaded it; it is"
		" refused from now on, what served goes on",
		plugin->name);
	atomic_store(&plugin->refused, code);
}

/*
 * The same for a thread without a slot.  It is gone: it is in no plugin any more.  `serves`: what serves
 * may be charged, too.
 */
static bool enter_thread(struct ledger_section *section, struct thread_mark *mark, bool serves)
{
	uint32_t row = atomic_exchange(&mark->row, 0);
	uint32_t signal_number = atomic_exchange(&mark->signal, 0);
	uint64_t trial = atomic_exchange(&mark->trial, 0);

	if (signal_number == 0 || !is_row(section, row))
		return false;
	if (trial != 0)
		refuse(section, row - 1, trial);
	else if (serves)
		charge_outside(section, row - 1, signal_number);
	return true;
}

/* ---- deaths that nobody is charged for ---- */

/* SIGKILL is somebody's wish, or the kernel's when memory is short. */
static bool is_fault(int status)
{
	if (WIFSIGNALED(status))
		return WTERMSIG(status) != SIGKILL;
	return WIFEXITED(status) && WEXITSTATUS(status) != 0;
}

static void append_name(char text[LEDGER_TEXT_MAX], const char *name)
{
	size_t length = strlen(text);
	size_t needed = strnlen(name, LEDGER_NAME_MAX) + (length != 0);

	if (length + needed < LEDGER_TEXT_MAX)
		snprintf(text + length, LEDGER_TEXT_MAX - length, "%s%.*s", length ? " " : "",
			 LEDGER_NAME_MAX, name);
}

static void list_death(struct ledger_section *section, const bool ran[LEDGER_PLUGINS_MAX],
		       int status)
{
	uint64_t count = atomic_load(&section->death_count);
	struct ledger_death *death = &section->deaths[count % LEDGER_DEATHS_MAX];

	*death = (struct ledger_death){.when = (uint64_t)time(NULL), .status = status};
	for (unsigned row = 0; row < LEDGER_PLUGINS_MAX; row++)
		if (ran[row])
			append_name(death->ran, section->plugins[row].name);
	atomic_store(&section->death_count, count + 1);
	log_error("no plugin is charged for the death of the worker; what ran: %s",
		  death->ran[0] ? death->ran : "none");
}

/* 0: that it is not known which worker it was. */
static bool is_process(const struct process_marks *marks, uint32_t pid)
{
	return pid == 0 || atomic_load(&marks->pid) == pid;
}

/* Enter what the threads without a slot were hit by; whether a plugin was charged. */
static bool enter_process(struct ledger_section *section, uint32_t pid, bool serves)
{
	bool charged = false;

	for (unsigned process = 0; process < LEDGER_PROCESSES; process++) {
		struct process_marks *marks = &section->processes[process];

		for (unsigned thread = 0; is_process(marks, pid) && thread < LEDGER_THREADS;
		     thread++)
			charged |= enter_thread(section, &marks->threads[thread], serves);
	}
	return charged;
}

void ledger_record_death(struct ledger *ledger, const struct journal *journal, uint32_t pid,
			 int status)
{
	struct ledger_section *section = ledger_section_of(ledger);
	bool ran[LEDGER_PLUGINS_MAX] = {false};
	bool charged = false;

	if (!section)
		return;
	for (int slot = 0; slot < (int)JOURNAL_SLOTS; slot++) {
		struct journal_mark *mark;
		uint32_t row;

		if (journal_length(journal, slot) == 0)
			continue;
		/* One of an earlier request is emptied by this. */
		mark = journal_mark(journal, slot);
		row = atomic_load(&mark->plugin);
		if (is_row(section, row))
			ran[row - 1] = true;
		charged |= enter_slot(section, mark);
	}
	charged |= enter_process(section, pid, true);
	if (!charged && is_fault(status))
		list_death(section, ran, status);
}

void ledger_forget_death(struct ledger *ledger, uint32_t pid)
{
	struct ledger_section *section = ledger_section_of(ledger);

	if (section)
		enter_process(section, pid, false);
}

/* ---- those who look ---- */

int ledger_plugin_get(const struct ledger *ledger, unsigned row, struct ledger_plugin *plugin)
{
	const struct ledger_section *section = ledger_section_of(ledger);

	if (!section || row >= LEDGER_PLUGINS_MAX)
		return -ENOENT;
	for (unsigned attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
		const struct ledger_plugin *from = &section->plugins[row];
		uint32_t sequence = atomic_load_explicit(&from->sequence, memory_order_acquire);

		if (sequence == 0)
			return -ENOENT;
		if (sequence & 1)
			continue;
		read_counts(plugin, from);
		read_texts(plugin, from);
		if (atomic_load_explicit(&from->sequence, memory_order_relaxed) == sequence)
			return 0;
	}
	/* Who wrote it died half-way; its successor writes it anew. */
	return -ENOENT;
}

const struct ledger_fault *ledger_fault_get(const struct ledger *ledger, unsigned index)
{
	const struct ledger_section *section = ledger_section_of(ledger);

	return section && index < LEDGER_FAULTS_MAX ? &section->faults[index] : NULL;
}

int ledger_death_get(const struct ledger *ledger, unsigned index, struct ledger_death *death)
{
	const struct ledger_section *section = ledger_section_of(ledger);
	uint64_t count = ledger_deaths(ledger);

	if (!section || index >= LEDGER_DEATHS_MAX || index >= count)
		return -ENOENT;
	*death = section->deaths[(count - 1 - index) % LEDGER_DEATHS_MAX];
	death->ran[LEDGER_TEXT_MAX - 1] = '\0';
	return 0;
}

uint64_t ledger_deaths(const struct ledger *ledger)
{
	const struct ledger_section *section = ledger_section_of(ledger);

	return section ? atomic_load(&section->death_count) : 0;
}
