/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger: which plugins are served, and what failed, in the state memfd.
 *
 * The worker that owns the connection writes what it serves; a thread that is hit by a fatal signal
 * marks what it was doing; the keeper enters that here when the worker has died, and quarantines.
 * Control processes only look.
 *
 * A fault is charged to the plugin whose code the faulting thread was in, and to the outermost container
 * that it served.  After two charges the plugin is quarantined for that container: its files answer by
 * on-fault there and its code is not called.  When it is quarantined for two outermost containers that
 * live at the same time, or was charged twice outside of any request (loading it, a timer), it is so for all.  A death that no
 * thread was marked for (heap corruption that struck elsewhere) is listed with what ran.  SIGKILL
 * charges and lists nobody.
 */
#ifndef LXCFS_CORE_LEDGER_H
#define LXCFS_CORE_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state.h"

#define LEDGER_PLUGINS_MAX 256u
#define LEDGER_FAULTS_MAX  1024u
#define LEDGER_DEATHS_MAX  16u
#define LEDGER_NAME_MAX    64
#define LEDGER_PATH_MAX    1024
#define LEDGER_TEXT_MAX    256

/* Charges after which a plugin is quarantined. */
#define LEDGER_CHARGES_MAX 2u
/*
 * In place of a group, where no reader is known: lookups, attributes, links, handles that are closed.
 * Charged and quarantined by itself, so that nobody can end others' reads by these.
 */
#define LEDGER_NO_READER UINT64_MAX
/* Outermost containers that a plugin is quarantined for, after which it is so for all. */
#define LEDGER_CONTAINERS_MAX 2u

/* A plugin that is or was served.  Rows are found by name and not taken back. */
struct ledger_plugin {
	_Atomic uint32_t sequence; /* odd while the texts change; 0: no such row */
	_Atomic uint32_t serving;
	_Atomic uint32_t faults;      /* charged since it was last replaced or reloaded */
	_Atomic uint32_t containers;  /* outermost ones that it is quarantined for */
	_Atomic uint32_t quarantined; /* for all */
	_Atomic uint32_t outside;     /* faults outside of any request */
	_Atomic uint64_t refused; /* number of other code that ended a worker on trial; 0: none */
	char name[LEDGER_NAME_MAX];
	uint64_t generation;
	uint64_t loaded; /* CLOCK_REALTIME seconds */
	char path[LEDGER_PATH_MAX];
	char release[LEDGER_NAME_MAX];
	char build_id[STATE_BUILD_MAX];
};

/* What one outermost container did to one plugin. */
struct ledger_fault {
	_Atomic uint32_t row; /* of the plugin, + 1; 0: free */
	_Atomic uint32_t charges;
	_Atomic uint64_t group; /* struct container.group, or LEDGER_NO_READER */
	uint64_t last;          /* CLOCK_REALTIME seconds */
	uint32_t signal;        /* of the last one */
	uint32_t reserved;
};

/* A death that nobody was charged for. */
struct ledger_death {
	uint64_t when;  /* CLOCK_REALTIME seconds; 0: free */
	int32_t status; /* as of waitpid(2) */
	uint32_t reserved;
	char ran[LEDGER_TEXT_MAX]; /* the plugins that were rendering then, "a b c" */
};

#define LEDGER_GROUP_TEXT 24
/*
 * What people know a group by: the inode number of its pid namespace (pidnamespace.h), "0" for the host's;
 * "cgroup 1a2b3c4d" for all that lie in one outermost cgroup and whose namespace cannot be told.
 */
void ledger_describe_group(uint64_t group, char text[LEDGER_GROUP_TEXT]);

struct ledger_section;
struct journal;

struct ledger {
	struct ledger_section *section;
	unsigned process; /* whose marks those of this process are: ledger_join() */
};

size_t ledger_bytes(void);
/* Starts the section anew when it has another version. */
void ledger_open(const struct state *state, struct ledger *ledger);

/* ---- the worker: its control thread ---- */

/*
 * Note that a plugin is served; its row, or -ENOSPC.  `changed`: by other code than before, which lifts
 * its quarantine.
 */
int ledger_serve(struct ledger *ledger, const struct ledger_plugin *plugin, bool changed);
/* The row of this name, or -ENOENT. */
int ledger_find(const struct ledger *ledger, const char *name);
void ledger_drop(struct ledger *ledger, const char *name);
/* End the quarantine of a plugin and forget its faults; whether there were any. */
bool ledger_lift(struct ledger *ledger, const char *name);

/* ---- any thread ---- */

/* Whether the code of the plugin must not be called for this outermost container. */
bool ledger_is_quarantined(const struct ledger *ledger, unsigned row, uint64_t group);
/* The same for all of them: "banned" in names here means "quarantined for all". */
bool ledger_is_banned(const struct ledger *ledger, unsigned row);

/*
 * The control thread and the timer thread call plugins outside of any request: who, while it lasts.
 * `row` -1: nobody any more.
 */
enum ledger_thread { LEDGER_CONTROL, LEDGER_TIMERS, LEDGER_THREADS };
/*
 * Before any of them: begin marks of its own, for the `owner` of the connection (0: nobody is) may be
 * another process, whose marks stay.
 */
void ledger_join(struct ledger *ledger, uint32_t pid, uint32_t owner);
void ledger_enter(struct ledger *ledger, enum ledger_thread thread, int row);
/*
 * Other code of this plugin (image_number()) is being loaded: what strikes the thread is charged to that
 * code, which is refused from then on, and not to what serves.
 */
void ledger_enter_trial(struct ledger *ledger, enum ledger_thread thread, int row, uint64_t code);
/* Whether this code of the plugin ended a worker when it was loaded. */
bool ledger_is_refused(const struct ledger *ledger, int row, uint64_t code);
/* In a signal handler: the thread that called ledger_enter() is hit. */
void ledger_mark(struct ledger *ledger, enum ledger_thread thread, int signal_number);
/* The same for a thread that another one waits for in vain.  false: it is not in this plugin. */
bool ledger_mark_other(struct ledger *ledger, enum ledger_thread thread, int row,
		       int signal_number);

/* ---- the keeper ---- */

/*
 * A worker has died (`status` as of waitpid(2)), or is as good as dead: charge those that were marked in
 * the journal and here, or list it with what ran.  Call it once for each worker, before a successor
 * looks at the journal.  `pid` 0: not known, and no other worker lives.
 */
void ledger_record_death(struct ledger *ledger, const struct journal *journal, uint32_t pid,
			 int status);
/* One has died that did not serve while another one does: what hit it is nobody's fault that serves. */
void ledger_forget_death(struct ledger *ledger, uint32_t pid);

/* ---- those who look ---- */

/* A consistent copy of a row; -ENOENT: there is none. */
int ledger_plugin_get(const struct ledger *ledger, unsigned row, struct ledger_plugin *plugin);
/* NULL behind the last index. */
const struct ledger_fault *ledger_fault_get(const struct ledger *ledger, unsigned index);
/* The index-th youngest; -ENOENT. */
int ledger_death_get(const struct ledger *ledger, unsigned index, struct ledger_death *death);
/* How many there were, those that are no longer listed included. */
uint64_t ledger_deaths(const struct ledger *ledger);

#endif
