/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Another version of the program, which cannot go on with what this one leaves. */
#include <stdlib.h>

#include "channel.h"
#include "worker.h"

int main(void)
{
	channel_send(WORKER_CHANNEL_FD, MESSAGE_FAILED, NULL, "this state is of another version",
		     -1);
	return EXIT_FAILURE;
}
