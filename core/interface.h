/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can be asked of the control socket, in Varlink's own language: clients get these very texts from
 * org.varlink.service.GetInterfaceDescription.
 */
#ifndef LXCFS_CORE_INTERFACE_H
#define LXCFS_CORE_INTERFACE_H

#define INTERFACE_SERVICE "org.varlink.service"
#define INTERFACE_LXCFS   "io.lxcfs"

#define INTERFACE_ERROR_FAILED INTERFACE_LXCFS ".Failed"

/* NULL: no such interface. */
const char *interface_description(const char *name);

#endif
