/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adoption.h"
#include "cleanup.h"
#include "clock.h"
#include "control.h"
#include "log.h"
#include "mountpoint.h"
#include "orders.h"
#include "program.h"
#include "startup.h"
#include "state.h"
#include "succession.h"
#include "supervisor.h"

#define LEAVE_MILLISECONDS 1000
#define STALL_MILLISECONDS 500

enum step {
	STEP_ON,
	STEP_STOP,  /* as asked to */
	STEP_LEAVE, /* as asked to, but the mount stays */
	STEP_GONE,  /* the mount is gone */
	STEP_FAIL,
};

/* ---- what is held for a successor ---- */

/* True when the message was about that. */
static bool take_inheritance(struct keeper *keeper, const struct message *message, int fd)
{
	char name[sizeof(SUPERVISOR_PLUGIN_PREFIX) + CHANNEL_NAME_MAX];

	if (!inheritance_take(&keeper->inheritance, message, fd))
		return false;
	snprintf(name, sizeof(name), SUPERVISOR_PLUGIN_PREFIX "%s", message->name);
	if (message->kind == MESSAGE_CONFIG)
		supervisor_store(SUPERVISOR_CONFIG, fd);
	else if (message->kind == MESSAGE_DROPPED)
		supervisor_drop(name);
	/* Of too many there is none. */
	else if (inheritance_find(&keeper->inheritance, message->name))
		supervisor_store(name, fd);
	return true;
}

/* ---- orders ---- */

static void toggle_passthrough(struct keeper *keeper, int wanted)
{
	struct state_header *header = keeper->state.header;
	uint32_t on = wanted < 0 ? !atomic_load(&header->passthrough) : wanted != 0;

	atomic_store(&header->passthrough, on);
	log_notice("passthrough is %s", on ? "on: every file is the host's" : "off");
}

/* The worker first: when it serves, this process follows (become_new). */
static int begin_upgrade(struct keeper *keeper, char **reason)
{
	auto_close int program = -1;
	char path[PATH_MAX];
	int result = program_path(path);

	if (result == 0)
		program = result = program_open(path, reason);
	if (result >= 0)
		result = succession_replace(&keeper->succession, START_UPGRADE, program);
	if (result == 0)
		keeper->upgrade = take_fd(&program);
	return result;
}

static enum step obey(struct keeper *keeper, const struct order *order)
{
	struct worker_process *current = &keeper->succession.current;
	auto_free char *reason = NULL;
	int result = 0;

	switch (order->kind) {
	case MESSAGE_RELOAD:
	case MESSAGE_RECONFIGURE:
		/* The worker tells when it is done. */
		if (channel_report(current->channel, order->kind, order->status, order->text) !=
		    0) {
			succession_doom(&keeper->succession, current);
			orders_retry(&keeper->orders, "the worker is gone");
		}
		return STEP_ON;
	case MESSAGE_UPGRADE:
		result = begin_upgrade(keeper, &reason);
		if (result == 0)
			return STEP_ON;
		log_error("the upgrade is refused: %s", reason ? reason : strerror(-result));
		break;
	default:
		result = -EINVAL;
		break;
	}
	orders_finish(&keeper->orders, result, reason ? reason : strerror(-result));
	return STEP_ON;
}

/* One order at a time, and only while a worker serves. */
static enum step obey_waiting(struct keeper *keeper)
{
	enum step step = STEP_ON;

	while (step == STEP_ON && succession_is_settled(&keeper->succession)) {
		const struct order *order = orders_begin(&keeper->orders);

		if (!order)
			break;
		step = obey(keeper, order);
	}
	return step;
}

/* The rest is for whoever comes next: signals stay pending, clients are told to try again. */
static void put_off_orders(struct keeper *keeper)
{
	static const struct {
		enum message_kind kind;
		int signal;
	} signals[] = {{MESSAGE_RELOAD, SIGUSR1}, {MESSAGE_RECONFIGURE, SIGHUP}};

	for (size_t index = 1; index < keeper->orders.count; index++) {
		const struct order *order = &keeper->orders.queue[index];

		for (size_t which = 0; which < 2 && order->client < 0; which++)
			if (signals[which].kind == order->kind)
				raise(signals[which].signal);
		if (order->client >= 0)
			channel_report(keeper->orders.clients[order->client].channel,
				       MESSAGE_RESULT, -EAGAIN, "an upgrade came first; try again");
	}
}

/* The new worker serves; now this process becomes the new keeper. */
static void become_new(struct keeper *keeper)
{
	auto_close int program = take_fd(&keeper->upgrade);
	int client = keeper->orders.queue[0].client;
	struct adoption adoption = {.worker = keeper->succession.current.pid,
				    .worker_channel = keeper->succession.current.channel,
				    .lock_fd = keeper->lock_fd,
				    .control_fd = keeper->control_fd,
				    .client_channel = -1};
	char text[CHANNEL_TEXT_MAX];
	int result;

	if (client >= 0) {
		adoption.client = keeper->orders.clients[client].pid;
		adoption.client_channel = keeper->orders.clients[client].channel;
	}
	put_off_orders(keeper);
	result = adoption_execute(program, keeper->argv, keeper->fuse_fd, keeper->state.fd,
				  &keeper->inheritance, &adoption);
	snprintf(text, sizeof(text),
		 "the worker is the new one, but the keeper stays the old one: %s",
		 strerror(-result));
	log_error("%s", text);
	orders_finish(&keeper->orders, result, text);
}

static void refuse_upgrade(struct keeper *keeper)
{
	char text[2 * CHANNEL_TEXT_MAX];

	snprintf(text, sizeof(text), "the old program goes on, the new one cannot serve: %s",
		 keeper->succession.reason);
	log_error("the upgrade is refused: %s", text);
	orders_finish(&keeper->orders, -ECANCELED, text);
}

/* ---- messages and signals ---- */

static enum step take_event(struct keeper *keeper, enum succession_event event)
{
	struct succession *succession = &keeper->succession;

	switch (event) {
	case SUCCESSION_READY:
		return startup_mount(keeper) == 0 ? STEP_ON : STEP_FAIL;
	case SUCCESSION_SERVES:
		if (!keeper->announced)
			startup_announce(keeper);
		if (keeper->upgrade >= 0)
			become_new(keeper);
		else
			/* Another worker has it, or had. */
			orders_retry(&keeper->orders, "the worker was replaced meanwhile");
		return STEP_ON;
	case SUCCESSION_DIED:
		orders_retry(&keeper->orders, "the worker died of it, again and again");
		/* An upgrade begins anew. */
		if (keeper->upgrade >= 0)
			close(take_fd(&keeper->upgrade));
		return STEP_ON;
	case SUCCESSION_REFUSED:
		if (keeper->upgrade < 0)
			return STEP_ON;
		close(take_fd(&keeper->upgrade));
		refuse_upgrade(keeper);
		return STEP_ON;
	case SUCCESSION_LOST:
		if (succession->mounted)
			log_error("no worker could serve for %d s; giving up: the mount is ended",
				  OUTAGE_MILLISECONDS / 1000);
		return STEP_FAIL;
	default:
		return STEP_ON;
	}
}

static enum step take_message(struct keeper *keeper, struct worker_process *from)
{
	struct message message;
	int fd;
	int result = channel_receive(from->channel, &message, &fd);

	if (result == -EPROTO)
		return STEP_ON;
	if (result != 0) {
		/* It is going; its end tells the rest. */
		close(from->channel);
		from->channel = -1;
		succession_doom(&keeper->succession, from);
		return STEP_ON;
	}
	if (take_inheritance(keeper, &message, fd))
		return STEP_ON;
	if (fd >= 0)
		close(fd);
	switch (message.kind) {
	case MESSAGE_LINE:
		orders_tell(&keeper->orders, message.text);
		return STEP_ON;
	case MESSAGE_RESULT:
		orders_finish(&keeper->orders, message.status, message.text);
		return STEP_ON;
	case MESSAGE_GONE:
		return STEP_GONE;
	case MESSAGE_FAILED:
		log_error("%s", message.text);
		break;
	default:
		break;
	}
	return take_event(keeper, succession_take(&keeper->succession, from, &message));
}

static bool has_message(const struct worker_process *process)
{
	struct pollfd fd = {.fd = process->channel, .events = POLLIN};

	return process->channel >= 0 && poll(&fd, 1, 0) > 0;
}

/* What a worker said before it died counts. */
static enum step take_end(struct keeper *keeper, struct worker_process *process)
{
	struct worker_process *current = &keeper->succession.current;
	pid_t pid = process->pid;
	enum step step = STEP_ON;
	int status;

	if (!worker_process_has_ended(process, &status))
		return STEP_ON;
	while (step == STEP_ON && process->pid == pid && has_message(process))
		step = take_message(keeper, process);
	if (step != STEP_ON)
		return step;
	/* The last that it said may have been that it serves. */
	if (process->pid != pid)
		process = current;
	return take_event(keeper, succession_ended(&keeper->succession, process, status));
}

/* What needs no worker is done at once: the brake, and the end. */
static enum step obey_client(struct keeper *keeper, int client, const struct message *message)
{
	int channel = keeper->orders.clients[client].channel;
	int result = -EINVAL;

	if (message->kind == MESSAGE_PASSTHROUGH || message->kind == MESSAGE_UNMOUNT) {
		if (message->kind == MESSAGE_PASSTHROUGH)
			toggle_passthrough(keeper, message->status);
		channel_report(channel, MESSAGE_RESULT, 0, NULL);
		return message->kind == MESSAGE_UNMOUNT ? STEP_STOP : STEP_ON;
	}
	if (message->kind == MESSAGE_RELOAD || message->kind == MESSAGE_RECONFIGURE ||
	    message->kind == MESSAGE_UPGRADE)
		result = orders_add(&keeper->orders, message->kind, message->status, message->text,
				    client);
	if (result != 0)
		channel_report(channel, MESSAGE_RESULT, result, strerror(-result));
	return STEP_ON;
}

static enum step take_client_message(struct keeper *keeper, int client)
{
	struct message message;
	int fd;
	int result = channel_receive(keeper->orders.clients[client].channel, &message, &fd);

	if (fd >= 0)
		close(fd);
	if (result == 0)
		return obey_client(keeper, client, &message);
	orders_forget_client(&keeper->orders, client);
	return STEP_ON;
}

static void accept_client(struct keeper *keeper)
{
	int channel;
	pid_t pid = control_accept(keeper->control_fd, &keeper->state, "/proc/self/exe", &channel);

	if (pid < 0)
		return;
	if (orders_add_client(&keeper->orders, pid, channel) < 0)
		close(channel);
}

/* Children that are no workers: what served a client, and workers that were not waited for. */
static void reap_strangers(const struct keeper *keeper)
{
	for (;;) {
		siginfo_t information = {.si_pid = 0};

		if (waitid(P_ALL, 0, &information, WEXITED | WNOHANG | WNOWAIT) != 0 ||
		    information.si_pid == 0 ||
		    information.si_pid == keeper->succession.current.pid ||
		    information.si_pid == keeper->succession.next.pid)
			return;
		waitpid(information.si_pid, NULL, WNOHANG);
	}
}

static enum step take_signal(struct keeper *keeper)
{
	struct signalfd_siginfo information;

	if (read(keeper->signal_fd, &information, sizeof(information)) != sizeof(information))
		return STEP_ON;
	switch (information.ssi_signo) {
	case SIGCHLD:
		return STEP_ON;
	case SIGUSR1:
		orders_add(&keeper->orders, MESSAGE_RELOAD, 0, NULL, -1);
		return STEP_ON;
	case SIGHUP:
		orders_add(&keeper->orders, MESSAGE_RECONFIGURE, 0, NULL, -1);
		return STEP_ON;
	case SIGUSR2:
		toggle_passthrough(keeper, -1);
		return STEP_ON;
	case SIGQUIT:
		if (supervisor_present())
			return STEP_LEAVE;
		log_notice("SIGQUIT, but nobody would hold the mount: it is ended");
		return STEP_STOP;
	default:
		return STEP_STOP;
	}
}

/* ---- the loop ---- */

enum poll_index {
	POLL_SIGNALS,
	POLL_CONTROL,
	POLL_CURRENT_CHANNEL,
	POLL_CURRENT_END,
	POLL_NEXT_CHANNEL,
	POLL_NEXT_END,
	POLL_CLIENTS,
	POLL_COUNT = POLL_CLIENTS + ORDERS_CLIENTS_MAX,
};

static void fill_poll(const struct keeper *keeper, struct pollfd fds[POLL_COUNT])
{
	const struct succession *succession = &keeper->succession;

	for (int index = 0; index < POLL_COUNT; index++)
		fds[index] = (struct pollfd){.fd = -1, .events = POLLIN};
	fds[POLL_SIGNALS].fd = keeper->signal_fd;
	/* Others wait: to start a process that must end at once is work for nothing. */
	if (orders_take_clients(&keeper->orders))
		fds[POLL_CONTROL].fd = keeper->control_fd;
	fds[POLL_CURRENT_CHANNEL].fd = succession->current.channel;
	fds[POLL_CURRENT_END].fd = succession->current.pidfd;
	fds[POLL_NEXT_CHANNEL].fd = succession->next.channel;
	fds[POLL_NEXT_END].fd = succession->next.pidfd;
	for (unsigned client = 0; client < ORDERS_CLIENTS_MAX; client++)
		if (keeper->orders.clients[client].pid != 0)
			fds[POLL_CLIENTS + client].fd = keeper->orders.clients[client].channel;
}

static int time_left(const struct keeper *keeper)
{
	const struct succession *succession = &keeper->succession;
	int64_t now = clock_milliseconds();
	int64_t until = INT64_MAX;

	if (succession->deadline != 0)
		until = succession->deadline;
	if (succession->outage != 0 && succession->outage + OUTAGE_MILLISECONDS < until)
		until = succession->outage + OUTAGE_MILLISECONDS;
	if (keeper->orders.busy && keeper->upgrade < 0 && keeper->orders.deadline < until)
		until = keeper->orders.deadline;
	if (until == INT64_MAX)
		return -1;
	return until <= now ? 0 : (int)(until - now);
}

/* The worker does not finish what it was told: its control thread hangs, in a plugin perhaps. */
static void end_late_order(struct keeper *keeper)
{
	struct worker_process *current = &keeper->succession.current;

	if (!keeper->orders.busy || keeper->upgrade >= 0 ||
	    clock_milliseconds() < keeper->orders.deadline)
		return;
	log_error("worker %d hangs over an order; it is replaced", (int)current->pid);
	orders_finish(&keeper->orders, -ETIMEDOUT, "the worker hung over it and was replaced");
	succession_end_current(&keeper->succession);
}

static enum step take_worker(struct keeper *keeper, struct worker_process *process,
			     const struct pollfd *channel, const struct pollfd *end)
{
	enum step step = STEP_ON;

	/* What happened before may have put another one in its place. */
	if (channel->revents && process->channel == channel->fd)
		step = take_message(keeper, process);
	if (step == STEP_ON && end->revents && process->pidfd == end->fd)
		step = take_end(keeper, process);
	return step;
}

/* poll(2) that comes back much too late tells that all of the machine stood still. */
static int poll_in_time(struct keeper *keeper, struct pollfd fds[POLL_COUNT])
{
	int timeout = time_left(keeper);
	int64_t before = clock_milliseconds();
	int count = poll(fds, POLL_COUNT, timeout);
	int64_t late = clock_milliseconds() - before - timeout;

	if (timeout >= 0 && late >= STALL_MILLISECONDS) {
		log_warning("the machine stood still for %lld ms", (long long)late);
		succession_forgive(&keeper->succession, late);
		keeper->orders.deadline += late;
	}
	return count;
}

static enum step wait_step(struct keeper *keeper)
{
	struct succession *succession = &keeper->succession;
	struct pollfd fds[POLL_COUNT];
	enum step step;

	fill_poll(keeper, fds);
	if (poll_in_time(keeper, fds) < 0)
		return errno == EINTR ? STEP_ON : STEP_FAIL;
	step = take_worker(keeper, &succession->current, &fds[POLL_CURRENT_CHANNEL],
			   &fds[POLL_CURRENT_END]);
	if (step == STEP_ON)
		step = take_worker(keeper, &succession->next, &fds[POLL_NEXT_CHANNEL],
				   &fds[POLL_NEXT_END]);
	if (step == STEP_ON)
		step = take_event(keeper, succession_timeout(succession));
	if (step == STEP_ON && fds[POLL_SIGNALS].revents)
		step = take_signal(keeper);
	for (int client = 0; client < (int)ORDERS_CLIENTS_MAX && step == STEP_ON; client++)
		if (fds[POLL_CLIENTS + client].revents)
			step = take_client_message(keeper, client);
	if (step == STEP_ON && fds[POLL_CONTROL].revents)
		accept_client(keeper);
	end_late_order(keeper);
	reap_strangers(keeper);
	return step == STEP_ON ? obey_waiting(keeper) : step;
}

/* ---- the end ---- */

/* For the next start, which the service manager gives the mount to. */
static void leave(struct keeper *keeper)
{
	struct worker_process *current = &keeper->succession.current;
	int64_t deadline = clock_milliseconds() + LEAVE_MILLISECONDS;

	supervisor_stopping();
	if (current->channel < 0 ||
	    channel_send(current->channel, MESSAGE_YIELD, NULL, NULL, -1) != 0)
		return;
	for (;;) {
		int64_t left = deadline - clock_milliseconds();
		struct pollfd poll_fd = {.fd = current->channel, .events = POLLIN};
		struct message message;
		int fd;

		if (left <= 0 || poll(&poll_fd, 1, (int)left) <= 0 ||
		    channel_receive(current->channel, &message, &fd) != 0)
			return;
		if (!take_inheritance(keeper, &message, fd) && fd >= 0)
			close(fd);
		if (message.kind == MESSAGE_YIELDED)
			return;
	}
}

static enum step look_at_mount(const struct keeper *keeper)
{
	const char *mountpoint = keeper->options->mountpoint;

	if (mountpoint_is_dead(mountpoint)) {
		log_error("the connection of %s was aborted; the mount is ended", mountpoint);
		return STEP_FAIL;
	}
	log_notice("%s was unmounted", mountpoint);
	return STEP_GONE;
}

static enum mount_end mount_end(enum step step)
{
	switch (step) {
	case STEP_LEAVE:
		return MOUNT_STAYS;
	case STEP_GONE:
		return MOUNT_IS_GONE;
	case STEP_FAIL:
		return MOUNT_ABORTS;
	default:
		return MOUNT_ENDS;
	}
}

int keeper_main(const struct options *options, char **argv, bool adopts)
{
	static struct keeper keeper;
	enum step step = STEP_ON;

	if (startup(&keeper, options, argv, adopts) != 0)
		step = STEP_FAIL;
	while (step == STEP_ON)
		step = wait_step(&keeper);
	if (step == STEP_GONE)
		step = look_at_mount(&keeper);
	if (step == STEP_LEAVE)
		leave(&keeper);
	startup_undo(&keeper, mount_end(step));
	return step == STEP_FAIL ? EXIT_FAILURE : EXIT_SUCCESS;
}
