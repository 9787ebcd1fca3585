/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "journal.h"
#include "ledger.h"
#include "lengths.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define STATE_MAGIC   "lxcfsmf"
#define NODES_BYTES   ((uint64_t)16 << 20)
#define POLLS_BYTES   ((uint64_t)1 << 20)
#define PLUGINS_BYTES ((uint64_t)32 << 20)
#define SECTION_ALIGN 4096u
#define HEADER_BYTES  ((uint64_t)SECTION_ALIGN)

_Static_assert(sizeof(struct state_header) <= SECTION_ALIGN, "the header has one page");

static uint64_t add_section(struct state_header *header, enum state_section_id section,
			    uint64_t offset, uint64_t length)
{
	length = (length + SECTION_ALIGN - 1) / SECTION_ALIGN * SECTION_ALIGN;
	header->sections[section].offset = offset;
	header->sections[section].length = length;
	return offset + length;
}

static uint64_t lay_out(struct state_header *header)
{
	uint64_t offset = HEADER_BYTES;

	offset = add_section(header, STATE_JOURNAL, offset, journal_bytes());
	offset = add_section(header, STATE_NODES, offset, NODES_BYTES);
	offset = add_section(header, STATE_POLLS, offset, POLLS_BYTES);
	offset = add_section(header, STATE_PLUGINS, offset, PLUGINS_BYTES);
	offset = add_section(header, STATE_LEDGER, offset, ledger_bytes());
	return add_section(header, STATE_LENGTHS, offset, lengths_bytes());
}

static int open_memfd(void)
{
	int fd = memfd_create("lxcfs-state", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	/* Linux before 6.3 does not know the flag. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("lxcfs-state", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int state_create(struct state *state)
{
	struct state_header header = {.size = sizeof(header),
				      .version = STATE_VERSION,
				      .magic = STATE_MAGIC,
				      .created = (uint64_t)time(NULL)};
	uint64_t length = lay_out(&header);
	int fd = open_memfd();
	int result;

	if (fd < 0)
		return fd;
	atomic_init(&header.next_handle, 1);
	if (ftruncate(fd, (off_t)length) != 0 ||
	    pwrite(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header)) {
		result = errno ? -errno : -EIO;
		close(fd);
		return result;
	}
	result = state_map(fd, state);
	if (result != 0)
		close(fd);
	return result;
}

static int check(const struct state_header *header, size_t length)
{
	if (header->size != sizeof(*header) || header->version != STATE_VERSION ||
	    memcmp(header->magic, STATE_MAGIC, sizeof(STATE_MAGIC)) != 0)
		return -EPROTO;
	for (int section = STATE_JOURNAL; section <= STATE_LENGTHS; section++) {
		const struct state_section *place = &header->sections[section];

		if (place->offset > length || place->length > length - place->offset)
			return -EPROTO;
	}
	return 0;
}

int state_map(int fd, struct state *state)
{
	struct stat status;
	void *map;
	int result;

	if (fstat(fd, &status) != 0)
		return -errno;
	if (status.st_size < (off_t)HEADER_BYTES)
		return -EPROTO;
	map = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	result = check(map, (size_t)status.st_size);
	if (result != 0) {
		munmap(map, (size_t)status.st_size);
		return result;
	}
	*state = (struct state){.fd = fd, .length = (size_t)status.st_size, .header = map};
	return 0;
}

void state_close(struct state *state)
{
	if (!state->header)
		return;
	munmap(state->header, state->length);
	close(state->fd);
	*state = (struct state){.fd = -1};
}

void *state_section(const struct state *state, enum state_section_id section, size_t *length)
{
	const struct state_section *place = &state->header->sections[section];

	*length = place->length;
	return (char *)state->header + place->offset;
}

uint64_t state_next_handle(const struct state *state)
{
	return atomic_fetch_add_explicit(&state->header->next_handle, 1, memory_order_relaxed);
}
