/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "config.h"
#include "fault.h"
#include "hostfs.h"
#include "log.h"
#include "plugins.h"
#include "pluginstate.h"
#include "server.h"
#include "session.h"
#include "timers.h"

#define CONTAINERS_MAX       4096u
#define CONTAINERS_MIN       16u
#define OTHER_DESCRIPTORS    512u
#define RECLAIM_MILLISECONDS 50

struct worker {
	const struct options *options;
	struct server server;
	struct hostfs *hostfs;
	struct plugins plugins;
	struct config *config;
	struct plugins_image *images; /* of a predecessor */
	int config_fd;                /* of a predecessor, -1: none */
	struct server_thread *threads;
	unsigned thread_count;
	int ended; /* eventfd: a serving thread ended */
};

/*
 * How many containers may be remembered: each takes a descriptor in every hierarchy, and one of each of
 * its two namespaces; and a namespace may hold a container that the cache has already let go of.
 */
static unsigned container_limit(const struct hostfs *hostfs)
{
	unsigned each = 3 * hostfs->hierarchies.count + 2;
	struct rlimit limit;
	unsigned wanted;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return CONTAINERS_MIN;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur >= (rlim_t)CONTAINERS_MAX * each + OTHER_DESCRIPTORS)
		return CONTAINERS_MAX;
	wanted = limit.rlim_cur < OTHER_DESCRIPTORS
			 ? 0
			 : (unsigned)(limit.rlim_cur - OTHER_DESCRIPTORS) / each;
	return wanted < CONTAINERS_MIN ? CONTAINERS_MIN : wanted;
}

static int open_services(struct worker *worker)
{
	static const struct snapshot_limits limits = {.count = 65536,
						      .bytes = (size_t)64 << 20,
						      .container_count = 4096,
						      .container_bytes = (size_t)8 << 20};
	struct server *server = &worker->server;
	int result = hostfs_open_live(&worker->hostfs);

	server->services.hostfs = worker->hostfs;
	if (result == 0)
		result = caller_resolver_new(worker->hostfs, container_limit(worker->hostfs),
					     &server->resolver);
	if (result == 0)
		result = snapshot_store_new(&limits, &server->snapshots);
	if (result == 0)
		result = quiescence_new(&server->quiescence);
	if (result == 0)
		result = nodes_open(&server->state, &server->nodes);
	if (result == 0)
		result = plugin_state_open(&server->state, &server->services.plugin_state);
	if (result == 0)
		result = timers_new(&server->ledger, &server->services.timers);
	if (result == 0)
		result = polls_open(&server->state, server->fuse_fd, &server->services.polls);
	return result;
}

static void keep_image(struct worker *worker, const struct message *message, int fd)
{
	struct plugins_image *image = calloc(1, sizeof(*image));

	if (!image) {
		close(fd);
		return;
	}
	snprintf(image->name, sizeof(image->name), "%s", message->name);
	snprintf(image->path, sizeof(image->path), "%s", message->text);
	image->memfd = fd;
	image->next = worker->images;
	worker->images = image;
}

/* What a predecessor left, as far as MESSAGE_START. */
static int receive_inheritance(struct worker *worker)
{
	for (;;) {
		struct message message;
		int fd;
		int result = channel_receive(WORKER_CHANNEL_FD, &message, &fd);

		if (result != 0)
			return result;
		if (message.kind == MESSAGE_START)
			return 0;
		if (message.kind == MESSAGE_CONFIG && fd >= 0)
			worker->config_fd = fd;
		else if (message.kind == MESSAGE_PLUGIN && fd >= 0)
			keep_image(worker, &message, fd);
		else if (fd >= 0)
			close(fd);
	}
}

static void forget_inheritance(struct worker *worker)
{
	while (worker->images) {
		struct plugins_image *next = worker->images->next;

		if (worker->images->memfd >= 0)
			close(worker->images->memfd);
		free(worker->images);
		worker->images = next;
	}
	if (worker->config_fd >= 0)
		close(worker->config_fd);
	worker->config_fd = -1;
}

static int load(struct worker *worker, char **reason)
{
	const struct config_overrides *overrides = &worker->options->overrides;
	int result;

	if (worker->config_fd >= 0) {
		result = config_load_text(worker->config_fd, overrides, &worker->config, reason);
		if (result == 0)
			return plugins_resume(&worker->plugins, worker->config, worker->images);
		log_error("the kept configuration cannot be read: %s", *reason ? *reason : "?");
		free(take_pointer(*reason));
	}
	result = config_load(worker->options->config, overrides, &worker->config, reason);
	if (result != 0)
		return result;
	result = plugins_load(&worker->plugins, worker->config, reason);
	if (result == -ENOENT && !*reason)
		*reason = strdup("no plugin could be loaded; see the lines above and"
				 " plugin-directories in the configuration");
	return result;
}

static int prepare(struct worker *worker, char **reason)
{
	struct server *server = &worker->server;
	int result = state_map(WORKER_STATE_FD, &server->state);

	*reason = NULL;
	if (result == 0) {
		atomic_fetch_add(&server->state.header->generation, 1);
		journal_open(&server->journal, &server->state);
		ledger_open(&server->state, &server->ledger);
		result = open_services(worker);
	}
	if (result == 0)
		result = receive_inheritance(worker);
	if (result == 0)
		result = load(worker, reason);
	forget_inheritance(worker);
	if (result == 0)
		result = session_open(server, worker->options->debug);
	return result;
}

/* ---- serving ---- */

static void *serve(void *argument)
{
	struct server_thread *thread = argument;
	const uint64_t one = 1;

	fault_thread_open(thread, thread->server->render_timeout);
	session_serve(thread);
	(void)!write(*(const int *)thread->context, &one, sizeof(one));
	return NULL;
}

static int open_threads(struct worker *worker)
{
	unsigned wanted = worker->options->single_thread ? 1 : worker->config->threads;

	worker->threads = calloc(wanted, sizeof(*worker->threads));
	worker->ended = eventfd(0, EFD_CLOEXEC);
	if (!worker->threads || worker->ended < 0)
		return -ENOMEM;
	for (unsigned index = 0; index < wanted; index++) {
		int result = session_thread_open(&worker->server, &worker->threads[index]);

		worker->threads[index].context = &worker->ended;
		if (result != 0)
			return result;
	}
	worker->thread_count = wanted;
	worker->server.render_timeout = worker->config->render_timeout;
	return 0;
}

/*
 * Serve what a dead predecessor left, on this thread and one request at a time, so that it is known
 * which of them kills.
 */
static int take_over(struct worker *worker)
{
	struct server_thread *thread = &worker->threads[0];
	int result = fault_thread_open(thread, worker->server.render_timeout);

	if (result != 0)
		return result;
	server_thread_set_current(thread);
	result = session_take_over(&worker->server, thread);
	server_thread_set_current(NULL);
	return result;
}

static int run_threads(struct worker *worker)
{
	for (unsigned index = 0; index < worker->thread_count; index++) {
		struct server_thread *thread = &worker->threads[index];
		int result = pthread_create(&thread->thread, NULL, serve, thread);

		if (result != 0 && index == 0)
			return -result;
		if (result != 0) {
			log_warning("only %u of %u threads could be started: %s", index,
				    worker->thread_count, strerror(result));
			break;
		}
	}
	return 0;
}

static int await_serve(void)
{
	for (;;) {
		struct message message;
		int fd;
		int result = channel_receive(WORKER_CHANNEL_FD, &message, &fd);

		if (fd >= 0)
			close(fd);
		if (result != 0)
			return result;
		if (message.kind == MESSAGE_SERVE)
			return 0;
	}
}

/* ---- control ---- */

static void reconfigure(struct worker *worker)
{
	auto_free char *reason = NULL;
	struct config *config;
	int result =
		config_load(worker->options->config, &worker->options->overrides, &config, &reason);

	if (result == 0) {
		result = plugins_reconfigure(&worker->plugins, config, &reason);
		config_put(config);
	}
	if (result == 0)
		log_notice("the configuration was read again");
	else
		log_error("the new configuration is refused, the old one stays: %s",
			  reason ? reason : strerror(-result));
}

static void toggle_passthrough(struct worker *worker)
{
	struct state_header *header = worker->server.state.header;
	uint32_t on = !atomic_load(&header->passthrough);

	atomic_store(&header->passthrough, on);
	log_notice("passthrough is %s", on ? "on: every file is the host's" : "off");
}

static void obey(struct worker *worker, const struct message *message)
{
	int refused;

	switch (message->kind) {
	case MESSAGE_RELOAD:
		refused = plugins_reload(&worker->plugins);
		log_notice("plugins were looked at for changes; %d refused", refused);
		break;
	case MESSAGE_RECONFIGURE:
		reconfigure(worker);
		break;
	case MESSAGE_PASSTHROUGH:
		toggle_passthrough(worker);
		break;
	default:
		break;
	}
}

/* Until the mount is gone.  Without a keeper the worker goes on serving. */
static void control(struct worker *worker)
{
	struct caller_resolver *resolver = worker->server.resolver;
	struct pollfd fds[] = {{.fd = worker->ended, .events = POLLIN},
			       {.fd = WORKER_CHANNEL_FD, .events = POLLIN},
			       {.fd = caller_event_fd(resolver), .events = POLLIN}};
	bool retired = false;

	while (!(fds[0].revents & POLLIN)) {
		struct message message;
		int fd;
		int result;

		fds[1].revents = 0;
		fds[2].revents = 0;
		if (poll(fds, 3, retired ? RECLAIM_MILLISECONDS : -1) < 0 && errno != EINTR)
			return;
		if (fds[2].revents)
			caller_take_events(resolver);
		retired = quiescence_reclaim(worker->server.quiescence);
		if (!fds[1].revents)
			continue;
		result = channel_receive(WORKER_CHANNEL_FD, &message, &fd);
		if (fd >= 0)
			close(fd);
		if (result == 0) {
			obey(worker, &message);
			retired = true;
		} else {
			log_error("the keeper is gone; the files go on, but nobody replaces this"
				  " process if it dies");
			fds[1].fd = -1;
		}
	}
}

/* What the keeper inherited from a terminal or a service manager is not for the worker. */
static void ignore_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
	sigset_t none;

	for (size_t index = 0; index < sizeof(signals) / sizeof(signals[0]); index++)
		signal(signals[index], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int worker_main(const struct options *options)
{
	/* Threads go on using it until the process has ended, when this function has returned. */
	static struct worker worker = {.config_fd = -1,
				       .server = {.fuse_fd = WORKER_FUSE_FD},
				       .plugins = {.channel = WORKER_CHANNEL_FD, .trial = true}};
	auto_free char *reason = NULL;
	int result;

	worker.options = options;
	ignore_signals();
	for (int fd = WORKER_FUSE_FD; fd <= WORKER_CHANNEL_FD; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	worker.plugins.server = &worker.server;
	result = prepare(&worker, &reason);
	if (result != 0) {
		channel_send(WORKER_CHANNEL_FD, MESSAGE_FAILED, NULL,
			     reason ? reason : strerror(-result), -1);
		return EXIT_FAILURE;
	}
	channel_send(WORKER_CHANNEL_FD, MESSAGE_READY, NULL, NULL, -1);
	result = await_serve();
	if (result == 0)
		result = open_threads(&worker);
	if (result == 0)
		result = fault_catch(WORKER_CHANNEL_FD);
	if (result == 0)
		result = take_over(&worker);
	/* Before any thread reads: what one has in service would be sent, and done, a second time. */
	if (result == 0)
		session_resend(&worker.server);
	if (result == 0)
		result = run_threads(&worker);
	if (result != 0) {
		log_error("serving cannot start: %s", strerror(-result));
		return EXIT_FAILURE;
	}
	channel_send(WORKER_CHANNEL_FD, MESSAGE_SERVING, NULL, NULL, -1);
	polls_wake_all(worker.server.services.polls);
	control(&worker);
	channel_send(WORKER_CHANNEL_FD, MESSAGE_GONE, NULL, NULL, -1);
	return EXIT_SUCCESS;
}
