/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The grammar of the configuration, and what has to be known of libconfuse.
 *
 * libconfuse and this file keep parser state in statics: one call at a time.
 */
#ifndef LXCFS_CORE_CONFIGFILE_H
#define LXCFS_CORE_CONFIGFILE_H

#include <confuse.h>
#include <stdio.h>

/*
 * Parse `stream` (NULL: nothing, all keys have their defaults) and the files that it includes.  `path`
 * names it in messages.  *parsed is to be freed by cfg_free().  On failure -EINVAL or another -errno, and
 * *reason (to be freed) has file, line and what is wrong.
 */
int configfile_parse(const char *path, FILE *stream, cfg_t **parsed, char **reason);

/* The value of a key whose words are in policy.h and config.h; `otherwise` where it is not set. */
int configfile_choice(cfg_t *cfg, const char *key, int otherwise);

/* The whole configuration as one text without includes, to be freed.  Changes titles in `cfg`. */
int configfile_print(cfg_t *cfg, char **printed);

#endif
