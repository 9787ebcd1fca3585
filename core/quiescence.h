/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When can something that readers may still look at be freed?
 *
 * Readers announce themselves before they follow a shared pointer and sign off afterwards; both are
 * one store into a place of their own, so readers never wait and share no lock.  Who replaces the
 * object retires the old one; it is freed once every reader that could have seen it has signed off.
 * A reader that never does only delays freeing: nobody waits for it.
 */
#ifndef LXCFS_CORE_QUIESCENCE_H
#define LXCFS_CORE_QUIESCENCE_H

#include <stdbool.h>
#include <stdint.h>

#define QUIESCENCE_READERS 192

struct quiescence;

int quiescence_new(struct quiescence **quiescence);
/* Only when no reader is left; frees what was retired. */
void quiescence_free(struct quiescence *quiescence);

/* A place for one thread, for as long as it lives; -1 when all are taken. */
int quiescence_register(struct quiescence *quiescence);
void quiescence_enter(struct quiescence *quiescence, int reader);
void quiescence_leave(struct quiescence *quiescence, int reader);

/* Call release(object) later, from quiescence_reclaim().  Without memory the object is leaked. */
void quiescence_retire(struct quiescence *quiescence, void (*release)(void *object), void *object);
/* Free what can be freed; whether something is left.  One thread. */
bool quiescence_reclaim(struct quiescence *quiescence);

#endif
