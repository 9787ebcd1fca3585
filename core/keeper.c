/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "log.h"
#include "mountpoint.h"
#include "state.h"
#include "worker.h"

#define IMAGES_MAX           256u
#define READY_MILLISECONDS   60000
#define FAILURES_MAX         20u
#define BACKOFF_MILLISECONDS 50

/* The code of a plugin that serves now. */
struct kept_image {
	char name[CHANNEL_NAME_MAX];
	char path[CHANNEL_TEXT_MAX];
	int memfd;
};

struct keeper {
	const struct options *options;
	char **argv;
	char pidfile[PATH_MAX];
	int lock_fd;
	int fuse_fd;
	int signal_fd;
	struct state state;
	bool mounted;
	pid_t worker; /* 0: none runs */
	int channel;
	bool ready;        /* the worker that runs now could serve */
	bool serving;      /* and does */
	unsigned failures; /* workers in a row that never did */
	unsigned orders;   /* bits of messages for the next one that does */
	int config_fd;
	size_t image_count;
	struct kept_image images[IMAGES_MAX];
};

/* ---- what it holds for a successor ---- */

static struct kept_image *find_image(struct keeper *keeper, const char *name)
{
	for (size_t index = 0; index < keeper->image_count; index++)
		if (strcmp(keeper->images[index].name, name) == 0)
			return &keeper->images[index];
	return NULL;
}

static void keep_image(struct keeper *keeper, const struct message *message, int fd)
{
	struct kept_image *image = find_image(keeper, message->name);

	if (!image && keeper->image_count == IMAGES_MAX) {
		log_error("too many plugins to keep a copy of %s", message->name);
		close(fd);
		return;
	}
	if (image)
		close(image->memfd);
	else
		image = &keeper->images[keeper->image_count++];
	snprintf(image->name, sizeof(image->name), "%s", message->name);
	snprintf(image->path, sizeof(image->path), "%s", message->text);
	image->memfd = fd;
}

static void drop_image(struct keeper *keeper, const char *name)
{
	struct kept_image *image = find_image(keeper, name);

	if (!image)
		return;
	close(image->memfd);
	*image = keeper->images[--keeper->image_count];
}

static int hand_over(struct keeper *keeper)
{
	int result = 0;

	if (keeper->config_fd >= 0)
		result = channel_send(keeper->channel, MESSAGE_CONFIG, NULL, NULL,
				      keeper->config_fd);
	for (size_t index = 0; index < keeper->image_count && result == 0; index++)
		result = channel_send(keeper->channel, MESSAGE_PLUGIN, keeper->images[index].name,
				      keeper->images[index].path, keeper->images[index].memfd);
	if (result == 0)
		result = channel_send(keeper->channel, MESSAGE_START, NULL, NULL, -1);
	return result;
}

/* ---- the worker ---- */

/* In the child: put the descriptors where the worker looks for them, and become it. */
static _Noreturn void become_worker(const struct keeper *keeper, int channel)
{
	const int from[] = {keeper->fuse_fd, keeper->state.fd, channel};
	const int to[] = {WORKER_FUSE_FD, WORKER_STATE_FD, WORKER_CHANNEL_FD};
	int high[3];
	char **arguments;
	size_t count = 0;

	while (keeper->argv[count])
		count++;
	arguments = calloc(count + 2, sizeof(char *));
	if (!arguments)
		_exit(EXIT_FAILURE);
	arguments[0] = keeper->argv[0];
	arguments[1] = (char *)WORKER_ARGUMENT;
	for (size_t index = 1; index < count; index++)
		arguments[index + 1] = keeper->argv[index];
	/* First out of the way, so that none overwrites another. */
	for (size_t index = 0; index < 3; index++)
		high[index] = fcntl(from[index], F_DUPFD_CLOEXEC, 16);
	for (size_t index = 0; index < 3; index++)
		if (high[index] < 0 || dup2(high[index], to[index]) < 0)
			_exit(EXIT_FAILURE);
	execv("/proc/self/exe", arguments);
	_exit(EXIT_FAILURE);
}

static int start_worker(struct keeper *keeper)
{
	static const struct timeval patience = {.tv_sec = 1};
	int ends[2];
	int result = channel_open(ends);
	pid_t pid;

	if (result != 0)
		return result;
	pid = fork();
	if (pid == 0)
		become_worker(keeper, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		result = -errno;
		close(ends[0]);
		return result;
	}
	/* A worker that does not read must not hold up the keeper. */
	setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	keeper->worker = pid;
	keeper->channel = ends[0];
	keeper->ready = false;
	keeper->serving = false;
	result = hand_over(keeper);
	return result == -EPIPE ? 0 : result;
}

static void forget_worker(struct keeper *keeper)
{
	if (keeper->channel >= 0)
		close(keeper->channel);
	keeper->channel = -1;
	keeper->worker = 0;
}

/* Take it down.  One that sits in the kernel is not waited for. */
static void end_worker(struct keeper *keeper)
{
	if (keeper->worker == 0)
		return;
	kill(keeper->worker, SIGKILL);
	for (int attempt = 0; attempt < 100; attempt++) {
		if (waitpid(keeper->worker, NULL, WNOHANG) != 0)
			break;
		usleep(20000);
	}
	forget_worker(keeper);
}

/* ---- messages and signals ---- */

enum step {
	STEP_ON,
	STEP_STOP, /* as asked to */
	STEP_GONE, /* the mount is gone */
	STEP_FAIL,
};

/* What cannot be obeyed now is for the worker that serves next. */
static void forward(struct keeper *keeper, enum message_kind kind)
{
	if (keeper->serving && keeper->channel >= 0 &&
	    channel_send(keeper->channel, kind, NULL, NULL, -1) == 0)
		return;
	/* Passthrough is a switch: twice is as never. */
	if (kind == MESSAGE_PASSTHROUGH)
		keeper->orders ^= 1u << kind;
	else
		keeper->orders |= 1u << kind;
}

static void forward_waiting(struct keeper *keeper)
{
	unsigned orders = keeper->orders;

	keeper->orders = 0;
	for (enum message_kind kind = MESSAGE_RELOAD; kind <= MESSAGE_PASSTHROUGH; kind++)
		if (orders & 1u << kind)
			forward(keeper, kind);
}

static enum step take_message(struct keeper *keeper)
{
	struct message message;
	int fd;

	if (channel_receive(keeper->channel, &message, &fd) != 0) {
		/* The worker is gone; SIGCHLD tells the rest. */
		close(keeper->channel);
		keeper->channel = -1;
		return STEP_ON;
	}
	if (message.kind == MESSAGE_PLUGIN && fd >= 0) {
		keep_image(keeper, &message, take_fd(&fd));
	} else if (message.kind == MESSAGE_CONFIG && fd >= 0) {
		if (keeper->config_fd >= 0)
			close(keeper->config_fd);
		keeper->config_fd = take_fd(&fd);
	} else if (message.kind == MESSAGE_DROPPED) {
		drop_image(keeper, message.name);
	} else if (message.kind == MESSAGE_READY) {
		keeper->ready = true;
		if (keeper->mounted)
			channel_send(keeper->channel, MESSAGE_SERVE, NULL, NULL, -1);
	} else if (message.kind == MESSAGE_SERVING) {
		keeper->serving = true;
		keeper->failures = 0;
		forward_waiting(keeper);
	} else if (message.kind == MESSAGE_FAILED) {
		log_error("%s", message.text);
	} else if (message.kind == MESSAGE_GONE) {
		return STEP_GONE;
	}
	if (fd >= 0)
		close(fd);
	return STEP_ON;
}

static void log_death(const struct keeper *keeper, int status)
{
	if (WIFSIGNALED(status))
		log_error("worker %d was ended by signal %d (%s)", (int)keeper->worker,
			  WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		log_error("worker %d ended with status %d", (int)keeper->worker,
			  WEXITSTATUS(status));
}

static enum step replace_worker(struct keeper *keeper)
{
	int status;
	int result;

	if (keeper->worker == 0 || waitpid(keeper->worker, &status, WNOHANG) != keeper->worker)
		return STEP_ON;
	/* What it still said before it died counts. */
	while (keeper->channel >= 0)
		if (take_message(keeper) == STEP_GONE)
			return STEP_GONE;
	log_death(keeper, status);
	forget_worker(keeper);
	if (!keeper->mounted)
		return STEP_FAIL;
	while (keeper->failures < FAILURES_MAX) {
		if (!keeper->serving)
			keeper->failures++;
		if (keeper->failures > 1)
			usleep(BACKOFF_MILLISECONDS * 1000 * keeper->failures);
		result = start_worker(keeper);
		if (result == 0)
			return STEP_ON;
		log_error("the next worker cannot be started: %s", strerror(-result));
		end_worker(keeper);
		keeper->serving = false;
	}
	log_error("%u workers in a row could not serve; giving up: the mount is ended",
		  keeper->failures);
	return STEP_FAIL;
}

static enum step take_signal(struct keeper *keeper)
{
	struct signalfd_siginfo information;

	if (read(keeper->signal_fd, &information, sizeof(information)) != sizeof(information))
		return STEP_ON;
	switch (information.ssi_signo) {
	case SIGCHLD:
		return replace_worker(keeper);
	case SIGUSR1:
		forward(keeper, MESSAGE_RELOAD);
		return STEP_ON;
	case SIGHUP:
		forward(keeper, MESSAGE_RECONFIGURE);
		return STEP_ON;
	case SIGUSR2:
		forward(keeper, MESSAGE_PASSTHROUGH);
		return STEP_ON;
	default:
		return STEP_STOP;
	}
}

static enum step wait_step(struct keeper *keeper, int timeout)
{
	struct pollfd fds[] = {{.fd = keeper->signal_fd, .events = POLLIN},
			       {.fd = keeper->channel, .events = POLLIN}};
	int count = poll(fds, 2, timeout);

	if (count == 0) {
		log_error("worker %d does not begin to serve; it is ended", (int)keeper->worker);
		if (keeper->worker != 0)
			kill(keeper->worker, SIGKILL);
		return keeper->mounted ? STEP_ON : STEP_FAIL;
	}
	if (count < 0)
		return errno == EINTR ? STEP_ON : STEP_FAIL;
	/* Messages first: a worker may have said why it dies. */
	if (fds[1].revents)
		return take_message(keeper);
	return take_signal(keeper);
}

/* ---- start and end ---- */

static int open_fuse(struct keeper *keeper)
{
	keeper->fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (keeper->fuse_fd >= 0)
		return 0;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		log_error("/dev/fuse is not there: %s; run modprobe fuse", strerror(errno));
	else
		log_error("/dev/fuse cannot be opened: %s; in a container the device must be"
			  " allowed (c 10:229 rwm)",
			  strerror(errno));
	return -errno;
}

static int take_lock(struct keeper *keeper)
{
	const char *directory = keeper->options->runtime_directory;
	char path[PATH_MAX];
	int result;

	if (mkdir(directory, 0755) != 0 && errno != EEXIST) {
		result = -errno;
		log_error("the runtime directory %s: %s", directory, strerror(-result));
		return result;
	}
	if (snprintf(path, sizeof(path), "%s/lxcfs.lock", directory) >= (int)sizeof(path)) {
		log_error("the name of the runtime directory %s is too long", directory);
		return -ENAMETOOLONG;
	}
	keeper->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (keeper->lock_fd >= 0 && flock(keeper->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	result = -errno;
	if (result == -EWOULDBLOCK)
		log_error("another lxcfs runs with the runtime directory %s; choose another"
			  " --runtime-dir for a second one",
			  directory);
	else
		log_error("the lock %s: %s", path, strerror(-result));
	return result;
}

static int name_pidfile(struct keeper *keeper)
{
	int length;

	if (keeper->options->pidfile)
		length = snprintf(keeper->pidfile, sizeof(keeper->pidfile), "%s",
				  keeper->options->pidfile);
	else
		length = snprintf(keeper->pidfile, sizeof(keeper->pidfile), "%s/lxcfs.pid",
				  keeper->options->runtime_directory);
	if (length < (int)sizeof(keeper->pidfile))
		return 0;
	log_error("the name of the pidfile is too long");
	return -ENAMETOOLONG;
}

static int write_pidfile(const struct keeper *keeper)
{
	auto_close int fd =
		open(keeper->pidfile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd >= 0 && dprintf(fd, "%d\n", (int)getpid()) > 0)
		return 0;
	log_error("the pidfile %s: %s", keeper->pidfile, strerror(errno));
	return -errno;
}

static int open_signals(struct keeper *keeper)
{
	sigset_t signals;

	/* Who started this may have ignored it, and the kernel would not tell of dead workers. */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	keeper->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return keeper->signal_fd < 0 ? -errno : 0;
}

static int create_state(struct keeper *keeper)
{
	int result = state_create(&keeper->state);

	if (result != 0)
		log_error("the memory that outlives workers cannot be made: %s", strerror(-result));
	return result;
}

/* Everything that can be wrong with the place, before anything is done. */
static int prepare(struct keeper *keeper)
{
	int result;

	if (geteuid() != 0) {
		log_error("lxcfs mounts and reads every container's cgroup: start it as root");
		return -EPERM;
	}
	result = open_fuse(keeper);
	if (result == 0)
		result = take_lock(keeper);
	if (result == 0)
		result = mountpoint_prepare(keeper->options->mountpoint);
	if (result == 0)
		result = name_pidfile(keeper);
	if (result == 0)
		result = create_state(keeper);
	if (result == 0)
		result = open_signals(keeper);
	return result;
}

/* The first worker must be able to serve before anything is mounted. */
static int bring_up(struct keeper *keeper)
{
	int result = start_worker(keeper);

	if (result != 0)
		log_error("the worker cannot be started: %s", strerror(-result));
	while (result == 0 && !keeper->ready)
		if (wait_step(keeper, READY_MILLISECONDS) != STEP_ON)
			return -EIO;
	if (result == 0)
		result = mountpoint_mount(keeper->options->mountpoint, keeper->fuse_fd,
					  keeper->options->fuse_options);
	if (result != 0)
		return result;
	keeper->mounted = true;
	result = channel_send(keeper->channel, MESSAGE_SERVE, NULL, NULL, -1);
	if (result == 0)
		result = write_pidfile(keeper);
	return result;
}

static void take_down(struct keeper *keeper)
{
	if (keeper->mounted)
		mountpoint_unmount(keeper->options->mountpoint);
	end_worker(keeper);
	if (keeper->mounted)
		unlink(keeper->pidfile);
}

int keeper_main(const struct options *options, char **argv)
{
	static struct keeper keeper;
	enum step step = STEP_ON;

	keeper = (struct keeper){.options = options,
				 .argv = argv,
				 .lock_fd = -1,
				 .fuse_fd = -1,
				 .signal_fd = -1,
				 .channel = -1,
				 .config_fd = -1};
	if (prepare(&keeper) != 0)
		return EXIT_FAILURE;
	if (bring_up(&keeper) != 0) {
		take_down(&keeper);
		return EXIT_FAILURE;
	}
	log_notice("%s serves %s", PACKAGE_STRING, options->mountpoint);
	while (step == STEP_ON)
		step = wait_step(&keeper, keeper.serving ? -1 : READY_MILLISECONDS);
	if (step == STEP_GONE && mountpoint_is_dead(options->mountpoint)) {
		log_error("the connection of %s was aborted; the mount is ended",
			  options->mountpoint);
		step = STEP_FAIL;
	} else if (step == STEP_GONE) {
		log_notice("%s was unmounted", options->mountpoint);
		keeper.mounted = false;
		unlink(keeper.pidfile);
	}
	take_down(&keeper);
	return step == STEP_FAIL ? EXIT_FAILURE : EXIT_SUCCESS;
}
