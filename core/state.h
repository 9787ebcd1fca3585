/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state memfd: what outlives a worker.
 *
 * The keeper creates it and holds it; every worker maps it.  A worker may die at any instruction, so
 * each section is changed in steps that leave it readable.  The layout is versioned and size-first:
 * a successor that knows another version starts that section anew instead of misreading it.
 */
#ifndef LXCFS_CORE_STATE_H
#define LXCFS_CORE_STATE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_VERSION     1u
#define STATE_INIT_MAX    256
#define STATE_SECTION_MAX 8
#define STATE_BUILD_MAX   64

enum state_section_id {
	STATE_JOURNAL, /* requests in service: journal.h */
	STATE_NODES,   /* node ids given out in subtrees: nodes.h */
	STATE_POLLS,   /* who polls: polls.h */
	STATE_PLUGINS, /* the plugins' own memory: pluginstate.h */
	STATE_LEDGER,  /* what is served and what failed: ledger.h */
	STATE_LENGTHS, /* where texts ended that were read: lengths.h */
};

struct state_section {
	uint64_t offset;
	uint64_t length;
};

/* A running program, for those who ask. */
struct state_program {
	_Atomic uint32_t pid;
	uint32_t reserved;
	uint64_t since; /* CLOCK_REALTIME seconds */
	char release[STATE_BUILD_MAX];
	char build_id[STATE_BUILD_MAX]; /* in hexadecimal; "" without one */
};

struct state_header {
	uint32_t size;
	uint32_t version;
	char magic[8];
	struct state_section sections[STATE_SECTION_MAX];
	uint64_t created;             /* CLOCK_REALTIME seconds: the times that our files show */
	_Atomic uint64_t generation;  /* of the worker, 1 for the first */
	_Atomic uint64_t next_handle; /* of an open file; never used twice */
	_Atomic uint32_t passthrough; /* SIGUSR2: all files are the host's */
	_Atomic uint64_t owner;       /* of the connection: ownership.h */
	_Atomic uint32_t
		supervised;      /* a service manager starts the next keeper: a worker must not */
	_Atomic uint32_t rescue; /* the worker serves without plugins */
	_Atomic uint64_t takeovers;  /* workers that went on where one had died */
	_Atomic uint64_t hand_overs; /* and where one had yielded */
	struct state_program keeper;
	struct state_program worker;
	_Atomic uint64_t passthrough_answers; /* answers that were the host's, asked for or not */
	/* The first FUSE_INIT as the kernel sent it, and the reply that it got; length 0: not yet. */
	_Atomic uint32_t init_request_length;
	_Atomic uint32_t init_reply_length;
	unsigned char init_request[STATE_INIT_MAX];
	unsigned char init_reply[STATE_INIT_MAX];
};

struct state {
	int fd;
	size_t length;
	struct state_header *header;
};

/* A new state memfd, sparse: memory is used as sections fill.  0 or -errno. */
int state_create(struct state *state);
/* Map an existing one.  -EPROTO: not a state of this version. */
int state_map(int fd, struct state *state);
void state_close(struct state *state);

void *state_section(const struct state *state, enum state_section_id section, size_t *length);
uint64_t state_next_handle(const struct state *state);

#endif
