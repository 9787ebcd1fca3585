/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "startup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adoption.h"
#include "cleanup.h"
#include "control.h"
#include "log.h"
#include "mountpoint.h"
#include "program.h"
#include "runtime.h"
#include "supervisor.h"

/* The lock of a keeper that was killed is free when the kernel has taken it down. */
#define LOCK_MILLISECONDS 5000

/* ---- what every keeper needs ---- */

static int open_signals(struct keeper *keeper)
{
	static const int numbers[] = {SIGCHLD, SIGUSR1, SIGUSR2, SIGHUP, SIGTERM, SIGINT, SIGQUIT};
	sigset_t signals;

	sigemptyset(&signals);
	for (size_t index = 0; index < sizeof(numbers) / sizeof(numbers[0]); index++) {
		/* Who started this may have ignored it, and it would not be told. */
		signal(numbers[index], SIG_DFL);
		sigaddset(&signals, numbers[index]);
	}
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	keeper->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return keeper->signal_fd < 0 ? -errno : 0;
}

static void open_succession(struct keeper *keeper)
{
	keeper->succession = (struct succession){.argv = keeper->argv,
						 .fuse_fd = keeper->fuse_fd,
						 .state = &keeper->state,
						 .inheritance = &keeper->inheritance};
	succession_init(&keeper->succession);
	program_fill(&keeper->state.header->keeper);
	atomic_store(&keeper->state.header->supervised, supervisor_present());
}

/* Without it the daemon does its work all the same. */
static void open_control(struct keeper *keeper)
{
	keeper->control_fd = control_listen(keeper->options->runtime_directory);
	if (keeper->control_fd < 0)
		log_warning("lxcfsctl cannot be used: the control socket in %s: %s",
			    keeper->options->runtime_directory, strerror(-keeper->control_fd));
}

static void store_connection(const struct keeper *keeper)
{
	supervisor_store(SUPERVISOR_FUSE, keeper->fuse_fd);
	supervisor_store(SUPERVISOR_STATE, keeper->state.fd);
}

/* ---- on a new mount ---- */

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

static int create_state(struct keeper *keeper)
{
	int result = state_create(&keeper->state);

	if (result != 0)
		log_error("the memory that outlives workers cannot be made: %s", strerror(-result));
	return result;
}

static int start_new(struct keeper *keeper)
{
	int result = open_fuse(keeper);

	if (result == 0)
		result = mountpoint_prepare(keeper->options->mountpoint);
	if (result == 0)
		result = create_state(keeper);
	if (result != 0)
		return result;
	open_succession(keeper);
	result = succession_begin(&keeper->succession);
	if (result != 0)
		log_error("the worker cannot be started: %s", strerror(-result));
	return result;
}

int startup_mount(struct keeper *keeper)
{
	int result = mountpoint_mount(keeper->options->mountpoint, keeper->fuse_fd,
				      keeper->options->fuse_options);

	if (result != 0)
		return result;
	succession_serve(&keeper->succession);
	store_connection(keeper);
	return runtime_write_pidfile(keeper->options);
}

static void tell_supervisor(const struct keeper *keeper)
{
	char status[PATH_MAX + sizeof("serves ")];

	snprintf(status, sizeof(status), "serves %s", keeper->options->mountpoint);
	supervisor_ready(status);
}

void startup_announce(struct keeper *keeper)
{
	keeper->announced = true;
	log_notice("%s serves %s", PACKAGE_STRING, keeper->options->mountpoint);
	tell_supervisor(keeper);
}

/* ---- on a mount that exists ---- */

/* That it cannot be written is told, and is no reason to end what serves. */
static void renew_pidfile(const struct keeper *keeper)
{
	(void)runtime_write_pidfile(keeper->options);
}

static void take_stored(void *argument, const char *name, int fd)
{
	struct keeper *keeper = argument;
	int high = fcntl(fd, F_DUPFD_CLOEXEC, PROGRAM_FIRST_FD + PROGRAM_DESCRIPTORS);

	close(fd);
	if (high < 0)
		return;
	if (strcmp(name, SUPERVISOR_FUSE) == 0)
		keeper->fuse_fd = high;
	else if (strcmp(name, SUPERVISOR_STATE) == 0)
		keeper->state.fd = high;
	else if (strcmp(name, SUPERVISOR_CONFIG) == 0)
		inheritance_take_config(&keeper->inheritance, high);
	else if (strncmp(name, SUPERVISOR_PLUGIN_PREFIX, strlen(SUPERVISOR_PLUGIN_PREFIX)) == 0)
		inheritance_take_image(&keeper->inheritance,
				       name + strlen(SUPERVISOR_PLUGIN_PREFIX), "", high);
	else
		close(high);
}

static bool is_connected(int fuse_fd)
{
	struct pollfd poll_fd = {.fd = fuse_fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) >= 0 && !(poll_fd.revents & (POLLERR | POLLHUP));
}

/* Whether the service manager held a mount that can be gone on with. */
static bool is_stored(struct keeper *keeper)
{
	int fd = keeper->state.fd;

	if (keeper->fuse_fd >= 0 && fd >= 0 && is_connected(keeper->fuse_fd) &&
	    state_map(fd, &keeper->state) == 0)
		return true;
	if (keeper->fuse_fd >= 0 || fd >= 0) {
		log_warning("what the service manager held is of no use any more: beginning anew");
		/* As long as anybody holds it, who looks into the old mount waits: we, too. */
		supervisor_drop(SUPERVISOR_FUSE);
		supervisor_drop(SUPERVISOR_STATE);
	}
	if (keeper->fuse_fd >= 0)
		close(keeper->fuse_fd);
	if (fd >= 0)
		close(fd);
	keeper->fuse_fd = -1;
	keeper->state = (struct state){.fd = -1};
	inheritance_free(&keeper->inheritance);
	return false;
}

static void start_stored(struct keeper *keeper)
{
	bool left = atomic_load(&keeper->state.header->owner) == 0;

	log_notice("going on with the mount that the service manager held");
	open_succession(keeper);
	succession_resume(&keeper->succession);
	renew_pidfile(keeper);
	/* After a restart, other than after a crash, what changed on disk is wanted. */
	if (left)
		orders_add(&keeper->orders, MESSAGE_RECONFIGURE, 0, NULL, -1);
}

/* What lies at the descriptors that a process is started with, at others. */
static int take_descriptor(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, PROGRAM_FIRST_FD + PROGRAM_DESCRIPTORS);

	close(fd);
	return high < 0 ? -errno : high;
}

static pid_t peer_of(int channel)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(channel, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

/* Or go on with the one that serves, if that cannot be. */
static void hand_over_to_own_worker(struct keeper *keeper)
{
	auto_close int program = program_open_own();
	int result = program < 0 ? program
				 : succession_replace(&keeper->succession, START_RESUME, program);

	if (result != 0)
		log_error("the next worker cannot be started, the old one goes on: %s",
			  strerror(-result));
}

static int go_on(struct keeper *keeper, const struct adoption *adoption, bool upgraded)
{
	int result =
		succession_adopt(&keeper->succession, adoption->worker, adoption->worker_channel);

	if (!upgraded)
		log_notice("the keeper was gone; process %d is the keeper now", (int)getpid());
	if (result == 0 && !upgraded)
		hand_over_to_own_worker(keeper);
	if (result != -ESRCH)
		return result;
	/* It was killed meanwhile; all that the next one needs is here. */
	close(adoption->worker_channel);
	succession_resume(&keeper->succession);
	return 0;
}

static void tell_upgraded(struct keeper *keeper, const struct adoption *adoption)
{
	const struct state_program *program = &keeper->state.header->keeper;
	char text[CHANNEL_TEXT_MAX];

	snprintf(text, sizeof(text), "%s runs now, build id %s", program->release,
		 program->build_id[0] ? program->build_id : "none");
	log_notice("upgraded: %s", text);
	if (adoption->client_channel < 0)
		return;
	channel_report(adoption->client_channel, MESSAGE_LINE, 0, text);
	channel_report(adoption->client_channel, MESSAGE_RESULT, 0, NULL);
	orders_add_client(&keeper->orders, adoption->client, adoption->client_channel);
}

static int start_adopted(struct keeper *keeper)
{
	struct adoption adoption;
	bool upgraded;
	int channel;
	int result;

	keeper->fuse_fd = take_descriptor(KEEPER_FUSE_FD);
	keeper->state.fd = take_descriptor(KEEPER_STATE_FD);
	channel = take_descriptor(KEEPER_CHANNEL_FD);
	program_reserve_descriptors();
	adoption_init(&adoption);
	result = adoption_receive(channel, &keeper->inheritance, &adoption);
	upgraded = adoption.worker_channel >= 0;
	/* A worker that is killed meanwhile sent what it sent. */
	if (result == -EPIPE && !upgraded)
		result = 0;
	if (result == 0)
		result = state_map(keeper->state.fd, &keeper->state);
	if (result != 0) {
		log_error("the keeper cannot take over: %s", strerror(-result));
		return result;
	}
	if (upgraded) {
		close(channel);
	} else {
		adoption.worker = peer_of(channel);
		adoption.worker_channel = channel;
	}
	keeper->lock_fd = adoption.lock_fd >= 0 ? adoption.lock_fd
						: runtime_lock(keeper->options, LOCK_MILLISECONDS);
	if (keeper->lock_fd < 0)
		return keeper->lock_fd;
	keeper->control_fd = adoption.control_fd;
	if (keeper->control_fd < 0)
		open_control(keeper);
	open_succession(keeper);
	result = go_on(keeper, &adoption, upgraded);
	if (result != 0)
		return result;
	renew_pidfile(keeper);
	keeper->announced = true;
	if (!upgraded)
		return 0;
	tell_upgraded(keeper, &adoption);
	tell_supervisor(keeper);
	return 0;
}

/* ---- start and end ---- */

int startup(struct keeper *keeper, const struct options *options, char **argv, bool adopts)
{
	int result;

	*keeper = (struct keeper){.options = options,
				  .argv = argv,
				  .lock_fd = -1,
				  .fuse_fd = -1,
				  .signal_fd = -1,
				  .control_fd = -1,
				  .state.fd = -1,
				  .upgrade = -1};
	inheritance_init(&keeper->inheritance);
	orders_init(&keeper->orders);
	worker_process_init(&keeper->succession.current);
	worker_process_init(&keeper->succession.next);
	if (geteuid() != 0) {
		log_error("lxcfs mounts and reads every container's cgroup: start it as root");
		return -EPERM;
	}
	result = open_signals(keeper);
	if (result != 0)
		return result;
	if (adopts)
		return start_adopted(keeper);
	supervisor_take(take_stored, keeper);
	program_reserve_descriptors();
	keeper->lock_fd = runtime_lock(options, 0);
	if (keeper->lock_fd < 0)
		return keeper->lock_fd;
	open_control(keeper);
	if (!is_stored(keeper))
		return start_new(keeper);
	start_stored(keeper);
	return 0;
}

void startup_undo(struct keeper *keeper, enum mount_end end)
{
	const char *mountpoint = keeper->options->mountpoint;
	bool mounted = keeper->succession.mounted;

	if (mounted && end == MOUNT_ENDS)
		mountpoint_unmount(mountpoint);
	else if (mounted && end == MOUNT_ABORTS)
		mountpoint_abort(mountpoint);
	succession_end(&keeper->succession);
	/* That nobody owns it tells the next start that this one left on purpose. */
	if (mounted && end == MOUNT_STAYS)
		atomic_store(&keeper->state.header->owner, 0);
	if (!mounted || end == MOUNT_STAYS)
		return;
	supervisor_drop(SUPERVISOR_FUSE);
	supervisor_drop(SUPERVISOR_STATE);
	runtime_clean(keeper->options);
}
