/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the configuration says for one container. */
#ifndef LXCFS_CORE_POLICY_H
#define LXCFS_CORE_POLICY_H

#include <stdbool.h>

enum cpu_policy { CPU_POLICY_QUOTA, CPU_POLICY_CPUSET };
enum cpu_numbering { CPU_NUMBERING_AUTO, CPU_NUMBERING_PHYSICAL, CPU_NUMBERING_CONTIGUOUS };
enum identity_policy { IDENTITY_AUTO, IDENTITY_PID1, IDENTITY_CALLER };

struct policy {
	enum cpu_policy cpu_policy;
	enum cpu_numbering cpu_numbering;
	enum identity_policy identity;
	bool swap;           /* false: swap = off, the container has none */
	bool virtual_uptime; /* false: uptime = host */
};

#endif
