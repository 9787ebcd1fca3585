/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `lxcfs render`: one file over a recorded host, to standard output; no mount, no root. */
#ifndef LXCFS_CORE_RENDER_H
#define LXCFS_CORE_RENDER_H

/* main() of the command; argv[0] is "render". */
int render_main(int argc, char **argv);

#endif
