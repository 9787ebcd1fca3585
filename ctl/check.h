/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `lxcfsctl check`: would the daemon load this plugin? */
#ifndef LXCFS_CTL_CHECK_H
#define LXCFS_CTL_CHECK_H

#include <stdbool.h>

#include "client.h"

/* Needs no daemon.  Prints what the plugin is, or on standard error why it is refused. */
enum ctl_status check_plugin(const char *path, bool json);

#endif
