/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Other versions of the program: one that cannot go on with what this one leaves, and (HANGS) one that
 * says nothing at all.
 */
#include <stdlib.h>
#include <unistd.h>

#include "channel.h"
#include "worker.h"

#ifndef HANGS
#define HANGS 0
#endif

int main(void)
{
	while (HANGS)
		pause();
	channel_send(WORKER_CHANNEL_FD, MESSAGE_FAILED, NULL, "this state is of another version",
		     -1);
	return EXIT_FAILURE;
}
