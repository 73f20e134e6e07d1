#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/tests.h"
#include "stage.h"

static struct collector row_of(const char *name,
			       int (*run)(struct collect_context *context, struct tl_err *err))
{
	return (struct collector){.name = name,
				  .group = "test",
				  .summary = "a row of a test",
				  .kind = COLLECT_BUILTIN,
				  .run = run,
				  .max_bytes = 1000,
				  .timeout_ms = 10000};
}

static int give(struct collect_context *context, const char *path, const char *text,
		struct tl_err *err)
{
	struct bundle_member member = {.path = path, .mode = 0644};
	int r = collect_member_begin(context, &member, err);

	if (r == 0)
		r = collect_member_write(context, text, strlen(text), err);
	return r < 0 ? r : collect_member_end(context, "ok", err);
}

static int give_own_name(struct collect_context *context, struct tl_err *err)
{
	char path[64];

	snprintf(path, sizeof path, "rows/%s", context->row->name);
	return give(context, path, "here\n", err);
}

/* A whole member, and half of another one. */
static int give_half(struct collect_context *context, struct tl_err *err)
{
	struct bundle_member member = {.path = "rows/half", .mode = 0644};
	int r = give(context, "rows/whole", "whole\n", err);

	if (r == 0)
		r = collect_member_begin(context, &member, err);
	return r < 0 ? r : collect_member_write(context, "half\n", 5, err);
}

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static int hang(struct collect_context *context, struct tl_err *err)
{
	int r = give_half(context, err);

	if (r == 0)
		wait_for_ever();
	return r;
}

static int crash(struct collect_context *context, struct tl_err *err)
{
	int r = give_half(context, err);

	kill(getpid(), SIGKILL);
	return r;
}

static int break_down(struct collect_context *context, struct tl_err *err)
{
	int r = give_half(context, err);

	return r < 0 ? r : tl_err_set(err, TL_EIO, "the machine is on fire: password=hunter2");
}

static int talk_for_ever(struct collect_context *context, struct tl_err *err)
{
	struct bundle_member member = {.path = "rows/endless", .mode = 0644};
	char line[1024];
	int r = collect_member_begin(context, &member, err);

	memset(line, 'x', sizeof line - 1);
	line[sizeof line - 1] = '\n';
	for (int i = 0; r == 0 && i < 100000; i++)
		r = collect_member_write(context, line, sizeof line, err);
	return r < 0 ? r : collect_member_end(context, "ok", err);
}

static int give_many(struct collect_context *context, struct tl_err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < 30000; i++) {
		char path[64];

		snprintf(path, sizeof path, "rows/many/%d", i);
		r = give(context, path, "", err);
	}
	return r;
}

/* Starts what would outlive it. */
static int leave_children(struct collect_context *context, struct tl_err *err)
{
	for (int i = 0; i < 3; i++)
		if (fork() == 0) {
			setsid();
			if (fork() == 0)
				pause();
			_exit(0);
		}
	return give_own_name(context, err);
}

static int hang_with_children(struct collect_context *context, struct tl_err *err)
{
	int r = leave_children(context, err);

	if (r == 0)
		wait_for_ever();
	return r;
}

static void collect(struct stage *stage, const struct collector *rows, size_t count)
{
	if (stage_collect(stage, rows, count) < 0)
		fail_msg("%s", tl_err_text(&stage->err));
}

static void assert_half_is_dropped(const struct stage *stage)
{
	assert_string_equal(stage_member(stage, "rows/whole"), "whole\n");
	assert_null(stage_member(stage, "rows/half"));
	assert_string_equal(stage_member(stage, "rows/after"), "here\n");
}

static void rows_stand_in_the_order_of_the_table(void **state)
{
	struct stage *stage = *state;
	struct collector rows[20];
	char names[20][16];
	const json_t *files;
	size_t at = 0;

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		snprintf(names[i], sizeof names[i], "row-%zu", i);
		rows[i] = row_of(names[i], give_own_name);
	}
	collect(stage, rows, TL_ARRAY_LEN(rows));
	files = json_object_get(stage->facts.index, "files");
	for (size_t i = 0; i < json_array_size(files) && at < TL_ARRAY_LEN(rows); i++) {
		const char *path =
			json_string_value(json_object_get(json_array_get(files, i), "path"));

		if (strncmp(path, "rows/", 5) == 0)
			assert_string_equal(path + 5, names[at++]);
	}
	assert_int_equal(at, TL_ARRAY_LEN(rows));
}

static void hanging_row_is_ended_and_keeps_what_was_whole(void **state)
{
	struct stage *stage = *state;
	struct collector rows[] = {row_of("hangs", hang), row_of("after", give_own_name)};

	rows[0].timeout_ms = 50;
	collect(stage, rows, TL_ARRAY_LEN(rows));
	assert_half_is_dropped(stage);
	assert_true(stage_noted(stage, "rows/half", "timeout"));
}

static void crashing_row_is_named_and_the_rest_goes_on(void **state)
{
	struct stage *stage = *state;
	struct collector rows[] = {row_of("one", crash), row_of("after", give_own_name)};

	collect(stage, rows, TL_ARRAY_LEN(rows));
	assert_half_is_dropped(stage);
	assert_true(stage_noted(stage, "rows/half", "failed"));
}

static void more_crashes_than_processes_do_not_end_the_run(void **state)
{
	struct stage *stage = *state;
	struct collector rows[8];

	for (size_t i = 0; i < TL_ARRAY_LEN(rows) - 1; i++)
		rows[i] = row_of("crashes", crash);
	rows[7] = row_of("after", give_own_name);
	collect(stage, rows, TL_ARRAY_LEN(rows));
	assert_string_equal(stage_member(stage, "rows/after"), "here\n");
}

static void fault_of_a_row_is_redacted_and_named(void **state)
{
	struct stage *stage = *state;
	struct collector rows[] = {row_of("one", break_down), row_of("after", give_own_name)};

	collect(stage, rows, TL_ARRAY_LEN(rows));
	assert_half_is_dropped(stage);
	assert_true(stage_noted(stage, "rows/half", "failed"));
	assert_null(strstr(stage_member(stage, "errors.jsonl"), "hunter2"));
	assert_non_null(strstr(stage_member(stage, "errors.jsonl"), "on fire"));
}

static void endless_member_is_cut_at_its_limit(void **state)
{
	struct stage *stage = *state;
	struct collector rows[] = {row_of("one", talk_for_ever), row_of("after", give_own_name)};

	rows[0].timeout_ms = 60000;
	collect(stage, rows, TL_ARRAY_LEN(rows));
	assert_string_equal(stage_status(stage, "rows/endless"), "truncated");
	assert_true(strlen(stage_member(stage, "rows/endless")) < 1024 * 1024);
	assert_string_equal(stage_member(stage, "rows/after"), "here\n");
}

static void too_many_members_end_their_row_only(void **state)
{
	struct stage *stage = *state;
	struct collector rows[] = {row_of("many", give_many), row_of("after", give_own_name)};

	rows[0].timeout_ms = 60000;
	collect(stage, rows, TL_ARRAY_LEN(rows));
	assert_true(stage_noted(stage, "many", "truncated"));
	assert_non_null(stage_member(stage, "rows/many/0"));
	assert_string_equal(stage_member(stage, "rows/after"), "here\n");
}

/* No child of this process is left, nor of its children: orphans come to us. */
static void assert_alone(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, 0)) > 0)
		continue;
	assert_int_equal(pid, -1);
}

static void what_a_row_started_ends_with_it(void **state)
{
	struct stage *stage = *state;
	struct collector rows[] = {row_of("leaves", leave_children),
				   row_of("after", give_own_name)};

	collect(stage, rows, TL_ARRAY_LEN(rows));
	assert_string_equal(stage_member(stage, "rows/leaves"), "here\n");
	assert_alone();
}

static void what_a_hanging_row_started_ends_with_it(void **state)
{
	struct stage *stage = *state;
	struct collector rows[] = {row_of("leaves", hang_with_children),
				   row_of("after", give_own_name)};

	rows[0].timeout_ms = 50;
	collect(stage, rows, TL_ARRAY_LEN(rows));
	assert_alone();
}

static void excluded_paths_and_collectors_leave_nothing(void **state)
{
	struct stage *stage = *state;
	struct collector rows[] = {row_of("one", give_own_name), row_of("two", give_own_name),
				   row_of("three", give_own_name)};

	stage->exclude = json_pack("[s, s]", "rows/o*", "three");
	collect(stage, rows, TL_ARRAY_LEN(rows));
	assert_null(stage_member(stage, "rows/one"));
	assert_non_null(stage_member(stage, "rows/two"));
	assert_null(stage_member(stage, "rows/three"));
	assert_int_equal(json_array_size(json_object_get(stage->facts.manifest, "coverage")), 2);
}

static void bundle_stays_below_what_was_asked_for(void **state)
{
	struct stage *stage = *state;
	struct collector rows[] = {row_of("one", talk_for_ever), row_of("after", give_own_name)};

	stage->max_bytes = 1100000; /* little more than the reserve */
	rows[0].timeout_ms = 60000;
	collect(stage, rows, TL_ARRAY_LEN(rows));
	assert_true(stage->facts.packed_bytes < 1100000);
	assert_true(stage_noted(stage, "rows/endless", "truncated"));
	assert_string_equal(stage_member(stage, "rows/after"), "here\n");
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		STAGED(rows_stand_in_the_order_of_the_table),
		STAGED(hanging_row_is_ended_and_keeps_what_was_whole),
		STAGED(crashing_row_is_named_and_the_rest_goes_on),
		STAGED(more_crashes_than_processes_do_not_end_the_run),
		STAGED(fault_of_a_row_is_redacted_and_named),
		STAGED(endless_member_is_cut_at_its_limit),
		STAGED(too_many_members_end_their_row_only),
		STAGED(what_a_row_started_ends_with_it),
		STAGED(what_a_hanging_row_started_ends_with_it),
		STAGED(excluded_paths_and_collectors_leave_nothing),
		STAGED(bundle_stays_below_what_was_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
