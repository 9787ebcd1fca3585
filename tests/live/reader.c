/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads that read all files again and again, and check that each read is good: see good.h.
 * Prints "good N bad M longest L ms" and the first bad text; ends with 1 if any was bad.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "good.h"

#define TEXT_MAX     (1U << 20)
#define SHARED_BYTES 65536U
#define THREADS_MAX  64

#define SIGNAL_MICROSECONDS 1000

enum mode { MODE_OWN, MODE_SHARED, MODE_SMALL, MODE_SEEK, MODES };

static const char *const mode_names[MODES] = {"own", "shared", "small", "seek"};

static struct reader {
	struct expectation expectation;
	const char *root;
	const char *while_exists; /* read on as long as this file is there */
	enum mode mode;
	bool mixed;   /* each thread has another mode */
	bool signals; /* threads are interrupted all the time */
	bool follow;  /* stat must show what this process used: it is alone in its container */
	bool skip[FILES];
	unsigned threads;
	unsigned long rounds; /* 0: no bound */
	double seconds;       /* 0: no bound */
	int shared_fds[FILES];
	atomic_ulong good;
	atomic_ulong bad;
	atomic_ulong longest; /* of an open(2) or read(2), in microseconds */
	atomic_bool reported;
	double end;
} reader = {.root = "", .threads = 1};

static const char usage[] =
	"usage: reader [OPTION]...\n"
	"  --limits CPUS:KB:KB  CPUs, memory and swap that may be seen; again for another set\n"
	"  --moving             the container changes meanwhile: do not compare counters\n"
	"  --follow             the CPU time in stat must be what this process used\n"
	"  --signals            interrupt the reading threads all the time\n"
	"  --mode MODE          own, shared, small, seek or mixed; default own\n"
	"  --root DIR           read below DIR instead of /\n"
	"  --skip FILE          leave out, as proc/stat; may be given again\n"
	"  --threads N --seconds S --rounds N --while FILE\n";

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* How long one system call took. */
static void note_time(double start)
{
	unsigned long time = (unsigned long)((now() - start) * 1e6);
	unsigned long longest = atomic_load(&reader.longest);

	while (time > longest && !atomic_compare_exchange_weak(&reader.longest, &longest, time))
		;
}

static int open_path(enum file file)
{
	double start = now();
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", reader.root, file_paths[file]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	note_time(start);
	return fd;
}

/* ---- ways to read; each returns the length, or -errno ---- */

/* From where the descriptor stands to the end, and once more behind it. */
static ssize_t read_all(int fd, char *text, size_t step)
{
	size_t length = 0;

	for (;;) {
		double start = now();
		ssize_t count;

		if (length == TEXT_MAX)
			return -EFBIG;
		if (step > TEXT_MAX - length)
			step = TEXT_MAX - length;
		count = read(fd, text + length, step);
		note_time(start);
		if (count < 0)
			return -errno;
		if (count == 0)
			return (ssize_t)length;
		length += (size_t)count;
	}
}

static ssize_t read_own(enum file file, char *text, size_t step)
{
	int fd = open_path(file);
	ssize_t length;

	if (fd < 0)
		return -errno;
	length = read_all(fd, text, step);
	close(fd);
	return length;
}

static ssize_t read_shared(enum file file, char *text)
{
	double start = now();
	ssize_t length = pread(reader.shared_fds[file], text, SHARED_BYTES, 0);

	note_time(start);
	return length < 0 ? -errno : length;
}

static ssize_t read_again(int *fd, enum file file, char *text)
{
	if (*fd < 0)
		*fd = open_path(file);
	if (*fd < 0 || lseek(*fd, 0, SEEK_SET) != 0)
		return -errno;
	return read_all(*fd, text, 4096);
}

/* ---- one thread ---- */

struct reading {
	enum mode mode;
	unsigned seed;
	int fds[FILES]; /* MODE_SEEK keeps them open */
	struct history history;
	char text[TEXT_MAX + 1];
};

static void report(enum file file, const char *why, const char *text)
{
	if (atomic_exchange(&reader.reported, true))
		return;
	printf("first bad: %s: %s\n%.1000s\n", file_paths[file], why, text);
	fflush(stdout);
}

static ssize_t read_file(struct reading *reading, enum file file)
{
	switch (reading->mode) {
	case MODE_SHARED:
		return read_shared(file, reading->text);
	case MODE_SMALL:
		reading->seed = reading->seed * 1103515245U + 12345U;
		return read_own(file, reading->text, 1 + (reading->seed >> 16) % 97);
	case MODE_SEEK:
		return read_again(&reading->fds[file], file, reading->text);
	default:
		return read_own(file, reading->text, 32768);
	}
}

static void read_once(struct reading *reading, enum file file)
{
	char why[256];
	struct sample sample = {.text = reading->text, .before = now()};
	ssize_t length = read_file(reading, file);

	sample.after = now();
	reading->text[length < 0 ? 0 : length] = '\0';
	if (length < 0) {
		snprintf(why, sizeof(why), "%s", strerror((int)-length));
	} else {
		sample.length = (size_t)length;
		if (good_check(file, &sample, &reader.expectation, &reading->history, why,
			       sizeof(why)) == 0) {
			atomic_fetch_add(&reader.good, 1);
			return;
		}
	}
	atomic_fetch_add(&reader.bad, 1);
	report(file, why, reading->text);
}

static bool goes_on(unsigned long round)
{
	if (reader.rounds != 0 && round >= reader.rounds)
		return false;
	if (reader.seconds > 0 && now() >= reader.end)
		return false;
	return !reader.while_exists || access(reader.while_exists, F_OK) == 0;
}

static void *read_loop(void *argument)
{
	struct reading *reading = argument;

	for (unsigned long round = 0; goes_on(round); round++)
		for (int file = 0; file < FILES; file++)
			if (!reader.skip[file])
				read_once(reading, (enum file)file);
	return NULL;
}

/* ---- whether stat follows what was really used ---- */

struct use {
	int64_t shown; /* ticks */
	double real;   /* ticks */
};

static bool measure_use(struct use *use)
{
	static char text[SHARED_BYTES + 1];
	struct timespec used;
	ssize_t length = read_own(FILE_STAT, text, SHARED_BYTES);

	if (length < 0)
		return false;
	text[length] = '\0';
	use->shown = good_busy_ticks(text);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	use->real = (double)used.tv_sec * 100 + (double)used.tv_nsec / 1e7;
	return use->shown >= 0;
}

/* Each kind of time on each CPU is cut to whole ticks, and the kernel books a tick late. */
static bool follows(const struct use *before, const struct use *after)
{
	double shown = (double)(after->shown - before->shown);
	double real = after->real - before->real;
	double slack = 10 + real * 0.05;

	if (shown >= real - slack && shown <= real + slack)
		return true;
	printf("stat shows %.0f ticks where %.0f were used\n", shown, real);
	return false;
}

/* ---- start and end ---- */

static bool parse_limits(const char *text)
{
	struct limits *limits = &reader.expectation.limits[reader.expectation.count];

	if (reader.expectation.count == LIMITS_MAX ||
	    sscanf(text, "%" SCNu64 ":%" SCNu64 ":%" SCNu64, &limits->cpus, &limits->memory,
		   &limits->swap) != 3)
		return false;
	reader.expectation.count++;
	return true;
}

static bool parse_mode(const char *text)
{
	reader.mixed = strcmp(text, "mixed") == 0;
	if (reader.mixed)
		return true;
	for (int mode = 0; mode < MODES; mode++) {
		reader.mode = (enum mode)mode;
		if (strcmp(text, mode_names[mode]) == 0)
			return true;
	}
	return false;
}

static bool parse_skip(const char *text)
{
	for (int file = 0; file < FILES; file++) {
		if (strcmp(text, file_paths[file]) != 0)
			continue;
		reader.skip[file] = true;
		return true;
	}
	return false;
}

static const struct option options[] = {
	{"limits", required_argument, NULL, 'l'},  {"moving", no_argument, NULL, 'm'},
	{"follow", no_argument, NULL, 'f'},        {"signals", no_argument, NULL, 'i'},
	{"mode", required_argument, NULL, 'M'},    {"root", required_argument, NULL, 'r'},
	{"skip", required_argument, NULL, 'S'},    {"threads", required_argument, NULL, 't'},
	{"seconds", required_argument, NULL, 's'}, {"rounds", required_argument, NULL, 'n'},
	{"while", required_argument, NULL, 'w'},   {NULL, 0, NULL, 0},
};

static bool take_option(int option)
{
	switch (option) {
	case 'l':
		return parse_limits(optarg);
	case 'm':
		reader.expectation.moving = true;
		return true;
	case 'f':
		reader.follow = true;
		return true;
	case 'i':
		reader.signals = true;
		return true;
	case 'M':
		return parse_mode(optarg);
	case 'r':
		reader.root = optarg;
		return true;
	case 'S':
		return parse_skip(optarg);
	case 't':
		reader.threads = (unsigned)strtoul(optarg, NULL, 10);
		return reader.threads >= 1 && reader.threads <= THREADS_MAX;
	case 's':
		reader.seconds = strtod(optarg, NULL);
		return reader.seconds > 0;
	case 'n':
		reader.rounds = strtoul(optarg, NULL, 10);
		return reader.rounds > 0;
	case 'w':
		reader.while_exists = optarg;
		return true;
	default:
		return false;
	}
}

static bool parse(int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
		if (!take_option(option))
			return false;
	return optind == argc && (reader.seconds > 0 || reader.rounds != 0 || reader.while_exists);
}

static bool uses_mode(enum mode mode)
{
	return reader.mixed || reader.mode == mode;
}

static bool open_shared(void)
{
	for (int file = 0; file < FILES; file++) {
		if (reader.skip[file] || !uses_mode(MODE_SHARED))
			continue;
		reader.shared_fds[file] = open_path((enum file)file);
		if (reader.shared_fds[file] < 0) {
			perror(file_paths[file]);
			return false;
		}
	}
	return true;
}

static struct reading *new_reading(unsigned number)
{
	struct reading *reading = calloc(1, sizeof(*reading));

	if (!reading)
		return NULL;
	reading->mode = reader.mixed ? (enum mode)(number % MODES) : reader.mode;
	reading->seed = number + 1;
	for (int file = 0; file < FILES; file++)
		reading->fds[file] = -1;
	return reading;
}

static void on_alarm(int signal_number)
{
	(void)signal_number;
}

/* The calling thread only waits for the others: they get the signals. */
static void send_signals(void)
{
	const struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	const struct itimerval time = {.it_interval = {.tv_usec = SIGNAL_MICROSECONDS},
				       .it_value = {.tv_usec = SIGNAL_MICROSECONDS}};
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &time, NULL);
}

static bool run_threads(void)
{
	pthread_t threads[THREADS_MAX];
	struct reading *readings[THREADS_MAX];

	for (unsigned index = 0; index < reader.threads; index++) {
		readings[index] = new_reading(index);
		if (!readings[index] ||
		    pthread_create(&threads[index], NULL, read_loop, readings[index]) != 0)
			return false;
	}
	if (reader.signals)
		send_signals();
	for (unsigned index = 0; index < reader.threads; index++) {
		pthread_join(threads[index], NULL);
		free(readings[index]);
	}
	return true;
}

int main(int argc, char **argv)
{
	struct use before = {0};
	struct use after = {0};
	bool good;

	if (!parse(argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	reader.end = now() + reader.seconds;
	good = open_shared() && (!reader.follow || measure_use(&before)) && run_threads();
	if (reader.follow && good)
		good = measure_use(&after) && follows(&before, &after);
	printf("good %lu bad %lu longest %lu ms\n", atomic_load(&reader.good),
	       atomic_load(&reader.bad), atomic_load(&reader.longest) / 1000);
	return good && atomic_load(&reader.bad) == 0 && atomic_load(&reader.good) != 0 ? 0 : 1;
}
