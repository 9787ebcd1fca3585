/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The counters of a container that works, over all that happens to the daemon: /proc/stat and
 * /proc/uptime every 50 ms.  No counter may ever decrease, and in the end stat must show the time
 * that the container's cgroup has booked, within 3 %.
 *
 *     sampler USAGE FLAG    samples as long as the file FLAG is there
 *
 * USAGE is the cgroup's own account: cpuacct.usage (v1, nanoseconds) or cpu.stat (v2).  Half of the
 * samples come from descriptors that stay open, half from new ones.  A thread of its own works one
 * third of the time; nothing else may run in the cgroup.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "good.h"

#define PERIOD_NS   50000000L
#define WORK_NS     10000000L
#define REST_NS     20000000L
#define TEXT_MAX    (1U << 16)
#define NUMBERS_MAX 4096
#define TICKS_OFF   3 /* user, nice and system time are each cut to whole ticks */

/* A file that is sampled, and the numbers of its last sample. */
struct series {
	const char *path;
	int fd;
	size_t count;
	uint64_t numbers[NUMBERS_MAX];
	char text[TEXT_MAX + 1];
};

static struct series stat_series = {.path = "/proc/stat"};
static struct series uptime_series = {.path = "/proc/uptime"};

static long nanoseconds_since(const struct timespec *start)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (time.tv_sec - start->tv_sec) * 1000000000L + time.tv_nsec - start->tv_nsec;
}

static void *work(void *unused)
{
	const struct timespec rest = {.tv_nsec = REST_NS};

	(void)unused;
	for (;;) {
		struct timespec start;

		clock_gettime(CLOCK_MONOTONIC, &start);
		while (nanoseconds_since(&start) < WORK_NS)
			;
		nanosleep(&rest, NULL);
	}
	return NULL;
}

/* ---- reading ---- */

static bool read_text(int fd, const char *path, char *text)
{
	ssize_t length = pread(fd, text, TEXT_MAX, 0);

	if (length <= 0) {
		printf("%s: %s\n", path, length < 0 ? strerror(errno) : "empty");
		return false;
	}
	text[length] = '\0';
	return true;
}

static bool read_anew(const char *path, char *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool result;

	if (fd < 0) {
		printf("%s: %s\n", path, strerror(errno));
		return false;
	}
	result = read_text(fd, path, text);
	close(fd);
	return result;
}

/* What the cgroup itself says, in ticks. */
static bool read_usage(const char *path, double *ticks)
{
	static char text[TEXT_MAX + 1];
	const char *line;

	if (!read_anew(path, text))
		return false;
	line = strstr(text, "usage_usec ");
	if (line)
		*ticks = (double)strtoull(line + strlen("usage_usec "), NULL, 10) / 1e4;
	else
		*ticks = (double)strtoull(text, NULL, 10) / 1e7;
	return *ticks > 0;
}

/* ---- comparing ---- */

/* How many processes run or wait is no counter. */
static bool is_counter(const char *line)
{
	return strncmp(line, "procs_", 6) != 0;
}

/* The next number of a text; what stands before it is `line`, from where its line begins. */
static bool next_number(const char **place, const char **line, uint64_t *number)
{
	char *end;

	for (; **place; (*place)++) {
		if (**place == '\n')
			*line = *place + 1;
		/* "cpu0" is a name. */
		if (isdigit((unsigned char)**place) &&
		    (*place == *line || !isalnum((unsigned char)(*place)[-1])))
			break;
	}
	if (!**place)
		return false;
	*number = strtoull(*place, &end, 10);
	*place = end;
	return true;
}

static bool compare(struct series *series)
{
	const char *place = series->text;
	const char *line = series->text;
	size_t count = 0;
	uint64_t number;

	for (; next_number(&place, &line, &number) && count < NUMBERS_MAX; count++) {
		if (count < series->count && is_counter(line) && number < series->numbers[count]) {
			printf("%s: number %zu went from %" PRIu64 " to %" PRIu64 ": %.120s\n",
			       series->path, count, series->numbers[count], number, line);
			return false;
		}
		series->numbers[count] = number;
	}
	if (series->count != 0 && count != series->count) {
		printf("%s: %zu numbers where there were %zu\n", series->path, count,
		       series->count);
		return false;
	}
	series->count = count;
	return true;
}

/* Hundredths of seconds as whole numbers: "12.34 5.67" is 1234 and 567. */
static void drop_points(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (*from != '.')
			*to++ = *from;
	*to = '\0';
}

static bool sample(struct series *series, bool anew)
{
	if (anew ? !read_anew(series->path, series->text)
		 : !read_text(series->fd, series->path, series->text))
		return false;
	if (series == &uptime_series)
		drop_points(series->text);
	return compare(series);
}

/* ---- the whole ---- */

struct account {
	int64_t shown; /* ticks in stat */
	double used;   /* ticks of the cgroup */
};

static bool take_account(const char *usage, struct account *account)
{
	if (!sample(&stat_series, true) || !read_usage(usage, &account->used))
		return false;
	account->shown = good_busy_ticks(stat_series.text);
	return account->shown >= 0;
}

static bool settle(const struct account *before, const struct account *after, unsigned long samples,
		   long longest)
{
	double shown = (double)(after->shown - before->shown);
	double used = after->used - before->used;
	double off = shown > used ? shown - used : used - shown;

	printf("%lu samples, %ld ms apart at most; stat shows %.0f ticks, the cgroup %.1f\n",
	       samples, longest / 1000000, shown, used);
	return used > 0 && off <= used * 0.03 + TICKS_OFF;
}

static bool open_series(struct series *series)
{
	series->fd = open(series->path, O_RDONLY | O_CLOEXEC);
	if (series->fd < 0)
		printf("%s: %s\n", series->path, strerror(errno));
	return series->fd >= 0;
}

int main(int argc, char **argv)
{
	const struct timespec period = {.tv_nsec = PERIOD_NS};
	struct account before;
	struct account after;
	unsigned long samples = 0;
	struct timespec last;
	pthread_t thread;
	long longest = 0;

	if (argc != 3) {
		fputs("usage: sampler USAGE FLAG\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!open_series(&stat_series) || !open_series(&uptime_series) ||
	    pthread_create(&thread, NULL, work, NULL) != 0 || !take_account(argv[1], &before))
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &last);
	while (access(argv[2], F_OK) == 0) {
		bool anew = samples++ % 2 != 0;
		long apart;

		nanosleep(&period, NULL);
		if (!sample(&stat_series, anew) || !sample(&uptime_series, anew))
			return 1;
		apart = nanoseconds_since(&last);
		longest = apart > longest ? apart : longest;
		clock_gettime(CLOCK_MONOTONIC, &last);
	}
	if (!take_account(argv[1], &after))
		return 1;
	return settle(&before, &after, samples, longest) ? 0 : 1;
}
