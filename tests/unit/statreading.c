/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "statreading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct lxcfs_cpu_usage stat_usage;
struct lxcfs_cpu_time stat_per_cpu[CPUS];

struct fakehost *stat_host(uint32_t version, const char *cpus, uint32_t numbering)
{
	struct fakehost *fake = fakehost_new(version);

	memset(stat_per_cpu, 0, sizeof(stat_per_cpu));
	stat_usage = (struct lxcfs_cpu_usage){.size = sizeof(stat_usage)};
	if (version == LXCFS_CGROUP_V1) {
		stat_usage.per_cpu = stat_per_cpu;
		stat_usage.per_cpu_count = CPUS;
	}
	fakehost_set_file(fake, "proc/stat", "cpu  1 2 3 4 5 6 7 8 9 10\n");
	fakehost_see(fake, cpus, numbering);
	fake->cpu_usage = &stat_usage;
	fake->boottime = 1000 * SECOND;
	fake->realtime = UINT64_C(1700001000) * SECOND;
	fake->age = 300 * SECOND;
	return fake;
}

void stat_pass(struct fakehost *fake, uint64_t time)
{
	fake->boottime += time;
	fake->realtime += time;
	fake->age += time;
}

void stat_use(unsigned cpu, uint64_t user, uint64_t nice, uint64_t system)
{
	struct lxcfs_cpu_time *const times[] = {&stat_usage.total, &stat_per_cpu[cpu]};

	for (int index = 0; index < 2; index++) {
		times[index]->user += user;
		times[index]->nice += nice;
		times[index]->system += system;
	}
}

static void parse_row(struct lxcfs_text line, uint64_t *columns)
{
	struct lxcfs_text word;

	for (int column = 0; column < COLUMNS; column++) {
		assert_true(lxcfs_next_word(&line, &word));
		assert_true(lxcfs_parse_number(word, &columns[column]));
		assert_true(columns[column] < UINT64_C(1) << 62);
	}
	assert_false(lxcfs_next_word(&line, &word));
}

static void parse_line(struct reading *reading, struct lxcfs_text line)
{
	struct lxcfs_text word;
	uint64_t cpu = 0;

	assert_true(lxcfs_next_word(&line, &word));
	if (lxcfs_equals(word, "cpu")) {
		assert_memory_equal(word.data, "cpu  ", 5);
		parse_row(line, reading->sum);
	} else if (word.length > 3 && memcmp(word.data, "cpu", 3) == 0) {
		word.data += 3;
		word.length -= 3;
		assert_true(lxcfs_parse_number(word, &cpu));
		assert_in_range(cpu, 0, CPUS - 1);
		assert_false(reading->has[cpu]);
		reading->has[cpu] = 1;
		reading->count++;
		parse_row(line, reading->rows[cpu]);
	} else if (lxcfs_equals(word, "btime")) {
		assert_true(lxcfs_next_word(&line, &word));
		assert_true(lxcfs_parse_number(word, &reading->btime));
	}
}

struct reading stat_read(struct fakehost *fake)
{
	struct reading reading;
	struct lxcfs_text text;
	struct lxcfs_text line;

	memset(&reading, 0, sizeof(reading));
	assert_int_equal(fakehost_render(fake), 0);
	text.data = fake->output.data;
	text.length = fake->output.length;
	while (lxcfs_next_line(&text, &line))
		parse_line(&reading, line);
	assert_int_equal(reading.count, fake->cpu_view->count);
	return reading;
}

uint64_t stat_busy(const uint64_t *columns)
{
	return columns[USER] + columns[NICE] + columns[SYSTEM];
}
