/* The cache of compiled expressions, through the one who uses it: a database is loaded only when nobody
 * else can have made or changed it. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "match/match.h"

#include "tests.h"

static const struct tl_match_pattern patterns[] = {{"abc[0-9]+x", 4, 0}, {"word", 5, 0}};

static char dir[PATH_MAX];

static int make_dir(void **state TL_UNUSED)
{
	const char *base = getenv("TMPDIR");

	snprintf(dir, sizeof dir, "%s/match-XXXXXX", base ? base : "/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

/* The path of the only file; false when there is none. */
static bool find_file(char path[static PATH_MAX])
{
	DIR *entries = opendir(dir);
	const struct dirent *entry;
	bool found = false;

	while (entries && (entry = readdir(entries)))
		if (entry->d_name[0] != '.') {
			assert_false(found);
			snprintf(path, PATH_MAX, "%.3000s/%s", dir, entry->d_name);
			found = true;
		}
	if (entries)
		closedir(entries);
	return found;
}

static int remove_dir(void **state TL_UNUSED)
{
	DIR *entries;
	const struct dirent *entry;

	chmod(dir, 0700);
	entries = opendir(dir);
	while (entries && (entry = readdir(entries)))
		unlinkat(dirfd(entries), entry->d_name, 0);
	if (entries)
		closedir(entries);
	return rmdir(dir);
}

static int count_hit(void *arg, unsigned id TL_UNUSED, size_t end TL_UNUSED)
{
	++*(unsigned *)arg;
	return 0;
}

/* Opens, proves that it works, and says whether it came from the cache. */
static bool opens_from_cache(const struct tl_match_pattern *set, size_t count)
{
	tl_auto(tl_match) struct tl_match *match = NULL;
	unsigned hits = 0;

	assert_int_equal(tl_match_open(set, count, dir, &match, NULL), 0);
	assert_int_equal(tl_match_scan(match, "abc1x word", 10, count_hit, &hits), 0);
	assert_int_equal(hits, count);
	return tl_match_was_cached(match);
}

static void change_byte(const char *path, off_t at)
{
	tl_fd int fd = open(path, O_RDWR | O_CLOEXEC);
	unsigned char byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void second_time_comes_from_the_cache(void **state TL_UNUSED)
{
	assert_false(opens_from_cache(patterns, 2));
	assert_true(opens_from_cache(patterns, 2));
}

static void other_expressions_are_compiled_anew(void **state TL_UNUSED)
{
	static const struct tl_match_pattern others[] = {{"abc[0-9]+x", 4, TL_MATCH_CASELESS}};

	assert_false(opens_from_cache(patterns, 2));
	assert_false(opens_from_cache(patterns, 1));
	assert_false(opens_from_cache(others, 1));
	assert_true(opens_from_cache(patterns, 1));
}

static void changed_file_is_not_loaded_and_is_replaced(void **state TL_UNUSED)
{
	char path[PATH_MAX];
	struct stat facts;

	assert_false(opens_from_cache(patterns, 2));
	assert_true(find_file(path));
	assert_int_equal(stat(path, &facts), 0);
	for (off_t at = 0; at < facts.st_size; at += facts.st_size / 20) {
		change_byte(path, at);
		assert_false(opens_from_cache(patterns, 2));
		assert_true(opens_from_cache(patterns, 2));
	}
}

static void cut_file_is_not_loaded(void **state TL_UNUSED)
{
	char path[PATH_MAX];

	assert_false(opens_from_cache(patterns, 2));
	assert_true(find_file(path));
	assert_int_equal(truncate(path, 50), 0);
	assert_false(opens_from_cache(patterns, 2));
	assert_int_equal(truncate(path, 500), 0);
	assert_false(opens_from_cache(patterns, 2));
}

static void file_that_others_can_write_is_not_loaded(void **state TL_UNUSED)
{
	char path[PATH_MAX];

	assert_false(opens_from_cache(patterns, 2));
	assert_true(find_file(path));
	assert_int_equal(chmod(path, 0620), 0);
	assert_false(opens_from_cache(patterns, 2));
	assert_true(opens_from_cache(patterns, 2));
}

static void directory_that_others_can_write_is_not_used(void **state TL_UNUSED)
{
	char path[PATH_MAX];

	assert_int_equal(chmod(dir, 0777), 0);
	assert_false(opens_from_cache(patterns, 2));
	assert_false(find_file(path));
	assert_int_equal(chmod(dir, 0700), 0);
	assert_false(opens_from_cache(patterns, 2));
	assert_int_equal(chmod(dir, 0770), 0);
	assert_false(opens_from_cache(patterns, 2));
}

static void file_of_somebody_else_is_not_loaded(void **state TL_UNUSED)
{
	char path[PATH_MAX];

	if (geteuid() != 0)
		skip();
	assert_false(opens_from_cache(patterns, 2));
	assert_true(find_file(path));
	assert_int_equal(chown(path, 12345, 12345), 0);
	assert_false(opens_from_cache(patterns, 2));
	assert_int_equal(chown(dir, 12345, 12345), 0);
	assert_false(opens_from_cache(patterns, 2));
}

static void link_is_not_followed(void **state TL_UNUSED)
{
	char path[PATH_MAX], moved[PATH_MAX + 8];

	assert_false(opens_from_cache(patterns, 2));
	assert_true(find_file(path));
	snprintf(moved, sizeof moved, "%s.real", path);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(symlink(moved, path), 0);
	assert_false(opens_from_cache(patterns, 2));
}

static void directory_that_cannot_be_made_costs_nothing_else(void **state TL_UNUSED)
{
	tl_auto(tl_match) struct tl_match *match = NULL;

	assert_int_equal(tl_match_open(patterns, 2, "/proc/none/such", &match, NULL), 0);
	assert_false(tl_match_was_cached(match));
}

static void two_at_once_both_work(void **state TL_UNUSED)
{
	pid_t children[4];

	for (size_t i = 0; i < TL_ARRAY_LEN(children); i++) {
		children[i] = fork();
		if (children[i] == 0) {
			tl_auto(tl_match) struct tl_match *match = NULL;

			_exit(tl_match_open(patterns, 2, dir, &match, NULL) ? 1 : 0);
		}
	}
	for (size_t i = 0; i < TL_ARRAY_LEN(children); i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	assert_true(opens_from_cache(patterns, 2));
}

static void number_of_files_is_bounded(void **state TL_UNUSED)
{
	DIR *entries;
	unsigned count = 0;

	for (unsigned id = 0; id < 12; id++) {
		struct tl_match_pattern other[] = {{"abc[0-9]+x", id, 0}};

		assert_false(opens_from_cache(other, 1));
	}
	entries = opendir(dir);
	while (readdir(entries))
		count++;
	closedir(entries);
	assert_int_equal(count, 2 + 8); /* with . and .. */
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		IN_DIR(second_time_comes_from_the_cache),
		IN_DIR(other_expressions_are_compiled_anew),
		IN_DIR(changed_file_is_not_loaded_and_is_replaced),
		IN_DIR(cut_file_is_not_loaded),
		IN_DIR(file_that_others_can_write_is_not_loaded),
		IN_DIR(directory_that_others_can_write_is_not_used),
		IN_DIR(file_of_somebody_else_is_not_loaded),
		IN_DIR(link_is_not_followed),
		IN_DIR(directory_that_cannot_be_made_costs_nothing_else),
		IN_DIR(two_at_once_both_work),
		IN_DIR(number_of_files_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
