#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "scene.h"

static void listing_says_what_lies_there_and_nothing_of_its_contents(void **state)
{
	struct stage *stage = *state;
	const char *list;

	stage_file(stage, "/var/crash/core.7", "password=hunter2 of a dump");
	scene_link(stage, "/var/crash/latest", "core.7");
	scene_play(stage, collect_listing, S("/var/crash/*"));
	list = stage_member(stage, "snapshot/listing/scene.tsv");
	assert_non_null(strstr(list, "\t26\t"));
	assert_non_null(strstr(list, "\t/var/crash/core.7\n"));
	assert_non_null(strstr(list, "\t/var/crash/latest\tcore.7\n"));
	assert_null(strstr(list, "hunter2"));
}

static void hostile_names_are_written_as_they_print(void **state)
{
	struct stage *stage = *state;
	const char *list;

	stage_file(stage, "/var/crash/a\nb\tc\x1b[31m", "");
	scene_play(stage, collect_listing, S("/var/crash/*"));
	list = stage_member(stage, "snapshot/listing/scene.tsv");
	assert_null(strchr(list, '\x1b'));
	assert_non_null(strstr(list, "/var/crash/a\\x0ab"));
}

static void nothing_to_list_is_absent(void **state)
{
	scene_play(*state, collect_listing, S("/var/crash/*"));
	assert_string_equal(scene_outcome(*state), "absent");
	assert_null(stage_member(*state, "snapshot/listing/scene.tsv"));
}

static void long_listing_is_cut_and_said_so(void **state)
{
	struct stage *stage = *state;
	char path[64];

	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof path, "/var/crash/%d", i);
		stage_file(stage, path, "");
	}
	scene_play_within(stage, collect_listing, S("/var/crash/*"), 500);
	assert_true(stage_noted(stage, "/var/crash/*", "truncated"));
	assert_string_equal(stage_status(stage, "snapshot/listing/scene.tsv"), "truncated");
}

static void lines_with_a_needle_are_taken_and_others_are_not(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/var/log/kern.log",
		   "a fine day\nOut of memory: Killed process 7 (x)\nOther\n");
	stage_file(stage, "/var/log/messages", "oom-kill:constraint=x\n");
	scene_play(stage, collect_matching,
		   S("Out of memory", "oom-kill:", "--", "/var/log/kern.log", "/var/log/mess*"));
	assert_string_equal(stage_member(stage, "matches/scene.txt"),
			    "Out of memory: Killed process 7 (x)\noom-kill:constraint=x\n");
}

static void no_match_leaves_no_member(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/var/log/kern.log", "a fine day\n");
	scene_play(stage, collect_matching, S("oom", "--", "/var/log/kern.log"));
	assert_null(stage_member(stage, "matches/scene.txt"));
	assert_string_equal(scene_outcome(stage), "absent");
}

static void too_many_matches_are_cut_and_said_so(void **state)
{
	struct stage *stage = *state;
	char text[4096] = "";

	for (int i = 0; i < 100; i++)
		strcat(text, "oom oom oom oom\n");
	stage_file(stage, "/var/log/kern.log", text);
	scene_play_within(stage, collect_matching, S("oom", "--", "/var/log/kern.log"), 200);
	assert_true(stage_noted(stage, "/var/log/kern.log", "truncated"));
	assert_true(strlen(stage_member(stage, "matches/scene.txt")) <= 200);
}

static void line_without_an_end_is_looked_at_once(void **state)
{
	struct stage *stage = *state;
	static char text[70000];

	memset(text, 'x', sizeof text - 1);
	text[60000] = text[60001] = 'o';
	text[60002] = 'm';
	stage_file(stage, "/var/log/kern.log", text);
	scene_play(stage, collect_matching, S("oom", "--", "/var/log/kern.log"));
	assert_null(stage_member(stage, "matches/scene.txt"));
}

static void link_and_fifo_among_logs_are_not_read(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/secret", "oom of another file\n");
	scene_link(stage, "/var/log/kern.log", "../../secret");
	assert_int_equal(mkfifo(stage_path(stage, "/var/log/messages"), 0600), 0);
	scene_play(stage, collect_matching,
		   S("oom", "--", "/var/log/kern.log", "/var/log/messages"));
	assert_null(stage_member(stage, "matches/scene.txt"));
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		STAGED(listing_says_what_lies_there_and_nothing_of_its_contents),
		STAGED(hostile_names_are_written_as_they_print),
		STAGED(nothing_to_list_is_absent),
		STAGED(long_listing_is_cut_and_said_so),
		STAGED(lines_with_a_needle_are_taken_and_others_are_not),
		STAGED(no_match_leaves_no_member),
		STAGED(too_many_matches_are_cut_and_said_so),
		STAGED(line_without_an_end_is_looked_at_once),
		STAGED(link_and_fifo_among_logs_are_not_read),
	};

	return cmocka_run_group_tests_name("collect/listing", tests, NULL, NULL);
}
