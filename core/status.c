/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "status.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <json.h>

#include "ownership.h"
#include "program.h"
#include "varlink.h"

static void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, varlink_new_text(text));
}

static void add_number(struct json_object *object, const char *key, uint64_t number)
{
	/* What Varlink calls an int ends there. */
	int64_t shown = number > INT64_MAX ? INT64_MAX : (int64_t)number;

	json_object_object_add(object, key, json_object_new_int64(shown));
}

static void add_flag(struct json_object *object, const char *key, bool flag)
{
	json_object_object_add(object, key, json_object_new_boolean(flag));
}

/* ---- plugins ---- */

static struct json_object *new_fault(const struct ledger_fault *fault)
{
	struct json_object *object = json_object_new_object();
	uint32_t charges = atomic_load(&fault->charges);
	uint64_t group = atomic_load(&fault->group);
	char text[LEDGER_GROUP_TEXT];

	ledger_describe_group(group, text);
	json_object_object_add(object, "group",
			       group == LEDGER_NO_READER ? NULL : varlink_new_text(text));
	add_number(object, "charges", charges);
	add_number(object, "last", fault->last);
	add_number(object, "signal", fault->signal);
	add_flag(object, "quarantined", charges >= LEDGER_CHARGES_MAX);
	return object;
}

static struct json_object *new_faults(const struct ledger *ledger, unsigned row)
{
	struct json_object *list = json_object_new_array();
	const struct ledger_fault *fault;

	for (unsigned index = 0; (fault = ledger_fault_get(ledger, index)); index++)
		if (atomic_load(&fault->row) == row + 1 && atomic_load(&fault->charges) != 0)
			json_object_array_add(list, new_fault(fault));
	return list;
}

static const char *state_of(const struct ledger_plugin *plugin)
{
	if (!atomic_load(&plugin->serving))
		return "dropped";
	if (atomic_load(&plugin->quarantined))
		return "quarantined";
	return atomic_load(&plugin->containers) != 0 ? "restricted" : "serving";
}

static struct json_object *new_plugin(const struct ledger *ledger, unsigned row,
				      const struct ledger_plugin *plugin)
{
	struct json_object *object = json_object_new_object();

	add_text(object, "name", plugin->name);
	add_text(object, "file", plugin->path);
	add_text(object, "release", plugin->release);
	add_text(object, "buildId", plugin->build_id);
	add_number(object, "generation", plugin->generation);
	add_number(object, "loaded", plugin->loaded);
	add_text(object, "state", state_of(plugin));
	add_number(object, "faults", atomic_load(&plugin->faults));
	add_number(object, "faultsOutsideOfRequests", atomic_load(&plugin->outside));
	add_number(object, "quarantinedFor", atomic_load(&plugin->containers));
	json_object_object_add(object, "faultyContainers", new_faults(ledger, row));
	return object;
}

static struct json_object *new_plugins(const struct ledger *ledger)
{
	struct json_object *list = json_object_new_array();
	struct ledger_plugin plugin;

	for (unsigned row = 0; row < LEDGER_PLUGINS_MAX; row++)
		if (ledger_plugin_get(ledger, row, &plugin) == 0)
			json_object_array_add(list, new_plugin(ledger, row, &plugin));
	return list;
}

struct json_object *status_plugins(const struct ledger *ledger)
{
	struct json_object *report = json_object_new_object();

	json_object_object_add(report, "plugins", new_plugins(ledger));
	return report;
}

/* ---- deaths ---- */

/* "a b c" */
static struct json_object *split_words(char *text)
{
	struct json_object *list = json_object_new_array();
	char *rest = NULL;

	for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		json_object_array_add(list, varlink_new_text(word));
	return list;
}

static struct json_object *new_death(struct ledger_death *death)
{
	struct json_object *object = json_object_new_object();

	add_number(object, "when", death->when);
	if (WIFSIGNALED(death->status))
		add_number(object, "signal", (uint64_t)WTERMSIG(death->status));
	else
		add_number(object, "status", (uint64_t)WEXITSTATUS(death->status));
	json_object_object_add(object, "ran", split_words(death->ran));
	return object;
}

static struct json_object *new_deaths(const struct ledger *ledger)
{
	struct json_object *list = json_object_new_array();
	struct ledger_death death;

	for (unsigned index = 0; ledger_death_get(ledger, index, &death) == 0; index++)
		json_object_array_add(list, new_death(&death));
	return list;
}

/* ---- all ---- */

static void add_program(struct json_object *report, const char *key,
			const struct state_program *program)
{
	struct json_object *object = NULL;
	struct state_program copy;

	program_get(program, &copy);
	if (atomic_load(&copy.pid) != 0) {
		object = json_object_new_object();
		add_number(object, "pid", atomic_load(&copy.pid));
		add_number(object, "since", copy.since);
		add_text(object, "release", copy.release);
		add_text(object, "buildId", copy.build_id);
	}
	json_object_object_add(report, key, object);
}

struct json_object *status_report(const struct state *state, const struct ledger *ledger)
{
	struct state_header *header = state->header;
	struct json_object *report = json_object_new_object();

	add_program(report, "keeper", &header->keeper);
	add_program(report, "worker", &header->worker);
	add_number(report, "generation", atomic_load(&header->generation));
	add_flag(report, "serving", ownership_is_held(state));
	add_number(report, "since", header->created);
	add_number(report, "takeovers", atomic_load(&header->takeovers));
	add_number(report, "handOvers", atomic_load(&header->hand_overs));
	add_flag(report, "rescue", atomic_load(&header->rescue) != 0);
	add_flag(report, "supervised", atomic_load(&header->supervised) != 0);
	add_flag(report, "passthrough", atomic_load(&header->passthrough) != 0);
	add_number(report, "passthroughAnswers", atomic_load(&header->passthrough_answers));
	add_number(report, "unattributedDeaths", ledger_deaths(ledger));
	json_object_object_add(report, "deaths", new_deaths(ledger));
	json_object_object_add(report, "plugins", new_plugins(ledger));
	return report;
}
