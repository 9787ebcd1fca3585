/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "elfcheck.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifndef STB_GNU_UNIQUE
#define STB_GNU_UNIQUE 10
#endif

#if __BYTE_ORDER == __LITTLE_ENDIAN
#define OUR_DATA ELFDATA2LSB
#else
#define OUR_DATA ELFDATA2MSB
#endif
#define OUR_CLASS (__ELF_NATIVE_CLASS == 64 ? ELFCLASS64 : ELFCLASS32)

/* The symbol table is looked up by section; both classes have the same fields. */
struct image {
	const unsigned char *data;
	size_t length;
	const ElfW(Ehdr) * header;
};

static const void *range(const struct image *image, uint64_t offset, uint64_t length)
{
	if (offset > image->length || length > image->length - offset)
		return NULL;
	return image->data + offset;
}

/* The same for a table of structures, which lie where their members can be read. */
static const void *table(const struct image *image, uint64_t offset, uint64_t length)
{
	return offset % sizeof(ElfW(Addr)) == 0 ? range(image, offset, length) : NULL;
}

static const ElfW(Phdr) * segments(const struct image *image)
{
	if (image->header->e_phentsize != sizeof(ElfW(Phdr)))
		return NULL;
	return table(image, image->header->e_phoff,
		     (uint64_t)image->header->e_phnum * sizeof(ElfW(Phdr)));
}

static const ElfW(Shdr) * sections(const struct image *image)
{
	if (image->header->e_shentsize != sizeof(ElfW(Shdr)))
		return NULL;
	return table(image, image->header->e_shoff,
		     (uint64_t)image->header->e_shnum * sizeof(ElfW(Shdr)));
}

static const char *check_header(const struct image *image)
{
	const ElfW(Ehdr) *header = image->header;

	if (image->length < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return "not an ELF file, or an empty one";
	if (header->e_ident[EI_CLASS] != OUR_CLASS || header->e_ident[EI_DATA] != OUR_DATA)
		return "built for another machine (ELF class or byte order)";
	return NULL;
}

static const char *check_segments(const struct image *image)
{
	const ElfW(Phdr) *segment = segments(image);

	if (!segment || image->header->e_phnum == 0)
		return "truncated (program headers)";
	for (unsigned index = 0; index < image->header->e_phnum; index++)
		if (segment[index].p_type == PT_LOAD &&
		    !range(image, segment[index].p_offset, segment[index].p_filesz))
			return "truncated (a segment lies beyond the end of the file)";
	return NULL;
}

static const char *check_flags(const struct image *image)
{
	const ElfW(Phdr) *segment = segments(image);

	for (unsigned index = 0; index < image->header->e_phnum; index++) {
		const ElfW(Dyn) * entry;
		size_t count = segment[index].p_filesz / sizeof(*entry);

		if (segment[index].p_type != PT_DYNAMIC)
			continue;
		entry = table(image, segment[index].p_offset, segment[index].p_filesz);
		for (; entry && count > 0 && entry->d_tag != DT_NULL; entry++, count--)
			if (entry->d_tag == DT_FLAGS_1 && (entry->d_un.d_val & DF_1_NODELETE))
				return "linked with -z nodelete: it could never be replaced";
	}
	return NULL;
}

static bool has_unique_symbol(const struct image *image, const ElfW(Shdr) * section)
{
	const ElfW(Sym) *symbol = table(image, section->sh_offset, section->sh_size);
	size_t count = section->sh_size / sizeof(*symbol);

	for (size_t index = 0; symbol && index < count; index++)
		if (ELF64_ST_BIND(symbol[index].st_info) == STB_GNU_UNIQUE)
			return true;
	return false;
}

static const char *check_symbols(const struct image *image)
{
	const ElfW(Shdr) *section = sections(image);

	if (image->header->e_shnum == 0 || !section)
		return "truncated (section headers)";
	for (unsigned index = 0; index < image->header->e_shnum; index++)
		if (section[index].sh_type == SHT_DYNSYM &&
		    has_unique_symbol(image, &section[index]))
			return "has GNU_UNIQUE symbols: it could never be replaced"
			       " (build C++ with -fno-gnu-unique)";
	return NULL;
}

static size_t note_align(size_t size)
{
	return (size + 3) & ~(size_t)3;
}

static void read_build_id(const struct image *image, const ElfW(Phdr) * segment,
			  char build_id[BUILD_ID_TEXT])
{
	size_t offset = segment->p_offset;
	size_t end = segment->p_offset + segment->p_filesz;

	/* The members of a note have 4 bytes each. */
	if (offset % 4 != 0)
		return;
	while (end - offset >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *note = range(image, offset, sizeof(*note));
		size_t size;
		const unsigned char *bytes;

		if (!note || note->n_namesz > 64 || note->n_descsz > 4096)
			return;
		size = sizeof(*note) + note_align(note->n_namesz) + note_align(note->n_descsz);
		bytes = range(image, offset, size);
		if (!bytes || size > end - offset)
			return;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
		    note->n_descsz <= (BUILD_ID_TEXT - 1) / 2 &&
		    memcmp(bytes + sizeof(*note), "GNU", 4) == 0) {
			bytes += sizeof(*note) + 4;
			for (size_t index = 0; index < note->n_descsz; index++)
				snprintf(build_id + 2 * index, 3, "%02x", bytes[index]);
			return;
		}
		offset += size;
	}
}

static void find_build_id(const struct image *image, char build_id[BUILD_ID_TEXT])
{
	const ElfW(Phdr) *segment = segments(image);

	build_id[0] = '\0';
	for (unsigned index = 0; segment && index < image->header->e_phnum; index++)
		if (segment[index].p_type == PT_NOTE && build_id[0] == '\0' &&
		    range(image, segment[index].p_offset, segment[index].p_filesz))
			read_build_id(image, &segment[index], build_id);
}

int elf_check(const void *data, size_t length, char build_id[BUILD_ID_TEXT], const char **reason)
{
	const struct image image = {.data = data, .length = length, .header = data};

	build_id[0] = '\0';
	*reason = check_header(&image);
	if (!*reason && image.header->e_type != ET_DYN)
		*reason = "not a shared object";
	if (!*reason)
		*reason = check_segments(&image);
	if (!*reason)
		*reason = check_flags(&image);
	if (!*reason)
		*reason = check_symbols(&image);
	if (*reason)
		return -ENOEXEC;
	find_build_id(&image, build_id);
	return 0;
}

void elf_build_id(const void *data, size_t length, char build_id[BUILD_ID_TEXT])
{
	const struct image image = {.data = data, .length = length, .header = data};

	build_id[0] = '\0';
	if (!check_header(&image))
		find_build_id(&image, build_id);
}
