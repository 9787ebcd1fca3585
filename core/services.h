/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the functions of the host API work with.  Constant while plugins are loaded. */
#ifndef LXCFS_CORE_SERVICES_H
#define LXCFS_CORE_SERVICES_H

struct hostfs;
struct plugin_state;
struct polls;
struct timers;

struct services {
	const struct hostfs *hostfs;
	struct plugin_state *plugin_state;
	struct timers *timers;
	struct polls *polls; /* NULL where nothing is mounted: `lxcfs render`, a self-test */
};

#endif
