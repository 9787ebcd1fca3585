/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes from one keeper to the next, and to each worker: all of it, and each descriptor in its place. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "adoption.h"
#include "cleanup.h"
#include "inheritance.h"
#include "log.h"
#include "program.h"
#include "state.h"

#define WORKER_PID 4711
#define CLIENT_PID 4712

struct fixture {
	int ends[2];
	struct inheritance sent;
	struct inheritance received;
};

static int make_memfd(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void assert_holds(int fd, const char *text)
{
	char content[256];
	ssize_t length = pread(fd, content, sizeof(content) - 1, 0);

	assert_true(length >= 0);
	content[length] = '\0';
	assert_string_equal(content, text);
}

static bool is_same(int one, int other)
{
	struct stat first;
	struct stat second;

	return fstat(one, &first) == 0 && fstat(other, &second) == 0 &&
	       first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static unsigned count_descriptors(void)
{
	auto_directory DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(directory))
		count++;
	return count;
}

static int set_up(void **state)
{
	static struct fixture fixture;

	assert_int_equal(channel_open(fixture.ends), 0);
	inheritance_init(&fixture.sent);
	inheritance_init(&fixture.received);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	inheritance_free(&fixture->sent);
	inheritance_free(&fixture->received);
	for (int end = 0; end < 2; end++)
		if (fixture->ends[end] >= 0)
			close(fixture->ends[end]);
	return 0;
}

static void add_images(struct fixture *fixture, unsigned count)
{
	char name[CHANNEL_NAME_MAX];
	char path[CHANNEL_TEXT_MAX];

	for (unsigned index = 0; index < count; index++) {
		snprintf(name, sizeof(name), "plugin-%u", index);
		snprintf(path, sizeof(path), "/plugins/%s.so", name);
		inheritance_take_image(&fixture->sent, name, path, make_memfd(name));
	}
}

static void assert_inherited(const struct inheritance *received, unsigned count)
{
	assert_int_equal(received->image_count, count);
	for (unsigned index = 0; index < count; index++) {
		const struct inherited_image *image = &received->images[index];
		char text[CHANNEL_TEXT_MAX];

		snprintf(text, sizeof(text), "plugin-%u", index);
		assert_string_equal(image->name, text);
		assert_holds(image->memfd, text);
		assert_int_equal(fcntl(image->memfd, F_GETFD), FD_CLOEXEC);
		snprintf(text, sizeof(text), "/plugins/plugin-%u.so", index);
		assert_string_equal(image->path, text);
	}
}

/* ---- the inheritance ---- */

static void take(struct fixture *fixture, enum message_kind kind, const char *name, int fd)
{
	struct message message = {.kind = kind};

	snprintf(message.name, sizeof(message.name), "%s", name);
	assert_true(inheritance_take(&fixture->sent, &message, fd));
}

static void the_last_of_a_name_counts(void **state)
{
	struct fixture *fixture = *state;
	unsigned before = count_descriptors();

	take(fixture, MESSAGE_CONFIG, "", make_memfd("old"));
	take(fixture, MESSAGE_CONFIG, "", make_memfd("new"));
	take(fixture, MESSAGE_PLUGIN, "stat", make_memfd("old"));
	take(fixture, MESSAGE_PLUGIN, "uptime", make_memfd("uptime"));
	take(fixture, MESSAGE_PLUGIN, "stat", make_memfd("new"));
	assert_int_equal(count_descriptors(), before + 3);
	assert_int_equal(fixture->sent.image_count, 2);
	assert_holds(fixture->sent.config_fd, "new");
	assert_holds(inheritance_find(&fixture->sent, "stat")->memfd, "new");
	take(fixture, MESSAGE_DROPPED, "stat", -1);
	take(fixture, MESSAGE_DROPPED, "never seen", -1);
	assert_null(inheritance_find(&fixture->sent, "stat"));
	assert_holds(inheritance_find(&fixture->sent, "uptime")->memfd, "uptime");
	assert_int_equal(count_descriptors(), before + 2);
	inheritance_free(&fixture->sent);
	assert_int_equal(count_descriptors(), before);
}

static void what_is_of_no_use_is_closed(void **state)
{
	struct fixture *fixture = *state;
	unsigned before;

	add_images(fixture, INHERITANCE_IMAGES_MAX);
	before = count_descriptors();
	take(fixture, MESSAGE_PLUGIN, "one too many", make_memfd("one too many"));
	assert_int_equal(fixture->sent.image_count, INHERITANCE_IMAGES_MAX);
	assert_int_equal(count_descriptors(), before);
}

/* Whoever received it closes what came with it. */
static void what_is_about_something_else_is_not_taken(void **state)
{
	static const struct message messages[] = {{.kind = MESSAGE_READY},
						  {.kind = MESSAGE_PLUGIN, .name = "stat"},
						  {.kind = MESSAGE_CONFIG},
						  {.kind = MESSAGE_DROPPED, .name = "plugin-0"}};
	struct fixture *fixture = *state;
	auto_close int fd = make_memfd("what for?");

	add_images(fixture, 1);
	for (unsigned index = 0; index < 3; index++)
		assert_false(inheritance_take(&fixture->sent, &messages[index], -1));
	assert_false(inheritance_take(&fixture->sent, &messages[0], fd));
	assert_false(inheritance_take(&fixture->sent, &messages[3], fd));
	assert_holds(fd, "what for?");
	assert_inherited(&fixture->sent, 1);
}

/* ---- from keeper to keeper ---- */

static void send_all(struct fixture *fixture, const struct adoption *adoption)
{
	assert_int_equal(adoption_send(fixture->ends[0], &fixture->sent, adoption), 0);
}

static void all_that_is_sent_arrives(void **state)
{
	struct fixture *fixture = *state;
	struct adoption received;
	struct adoption sent = {.worker = WORKER_PID,
				.worker_channel = make_memfd("worker"),
				.lock_fd = make_memfd("lock"),
				.control_fd = make_memfd("control"),
				.client = CLIENT_PID,
				.client_channel = make_memfd("client")};

	add_images(fixture, 3);
	inheritance_take_config(&fixture->sent, make_memfd("configuration"));
	send_all(fixture, &sent);
	adoption_init(&received);
	assert_int_equal(adoption_receive(fixture->ends[1], &fixture->received, &received), 0);
	assert_inherited(&fixture->received, 3);
	assert_holds(fixture->received.config_fd, "configuration");
	assert_int_equal(received.worker, WORKER_PID);
	assert_int_equal(received.client, CLIENT_PID);
	assert_holds(received.worker_channel, "worker");
	assert_holds(received.lock_fd, "lock");
	assert_holds(received.control_fd, "control");
	assert_holds(received.client_channel, "client");
	/* What was sent is still the sender's. */
	assert_inherited(&fixture->sent, 3);
	assert_true(is_same(sent.worker_channel, received.worker_channel));
	close(received.worker_channel);
	close(received.lock_fd);
	close(received.control_fd);
	close(received.client_channel);
	close(sent.worker_channel);
	close(sent.lock_fd);
	close(sent.control_fd);
	close(sent.client_channel);
}

static void what_is_not_there_is_not_sent(void **state)
{
	struct fixture *fixture = *state;
	struct adoption received;
	struct adoption sent;

	adoption_init(&sent);
	send_all(fixture, &sent);
	adoption_init(&received);
	assert_int_equal(adoption_receive(fixture->ends[1], &fixture->received, &received), 0);
	assert_int_equal(received.worker, 0);
	assert_int_equal(received.worker_channel, -1);
	assert_int_equal(received.lock_fd, -1);
	assert_int_equal(received.control_fd, -1);
	assert_int_equal(received.client_channel, -1);
	assert_int_equal(fixture->received.config_fd, -1);
	assert_int_equal(fixture->received.image_count, 0);
}

static void descriptors_of_unknown_messages_are_closed(void **state)
{
	struct fixture *fixture = *state;
	struct adoption adoption;
	unsigned before = count_descriptors();
	auto_close int fd = make_memfd("unknown");

	adoption_init(&adoption);
	assert_int_equal(channel_send(fixture->ends[0], MESSAGE_READY, NULL, NULL, fd), 0);
	assert_int_equal(channel_pass(fixture->ends[0], (enum message_kind)4711, 0, fd), 0);
	send_all(fixture, &adoption);
	assert_int_equal(adoption_receive(fixture->ends[1], &fixture->received, &adoption), 0);
	assert_int_equal(count_descriptors(), before + 1);
}

static void a_sender_that_goes_half_way_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	struct adoption adoption;

	adoption_init(&adoption);
	add_images(fixture, 2);
	assert_int_equal(inheritance_send(&fixture->sent, fixture->ends[0]), 0);
	close(fixture->ends[0]);
	fixture->ends[0] = -1;
	assert_int_equal(adoption_receive(fixture->ends[1], &fixture->received, &adoption), -EPIPE);
	assert_inherited(&fixture->received, 2);
}

/* ---- over an exec: nobody reads while all is sent ---- */

/* What this program does when it is executed as the next keeper; its exit status. */
static int be_next_keeper(void)
{
	static struct inheritance inheritance;
	struct adoption adoption;

	inheritance_init(&inheritance);
	adoption_init(&adoption);
	alarm(60);
	if (adoption_receive(KEEPER_CHANNEL_FD, &inheritance, &adoption) != 0)
		return 2;
	assert_inherited(&inheritance, INHERITANCE_IMAGES_MAX);
	assert_holds(inheritance.config_fd, "configuration");
	assert_holds(adoption.lock_fd, "lock");
	assert_holds(KEEPER_FUSE_FD, "fuse");
	assert_holds(KEEPER_STATE_FD, "state");
	return adoption.worker == WORKER_PID && getppid() == atoi(getenv("TEST_PARENT")) ? 0 : 3;
}

static char name[] = "test_adoption";
static char *const arguments[] = {name, NULL};

static _Noreturn void become_next_keeper(struct fixture *fixture)
{
	struct adoption adoption;
	int program = program_open_own();
	int fuse_fd = make_memfd("fuse");
	int state_fd = make_memfd("state");

	adoption_init(&adoption);
	adoption.worker = WORKER_PID;
	adoption.worker_channel = fixture->ends[0];
	adoption.lock_fd = make_memfd("lock");
	/* Whoever cannot go on ends. */
	alarm(60);
	_exit(-adoption_execute(program, arguments, fuse_fd, state_fd, &fixture->sent, &adoption));
}

static void all_fits_into_the_socket(void **state)
{
	struct fixture *fixture = *state;
	char parent[16];
	int status;
	pid_t pid;

	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	setenv("TEST_PARENT", parent, 1);
	add_images(fixture, INHERITANCE_IMAGES_MAX);
	inheritance_take_config(&fixture->sent, make_memfd("configuration"));
	pid = fork();
	if (pid == 0)
		become_next_keeper(fixture);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Whoever may not have so large a socket is told, and does not wait for a reader that does not come. */
static void what_does_not_fit_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	add_images(fixture, INHERITANCE_IMAGES_MAX);
	pid = fork();
	if (pid == 0) {
		if (seteuid(65534) != 0)
			_exit(EXIT_SUCCESS);
		become_next_keeper(fixture);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EAGAIN);
}

static void a_program_that_cannot_be_executed_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	auto_close int program = make_memfd("no program");
	auto_close int fuse_fd = make_memfd("fuse");
	struct adoption adoption;
	unsigned before;

	adoption_init(&adoption);
	add_images(fixture, 2);
	before = count_descriptors();
	assert_int_equal(
		adoption_execute(program, arguments, fuse_fd, fuse_fd, &fixture->sent, &adoption),
		-ENOEXEC);
	assert_int_equal(count_descriptors(), before);
	assert_inherited(&fixture->sent, 2);
	assert_holds(fuse_fd, "fuse");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(the_last_of_a_name_counts),
		TEST(what_is_of_no_use_is_closed),
		TEST(what_is_about_something_else_is_not_taken),
		TEST(all_that_is_sent_arrives),
		TEST(what_is_not_there_is_not_sent),
		TEST(descriptors_of_unknown_messages_are_closed),
		TEST(a_sender_that_goes_half_way_is_an_error),
		TEST(all_fits_into_the_socket),
		TEST(what_does_not_fit_is_an_error),
		TEST(a_program_that_cannot_be_executed_changes_nothing),
	};

	if (argc > 1 && strcmp(argv[1], KEEPER_ARGUMENT) == 0)
		return be_next_keeper();
	log_open(LOG_TARGET_STDERR, 0);
	program_reserve_descriptors();
	return cmocka_run_group_tests_name("adoption", tests, NULL, NULL);
}
