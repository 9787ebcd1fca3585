/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fault.h"
#include "log.h"
#include "operations.h"
#include "parking.h"

#ifndef FUSE_NOTIFY_RESEND
#define FUSE_NOTIFY_RESEND 7
#endif

/*
 * Never under two pages: the kernel splits a write whose user buffer straddles more pages than that,
 * and 7 bytes would arrive as 3 and 4.
 */
#define MAX_WRITE 8192u

static _Thread_local struct server_thread *current_thread;

struct server_thread *server_thread_current(void)
{
	return current_thread;
}

void server_thread_set_current(struct server_thread *thread)
{
	current_thread = thread;
}

/* ---- FUSE_INIT ---- */

/*
 * Flags that the kernel offers and libfuse must not take up: with FUSE_MAX_PAGES it would limit reads
 * to the two pages of MAX_WRITE.
 */
static void mask_init(unsigned char *request)
{
	struct fuse_init_in *init =
		(struct fuse_init_in *)(request + sizeof(struct fuse_in_header));

	init->flags &= ~(uint32_t)FUSE_MAX_PAGES;
}

static void configure_connection(void *userdata, struct fuse_conn_info *connection)
{
	(void)userdata;
	connection->max_write = MAX_WRITE;
	/* Nothing is cached in pages and nobody needs to be asked twice for a listing. */
	connection->want &= ~(
		unsigned)(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_SPLICE_READ |
			  FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE | FUSE_CAP_AUTO_INVAL_DATA |
			  FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_ASYNC_DIO | FUSE_CAP_IOCTL_DIR |
			  FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS);
}

static bool is_init(const unsigned char *request)
{
	return ((const struct fuse_in_header *)request)->opcode == FUSE_INIT;
}

static void save_init(struct server *server, const unsigned char *request, size_t length)
{
	struct state_header *header = server->state.header;

	if (length > sizeof(header->init_request)) {
		log_error("FUSE_INIT has %zu bytes; a successor could not replay it", length);
		return;
	}
	memcpy(header->init_request, request, length);
	atomic_store(&header->init_request_length, (uint32_t)length);
}

/* The reply as one buffer; 0 when it does not fit. */
static size_t gather(const struct iovec *vector, int count, unsigned char *buffer, size_t size)
{
	size_t length = 0;

	for (int index = 0; index < count; index++) {
		if (vector[index].iov_len > size - length)
			return 0;
		memcpy(buffer + length, vector[index].iov_base, vector[index].iov_len);
		length += vector[index].iov_len;
	}
	return length;
}

/* Keep the first reply to FUSE_INIT; a successor's must be the same, and stays here. */
static ssize_t answer_init(struct server *server, struct iovec *vector, int count)
{
	struct state_header *header = server->state.header;
	unsigned char reply[STATE_INIT_MAX];
	size_t length = gather(vector, count, reply, sizeof(reply));

	if (!server->replaying_init) {
		/* Said before it is noted: who dies in between has a successor that says it again. */
		ssize_t written = writev(server->fuse_fd, vector, count);

		memcpy(header->init_reply, reply, length);
		atomic_store(&header->init_reply_length, (uint32_t)length);
		return written;
	}
	if (length != atomic_load(&header->init_reply_length) ||
	    memcmp(reply, header->init_reply, length) != 0) {
		server->init_refused = true;
		errno = EPROTO;
		return -1;
	}
	return (ssize_t)length;
}

static bool serves_init(const struct server *server)
{
	const struct server_thread *thread = server_thread_current();

	return thread && is_init(journal_request(&server->journal, thread->slot));
}

static ssize_t write_reply(int fd, struct iovec *vector, int count, void *userdata)
{
	struct server *server = userdata;

	if (server->initializing || serves_init(server))
		return answer_init(server, vector, count);
	return writev(fd, vector, count);
}

/* libfuse does not read by itself here, but insists on a function. */
static ssize_t read_request(int fd, void *buffer, size_t length, void *userdata)
{
	(void)userdata;
	return read(fd, buffer, length);
}

/* ---- session ---- */

int session_open(struct server *server, bool debug)
{
	static const struct fuse_custom_io io = {.writev = write_reply, .read = read_request};
	char *plain[] = {(char *)"lxcfs"};
	char *verbose[] = {(char *)"lxcfs", (char *)"-d"};
	struct fuse_args arguments = {.argc = debug ? 2 : 1, .argv = debug ? verbose : plain};
	static struct fuse_lowlevel_ops operations;

	operations = fuse_operations;
	operations.init = configure_connection;
	server->session = fuse_session_new(&arguments, &operations, sizeof(operations), server);
	if (!server->session)
		return -ENOMEM;
	if (fuse_session_custom_io(server->session, &io, server->fuse_fd) != 0) {
		fuse_session_destroy(server->session);
		server->session = NULL;
		return -EINVAL;
	}
	return 0;
}

void session_close(struct server *server)
{
	if (server->session)
		fuse_session_destroy(server->session);
	server->session = NULL;
}

/*
 * A rendering that killed its workers is answered by on-fault (content.c), names and attributes are the
 * host's then (target.c), and if not even that can be done they fail.  So does any other request at once.
 */
static bool is_given_up(const struct server_thread *thread, const unsigned char *request)
{
	switch (((const struct fuse_in_header *)request)->opcode) {
	case FUSE_READ:
	case FUSE_LOOKUP:
	case FUSE_GETATTR:
	case FUSE_READLINK:
		return fault_is_hopeless(thread);
	default:
		return fault_is_charged(thread);
	}
}

/* At any other error of a lookup the kernel drops the name, and what containers have mounted there. */
static int error_of(const struct fuse_in_header *request)
{
	return request->opcode == FUSE_LOOKUP ? -ENOMEM : -EIO;
}

static void give_up(const struct server *server, const unsigned char *request)
{
	const struct fuse_in_header *given_up = (const struct fuse_in_header *)request;
	const struct fuse_out_header reply = {
		.len = sizeof(reply), .error = error_of(given_up), .unique = given_up->unique};

	log_error("a request of kind %u for node %llu ended its workers; it fails",
		  given_up->opcode, (unsigned long long)given_up->nodeid);
	(void)!write(server->fuse_fd, &reply, sizeof(reply));
}

/* Serve the request that lies in the thread's slot, and forget it. */
static void serve_slot(struct server_thread *thread, size_t length)
{
	struct server *server = thread->server;
	unsigned char *request = journal_request(&server->journal, thread->slot);
	struct fuse_buf buffer = {.size = length, .mem = request};

	if (is_init(request)) {
		save_init(server, request, length);
		mask_init(request);
	}
	if (is_given_up(thread, request)) {
		give_up(server, request);
	} else {
		fault_begin(thread);
		fuse_session_process_buf(server->session, &buffer);
		fault_end(thread);
	}
	journal_clear(&server->journal, thread->slot);
}

/* A predecessor died before it had noted FUSE_INIT: it lies in the journal alone. */
static void find_init(struct server *server)
{
	for (int slot = 0; slot < (int)JOURNAL_SLOTS; slot++) {
		const unsigned char *request = journal_request(&server->journal, slot);
		size_t length = journal_length(&server->journal, slot);

		if (length != 0 && is_init(request))
			save_init(server, request, length);
	}
}

/* Have libfuse process the first FUSE_INIT once more. */
static int replay_init(struct server *server)
{
	struct state_header *header = server->state.header;
	unsigned char request[STATE_INIT_MAX];
	struct fuse_buf buffer = {.size = atomic_load(&header->init_request_length),
				  .mem = request};

	if (server->initialized || buffer.size == 0 || buffer.size > sizeof(request))
		return 0;
	memcpy(request, header->init_request, buffer.size);
	mask_init(request);
	/* A predecessor that died before it answered leaves the answer to us. */
	server->replaying_init = atomic_load(&header->init_reply_length) != 0;
	server->initializing = true;
	fuse_session_process_buf(server->session, &buffer);
	server->initializing = false;
	server->replaying_init = false;
	server->initialized = true;
	return server->init_refused ? -EPROTO : 0;
}

int session_replay_init(struct server *server)
{
	return atomic_load(&server->state.header->init_reply_length) != 0 ? replay_init(server) : 0;
}

int session_take_over(struct server *server, struct server_thread *thread)
{
	int own_slot = thread->slot;
	int result;

	if (atomic_load(&server->state.header->init_request_length) == 0)
		find_init(server);
	result = replay_init(server);
	if (result != 0)
		return result;
	for (int slot = 0; slot < (int)JOURNAL_SLOTS; slot++) {
		size_t length = journal_length(&server->journal, slot);

		if (slot == own_slot || length == 0)
			continue;
		thread->slot = slot;
		/* Counted first: what ends a successor without a signal of its own is found by this. */
		atomic_fetch_add(&journal_mark(&server->journal, slot)->replays, 1);
		if (!is_init(journal_request(&server->journal, slot)))
			serve_slot(thread, length);
		journal_clear(&server->journal, slot);
		journal_give_back(&server->journal, slot);
	}
	thread->slot = own_slot;
	return 0;
}

void session_resend(struct server *server)
{
	const struct fuse_out_header header = {.len = sizeof(header), .error = FUSE_NOTIFY_RESEND};

	(void)!write(server->fuse_fd, &header, sizeof(header));
}

void session_forget_name(struct server *server, uint64_t parent, const char *name)
{
	uint32_t name_length = (uint32_t)strlen(name);
	struct fuse_notify_inval_entry_out notice = {.parent = parent, .namelen = name_length};
	struct fuse_out_header header = {.len = (uint32_t)(sizeof(header) + sizeof(notice)) +
						name_length + 1,
					 .error = FUSE_NOTIFY_INVAL_ENTRY};
	struct iovec vector[] = {{.iov_base = &header, .iov_len = sizeof(header)},
				 {.iov_base = &notice, .iov_len = sizeof(notice)},
				 {.iov_base = (void *)(uintptr_t)name, .iov_len = name_length + 1}};

	/* ENOENT: the kernel did not know the name. */
	if (writev(server->fuse_fd, vector, 3) < 0 && errno != ENOENT)
		log_debug("the name %s cannot be taken back: %s", name, strerror(errno));
}

/* ---- threads ---- */

int session_thread_open(struct server *server, struct server_thread *thread)
{
	*thread = (struct server_thread){.server = server, .slot = journal_take(&server->journal)};
	thread->reader = quiescence_register(server->quiescence);
	if (thread->slot < 0 || thread->reader < 0)
		return -EAGAIN;
	return 0;
}

void session_thread_close(struct server_thread *thread)
{
	arena_free(&thread->arena);
	output_free(&thread->output);
	output_free(&thread->directory.output);
}

int session_serve(struct server_thread *thread)
{
	struct server *server = thread->server;

	server_thread_set_current(thread);
	while (!fuse_session_exited(server->session)) {
		ssize_t length;

		if (parking_is_wanted(&server->parking))
			parking_wait(&server->parking);
		length = read(server->fuse_fd, journal_request(&server->journal, thread->slot),
			      JOURNAL_SLOT_BYTES);

		if (length >= (ssize_t)sizeof(struct fuse_in_header)) {
			serve_slot(thread, (size_t)length);
			continue;
		}
		/* Unmounted, aborted, never mounted.  ENOENT: taken back before it was read. */
		if (length < 0 && (errno == ENODEV || errno == ECONNABORTED || errno == EPERM))
			break;
		if (length < 0 && errno != EINTR && errno != ENOENT && errno != EAGAIN) {
			int error = errno;

			log_error("reading from /dev/fuse: %s", strerror(error));
			return -error;
		}
	}
	return 0;
}
