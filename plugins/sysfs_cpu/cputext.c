/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cputext.h"

#include <string.h>

#define NO_DIGIT UINT32_MAX

enum form {
	FORM_TEXT,
	FORM_LIST,  /* "0-3,8" */
	FORM_MASK,  /* "000000ff,ffffffff" */
	FORM_WORDS, /* "0 1 2 3 " */
};

/* Cut the next range off a list "0-3,8\n".  1: there is one; 0: the end; -1: not a list. */
static int next_range(struct lxcfs_text *list, uint64_t *first, uint64_t *last)
{
	struct lxcfs_text part = {list->data, 0};
	const char *dash;

	while (part.length < list->length && list->data[part.length] != ',' &&
	       list->data[part.length] != '\n')
		part.length++;
	if (part.length == 0)
		return list->length == 0 || list->data[0] == '\n' ? 0 : -1;
	list->data += part.length;
	list->length -= part.length;
	if (list->length > 0 && list->data[0] == ',') {
		list->data++;
		list->length--;
	}
	dash = memchr(part.data, '-', (size_t)part.length);
	if (dash) {
		struct lxcfs_text end = {dash + 1, part.length - (uint64_t)(dash + 1 - part.data)};

		part.length = (uint64_t)(dash - part.data);
		return lxcfs_parse_number(part, first) && lxcfs_parse_number(end, last) &&
				       *first <= *last
			       ? 1
			       : -1;
	}
	if (!lxcfs_parse_number(part, first))
		return -1;
	*last = *first;
	return 1;
}

uint64_t cpu_text_count(struct lxcfs_text list)
{
	uint64_t count = 0;
	uint64_t first;
	uint64_t last;

	while (next_range(&list, &first, &last) == 1)
		count = lxcfs_add(count, lxcfs_add(last - first, 1));
	return count;
}

/* A list that is written number by number, in ascending order. */
struct list {
	struct lxcfs_output *output;
	uint32_t first;
	uint32_t last;
	int open;    /* first to last is not written yet */
	int written; /* something is */
};

static void close_range(struct list *list)
{
	if (!list->open)
		return;
	if (list->written)
		lxcfs_append(list->output, ",", 1);
	lxcfs_append_number(list->output, list->first, 1);
	if (list->last != list->first) {
		lxcfs_append(list->output, "-", 1);
		lxcfs_append_number(list->output, list->last, 1);
	}
	list->open = 0;
	list->written = 1;
}

static void add_number(struct list *list, uint32_t number)
{
	if (list->open && list->last + 1 == number) {
		list->last = number;
		return;
	}
	close_range(list);
	list->first = number;
	list->last = number;
	list->open = 1;
}

void cpu_text_append_visible(struct lxcfs_output *output, const struct lxcfs_cpu_view *view)
{
	struct list list = {.output = output};

	for (uint32_t index = 0; index < view->count; index++)
		add_number(&list, view->shown[index]);
	close_range(&list);
	lxcfs_append(output, "\n", 1);
}

static void append_list(struct lxcfs_output *output, struct lxcfs_text text,
			const struct lxcfs_cpu_view *view)
{
	struct list list = {.output = output};
	struct lxcfs_text rest = text;
	uint32_t index = 0;
	uint64_t first;
	uint64_t last;
	int result;

	for (;;) {
		result = next_range(&rest, &first, &last);
		if (result != 1)
			break;
		while (index < view->count && view->physical[index] < first)
			index++;
		for (; index < view->count && view->physical[index] <= last; index++)
			add_number(&list, view->shown[index]);
	}
	/* nohz_full says "(null)" where there is none. */
	if (result < 0) {
		lxcfs_append_text(output, text);
		return;
	}
	close_range(&list);
	lxcfs_append(output, "\n", 1);
}

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	return -1;
}

/* The place of a bit in a mask of `length` characters, 8 digits to a comma; NO_DIGIT beyond it. */
static uint32_t digit_of_bit(uint64_t length, uint32_t bit)
{
	uint64_t from_end = (uint64_t)bit / 4 + bit / 32 + 1;

	return from_end > length ? NO_DIGIT : (uint32_t)(length - from_end);
}

/* The mask keeps its width: a number that is shown is never above the physical one. */
static void append_mask(struct lxcfs_output *output, struct lxcfs_text text,
			const struct lxcfs_cpu_view *view)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t length = text.length;
	char *mask;

	lxcfs_append_text(output, text);
	if (output->status != 0)
		return;
	mask = output->data + output->length - text.length;
	while (length > 0 && lxcfs_is_space(mask[length - 1]))
		length--;
	for (uint64_t place = 0; place < length; place++)
		if (hex_value(mask[place]) >= 0)
			mask[place] = '0';
	for (uint32_t index = 0; index < view->count; index++) {
		uint32_t from = digit_of_bit(length, view->physical[index]);
		uint32_t to = digit_of_bit(length, view->shown[index]);

		if (from == NO_DIGIT || to == NO_DIGIT || hex_value(text.data[from]) < 0 ||
		    !(hex_value(text.data[from]) >> view->physical[index] % 4 & 1) ||
		    hex_value(mask[to]) < 0)
			continue;
		mask[to] = digits[hex_value(mask[to]) | 1 << view->shown[index] % 4];
	}
}

static void append_words(struct lxcfs_output *output, struct lxcfs_text text,
			 const struct lxcfs_cpu_view *view)
{
	struct lxcfs_text word;
	const char *separator = "";

	while (lxcfs_next_word(&text, &word)) {
		uint64_t number;

		if (!lxcfs_parse_number(word, &number))
			continue;
		for (uint32_t index = 0; index < view->count; index++) {
			if (view->physical[index] != number)
				continue;
			lxcfs_append_string(output, separator);
			lxcfs_append_number(output, view->shown[index], 1);
			separator = " ";
		}
	}
	lxcfs_append(output, "\n", 1);
}

/* Files that name CPUs, wherever they lie in the tree. */
static const struct {
	const char *name;
	enum form form;
} cpu_files[] = {
	{"thread_siblings", FORM_MASK},  {"thread_siblings_list", FORM_LIST},
	{"core_cpus", FORM_MASK},        {"core_cpus_list", FORM_LIST},
	{"core_siblings", FORM_MASK},    {"core_siblings_list", FORM_LIST},
	{"cluster_cpus", FORM_MASK},     {"cluster_cpus_list", FORM_LIST},
	{"die_cpus", FORM_MASK},         {"die_cpus_list", FORM_LIST},
	{"package_cpus", FORM_MASK},     {"package_cpus_list", FORM_LIST},
	{"book_siblings", FORM_MASK},    {"book_siblings_list", FORM_LIST},
	{"drawer_siblings", FORM_MASK},  {"drawer_siblings_list", FORM_LIST},
	{"shared_cpu_map", FORM_MASK},   {"shared_cpu_list", FORM_LIST},
	{"affected_cpus", FORM_WORDS},   {"related_cpus", FORM_WORDS},
	{"freqdomain_cpus", FORM_WORDS}, {"enabled", FORM_LIST},
	{"isolated", FORM_LIST},         {"nohz_full", FORM_LIST},
};

static enum form form_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	for (size_t index = 0; index < sizeof(cpu_files) / sizeof(cpu_files[0]); index++)
		if (strcmp(name, cpu_files[index].name) == 0)
			return cpu_files[index].form;
	return FORM_TEXT;
}

void cpu_text_append(struct lxcfs_output *output, const char *path, struct lxcfs_text text,
		     const struct lxcfs_cpu_view *view)
{
	switch (form_of(path)) {
	case FORM_LIST:
		append_list(output, text, view);
		break;
	case FORM_MASK:
		append_mask(output, text, view);
		break;
	case FORM_WORDS:
		append_words(output, text, view);
		break;
	case FORM_TEXT:
		lxcfs_append_text(output, text);
		break;
	}
}
