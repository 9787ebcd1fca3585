/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plugins' memory of containers, in the state memfd: see lxcfs_host.state_update.
 *
 * A record holds two copies of the content; an update fills the one that is not current and then makes
 * it current by one store.  When the section is full the least recently updated record of the
 * container group that holds most goes.  Any thread.
 */
#ifndef LXCFS_CORE_PLUGINSTATE_H
#define LXCFS_CORE_PLUGINSTATE_H

#include <stdint.h>

#include "container.h"
#include "lxcfs/plugin.h"
#include "state.h"

#define PLUGIN_STATE_MAX 65536u /* bytes of content */

struct plugin_state;

/* `state` NULL: memory of this process only (`lxcfs render`, a self-test). */
int plugin_state_open(const struct state *state, struct plugin_state **plugin_state);
void plugin_state_free(struct plugin_state *plugin_state);

/* `group`: whatever is the same for all containers that one outermost container can make. */
int plugin_state_update(struct plugin_state *plugin_state, const struct container_key *container,
			uint64_t group, const char *plugin, uint32_t version, uint32_t size,
			lxcfs_state_function function, void *argument);

#endif
