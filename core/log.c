/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define WINDOW_SECONDS   5
#define LINES_PER_WINDOW 10
#define LINE_MAX_BYTES   1024

/* Set up once, before threads start; the level may change at any time. */
static enum log_target log_destination = LOG_TARGET_STDERR;
static _Atomic uint32_t log_level = LXCFS_LOG_INFO;
static int journal_fd = -1;

/* systemd.exec(5): $JOURNAL_STREAM holds device and inode of a stderr that is the journal's. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device;
	unsigned long long inode;
	struct stat status;

	if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
		return false;
	return fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

static bool journal_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX,
				      .sun_path = "/run/systemd/journal/socket"};

	journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (journal_fd < 0)
		return false;
	if (connect(journal_fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return true;
	close(journal_fd);
	journal_fd = -1;
	return false;
}

/* Started without anybody who reads what it says. */
static bool stderr_is_nowhere(void)
{
	struct stat status;
	struct stat nowhere;

	return fstat(STDERR_FILENO, &status) != 0 ||
	       (stat("/dev/null", &nowhere) == 0 && S_ISCHR(status.st_mode) &&
		status.st_rdev == nowhere.st_rdev);
}

static enum log_target choose_target(void)
{
	if (stderr_is_journal())
		return LOG_TARGET_JOURNAL;
	return stderr_is_nowhere() ? LOG_TARGET_SYSLOG : LOG_TARGET_STDERR;
}

void log_open(enum log_target target, uint32_t level)
{
	log_set_level(level);
	if (target == LOG_TARGET_AUTO)
		target = choose_target();
	if (target == LOG_TARGET_JOURNAL && !journal_connect())
		target = LOG_TARGET_STDERR;
	if (target == LOG_TARGET_SYSLOG)
		openlog("lxcfs", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	log_destination = target;
}

void log_set_level(uint32_t level)
{
	atomic_store(&log_level, level);
}

/* The native protocol of systemd-journald: one datagram of FIELD=value lines. */
static void journal_send(uint32_t level, const char *line)
{
	char message[LINE_MAX_BYTES + 128];
	int length = snprintf(message, sizeof(message),
			      "PRIORITY=%u\nSYSLOG_IDENTIFIER=lxcfs\nMESSAGE=%s\n", level, line);

	if (length > 0 && (size_t)length < sizeof(message))
		(void)!send(journal_fd, message, (size_t)length, MSG_NOSIGNAL);
}

static void emit(uint32_t level, const char *line)
{
	char text[LINE_MAX_BYTES + 32];
	int length;

	if (log_destination == LOG_TARGET_JOURNAL) {
		journal_send(level, line);
		return;
	}
	if (log_destination == LOG_TARGET_SYSLOG) {
		syslog((int)level, "%s", line);
		return;
	}
	/* One write(2), so that lines of several processes do not mix. */
	length = snprintf(text, sizeof(text), "lxcfs: %s\n", line);
	if (length > 0)
		(void)!write(STDERR_FILENO, text, strnlen(text, sizeof(text)));
}

/* Whether this call site may log now; *suppressed is how many lines were left out before. */
static bool site_admits(struct log_site *site, uint32_t *suppressed)
{
	struct timespec now;
	uint64_t seconds;
	uint64_t window;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	seconds = (uint64_t)now.tv_sec + 1;
	window = atomic_load(&site->window);
	*suppressed = 0;
	if ((window == 0 || seconds - window >= WINDOW_SECONDS) &&
	    atomic_compare_exchange_strong(&site->window, &window, seconds)) {
		atomic_store(&site->count, 1);
		*suppressed = atomic_exchange(&site->suppressed, 0);
		return true;
	}
	if (atomic_fetch_add(&site->count, 1) < LINES_PER_WINDOW)
		return true;
	atomic_fetch_add(&site->suppressed, 1);
	return false;
}

/* A container can choose names that end up here: nothing of them may look like another line. */
static void make_printable(char *line)
{
	for (; *line; line++)
		if ((unsigned char)*line < ' ' || *line == 0x7f)
			*line = '?';
}

void log_write_list(struct log_site *site, uint32_t level, const char *format, va_list list)
{
	char line[LINE_MAX_BYTES];
	uint32_t suppressed = 0;
	int saved_errno = errno;
	int length;

	if (level > atomic_load(&log_level) || (site && !site_admits(site, &suppressed))) {
		errno = saved_errno;
		return;
	}
	length = vsnprintf(line, sizeof(line), format, list);
	if (length < 0)
		return;
	if (suppressed != 0 && (size_t)length < sizeof(line))
		snprintf(line + length, sizeof(line) - (size_t)length,
			 " (%u more such lines were left out)", suppressed);
	make_printable(line);
	emit(level, line);
	errno = saved_errno;
}

void log_write(struct log_site *site, uint32_t level, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	log_write_list(site, level, format, list);
	va_end(list);
}
