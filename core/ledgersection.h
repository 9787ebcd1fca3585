/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the ledger lies in the state memfd: for ledger.c and ledgermarks.c alone. */
#ifndef LXCFS_CORE_LEDGERSECTION_H
#define LXCFS_CORE_LEDGERSECTION_H

#include "ledger.h"

#define LEDGER_VERSION 2u

/* A thread that calls plugins outside of any request. */
struct thread_mark {
	_Atomic uint32_t row;    /* of the plugin that it is in, + 1; 0: in none */
	_Atomic uint32_t signal; /* not 0: that hit it there, and it is not entered yet */
	_Atomic uint64_t trial;  /* not 0: in that code of it, which does not serve */
};

/* Of one worker.  The next one gets ready while one serves: two. */
struct process_marks {
	_Atomic uint32_t pid;
	struct thread_mark threads[LEDGER_THREADS];
};

#define LEDGER_PROCESSES 2u

struct ledger_section {
	uint32_t size;
	_Atomic uint32_t version;
	struct process_marks processes[LEDGER_PROCESSES];
	_Atomic uint64_t death_count;
	struct ledger_plugin plugins[LEDGER_PLUGINS_MAX];
	struct ledger_fault faults[LEDGER_FAULTS_MAX];
	struct ledger_death deaths[LEDGER_DEATHS_MAX];
};

/* NULL where there is none, and when a successor of another version has taken it for its own. */
static inline struct ledger_section *ledger_section_of(const struct ledger *ledger)
{
	struct ledger_section *section = ledger->section;

	if (!section ||
	    atomic_load_explicit(&section->version, memory_order_relaxed) != LEDGER_VERSION)
		return NULL;
	return section;
}

#endif
