/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The marks of threads that call plugins outside of any request (ledger.h). */
#include "ledgersection.h"

static void clear_mark(struct thread_mark *mark)
{
	atomic_store(&mark->row, 0);
	atomic_store(&mark->signal, 0);
	atomic_store(&mark->trial, 0);
}

void ledger_join(struct ledger *ledger, uint32_t pid, uint32_t owner)
{
	struct ledger_section *section = ledger_section_of(ledger);
	struct process_marks *marks;

	if (!section)
		return;
	ledger->process = owner != 0 && atomic_load(&section->processes[0].pid) == owner ? 1 : 0;
	marks = &section->processes[ledger->process];
	/* A predecessor may have died in a plugin. */
	for (unsigned thread = 0; thread < LEDGER_THREADS; thread++)
		clear_mark(&marks->threads[thread]);
	atomic_store(&marks->pid, pid);
}

static struct thread_mark *mark_of(const struct ledger *ledger, enum ledger_thread thread)
{
	struct ledger_section *section = ledger_section_of(ledger);

	return section ? &section->processes[ledger->process].threads[thread] : NULL;
}

void ledger_enter(struct ledger *ledger, enum ledger_thread thread, int row)
{
	ledger_enter_trial(ledger, thread, row, 0);
}

void ledger_enter_trial(struct ledger *ledger, enum ledger_thread thread, int row, uint64_t code)
{
	struct thread_mark *mark = mark_of(ledger, thread);

	if (!mark)
		return;
	/* In no plugin between the two: whoever looks must not take the one for the other. */
	atomic_store_explicit(&mark->row, 0, memory_order_relaxed);
	atomic_store_explicit(&mark->trial, code, memory_order_release);
	atomic_store_explicit(&mark->row, row < 0 ? 0 : (uint32_t)row + 1, memory_order_release);
}

bool ledger_is_refused(const struct ledger *ledger, int row, uint64_t code)
{
	const struct ledger_section *section = ledger_section_of(ledger);

	return section && row >= 0 && code != 0 &&
	       atomic_load(&section->plugins[row].refused) == code;
}

void ledger_mark(struct ledger *ledger, enum ledger_thread thread, int signal_number)
{
	struct thread_mark *mark = mark_of(ledger, thread);

	if (mark)
		atomic_store(&mark->signal, (uint32_t)signal_number);
}

bool ledger_mark_other(struct ledger *ledger, enum ledger_thread thread, int row, int signal_number)
{
	const struct thread_mark *mark = mark_of(ledger, thread);

	if (!mark || row < 0 ||
	    atomic_load_explicit(&mark->row, memory_order_relaxed) != (uint32_t)row + 1)
		return false;
	ledger_mark(ledger, thread, signal_number);
	return true;
}
