/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kills a process before its N-th system call.
 *
 *     killat PID N FLAG           the main thread of a process, counted from now on
 *     killat --child PID N FLAG   the next child that a process forks, all its threads
 *     killat --child=WORD ...     ... that executes a program with WORD in its arguments, from there on
 *
 * Prints "ready" when it counts.  Then "killed before call N, which was CALL", or, when the file FLAG
 * came first, "not killed: C calls".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MICROSECONDS 10000
#define FOLLOW_CHILDREN   (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK)
#define FOLLOW_THREADS    (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE)

static struct {
	pid_t pid;
	bool child;
	const char *word; /* NULL: any child */
	unsigned long wanted;
	const char *flag;

	pid_t target; /* the process that is to die; 0: not known yet */
	unsigned long calls;
} killat;

static volatile sig_atomic_t must_look;

static void on_alarm(int signal_number)
{
	(void)signal_number;
	must_look = 1;
}

static int fail(const char *what)
{
	fprintf(stderr, "killat: %s: %s\n", what, strerror(errno));
	return 2;
}

static bool has_word(pid_t pid)
{
	char path[64];
	char text[4096];
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	length = fread(text, 1, sizeof(text), file);
	fclose(file);
	return memmem(text, length, killat.word, strlen(killat.word)) != NULL;
}

static bool is_counted(pid_t thread)
{
	char path[64];

	if (killat.target == 0 || thread == killat.target)
		return killat.target != 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)killat.target, (int)thread);
	return access(path, F_OK) == 0;
}

static void go_on(pid_t thread, int signal_number)
{
	ptrace(is_counted(thread) ? PTRACE_SYSCALL : PTRACE_CONT, thread, NULL,
	       (void *)(intptr_t)signal_number);
}

/* The first stop of a process that was forked, or of a thread. */
static void meet(pid_t child)
{
	if (killat.target != 0) {
		ptrace(is_counted(child) ? PTRACE_SYSCALL : PTRACE_DETACH, child, NULL, NULL);
		return;
	}
	if (killat.word) {
		ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)PTRACE_O_TRACEEXEC);
		ptrace(PTRACE_CONT, child, NULL, NULL);
		return;
	}
	killat.target = child;
	ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)FOLLOW_THREADS);
	ptrace(PTRACE_SYSCALL, child, NULL, NULL);
}

static void look_at_program(pid_t child)
{
	if (killat.target != 0 || !has_word(child)) {
		ptrace(PTRACE_DETACH, child, NULL, NULL);
		return;
	}
	killat.target = child;
	ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)FOLLOW_THREADS);
	ptrace(PTRACE_SYSCALL, child, NULL, NULL);
}

/* Whether it was the last call. */
static bool count_call(pid_t thread)
{
	struct __ptrace_syscall_info call = {.op = PTRACE_SYSCALL_INFO_NONE};

	ptrace(PTRACE_GET_SYSCALL_INFO, thread, (void *)sizeof(call), &call);
	if (call.op != PTRACE_SYSCALL_INFO_ENTRY || ++killat.calls != killat.wanted)
		return false;
	kill(killat.target, SIGKILL);
	printf("killed before call %lu, which was %llu\n", killat.calls,
	       (unsigned long long)call.entry.nr);
	return true;
}

/* Whether it is over. */
static bool take_stop(pid_t thread, int status)
{
	int stop = WSTOPSIG(status);
	int event = status >> 16;

	if (stop == (SIGTRAP | 0x80) && count_call(thread))
		return true;
	if (event == PTRACE_EVENT_EXEC && killat.child && killat.word && killat.target == 0) {
		look_at_program(thread);
	} else if (event == PTRACE_EVENT_STOP && killat.child && thread != killat.pid) {
		meet(thread);
	} else if (event != 0 || stop == (SIGTRAP | 0x80)) {
		go_on(thread, 0);
	} else {
		go_on(thread, stop);
	}
	return false;
}

static bool seize(void)
{
	long options = killat.child ? FOLLOW_CHILDREN : PTRACE_O_TRACESYSGOOD;

	if (ptrace(PTRACE_SEIZE, killat.pid, NULL, (void *)options) != 0)
		return false;
	if (killat.child)
		return true;
	killat.target = killat.pid;
	return ptrace(PTRACE_INTERRUPT, killat.pid, NULL, NULL) == 0;
}

static bool wait_until(void)
{
	for (;;) {
		int status;
		pid_t thread = waitpid(-1, &status, __WALL);

		if (must_look && access(killat.flag, F_OK) == 0)
			return false;
		must_look = 0;
		if (thread < 0 && errno == ECHILD)
			return false;
		if (thread > 0 && WIFSTOPPED(status) && take_stop(thread, status))
			return true;
	}
}

static bool parse(int argc, char **argv)
{
	static const struct option options[] = {{"child", optional_argument, NULL, 'c'},
						{NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option != 'c')
			return false;
		killat.child = true;
		killat.word = optarg;
	}
	if (argc - optind != 3)
		return false;
	killat.pid = (pid_t)strtol(argv[optind], NULL, 10);
	killat.wanted = strtoul(argv[optind + 1], NULL, 10);
	killat.flag = argv[optind + 2];
	return killat.pid > 1;
}

int main(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = on_alarm};
	const struct itimerval look = {.it_interval = {.tv_usec = LOOK_MICROSECONDS},
				       .it_value = {.tv_usec = LOOK_MICROSECONDS}};

	if (!parse(argc, argv)) {
		fputs("usage: killat [--child[=WORD]] PID N FLAG\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &look, NULL);
	if (!seize())
		return fail("it cannot be traced");
	puts("ready");
	/* Who is still traced goes on when the tracer ends. */
	if (!wait_until())
		printf("not killed: %lu calls\n", killat.calls);
	return 0;
}
