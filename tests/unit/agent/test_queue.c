#include "../common/tests.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <towline/clock.h>
#include <towline/crypto.h>
#include <towline/fs.h>
#include <unistd.h>

#include "../common/scratch.h"
#include "daemon/queue.h"

#define CRASHES 12

static const struct tl_queue_limits roomy = {.max_items = 1000, .max_bytes = 1 << 30};

static struct tl_queue *open_queue(const char *dir, const struct tl_queue_limits *limits)
{
	tl_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct tl_queue *queue = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (tl_queue_open(fd, limits, &queue, &err) != 0)
		fail_msg("%s", tl_err_text(&err));
	return queue;
}

static struct tl_item sample(void)
{
	struct tl_item item = {.state = TL_ITEM_TICKET, .uid = 1000, .size = 100};

	snprintf(item.help_id, sizeof(item.help_id), "%s", tl_id_new(tl_clock_system()).text);
	snprintf(item.bundle, sizeof(item.bundle), "%s", item.help_id);
	snprintf(item.summary, sizeof(item.summary), "it hangs");
	snprintf(item.user, sizeof(item.user), "ann");
	return item;
}

static struct tl_item *add(struct tl_queue *queue)
{
	struct tl_item item = sample();
	struct tl_item *added = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (tl_queue_add(queue, &item, &added, &err) != 0)
		fail_msg("%s", tl_err_text(&err));
	return added;
}

static void what_was_added_is_there_after_a_restart(void **state)
{
	struct tl_queue *queue = open_queue(*state, &roomy);
	struct tl_item copy = *add(queue);
	const struct tl_item *found;

	tl_queue_free(queue);
	queue = open_queue(*state, &roomy);
	found = tl_queue_find(queue, copy.help_id);
	assert_non_null(found);
	assert_string_equal(found->summary, "it hangs");
	assert_string_equal(found->user, "ann");
	assert_int_equal(found->size, 100);
	assert_int_equal(found->state, TL_ITEM_TICKET);
	tl_queue_free(queue);
}

static void order_is_that_of_submission(void **state)
{
	struct tl_queue *queue = open_queue(*state, &roomy);
	struct tl_item late = sample(), early = sample(), *added;

	/* The reference that was made later is submitted first. */
	assert_true(strcmp(late.help_id, early.help_id) < 0 ||
		    strcmp(late.help_id, early.help_id) > 0);
	assert_int_equal(tl_queue_add(queue, &early, &added, NULL), 0);
	assert_int_equal(tl_queue_add(queue, &late, &added, NULL), 0);
	tl_queue_free(queue);
	queue = open_queue(*state, &roomy);
	assert_string_equal(tl_queue_first(queue)->help_id, early.help_id);
	tl_queue_free(queue);
}

static void finished_items_make_way(void **state)
{
	struct tl_queue *queue = open_queue(*state, &roomy);
	struct tl_item *first = add(queue), *second = add(queue);

	first->state = TL_ITEM_DONE;
	assert_int_equal(tl_queue_save(queue, first, NULL), 0);
	assert_ptr_equal(tl_queue_first(queue), second);
	second->state = TL_ITEM_FAILED;
	assert_int_equal(tl_queue_save(queue, second, NULL), 0);
	assert_null(tl_queue_first(queue));
	tl_queue_free(queue);
}

static void finished_items_are_forgotten_in_time(void **state)
{
	struct tl_queue *queue = open_queue(*state, &roomy);
	char first[TL_ID_LEN + 1];

	for (int i = 0; i <= TL_QUEUE_FINISHED_MAX; i++) {
		struct tl_item *item = add(queue);

		if (i == 0)
			snprintf(first, sizeof(first), "%s", item->help_id);
		item->state = TL_ITEM_DONE;
		assert_int_equal(tl_queue_save(queue, item, NULL), 0);
	}
	assert_null(tl_queue_find(queue, first));
	tl_queue_free(queue);
}

static void one_more_than_the_limit_is_refused(void **state)
{
	const struct tl_queue_limits tight = {.max_items = 1, .max_bytes = 1 << 20};
	struct tl_queue *queue = open_queue(*state, &tight);
	struct tl_item item = sample(), *added;
	struct tl_err err = TL_ERR_INIT;

	add(queue);
	assert_int_equal(tl_queue_add(queue, &item, &added, &err), TL_EBUSY);
	assert_says(&err, "queue.max_items");
	tl_queue_free(queue);
}

static void bytes_are_limited_without_overflow(void **state)
{
	const struct tl_queue_limits tight = {.max_items = 10, .max_bytes = 150};
	struct tl_queue *queue = open_queue(*state, &tight);
	struct tl_err err = TL_ERR_INIT;

	add(queue);
	assert_int_equal(tl_queue_has_room(queue, 50, &err), 0);
	assert_int_equal(tl_queue_has_room(queue, 51, &err), TL_EBUSY);
	assert_int_equal(tl_queue_has_room(queue, UINT64_MAX, &err), TL_EBUSY);
	assert_says(&err, "queue.max_bytes");
	tl_queue_free(queue);
}

static void the_same_request_is_not_added_twice(void **state)
{
	struct tl_queue *queue = open_queue(*state, &roomy);
	struct tl_item item = sample(), *added;

	assert_int_equal(tl_queue_add(queue, &item, &added, NULL), 0);
	assert_int_equal(tl_queue_add(queue, &item, &added, NULL), TL_EEXIST);
	tl_queue_free(queue);
}

static void a_damaged_file_is_set_aside_and_counted(void **state)
{
	struct tl_queue *queue = open_queue(*state, &roomy);
	struct tl_item good = *add(queue);
	struct tl_id bad = tl_id_new(tl_clock_system());
	char path[4096];

	tl_queue_free(queue);
	snprintf(path, sizeof(path), "%s/queue/%s.json", (const char *)*state, bad.text);
	assert_int_equal(tl_fs_write_file(AT_FDCWD, path, 0600, "{\"half\":", 8, NULL), 0);
	queue = open_queue(*state, &roomy);
	assert_int_equal(tl_queue_damaged(queue), 1);
	assert_non_null(tl_queue_find(queue, good.help_id));
	assert_int_not_equal(access(path, F_OK), 0);
	tl_queue_free(queue);
}

/* Adds, advances and acknowledges on the pipe, until it is killed. */
static void work_until_killed(const char *dir, int acknowledged)
{
	struct tl_queue *queue = open_queue(dir, &roomy);

	for (;;) {
		struct tl_item *item = add(queue);

		if (write(acknowledged, item->help_id, TL_ID_LEN) != TL_ID_LEN)
			_exit(1);
		item->state = TL_ITEM_UPLOAD;
		snprintf(item->ticket, sizeof(item->ticket), "T-1001");
		if (tl_queue_save(queue, item, NULL) != 0)
			_exit(1);
	}
}

static unsigned check_acknowledged(const char *dir, int acknowledged)
{
	struct tl_queue *queue = open_queue(dir, &roomy);
	char help_id[TL_ID_LEN + 1] = "";
	unsigned count = 0;

	assert_int_equal(tl_queue_damaged(queue), 0);
	while (read(acknowledged, help_id, TL_ID_LEN) == TL_ID_LEN) {
		assert_non_null(tl_queue_find(queue, help_id));
		count++;
	}
	tl_queue_free(queue);
	return count;
}

static void nothing_acknowledged_is_lost_when_killed_at_any_point(void **state)
{
	unsigned total = 0;

	for (int crash = 0; crash < CRASHES; crash++) {
		unsigned char random;
		char first[TL_ID_LEN];
		int fds[2];
		pid_t pid;

		assert_int_equal(pipe(fds), 0);
		pid = fork();
		if (pid == 0)
			work_until_killed(*state, fds[1]);
		close(fds[1]);
		/* Killed after a number of acknowledgements, at whatever it is doing then. */
		tl_random(&random, 1);
		for (unsigned i = 0; i < random % 5u; i++)
			assert_int_equal(read(fds[0], first, TL_ID_LEN), TL_ID_LEN);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		total += random % 5u + check_acknowledged(*state, fds[0]);
		close(fds[0]);
	}
	assert_true(total > 0);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_set_up, scratch_tear_down)

static void one_users_requests_leave_room_for_others(void **state)
{
	const struct tl_queue_limits tight = {.max_items = 4, .max_bytes = 1 << 20};
	struct tl_queue *queue = open_queue(*state, &tight);
	struct tl_item item = sample(), *added = NULL;
	struct tl_err err = TL_ERR_INIT;

	for (int i = 0; i < 3; i++)
		add(queue);
	assert_int_equal(tl_queue_add(queue, &item, &added, &err), TL_EBUSY);
	assert_says(&err, "your share");
	item.uid++;
	assert_int_equal(tl_queue_add(queue, &item, &added, &err), 0);
	tl_queue_free(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(what_was_added_is_there_after_a_restart),
		IN_SCRATCH(order_is_that_of_submission),
		IN_SCRATCH(finished_items_make_way),
		IN_SCRATCH(finished_items_are_forgotten_in_time),
		IN_SCRATCH(one_more_than_the_limit_is_refused),
		IN_SCRATCH(bytes_are_limited_without_overflow),
		IN_SCRATCH(the_same_request_is_not_added_twice),
		IN_SCRATCH(a_damaged_file_is_set_aside_and_counted),
		IN_SCRATCH(nothing_acknowledged_is_lost_when_killed_at_any_point),
		IN_SCRATCH(one_users_requests_leave_room_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
