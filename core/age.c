/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long a container has been running: since the first process of its pid namespace started.
 *
 * A container in a time namespace of its own may show another boot time to its processes; that
 * offset is not added here.  The daemon's own one changes nothing: both numbers below have it.
 */
#include "rendering.h"

#include <inttypes.h>
#include <stdio.h>

#include "pidnamespace.h"

#define NANOSECONDS_PER_TICK 10000000u /* USER_HZ is 100 everywhere */

uint64_t start_get(struct rendering *rendering)
{
	struct lxcfs_text text;
	char path[sizeof("proc/4294967295/stat")];
	uint64_t ticks;

	if (rendering->init_pid == 0)
		return 0;
	snprintf(path, sizeof(path), "proc/%" PRIu32 "/stat", rendering->init_pid);
	if (rendering_host_file(rendering, path, &text) != 0 || !pid_parse_start(text, &ticks))
		return 0;
	return lxcfs_multiply(ticks, NANOSECONDS_PER_TICK);
}

int age_get(struct rendering *rendering, uint64_t *nanoseconds)
{
	uint64_t now = hostfs_boottime(rendering->hostfs);

	/*
	 * Without its first process a pid namespace is about to end.  Whoever still reads in it gets
	 * the host's uptime: too long, but a time that goes on, and no failure.
	 */
	*nanoseconds =
		lxcfs_subtract(now, rendering->policy->virtual_uptime ? start_get(rendering) : 0);
	return 0;
}
