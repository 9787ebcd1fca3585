/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cpulist.h"

#include <errno.h>
#include <string.h>

#define WORD_BITS 64u

int cpulist_new(struct arena *arena, uint32_t limit, struct cpulist *list)
{
	if (limit > CPULIST_LIMIT)
		return -EINVAL;
	list->count = (limit + WORD_BITS - 1) / WORD_BITS;
	list->words = arena_allocate_array(arena, list->count, sizeof(*list->words));
	return list->words ? 0 : -ENOMEM;
}

/* ---- text ---- */

static bool parse_cpu(struct lxcfs_text text, uint32_t *cpu)
{
	uint64_t number;

	if (!lxcfs_parse_number(text, &number) || number >= CPULIST_LIMIT)
		return false;
	*cpu = (uint32_t)number;
	return true;
}

/* "8" or "0-3" */
static bool parse_range(struct lxcfs_text text, uint32_t *first, uint32_t *last)
{
	const char *dash = memchr(text.data, '-', (size_t)text.length);
	struct lxcfs_text left = text;
	struct lxcfs_text right = text;

	if (dash) {
		left.length = (uint64_t)(dash - text.data);
		right.data = dash + 1;
		right.length = text.length - left.length - 1;
	}
	return parse_cpu(left, first) && parse_cpu(right, last) && *first <= *last;
}

/*
 * Cut the next range off *rest, with the comma behind it.  1: there is one; 0: the end of the list;
 * -EINVAL: something else.
 */
static int next_range(struct lxcfs_text *rest, uint32_t *first, uint32_t *last)
{
	struct lxcfs_text range = *rest;
	const char *comma;

	if (rest->length == 0)
		return 0;
	comma = memchr(rest->data, ',', (size_t)rest->length);
	if (comma)
		range.length = (uint64_t)(comma - rest->data);
	if (!parse_range(range, first, last))
		return -EINVAL;
	rest->data += range.length;
	rest->length -= range.length;
	if (!comma)
		return 1;
	rest->data++;
	rest->length--;
	return rest->length != 0 ? 1 : -EINVAL;
}

/* The whole list is looked through once before there is a set: it may be wrong at its end. */
static int find_limit(struct lxcfs_text text, uint32_t *limit)
{
	uint32_t first;
	uint32_t last;
	int result;

	*limit = 0;
	while ((result = next_range(&text, &first, &last)) == 1)
		if (last >= *limit)
			*limit = last + 1;
	return result;
}

int cpulist_parse(struct arena *arena, struct lxcfs_text text, struct cpulist *list)
{
	uint32_t limit;
	uint32_t first;
	uint32_t last;
	int result;

	if (text.length > 0 && text.data[text.length - 1] == '\n')
		text.length--;
	result = find_limit(text, &limit);
	if (result == 0)
		result = cpulist_new(arena, limit, list);
	if (result != 0)
		return result;
	while (next_range(&text, &first, &last) == 1)
		for (uint32_t cpu = first; cpu <= last; cpu++)
			cpulist_add(list, cpu);
	return 0;
}

/* ---- sets ---- */

void cpulist_add(struct cpulist *list, uint32_t cpu)
{
	if (cpu / WORD_BITS < list->count)
		list->words[cpu / WORD_BITS] |= UINT64_C(1) << cpu % WORD_BITS;
}

bool cpulist_has(const struct cpulist *list, uint32_t cpu)
{
	return cpu / WORD_BITS < list->count &&
	       (list->words[cpu / WORD_BITS] >> cpu % WORD_BITS & 1) != 0;
}

void cpulist_intersect(struct cpulist *list, const struct cpulist *other)
{
	for (uint32_t index = 0; index < list->count; index++)
		list->words[index] &= index < other->count ? other->words[index] : 0;
}

uint32_t cpulist_count(const struct cpulist *list)
{
	uint32_t count = 0;

	for (uint32_t index = 0; index < list->count; index++)
		count += (uint32_t)__builtin_popcountll(list->words[index]);
	return count;
}

uint32_t cpulist_next(const struct cpulist *list, uint32_t from)
{
	uint32_t index = from / WORD_BITS;
	uint64_t word;

	if (index >= list->count)
		return CPULIST_END;
	word = list->words[index] & (UINT64_MAX << from % WORD_BITS);
	while (word == 0) {
		if (++index >= list->count)
			return CPULIST_END;
		word = list->words[index];
	}
	return index * WORD_BITS + (uint32_t)__builtin_ctzll(word);
}
