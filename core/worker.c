/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "clock.h"
#include "config.h"
#include "election.h"
#include "fault.h"
#include "hostfs.h"
#include "inheritance.h"
#include "log.h"
#include "ownership.h"
#include "plugins.h"
#include "pluginstate.h"
#include "program.h"
#include "server.h"
#include "serving.h"
#include "session.h"
#include "timers.h"

#define CONTAINERS_MAX       4096u
#define CONTAINERS_MIN       16u
#define OTHER_DESCRIPTORS    512u
#define RECLAIM_MILLISECONDS 50
/* Less than the keeper waits. */
#define YIELD_MILLISECONDS 1500
/* The pause before another keeper is started: doubled each time that it did not become one. */
#define ELECTION_MILLISECONDS INT64_C(10)
#define ELECTIONS_DOUBLED     10u

struct worker {
	const struct options *options;
	char *const *argv;
	struct server server;
	struct hostfs *hostfs;
	struct plugins plugins;
	struct config *config;
	struct inheritance inheritance;
	enum start_mode mode;
	struct serving serving;
	int64_t election; /* when another keeper is to be started; 0: there is one, or none is wanted */
	unsigned elections;
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

/* What belongs to this process alone. */
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
		result = timers_new(&server->ledger, &server->services.timers);
	return result;
}

/* What is shared with predecessor and successor; only one process at a time uses it. */
static int open_shared(struct worker *worker)
{
	struct server *server = &worker->server;
	int result;

	journal_open(&server->journal, &server->state);
	lengths_open(&server->state, &server->lengths);
	result = nodes_open(&server->state, &server->nodes);
	if (result == 0)
		result = plugin_state_open(&server->state, &server->services.plugin_state);
	if (result == 0)
		result = polls_open(&server->state, server->fuse_fd, &server->services.polls);
	return result;
}

/*
 * What a predecessor left, as far as MESSAGE_START.  When the keeper is killed meanwhile this process is of
 * use only if nobody serves; it goes on with what it got.
 */
static int receive_inheritance(struct worker *worker)
{
	inheritance_init(&worker->inheritance);
	for (;;) {
		struct message message;
		int fd;
		int result = channel_receive(WORKER_CHANNEL_FD, &message, &fd);

		if (result == -EPIPE)
			return ownership_is_held(&worker->server.state) ? -EBUSY : 0;
		if (result != 0)
			return result;
		if (message.kind == MESSAGE_START) {
			worker->mode = (enum start_mode)message.status;
			channel_send(WORKER_CHANNEL_FD, MESSAGE_STARTED, NULL, NULL, -1);
			return 0;
		}
		if (!inheritance_take(&worker->inheritance, &message, fd) && fd >= 0)
			close(fd);
	}
}

static int load_config(struct worker *worker, char **reason)
{
	const struct config_overrides *overrides = &worker->options->overrides;
	int kept = worker->inheritance.config_fd;
	int result;

	if (kept >= 0 && worker->mode != START_UPGRADE) {
		result = config_load_text(kept, overrides, &worker->config, reason);
		if (result == 0)
			return 0;
		log_error("the kept configuration cannot be read: %s", *reason ? *reason : "?");
		free(take_pointer(*reason));
	}
	result = config_load(worker->options->config, overrides, &worker->config, reason);
	/* Which plugins there are is of no matter then; who may be shown the host's files is. */
	if (result != 0 && worker->mode == START_RESCUE) {
		free(take_pointer(*reason));
		return config_load(NULL, overrides, &worker->config, reason);
	}
	if (result == 0 || kept < 0 || worker->mode != START_UPGRADE)
		return result;
	log_error("the new configuration is refused, the old one stays: %s",
		  *reason ? *reason : strerror(-result));
	free(take_pointer(*reason));
	return config_load_text(kept, overrides, &worker->config, reason);
}

static int load(struct worker *worker, char **reason)
{
	int result = load_config(worker, reason);

	if (result != 0)
		return result;
	result = plugins_prepare(&worker->plugins, worker->config, &worker->inheritance,
				 worker->mode, reason);
	if (result == -ENOENT && !*reason)
		*reason = strdup("no plugin could be loaded; see the lines above and"
				 " plugin-directories in the configuration");
	return result;
}

/* All that can fail, while a predecessor may still serve. */
static int prepare(struct worker *worker, char **reason)
{
	struct server *server = &worker->server;
	int result = state_map(WORKER_STATE_FD, &server->state);

	*reason = NULL;
	if (result == -EPROTO)
		*reason = strdup("the state of the serving process has another layout: this"
				 " version cannot take over from it; stop it and start this one");
	if (result != 0)
		return result;
	ledger_open(&server->state, &server->ledger);
	ledger_join(&server->ledger, (uint32_t)getpid(), atomic_load(&server->state.header->owner));
	result = fault_outside_open(&server->ledger, LEDGER_CONTROL);
	if (result == 0)
		result = fault_catch(WORKER_CHANNEL_FD);
	if (result == 0)
		result = open_services(worker);
	if (result == 0)
		result = receive_inheritance(worker);
	if (result == 0)
		result = load(worker, reason);
	inheritance_free(&worker->inheritance);
	if (result == 0)
		result = session_open(server, worker->options->debug);
	if (result == 0)
		result = session_replay_init(server);
	if (result == -EPROTO && !*reason)
		*reason = strdup("it would agree on other terms with the kernel (FUSE_INIT) than"
				 " the serving process did");
	return result;
}

/* ---- serving ---- */

/* 0 also when the keeper was killed: then whoever can serves. */
static int await_serve(enum serve_kind *kind)
{
	*kind = SERVE_AFTER_DEATH;
	for (;;) {
		struct message message;
		int fd;
		int result = channel_receive(WORKER_CHANNEL_FD, &message, &fd);

		if (fd >= 0)
			close(fd);
		if (result == -EPIPE)
			return 0;
		if (result != 0)
			return result;
		if (message.kind != MESSAGE_SERVE)
			continue;
		*kind = (enum serve_kind)message.status;
		return 0;
	}
}

/* From here on this process owns the connection. */
static int begin(struct worker *worker, enum serve_kind kind)
{
	struct server *server = &worker->server;
	struct state_header *header = server->state.header;
	unsigned threads = worker->options->single_thread ? 1 : worker->config->threads;
	int result = ownership_claim(&server->state);

	if (result != 0)
		return result;
	atomic_fetch_add(&header->generation, 1);
	atomic_fetch_add(&header->hand_overs, kind == SERVE_AFTER_YIELD);
	atomic_fetch_add(&header->takeovers, kind == SERVE_AFTER_DEATH);
	program_fill(&header->worker);
	server->render_timeout = worker->config->render_timeout;
	result = open_shared(worker);
	if (result == 0)
		result = plugins_begin(&worker->plugins);
	if (result == 0)
		result = serving_start(&worker->serving, server, threads);
	return result;
}

/* ---- orders ---- */

static int reconfigure(struct worker *worker, char **reason)
{
	struct config *config;
	int result =
		config_load(worker->options->config, &worker->options->overrides, &config, reason);

	if (result == 0) {
		result = plugins_reconfigure(&worker->plugins, config, reason);
		config_put(config);
	}
	if (result == 0)
		log_notice("the configuration was read again");
	else
		log_error("the new configuration is refused, the old one stays: %s",
			  *reason ? *reason : strerror(-result));
	return result;
}

static int reload(struct worker *worker, const char *names, char **reason)
{
	int refused = plugins_reload(&worker->plugins, names);

	if (refused < 0) {
		*reason = strdup("nothing was reloaded");
		return refused;
	}
	log_notice("plugins were looked at for changes; %d refused", refused);
	if (refused == 0)
		return 0;
	if (asprintf(reason, "%d of the plugins %s refused; what served goes on", refused,
		     refused == 1 ? "is" : "are") < 0)
		*reason = NULL;
	return -ENOEXEC;
}

static void obey(struct worker *worker, const struct message *message)
{
	auto_free char *reason = NULL;
	int result = message->kind == MESSAGE_RELOAD ? reload(worker, message->text, &reason)
						     : reconfigure(worker, &reason);

	channel_report(WORKER_CHANNEL_FD, MESSAGE_RESULT, result,
		       result == 0 ? "" : (reason ? reason : strerror(-result)));
}

/* ---- keepers ---- */

/* Who starts the next keeper: a service manager, or this process. */
static void lose_keeper(struct worker *worker)
{
	if (atomic_load(&worker->server.state.header->supervised)) {
		log_error("the keeper is gone; the service manager starts the next one");
		return;
	}
	if (worker->elections == 0)
		log_error("the keeper is gone; starting another one");
	worker->election = clock_milliseconds() + (ELECTION_MILLISECONDS << worker->elections);
	if (worker->elections < ELECTIONS_DOUBLED)
		worker->elections++;
}

static void start_keeper(struct worker *worker)
{
	int channel =
		election_start_keeper(worker->argv, worker->server.fuse_fd, &worker->server.state);

	worker->election = 0;
	if (channel < 0) {
		log_error("the next keeper cannot be started: %s", strerror(-channel));
		lose_keeper(worker);
		return;
	}
	/* Signal handlers and plugins know it by this number. */
	dup3(channel, WORKER_CHANNEL_FD, O_CLOEXEC);
	close(channel);
	plugins_bequeath(&worker->plugins);
	channel_report(WORKER_CHANNEL_FD, MESSAGE_START, 0, NULL);
}

/*
 * A successor is ready.  The keeper ends this process when it has heard of it, or has waited long enough;
 * if it is the keeper that ends, whoever is first goes on.
 */
static void yield_to_successor(struct worker *worker, pid_t heir)
{
	struct state *state = &worker->server.state;
	struct message message;
	int fd;

	if (serving_yield(&worker->serving, YIELD_MILLISECONDS)) {
		ownership_yield(state, heir);
		channel_report(WORKER_CHANNEL_FD, MESSAGE_YIELDED, 0, NULL);
	}
	while (channel_receive(WORKER_CHANNEL_FD, &message, &fd) != -EPIPE)
		if (fd >= 0)
			close(fd);
	if (ownership_claim(state) != 0)
		_exit(EXIT_SUCCESS);
	serving_resume(&worker->serving);
}

/* ---- the control thread ---- */

/* false: nobody is at the other end any more. */
static bool take_message(struct worker *worker)
{
	struct message message;
	int fd;
	int result = channel_receive(WORKER_CHANNEL_FD, &message, &fd);

	if (fd >= 0)
		close(fd);
	if (result == -EPROTO)
		return true;
	if (result != 0)
		return false;
	worker->elections = 0;
	if (message.kind == MESSAGE_YIELD) {
		yield_to_successor(worker, message.status);
		return false;
	}
	if (message.kind == MESSAGE_RELOAD || message.kind == MESSAGE_RECONFIGURE)
		obey(worker, &message);
	return true;
}

static int time_left(const struct worker *worker, bool retired)
{
	int64_t left = worker->election - clock_milliseconds();

	if (worker->election == 0)
		return retired ? RECLAIM_MILLISECONDS : -1;
	return left < 0 ? 0 : (int)left;
}

/* Until the mount is gone.  Without a keeper the worker goes on serving. */
static void control(struct worker *worker)
{
	struct caller_resolver *resolver = worker->server.resolver;
	struct pollfd fds[] = {{.fd = worker->serving.ended, .events = POLLIN},
			       {.fd = WORKER_CHANNEL_FD, .events = POLLIN},
			       {.fd = caller_event_fd(resolver), .events = POLLIN}};
	bool retired = false;

	while (!(fds[0].revents & POLLIN)) {
		fds[1].revents = 0;
		fds[2].revents = 0;
		if (poll(fds, 3, time_left(worker, retired)) < 0 && errno != EINTR)
			return;
		if (fds[2].revents)
			caller_take_events(resolver);
		retired = quiescence_reclaim(worker->server.quiescence);
		if (fds[1].revents && !take_message(worker)) {
			fds[1].fd = -1;
			lose_keeper(worker);
		} else if (fds[1].revents) {
			retired = true;
		}
		if (worker->election != 0 && clock_milliseconds() >= worker->election) {
			start_keeper(worker);
			fds[1].fd = WORKER_CHANNEL_FD;
		}
		/* Keepers that could not become it. */
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
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

int worker_main(const struct options *options, char *const *argv)
{
	/* Threads go on using it until the process has ended, when this function has returned. */
	static struct worker worker = {.server = {.fuse_fd = WORKER_FUSE_FD},
				       .plugins = {.channel = WORKER_CHANNEL_FD, .trial = true}};
	auto_free char *reason = NULL;
	enum serve_kind kind;
	int result;

	worker.options = options;
	worker.argv = argv;
	ignore_signals();
	for (int fd = WORKER_FUSE_FD; fd <= WORKER_CHANNEL_FD; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	channel_limit_sending(WORKER_CHANNEL_FD);
	worker.plugins.server = &worker.server;
	result = prepare(&worker, &reason);
	if (result != 0) {
		channel_send(WORKER_CHANNEL_FD, MESSAGE_FAILED, NULL,
			     reason ? reason : strerror(-result), -1);
		return EXIT_FAILURE;
	}
	channel_send(WORKER_CHANNEL_FD, MESSAGE_READY, NULL, NULL, -1);
	result = await_serve(&kind);
	if (result == 0)
		result = begin(&worker, kind);
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
