/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The blocks of the visible CPUs in /proc/cpuinfo, on each architecture's form of it. */
#include "fakehost.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PHYSICAL   LXCFS_CPU_NUMBERS_PHYSICAL
#define CONTIGUOUS LXCFS_CPU_NUMBERS_CONTIGUOUS

static struct fakehost *new_host(const char *text)
{
	struct fakehost *fake = fakehost_new(LXCFS_CGROUP_V2);

	fakehost_set_file(fake, "proc/cpuinfo", text);
	return fake;
}

static void expect(const char *host, const char *cpus, uint32_t numbering, const char *text)
{
	struct fakehost *fake = new_host(host);

	fakehost_see(fake, cpus, numbering);
	fakehost_expect(fake, text);
	fakehost_free(fake);
}

/* ---- x86 ---- */

#define X86(cpu, package, siblings, core, cores)                    \
	"processor\t: " #cpu "\n"                                   \
	"vendor_id\t: GenuineIntel\n"                               \
	"model name\t: Intel(R) Xeon(R) CPU: 2 processors in one\n" \
	"physical id\t: " #package "\n"                             \
	"siblings\t: " #siblings "\n"                               \
	"core id\t\t: " #core "\n"                                  \
	"cpu cores\t: " #cores "\n"                                 \
	"apicid\t\t: " #cpu "\n"                                    \
	"flags\t\t: fpu vme siblings\n"                             \
	"bugs\t\t:\n"                                               \
	"power management:\n"                                       \
	"\n"

/* 2 packages of 2 cores of 2 threads: threads are 4 apart, as Linux numbers them. */
static const char x86[] =
	X86(0, 0, 4, 0, 2) X86(1, 1, 4, 0, 2) X86(2, 0, 4, 1, 2) X86(3, 1, 4, 1, 2)
		X86(4, 0, 4, 0, 2) X86(5, 1, 4, 0, 2) X86(6, 0, 4, 1, 2) X86(7, 1, 4, 1, 2);

static void x86_shows_the_cpus_of_the_cpuset(void **state)
{
	(void)state;
	expect(x86, "1-2,5", PHYSICAL, X86(1, 1, 2, 0, 1) X86(2, 0, 1, 1, 1) X86(5, 1, 2, 0, 1));
}

static void x86_numbers_contiguously(void **state)
{
	static const char second_package[] =
		"processor\t: 1\n"
		"vendor_id\t: GenuineIntel\n"
		"model name\t: Intel(R) Xeon(R) CPU: 2 processors in one\n"
		"physical id\t: 0\n"
		"siblings\t: 1\n"
		"core id\t\t: 1\n"
		"cpu cores\t: 1\n"
		"apicid\t\t: 2\n";
	struct fakehost *fake = new_host(x86);

	(void)state;
	fakehost_see(fake, "1-2,5", CONTIGUOUS);
	assert_int_equal(fakehost_render(fake), 0);
	assert_int_equal(fakehost_count(fake, "processor\t: "), 3);
	assert_int_equal(fakehost_count(fake, "processor\t: 0\n"), 1);
	assert_int_equal(fakehost_count(fake, second_package), 1);
	assert_int_equal(fakehost_count(fake, "processor\t: 2\n"), 1);
	fakehost_free(fake);
}

/* Sockets, cores per socket and threads per core multiply to the CPUs that are shown. */
static void x86_counts_siblings_and_cores(void **state)
{
	(void)state;
	expect(x86, "0,4", PHYSICAL, X86(0, 0, 2, 0, 1) X86(4, 0, 2, 0, 1));
	expect(x86, "0,2", PHYSICAL, X86(0, 0, 2, 0, 2) X86(2, 0, 2, 1, 2));
	expect(x86, "0-1", PHYSICAL, X86(0, 0, 1, 0, 1) X86(1, 1, 1, 0, 1));
	expect(x86, "0,2-4,6", PHYSICAL,
	       X86(0, 0, 4, 0, 2) X86(2, 0, 4, 1, 2) X86(3, 1, 1, 1, 1) X86(4, 0, 4, 0, 2)
		       X86(6, 0, 4, 1, 2));
}

static void x86_with_all_cpus_is_the_hosts(void **state)
{
	(void)state;
	expect(x86, "0-7", PHYSICAL, x86);
	expect(x86, "0-7", CONTIGUOUS, x86);
}

/* The host's CPU 4 is offline: the container sees all that are there. */
static void offline_cpus_are_nowhere(void **state)
{
	static const char host[] = X86(0, 0, 2, 0, 2) X86(2, 0, 2, 1, 2);

	(void)state;
	expect(host, "0,2", PHYSICAL, host);
}

static void blocks_are_separated_by_one_empty_line(void **state)
{
	struct fakehost *fake = new_host(x86);

	(void)state;
	for (uint32_t cpu = 0; cpu < 8; cpu++) {
		char list[8];

		snprintf(list, sizeof(list), "%u", (unsigned)cpu);
		fakehost_see(fake, list, PHYSICAL);
		assert_int_equal(fakehost_render(fake), 0);
		assert_int_equal(fakehost_count(fake, "\n\n"), 1);
		assert_int_equal(fakehost_count(fake, "\n\n\n"), 0);
		assert_memory_equal(fakehost_text(fake), "processor", strlen("processor"));
	}
	fakehost_free(fake);
}

/* ---- others ---- */

#define ARM64(cpu)                     \
	"processor\t: " #cpu "\n"      \
	"BogoMIPS\t: 50.00\n"          \
	"Features\t: fp asimd cpuid\n" \
	"CPU implementer\t: 0x41\n"    \
	"CPU part\t: 0xd0c\n"          \
	"\n"

static void arm64(void **state)
{
	(void)state;
	expect(ARM64(0) ARM64(1) ARM64(2) ARM64(3), "1,3", PHYSICAL, ARM64(1) ARM64(3));
	expect(ARM64(0) ARM64(1) ARM64(2) ARM64(3), "2-3", CONTIGUOUS, ARM64(0) ARM64(1));
}

/* 32 bits: what follows the blocks is about the machine. */
static void arm(void **state)
{
#define ARM(cpu)    "processor\t: " #cpu "\nmodel name\t: ARMv7\n\n"
#define ARM_MACHINE "Hardware\t: BCM2835\nRevision\t: a020d3\nSerial\t\t: 00000000\n"
	(void)state;
	expect(ARM(0) ARM(1) ARM(2) ARM_MACHINE, "0", PHYSICAL, ARM(0) ARM_MACHINE);
	expect(ARM(0) ARM(1) ARM(2) ARM_MACHINE, "2", CONTIGUOUS, ARM(0) ARM_MACHINE);
}

static void ppc64(void **state)
{
#define PPC(cpu) \
	"processor\t: " #cpu "\ncpu\t\t: POWER9, altivec supported\nclock\t\t: 2500.0MHz\n\n"
#define PPC_MACHINE "timebase\t: 512000000\nplatform\t: pSeries\nmodel\t\t: IBM,9009-42A\n"
	(void)state;
	expect(PPC(0) PPC(8) PPC(16) PPC_MACHINE, "8", PHYSICAL, PPC(8) PPC_MACHINE);
	expect(PPC(0) PPC(8) PPC(16) PPC_MACHINE, "8,16", CONTIGUOUS, PPC(0) PPC(1) PPC_MACHINE);
}

static void riscv(void **state)
{
#define RISCV(cpu, hart) "processor\t: " #cpu "\nhart\t\t: " #hart "\nisa\t\t: rv64imafdc\n\n"
	(void)state;
	expect(RISCV(0, 2) RISCV(1, 1) RISCV(2, 3), "1-2", PHYSICAL, RISCV(1, 1) RISCV(2, 3));
	expect(RISCV(0, 2) RISCV(1, 1) RISCV(2, 3), "1-2", CONTIGUOUS, RISCV(0, 1) RISCV(1, 3));
}

/* loongarch and mips begin with the machine. */
static void machine_first(void **state)
{
#define MACHINE    "system type\t\t: generic-loongson-machine\n\n"
#define LOONG(cpu) "processor\t\t: " #cpu "\npackage\t\t\t: 0\ncore\t\t\t: " #cpu "\n\n"
	(void)state;
	expect(MACHINE LOONG(0) LOONG(1), "0", PHYSICAL, MACHINE LOONG(0));
	expect(MACHINE LOONG(0) LOONG(1), "1", PHYSICAL, MACHINE LOONG(1));
}

/* ---- s390x ---- */

#define S390_HEAD(count)                      \
	"vendor_id       : IBM/S390\n"        \
	"# processors    : " #count "\n"      \
	"bogomips per cpu: 21881.00\n"        \
	"max thread id   : 1\n"               \
	"features\t: esan3 zarch stfle msa\n" \
	"cache0          : level=1 type=Data\n"
#define S390_LINE(cpu) \
	"processor " #cpu ": version = FF,  identification = 0133E8,  machine = 8561\n"
#define S390(cpu, drawer, book, socket, core, siblings, cores) \
	"\n"                                                   \
	"cpu number      : " #cpu "\n"                         \
	"physical id     : " #socket "\n"                      \
	"core id         : " #core "\n"                        \
	"book id         : " #book "\n"                        \
	"drawer id       : " #drawer "\n"                      \
	"siblings        : " #siblings "\n"                    \
	"cpu cores       : " #cores "\n"                       \
	"version         : FF\n"                               \
	"cpu MHz static  : 5200\n"

static const char s390x[] =
	S390_HEAD(4) S390_LINE(0) S390_LINE(1) S390_LINE(2) S390_LINE(3) S390(0, 1, 1, 1, 0, 2, 1)
		S390(1, 1, 1, 1, 0, 2, 1) S390(2, 1, 2, 1, 0, 2, 1) S390(3, 2, 1, 1, 0, 2, 1);

static void s390x_counts_in_its_head(void **state)
{
	(void)state;
	expect(s390x, "0-1", PHYSICAL,
	       S390_HEAD(2) S390_LINE(0) S390_LINE(1) S390(0, 1, 1, 1, 0, 2, 1)
		       S390(1, 1, 1, 1, 0, 2, 1));
	expect(s390x, "0-3", PHYSICAL, s390x);
}

/* Sockets of another book or drawer are others, though their numbers are the same. */
static void s390x_tells_books_and_drawers_apart(void **state)
{
	(void)state;
	expect(s390x, "1-3", PHYSICAL,
	       S390_HEAD(3) S390_LINE(1) S390_LINE(2) S390_LINE(3) S390(1, 1, 1, 1, 0, 1, 1)
		       S390(2, 1, 2, 1, 0, 1, 1) S390(3, 2, 1, 1, 0, 1, 1));
}

static void s390x_numbers_contiguously(void **state)
{
	(void)state;
	expect(s390x, "2-3", CONTIGUOUS,
	       S390_HEAD(2) S390_LINE(0) S390_LINE(1) S390(0, 1, 2, 1, 0, 1, 1)
		       S390(1, 2, 1, 1, 0, 1, 1));
}

/* ---- many CPUs ---- */

static void large_hosts_and_numbers(void **state)
{
	static char host[65536];
	struct fakehost *fake = new_host(host);
	int length = 0;

	(void)state;
	for (unsigned cpu = 0; cpu < 1024; cpu++)
		length += snprintf(host + length, sizeof(host) - (size_t)length,
				   "processor\t: %u\nsiblings\t: 1024\n\n", cpu);
	fakehost_see(fake, "7,99-101,1023", PHYSICAL);
	fakehost_expect(fake, "processor\t: 7\nsiblings\t: 5\n\n"
			      "processor\t: 99\nsiblings\t: 5\n\n"
			      "processor\t: 100\nsiblings\t: 5\n\n"
			      "processor\t: 101\nsiblings\t: 5\n\n"
			      "processor\t: 1023\nsiblings\t: 5\n\n");
	fakehost_see(fake, "998-1007", CONTIGUOUS);
	assert_int_equal(fakehost_render(fake), 0);
	assert_int_equal(fakehost_count(fake, "processor\t: "), 10);
	assert_int_equal(fakehost_count(fake, "processor\t: 9\n"), 1);
	fakehost_free(fake);
}

/* ---- odd input ---- */

static void keys_are_compared_whole(void **state)
{
#define ODD(cpu, siblings)                                                  \
	"processor\t: " #cpu "\nsiblings_more\t: 7\nsiblings\t: " #siblings \
	"\ncpu cores per die: 9\nprocessor family\t: 6\nprocessors\t: 5\ncpu number of\t: 3\n\n"

	(void)state;
	expect(ODD(0, 2) ODD(1, 2), "1", PHYSICAL, ODD(1, 1));
}

static void missing_end_of_line(void **state)
{
	(void)state;
	expect("processor : 0\n\nprocessor : 1\nsiblings : 2", "1", PHYSICAL,
	       "processor : 1\nsiblings : 1\n");
	expect("processor : 0\n\nprocessor : 1", "0", PHYSICAL, "processor : 0\n");
	expect("processor : 0\n\nprocessor : 1", "1", PHYSICAL, "processor : 1\n");
}

static void missing_and_odd_values(void **state)
{
	(void)state;
	expect("processor : 0\nsiblings :\ncpu cores\nphysical id : x\n\nprocessor : 1\n\n", "0",
	       PHYSICAL, "processor : 0\nsiblings :1\ncpu cores\nphysical id : x\n\n");
	/* Without an empty line a block ends where the next begins. */
	expect("processor : 0\nflags : a\nprocessor : 1\nflags : b\n", "1", PHYSICAL,
	       "processor : 1\nflags : b\n");
	expect("processor : 0\nflags : a\nprocessor : 1\nflags : b\n", "0", PHYSICAL,
	       "processor : 0\nflags : a\n");
}

static void without_the_containers_cpus_fails(void **state)
{
	static const char *const texts[] = {
		"",
		"\n\n",
		"processor",
		"processor :\n",
		"processor : x\n",
		"processor : -1\n",
		"processor : 7\n\n",
		"processor : 99999999999999999999999\n\n",
		"Processor : 1\n",
		"processor : 1\r\nflags : a\r\n\r\n",
		"ncpus active\t: 2\nCpu1ClkTck\t: 000000003b9aca00\n",
	};
	struct fakehost *fake = new_host("");

	(void)state;
	fakehost_see(fake, "1", PHYSICAL);
	for (size_t index = 0; index < sizeof(texts) / sizeof(*texts); index++) {
		fakehost_set_file(fake, "proc/cpuinfo", texts[index]);
		assert_int_equal(fakehost_render(fake), -EIO);
		assert_string_not_equal(fake->message, "");
	}
	fakehost_free(fake);
}

static void failures_are_told(void **state)
{
	struct fakehost *fake = new_host(x86);

	(void)state;
	assert_int_equal(fakehost_render(fake), -ENODEV);
	assert_string_not_equal(fake->message, "");
	fakehost_see(fake, "0", PHYSICAL);
	fakehost_set_error(fake, "proc/cpuinfo", -EMFILE);
	assert_int_equal(fakehost_render(fake), -EMFILE);
	assert_string_not_equal(fake->message, "");
	fakehost_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x86_shows_the_cpus_of_the_cpuset),
		cmocka_unit_test(x86_numbers_contiguously),
		cmocka_unit_test(x86_counts_siblings_and_cores),
		cmocka_unit_test(x86_with_all_cpus_is_the_hosts),
		cmocka_unit_test(offline_cpus_are_nowhere),
		cmocka_unit_test(blocks_are_separated_by_one_empty_line),
		cmocka_unit_test(arm64),
		cmocka_unit_test(arm),
		cmocka_unit_test(ppc64),
		cmocka_unit_test(riscv),
		cmocka_unit_test(machine_first),
		cmocka_unit_test(s390x_counts_in_its_head),
		cmocka_unit_test(s390x_tells_books_and_drawers_apart),
		cmocka_unit_test(s390x_numbers_contiguously),
		cmocka_unit_test(large_hosts_and_numbers),
		cmocka_unit_test(keys_are_compared_whole),
		cmocka_unit_test(missing_end_of_line),
		cmocka_unit_test(missing_and_odd_values),
		cmocka_unit_test(without_the_containers_cpus_fails),
		cmocka_unit_test(failures_are_told),
	};

	return cmocka_run_group_tests_name("plugin_cpuinfo", tests, NULL, NULL);
}
