/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The test plugin's subtree, and the lock of its two parts. */
#ifndef LXCFS_TESTS_PROBE_TREE_H
#define LXCFS_TESTS_PROBE_TREE_H

#include "lxcfs/plugin.h"

extern const struct lxcfs_subtree probe_subtree;

/* What lies under it is short, and a plugin has no library of threads. */
static inline void probe_lock(char *lock)
{
	while (__atomic_test_and_set(lock, __ATOMIC_ACQUIRE))
		;
}

static inline void probe_unlock(char *lock)
{
	__atomic_clear(lock, __ATOMIC_RELEASE);
}

#endif
