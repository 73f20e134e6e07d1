/* Rows of logs, as collections meet them. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/str.h>
#include <cmocka.h>

#include "stage.h"

#define S(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SINCE "2025-12-20T06:00:00Z"
#define UNTIL "2025-12-20T07:00:00Z"

static void collect(struct stage *stage, const char *const *sources, uint64_t max_bytes)
{
	struct collector row = {.name = "logs",
				.group = "logs",
				.summary = "logs of a test",
				.kind = COLLECT_FILES,
				.flags = COLLECT_TIMED | COLLECT_TAIL,
				.sources = sources,
				.max_bytes = max_bytes,
				.timeout_ms = 10000};

	if (stage_collect(stage, &row, 1) < 0)
		fail_msg("%s", tl_err_text(&stage->err));
}

static void use_range(struct stage *stage)
{
	stage->since = SINCE;
	stage->until = UNTIL;
}

/* All time is asked for, as by a profile that says nothing of it. */
static void use_all_time(struct stage *stage)
{
	stage_file(stage, "/profiles/open.yaml", "name: open\nsummary: all time\nrows: all\n");
	stage->profile = "open";
}

static void put(struct stage *stage, const char *path, const char *text, const char *mtime)
{
	struct timespec times[2] = {{.tv_nsec = 0}, {.tv_nsec = 0}};
	int64_t ms = 0;

	stage_file(stage, path, text);
	assert_int_equal(tl_time_rfc3339_parse(mtime, &ms), 0);
	times[0].tv_sec = times[1].tv_sec = ms / 1000;
	assert_int_equal(utimensat(AT_FDCWD, stage_path(stage, path), times, 0), 0);
}

static int set_up(void **state)
{
	setenv("TZ", "UTC", 1);
	return stage_set_up(state);
}

static void log_is_cut_to_the_range(void **state)
{
	struct stage *stage = *state;

	use_range(stage);
	put(stage, "/var/log/a",
	    "2025-12-20 05:00:00 before\n2025-12-20 06:30:00 inside\n more\n"
	    "2025-12-20 08:00:00 behind\n",
	    "2025-12-20T08:00:00Z");
	collect(stage, S("/var/log/a"), 1000);
	assert_string_equal(stage_member(stage, "root/var/log/a"),
			    "2025-12-20 06:30:00 inside\n more\n");
	assert_string_equal(stage_status(stage, "root/var/log/a"), "ok");
	assert_int_equal(json_array_size(stage->facts.errors), 0);
}

static void log_without_lines_in_the_range_is_noted_and_left_out(void **state)
{
	struct stage *stage = *state;

	use_range(stage);
	put(stage, "/var/log/a", "2025-12-20 05:00:00 before\n2025-12-20 08:00:00 behind\n",
	    "2025-12-20T08:00:00Z");
	collect(stage, S("/var/log/a"), 1000);
	assert_null(stage_member(stage, "root/var/log/a"));
	assert_true(stage_noted(stage, "/var/log/a", "outside"));
}

static void silent_log_gives_its_end_where_nobody_asked_for_a_time(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/profiles/day.yaml",
		   "name: day\nsummary: the last day\nrows: all\nsince: 1d\n");
	stage->profile = "day";
	put(stage, "/var/log/a", "2024-12-20 05:00:00 last words\n", "2024-12-20T05:00:00Z");
	collect(stage, S("/var/log/a"), 1000);
	assert_string_equal(stage_member(stage, "root/var/log/a"),
			    "2024-12-20 05:00:00 last words\n");
	assert_true(stage_noted(stage, "/var/log/a", "outside"));
}

static void log_without_stamps_gives_its_end_and_says_so(void **state)
{
	struct stage *stage = *state;

	use_range(stage);
	put(stage, "/var/log/a", "one\ntwo\n", "2025-12-20T06:30:00Z");
	put(stage, "/var/log/b", "one\ntwo\n", "2025-12-19T06:30:00Z");
	collect(stage, S("/var/log/a", "/var/log/b"), 1000);
	assert_string_equal(stage_member(stage, "root/var/log/a"), "one\ntwo\n");
	assert_true(stage_noted(stage, "/var/log/a", "uncut"));
	assert_null(stage_member(stage, "root/var/log/b"));
	assert_true(stage_noted(stage, "/var/log/b", "outside"));
}

static void range_is_found_in_rotations(void **state)
{
	struct stage *stage = *state;

	use_range(stage);
	put(stage, "/var/log/a", "Dec 20 06:50:00 h new\n", "2025-12-20T06:50:00Z");
	put(stage, "/var/log/a.1", "Dec 20 05:00:00 h x\nDec 20 06:10:00 h old\n",
	    "2025-12-20T06:40:00Z");
	put(stage, "/var/log/a.2", "Dec 20 06:20:00 h must not be read\n", "2025-12-20T04:00:00Z");
	collect(stage, S("/var/log/a"), 1000);
	assert_string_equal(stage_member(stage, "root/var/log/a"), "Dec 20 06:50:00 h new\n");
	assert_string_equal(stage_member(stage, "root/var/log/a.1"), "Dec 20 06:10:00 h old\n");
	assert_null(stage_member(stage, "root/var/log/a.2"));
}

static void compressed_rotation_is_given_unpacked_without_its_suffix(void **state)
{
	struct stage *stage = *state;
	char command[600];

	use_range(stage);
	put(stage, "/var/log/a.1", "Dec 20 06:10:00 h old password=hunter2\n",
	    "2025-12-20T06:40:00Z");
	snprintf(command, sizeof command, "gzip '%s'", stage_path(stage, "/var/log/a.1"));
	assert_int_equal(system(command), 0);
	collect(stage, S("/var/log/a"), 1000);
	assert_string_equal(stage_member(stage, "root/var/log/a.1"),
			    "Dec 20 06:10:00 h old password=[redacted:assignment]\n");
}

static void without_a_range_a_new_log_is_made_up_for_by_its_rotation(void **state)
{
	struct stage *stage = *state;

	use_all_time(stage);
	put(stage, "/var/log/a", "Dec 20 06:50:00 h new\n", "2025-12-20T06:50:00Z");
	put(stage, "/var/log/a.1", "Dec 20 06:10:00 h old\n", "2025-12-20T06:40:00Z");
	put(stage, "/var/log/a.2", "Dec 20 04:00:00 h older\n", "2025-12-20T04:00:00Z");
	collect(stage, S("/var/log/a"), 1000);
	assert_non_null(stage_member(stage, "root/var/log/a"));
	assert_non_null(stage_member(stage, "root/var/log/a.1"));
	assert_null(stage_member(stage, "root/var/log/a.2"));
}

static void log_that_fills_its_limit_needs_no_rotation(void **state)
{
	struct stage *stage = *state;

	use_all_time(stage);
	put(stage, "/var/log/a", "Dec 20 06:49:00 h new\nDec 20 06:50:00 h new\n",
	    "2025-12-20T06:50:00Z");
	put(stage, "/var/log/a.1", "Dec 20 06:10:00 h old\n", "2025-12-20T06:40:00Z");
	collect(stage, S("/var/log/a"), 30);
	assert_string_equal(stage_member(stage, "root/var/log/a"), "Dec 20 06:50:00 h new\n");
	assert_true(stage_noted(stage, "/var/log/a", "truncated"));
	assert_null(stage_member(stage, "root/var/log/a.1"));
}

static void archive_is_named_and_left_out(void **state)
{
	struct stage *stage = *state;

	use_all_time(stage);
	put(stage, "/var/log/a.zip", "PK\3\4zip", "2025-12-20T06:50:00Z");
	collect(stage, S("/var/log/a.zip"), 1000);
	assert_null(stage_member(stage, "root/var/log/a.zip"));
	assert_true(stage_noted(stage, "/var/log/a.zip", "refused"));
}

static void link_to_the_log_under_another_name_gives_it_once(void **state)
{
	struct stage *stage = *state;
	char from[512];

	use_all_time(stage);
	put(stage, "/var/log/a", "Dec 20 06:50:00 h new\n", "2025-12-20T06:50:00Z");
	snprintf(from, sizeof from, "%s", stage_path(stage, "/var/log/a"));
	assert_int_equal(link(from, stage_path(stage, "/var/log/a.1")), 0);
	collect(stage, S("/var/log/a"), 1000);
	assert_non_null(stage_member(stage, "root/var/log/a"));
	assert_null(stage_member(stage, "root/var/log/a.1"));
}

static void unwritten_block_of_a_log_does_not_make_it_binary(void **state)
{
	struct stage *stage = *state;
	FILE *file;

	use_all_time(stage);
	put(stage, "/var/log/a", "", "2025-12-20T06:50:00Z");
	file = fopen(stage_path(stage, "/var/log/a"), "w");
	fwrite("Dec 20 06:50:00 h a\n\0\0\0\0\0\0\0\0Dec 20 06:51:00 h b\n", 1, 48, file);
	fclose(file);
	collect(stage, S("/var/log/a"), 1000);
	assert_string_equal(stage_member(stage, "root/var/log/a"),
			    "Dec 20 06:50:00 h a\nDec 20 06:51:00 h b\n");
}

static void what_a_rule_hides_in_one_file_is_not_in_its_findings(void **state)
{
	struct stage *stage = *state;
	const char *findings;

	use_all_time(stage);
	stage_file(
		stage, "/rules/shop.yaml",
		"rules:\n  - id: customer\n    path: ^/var/log/kern\n    regex: customer-\\d+\n");
	stage->rules = "/rules";
	put(stage, "/var/log/kern.log",
	    "Dec 20 06:30:00 h kernel: Out of memory: Killed process 7 (customer-4711)\n",
	    "2025-12-20T06:30:00Z");
	collect(stage, S("/var/log/kern.log"), 1024 * 1024);
	findings = stage_member(stage, "analysis/results.json");
	assert_non_null(findings);
	assert_non_null(strstr(findings, "Killed process"));
	assert_null(strstr(findings, "4711"));
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		STAGED(what_a_rule_hides_in_one_file_is_not_in_its_findings),
		STAGED(log_is_cut_to_the_range),
		STAGED(log_without_lines_in_the_range_is_noted_and_left_out),
		STAGED(silent_log_gives_its_end_where_nobody_asked_for_a_time),
		STAGED(log_without_stamps_gives_its_end_and_says_so),
		STAGED(range_is_found_in_rotations),
		STAGED(compressed_rotation_is_given_unpacked_without_its_suffix),
		STAGED(without_a_range_a_new_log_is_made_up_for_by_its_rotation),
		STAGED(log_that_fills_its_limit_needs_no_rotation),
		STAGED(archive_is_named_and_left_out),
		STAGED(link_to_the_log_under_another_name_gives_it_once),
		STAGED(unwritten_block_of_a_log_does_not_make_it_binary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
