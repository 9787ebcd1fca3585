/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A worker that does as it is told: the test program itself, executed by succession.c.
 *
 * The script is a list of words, done one after the other; the last is done for ever where it waits:
 *   fail             says "told to fail" and ends
 *   hang             says nothing any more
 *   segv abort kill  ends by this signal
 *   exit             ends with status 1
 *   dying            says that it was hit by a fatal signal, but does not end
 *   stop             is stopped, as one that sits in the kernel
 *   close            closes its channel, and goes on without it
 *   ready            says that it could serve
 *   serve            waits until it is to serve
 *   serving          says that it does
 *   yield            waits until it is to yield
 *   yielded          says that it has
 */
#ifndef FAKEWORKER_H
#define FAKEWORKER_H

#define FAKE_GOOD "ready serve serving yield yielded hang"

/* What those that are started from now on do; `rescue`: those that are to serve without plugins. */
void fake_worker_script(const char *script, const char *rescue);
/* In main(), when the first argument is WORKER_ARGUMENT. */
int fake_worker_main(void);

#endif
