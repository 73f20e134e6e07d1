#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include <towline/bundle_inspect.h>
#include <towline/fs.h>

#include "forge.h"

struct place {
	char dir[128];
};

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof *place);
	const char *tmp = getenv("TMPDIR");

	snprintf(place->dir, sizeof place->dir, "%.90s/towline-extract-XXXXXX", tmp ? tmp : "/tmp");
	*state = place;
	return mkdtemp(place->dir) ? 0 : -1;
}

static int remove_place(void **state)
{
	struct place *place = *state;
	char command[192];

	snprintf(command, sizeof command, "rm -rf -- '%s'", place->dir);
	free(*state);
	return system(command) == 0 ? 0 : -1;
}

static void files_are_written_below_the_directory(void **state)
{
	struct place *place = *state;
	tl_fd int fd = forge_finish(forge_sound());
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4096);
	char path[192];
	struct stat status;

	snprintf(path, sizeof path, "%s/new", place->dir);
	assert_int_equal(tl_bundle_extract(fd, path, NULL), 0);
	snprintf(path, sizeof path, "%s/new/data/a.txt", place->dir);
	assert_int_equal(tl_fs_read_file(AT_FDCWD, path, &text, NULL), 0);
	assert_string_equal(tl_buf_str(&text), "hello\n");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

static void existing_file_is_not_replaced(void **state)
{
	struct place *place = *state;
	tl_fd int first = forge_finish(forge_sound());
	tl_fd int second = forge_finish(forge_sound());

	assert_int_equal(tl_bundle_extract(first, place->dir, NULL), 0);
	assert_true(tl_bundle_extract(second, place->dir, NULL) < 0);
}

static void link_in_the_way_is_not_followed(void **state)
{
	struct place *place = *state;
	tl_fd int fd = forge_finish(forge_sound());
	char link[192], outside[192], file[224];

	snprintf(outside, sizeof outside, "%s/outside", place->dir);
	snprintf(link, sizeof link, "%s/in", place->dir);
	assert_int_equal(mkdir(outside, 0700), 0);
	assert_int_equal(mkdir(link, 0700), 0);
	snprintf(link, sizeof link, "%s/in/data", place->dir);
	assert_int_equal(symlink(outside, link), 0);
	snprintf(link, sizeof link, "%s/in", place->dir);
	assert_true(tl_bundle_extract(fd, link, NULL) < 0);
	snprintf(file, sizeof file, "%s/a.txt", outside);
	assert_int_not_equal(access(file, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_are_written_below_the_directory, make_place,
						remove_place),
		cmocka_unit_test_setup_teardown(existing_file_is_not_replaced, make_place,
						remove_place),
		cmocka_unit_test_setup_teardown(link_in_the_way_is_not_followed, make_place,
						remove_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
