/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who polls: the kernel's poll handle of each open handle, in the state memfd.
 *
 * The kernel remembers a waiter by its poll handle and never asks again until it is woken; so the
 * successor of a dead worker wakes everyone once, and each asks again.  Any thread.
 */
#ifndef LXCFS_CORE_POLLS_H
#define LXCFS_CORE_POLLS_H

#include <stdint.h>

#include "state.h"

struct polls;

/* `fuse_fd` is where wake-ups are written; it stays the caller's. */
int polls_open(const struct state *state, int fuse_fd, struct polls **polls);
void polls_free(struct polls *polls);

/* Remember that `handle` is polled under `kernel_handle`.  -ENOSPC: too many. */
int polls_add(struct polls *polls, uint64_t handle, uint64_t kernel_handle);
void polls_drop(struct polls *polls, uint64_t handle);
void polls_wake(struct polls *polls, uint64_t handle);
void polls_wake_all(struct polls *polls);

#endif
