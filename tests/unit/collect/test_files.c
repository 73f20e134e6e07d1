#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "stage.h"

#define S(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct collector row_of(unsigned flags, const char *const *sources, uint64_t max_bytes)
{
	return (struct collector){.name = "files",
				  .group = "logs",
				  .summary = "files of a test",
				  .kind = COLLECT_FILES,
				  .flags = flags,
				  .sources = sources,
				  .max_bytes = max_bytes,
				  .timeout_ms = 10000};
}

static void collect(struct stage *stage, unsigned flags, const char *const *sources,
		    uint64_t max_bytes)
{
	struct collector row = row_of(flags, sources, max_bytes);

	if (stage_collect(stage, &row, 1) < 0)
		fail_msg("%s", tl_err_text(&stage->err));
}

static void files_are_copied_redacted_at_their_own_paths(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/etc/a.conf", "x=1\npassword=hunter2\n");
	collect(stage, 0, S("/etc/*.conf", "/etc/none"), 1000);
	assert_string_equal(stage_member(stage, "root/etc/a.conf"),
			    "x=1\npassword=[redacted:assignment]\n");
	assert_string_equal(stage_status(stage, "root/etc/a.conf"), "ok");
	assert_int_equal(json_array_size(stage->facts.errors), 0);
}

static void fifo_is_refused_and_does_not_block(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/var/log/b", "after\n");
	assert_int_equal(mkfifo(stage_path(stage, "/var/log/a"), 0600), 0);
	collect(stage, 0, S("/var/log/*"), 1000);
	assert_true(stage_noted(stage, "/var/log/a", "refused"));
	assert_string_equal(stage_member(stage, "root/var/log/b"), "after\n");
}

static void directory_is_refused(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/var/log/dir/x", "x");
	collect(stage, 0, S("/var/log/*"), 1000);
	assert_true(stage_noted(stage, "/var/log/dir", "refused"));
}

static void links_are_not_followed(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/var/log/x", "x");
	assert_int_equal(symlink("/etc/passwd", stage_path(stage, "/var/log/out")), 0);
	assert_int_equal(symlink("x", stage_path(stage, "/var/log/in")), 0);
	collect(stage, 0, S("/var/log/*"), 1000);
	assert_true(stage_noted(stage, "/var/log/out", "refused"));
	assert_true(stage_noted(stage, "/var/log/in", "refused"));
	assert_null(stage_member(stage, "root/var/log/out"));
}

static void link_out_of_the_root_is_not_followed_even_where_links_are(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/etc/x", "x");
	assert_int_equal(symlink("/etc/passwd", stage_path(stage, "/etc/out")), 0);
	collect(stage, COLLECT_LINKS, S("/etc/out"), 1000);
	assert_true(stage_noted(stage, "/etc/out", "refused"));
}

static void allowed_link_gives_its_target_under_its_own_name(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/run/resolv", "nameserver 192.0.2.1\n");
	stage_file(stage, "/etc/x", "x");
	assert_int_equal(symlink("../run/resolv", stage_path(stage, "/etc/resolv.conf")), 0);
	collect(stage, COLLECT_LINKS, S("/etc/resolv.conf"), 1000);
	assert_string_equal(stage_member(stage, "root/etc/resolv.conf"), "nameserver 192.0.2.1\n");
}

static void link_leads_to_nothing_that_is_left_out(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/etc/private/key", "the owner's\n");
	stage_file(stage, "/etc/x", "x");
	assert_int_equal(symlink("private/key", stage_path(stage, "/etc/link")), 0);
	stage->exclude = json_pack("[s]", "/etc/private");
	collect(stage, COLLECT_LINKS, S("/etc/link", "/etc/x"), 1000);
	assert_null(stage_member(stage, "root/etc/link"));
	assert_true(stage_noted(stage, "/etc/link", "refused"));
}

static void second_name_where_everybody_writes_is_refused(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/etc/private", "the owner's\n");
	stage_file(stage, "/tmp/own.log", "own\n");
	assert_int_equal(chmod(stage_path(stage, "/tmp"), 01777), 0);
	{
		tl_free char *from = strdup(stage_path(stage, "/etc/private"));

		assert_int_equal(link(from, stage_path(stage, "/tmp/planted.log")), 0);
	}
	collect(stage, 0, S("/tmp/*.log", "/etc/private"), 1000);
	assert_true(stage_noted(stage, "/tmp/planted.log", "refused"));
	assert_null(stage_member(stage, "root/tmp/planted.log"));
	assert_string_equal(stage_member(stage, "root/tmp/own.log"), "own\n");
	assert_string_equal(stage_member(stage, "root/etc/private"), "the owner's\n");
}

static void link_loop_is_noted(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/etc/x", "x");
	assert_int_equal(symlink("b", stage_path(stage, "/etc/a")), 0);
	assert_int_equal(symlink("a", stage_path(stage, "/etc/b")), 0);
	collect(stage, COLLECT_LINKS, S("/etc/[ab]"), 1000);
	assert_true(stage_noted(stage, "/etc/a", "refused"));
	assert_true(stage_noted(stage, "/etc/b", "refused"));
}

static void unreadable_file_is_noted_and_the_rest_taken(void **state)
{
	struct stage *stage = *state;

	if (geteuid() == 0)
		skip(); /* root reads all */
	stage_file(stage, "/etc/a", "secret");
	stage_file(stage, "/etc/b", "b");
	assert_int_equal(chmod(stage_path(stage, "/etc/a"), 0), 0);
	collect(stage, 0, S("/etc/*"), 1000);
	assert_true(stage_noted(stage, "/etc/a", "denied"));
	assert_string_equal(stage_member(stage, "root/etc/b"), "b");
}

static void long_file_is_cut_and_says_so(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/etc/a", "0123456789\n0123456789\n");
	collect(stage, 0, S("/etc/a"), 15);
	assert_string_equal(stage_member(stage, "root/etc/a"), "0123456789\n0123");
	assert_string_equal(stage_status(stage, "root/etc/a"), "truncated");
	assert_true(stage_noted(stage, "/etc/a", "truncated"));
}

static void of_a_long_log_the_end_is_taken_from_a_line_on(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/var/log/a", "first line\nsecond line\nthird\n");
	collect(stage, COLLECT_TAIL, S("/var/log/a"), 15);
	assert_string_equal(stage_member(stage, "root/var/log/a"), "third\n");
	assert_string_equal(stage_status(stage, "root/var/log/a"), "truncated");
}

static void hostile_names_are_made_safe(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/etc/d/a\nb", "1");
	stage_file(stage, "/etc/d/password=hunter2", "2");
	stage_file(stage, "/etc/d/\xff\xfe", "3");
	stage_file(stage, "/etc/d/..x", "4");
	collect(stage, 0, S("/etc/d/*", "/etc/d/.*x"), 1000);
	assert_string_equal(stage_member(stage, "root/etc/d/a%0Ab"), "1");
	assert_string_equal(stage_member(stage, "root/etc/d/password=[redacted:assignment]"), "2");
	assert_string_equal(stage_member(stage, "root/etc/d/%FF%FE"), "3");
	assert_string_equal(stage_member(stage, "root/etc/d/%2E.x"), "4");
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		STAGED(files_are_copied_redacted_at_their_own_paths),
		STAGED(fifo_is_refused_and_does_not_block),
		STAGED(directory_is_refused),
		STAGED(links_are_not_followed),
		STAGED(link_out_of_the_root_is_not_followed_even_where_links_are),
		STAGED(allowed_link_gives_its_target_under_its_own_name),
		STAGED(link_leads_to_nothing_that_is_left_out),
		STAGED(second_name_where_everybody_writes_is_refused),
		STAGED(link_loop_is_noted),
		STAGED(unreadable_file_is_noted_and_the_rest_taken),
		STAGED(long_file_is_cut_and_says_so),
		STAGED(of_a_long_log_the_end_is_taken_from_a_line_on),
		STAGED(hostile_names_are_made_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
