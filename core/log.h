/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Log lines: to stderr, syslog or the journal, at a limited rate.  Any thread.
 */
#ifndef LXCFS_CORE_LOG_H
#define LXCFS_CORE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "lxcfs/plugin.h"

enum log_target { LOG_TARGET_AUTO, LOG_TARGET_STDERR, LOG_TARGET_SYSLOG, LOG_TARGET_JOURNAL };

/* AUTO: the journal when stderr is connected to it, syslog when stderr is /dev/null, else stderr. */
void log_open(enum log_target target, uint32_t level);
void log_set_level(uint32_t level);

/*
 * `level` is LXCFS_LOG_*.  Each call site may log 10 lines in 5 seconds; what is left out is counted
 * and told with the next line that goes out.  Without a site there is no bound: that is for notices,
 * which tell what an administrator did.
 */
struct log_site {
	_Atomic uint64_t window; /* start of the current window, seconds */
	_Atomic uint32_t count;
	_Atomic uint32_t suppressed;
};

void log_write(struct log_site *site, uint32_t level, const char *format, ...) LXCFS_PRINTF(3, 4);
void log_write_list(struct log_site *site, uint32_t level, const char *format, va_list list)
	LXCFS_PRINTF(3, 0);

#define log_at(level, ...)                                     \
	do {                                                   \
		static struct log_site log_site_here;          \
		log_write(&log_site_here, level, __VA_ARGS__); \
	} while (0)

#define log_error(...)   log_at(LXCFS_LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LXCFS_LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_write(NULL, LXCFS_LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_at(LXCFS_LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_at(LXCFS_LOG_DEBUG, __VA_ARGS__)

#endif
