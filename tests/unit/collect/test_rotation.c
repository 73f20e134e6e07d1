#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "collect/rotation.h"

struct place {
	char root[128];
	struct expand_list list;
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof *place);
	const char *tmp = getenv("TMPDIR");

	snprintf(place->root, sizeof place->root, "%.90s/towline-logs-XXXXXX", tmp ? tmp : "/tmp");
	*state = place;
	return mkdtemp(place->root) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct place *place = *state;
	char command[256];

	expand_list_clear(&place->list);
	snprintf(command, sizeof command, "rm -rf -- '%s'", place->root);
	free(place);
	return system(command) == 0 ? 0 : -1;
}

/* A file that is `age` hours old. */
static void put(const struct place *place, const char *name, int age)
{
	struct timespec times[2];
	char path[512];
	int fd;

	snprintf(path, sizeof path, "%s/%s", place->root, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	times[0] = times[1] = (struct timespec){.tv_sec = 1800000000 - age * 3600L};
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static const char *pattern_of(const struct place *place, const char *pattern)
{
	static char full[512];

	snprintf(full, sizeof full, "%s/%s", place->root, pattern);
	return full;
}

static void expand(struct place *place, const char *pattern)
{
	expand_list_clear(&place->list);
	expand_glob(&place->list, pattern_of(place, pattern), NULL, NULL);
	rotation_expand(&place->list, pattern_of(place, pattern), NULL, NULL);
	rotation_sort(&place->list);
}

static void is_listed(const struct place *place, const char *expected)
{
	char names[4096] = "";

	for (size_t i = 0; i < place->list.count; i++) {
		strcat(names, i ? " " : "");
		strcat(names, place->list.items[i].path + strlen(place->root) + 1);
	}
	assert_string_equal(names, expected);
}

static void stem_is_the_log_that_was_rotated(void **state)
{
	static const struct {
		const char *path, *stem;
	} rows[] = {
		{"/l/syslog", "/l/syslog"},
		{"/l/syslog.1", "/l/syslog"},
		{"/l/syslog.12.gz", "/l/syslog"},
		{"/l/messages-20261123", "/l/messages"},
		{"/l/messages-20261123.xz", "/l/messages"},
		{"/l/messages-20261123-1795415993.zst", "/l/messages"},
		{"/l/app.log.2026-11-23", "/l/app.log"},
		{"/l/app.log.2026-11-23.1.bz2", "/l/app.log"},
		{"/l/log.smbd.old", "/l/log.smbd"},
		{"/l/x.gz", "/l/x"},
		{"/l/server-5", "/l/server-5"},
		{"/l/syslog.conf", "/l/syslog.conf"},
		{"/l/.1", "/l/.1"},
		{"/l/20261123", "/l/20261123"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rotation_stem(rows[i].path) != strlen(rows[i].stem))
			fail_msg("%s: %zu", rows[i].path, rotation_stem(rows[i].path));
}

static void rotations_follow_their_log_from_the_newest_on(void **state)
{
	struct place *place = *state;

	put(place, "syslog", 0);
	put(place, "syslog.1", 24);
	put(place, "syslog.2.gz", 48);
	put(place, "syslog.10.gz", 240);
	put(place, "syslog-20250101.xz", 9000);
	put(place, "syslog.conf", 1);
	put(place, "syslogger.1", 1);
	expand(place, "syslog");
	is_listed(place, "syslog syslog.1 syslog.2.gz syslog.10.gz syslog-20250101.xz");
}

static void numbers_and_dates_settle_the_order_of_copies(void **state)
{
	struct place *place = *state;

	put(place, "a", 0);
	put(place, "a.9.gz", 0);
	put(place, "a.10.gz", 0);
	put(place, "a.1", 0);
	put(place, "b-20261101", 5);
	put(place, "b-20261103", 5);
	put(place, "b-20261102", 5);
	expand(place, "[ab]");
	is_listed(place, "a a.1 a.9.gz a.10.gz b-20261103 b-20261102 b-20261101");
}

/* `cp` writes one after the other. */
static void copies_made_within_a_minute_are_ordered_by_name(void **state)
{
	static const char *const names[] = {"app.log", "app.log.1", "app.log.2.gz",
					    "app.log.10.xz"};
	struct place *place = *state;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct timespec times[2] = {{0}};
		char path[512];

		put(place, names[i], 0);
		snprintf(path, sizeof path, "%s/%s", place->root, names[i]);
		times[0].tv_sec = times[1].tv_sec = 1800000000 + (long)i * 5;
		assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	}
	expand(place, "*.log");
	is_listed(place, "app.log app.log.1 app.log.2.gz app.log.10.xz");
}

static void rotations_of_a_log_that_is_gone_are_found(void **state)
{
	struct place *place = *state;

	put(place, "syslog.1", 24);
	expand(place, "syslog");
	is_listed(place, "syslog.1");
}

static void newest_log_of_a_glob_comes_first(void **state)
{
	struct place *place = *state;

	put(place, "a.log", 9);
	put(place, "b.log", 1);
	put(place, "b.log.1", 20);
	put(place, "c.log", 5);
	expand(place, "*.log");
	is_listed(place, "b.log b.log.1 c.log a.log");
}

static void glob_that_names_rotations_itself_lists_them_once(void **state)
{
	struct place *place = *state;

	put(place, "syslog", 0);
	put(place, "syslog.1", 24);
	expand(place, "syslog*");
	is_listed(place, "syslog syslog.1");
}

static void globs_match_through_directories(void **state)
{
	struct place *place = *state;
	char dir[256];

	snprintf(dir, sizeof dir, "%s/one", place->root);
	assert_int_equal(mkdir(dir, 0700), 0);
	put(place, "one/x.log", 1);
	put(place, "one/.hidden.log", 1);
	put(place, "x.log", 1);
	expand_glob(&place->list, pattern_of(place, "*/*.log"), NULL, NULL);
	is_listed(place, "one/x.log");
}

static void of_too_many_files_the_newest_are_kept(void **state)
{
	struct place *place = *state;
	char name[32];

	for (int i = 0; i < EXPAND_FOUND_MAX + 10; i++) {
		snprintf(name, sizeof name, "f%05d", i);
		put(place, name, EXPAND_FOUND_MAX + 10 - i);
	}
	expand_glob(&place->list, pattern_of(place, "f*"), NULL, NULL);
	assert_true(place->list.cut);
	assert_in_range(place->list.count, 1000, EXPAND_FOUND_MAX);
}

static bool at_once(void *arg)
{
	(void)arg;
	return true;
}

static void search_ends_when_time_is_over(void **state)
{
	struct place *place = *state;
	char name[32];

	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof name, "f%05d", i);
		put(place, name, 1);
	}
	expand_glob(&place->list, pattern_of(place, "f*"), at_once, NULL);
	assert_true(place->list.cut);
	assert_in_range(place->list.count, 0, 1000);
}

int main(void)
{
#define PLACED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stem_is_the_log_that_was_rotated),
		PLACED(rotations_follow_their_log_from_the_newest_on),
		PLACED(numbers_and_dates_settle_the_order_of_copies),
		PLACED(copies_made_within_a_minute_are_ordered_by_name),
		PLACED(rotations_of_a_log_that_is_gone_are_found),
		PLACED(newest_log_of_a_glob_comes_first),
		PLACED(glob_that_names_rotations_itself_lists_them_once),
		PLACED(globs_match_through_directories),
		PLACED(of_too_many_files_the_newest_are_kept),
		PLACED(search_ends_when_time_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
