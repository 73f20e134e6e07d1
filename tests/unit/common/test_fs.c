#include "scratch.h"
#include "tests.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <towline/fs.h>

static int open_scratch(void **state)
{
	int fd = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void only_plain_relative_paths_are_safe(void **state TL_UNUSED)
{
	static const char *const good[] = {"a", "a/b", "...", "a/..b", ".a", "a b"};
	static const char *const bad[] = {"",	 "/",  "/a",   "a/",   "a//b",	 ".",	 "./a",
					  "a/.", "..", "../a", "a/..", "a/../b", "a\\b", "a/./b"};

	for (size_t i = 0; i < TL_ARRAY_LEN(good); i++)
		assert_true(tl_path_is_safe(good[i]));
	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++)
		assert_false(tl_path_is_safe(bad[i]));
}

static void directories_are_made_with_their_parents(void **state)
{
	tl_free char *path = NULL;
	tl_fd int fd = -1, again = -1;
	struct tl_err err = TL_ERR_INIT;
	struct stat st;

	assert_true(asprintf(&path, "%s/a/b/c", (char *)*state) > 0);
	assert_int_equal(tl_fs_make_dir(path, 0700, &fd, &err), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(tl_fs_make_dir(path, 0700, &again, &err), 0);
}

static void a_file_in_the_way_of_a_directory_is_reported(void **state)
{
	tl_free char *path = NULL;
	tl_fd int dir = open_scratch(state), fd = -1;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_fs_write_file(dir, "a", 0600, "x", 1, &err), 0);
	assert_true(asprintf(&path, "%s/a/b", (char *)*state) > 0);
	assert_int_equal(tl_fs_make_dir(path, 0700, &fd, &err), TL_EIO);
	assert_says(&err, "a/b");
}

static void links_do_not_lead_out(void **state)
{
	tl_fd int dir = open_scratch(state), fd = -1;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(symlinkat("/etc", dir, "out"), 0);
	assert_int_equal(symlinkat("/etc/passwd", dir, "passwd"), 0);
	assert_int_equal(tl_fs_open_at(dir, "out/passwd", O_RDONLY, 0, &fd, &err), TL_EACCES);
	assert_int_equal(tl_fs_open_at(dir, "passwd", O_RDONLY, 0, &fd, &err), TL_EACCES);
	assert_int_equal(tl_fs_open_at(dir, "../x", O_RDONLY, 0, &fd, &err), TL_EACCES);
	assert_int_equal(tl_fs_open_at(dir, "/etc/passwd", O_RDONLY, 0, &fd, &err), TL_EACCES);
	assert_int_equal(fd, -1);
}

static void a_missing_file_is_enoent(void **state)
{
	tl_fd int dir = open_scratch(state), fd = -1;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_fs_open_at(dir, "none", O_RDONLY, 0, &fd, &err), TL_ENOENT);
	assert_says(&err, "none");
}

static void written_files_come_back_whole(void **state)
{
	tl_fd int dir = open_scratch(state);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(5);
	struct tl_err err = TL_ERR_INIT;
	struct stat st;

	assert_int_equal(tl_fs_write_file(dir, "f", 0640, "old", 3, &err), 0);
	assert_int_equal(tl_fs_write_file(dir, "f", 0640, "12345", 5, &err), 0);
	assert_int_equal(tl_fs_read_file(dir, "f", &text, &err), 0);
	assert_string_equal(tl_buf_str(&text), "12345");
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void files_are_written_below_subdirectories(void **state)
{
	tl_fd int dir = open_scratch(state);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(5);
	tl_free char *path = NULL;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(mkdirat(dir, "sub", 0700), 0);
	assert_int_equal(tl_fs_write_file(dir, "sub/f", 0600, "x", 1, &err), 0);
	assert_true(asprintf(&path, "%s/sub/f", (char *)*state) > 0);
	assert_int_equal(tl_fs_read_file(AT_FDCWD, path, &text, &err), 0);
	assert_string_equal(tl_buf_str(&text), "x");
	assert_int_equal(tl_fs_write_file(AT_FDCWD, path, 0600, "y", 1, &err), 0);
	assert_int_equal(tl_fs_write_file(dir, "none/f", 0600, "x", 1, &err), TL_ENOENT);
	assert_int_equal(tl_fs_write_file(dir, "../f", 0600, "x", 1, &err), TL_EACCES);
}

static void writing_through_a_link_replaces_the_link(void **state)
{
	tl_fd int dir = open_scratch(state);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(5);
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_fs_write_file(dir, "target", 0600, "t", 1, &err), 0);
	assert_int_equal(symlinkat("target", dir, "link"), 0);
	assert_int_equal(tl_fs_write_file(dir, "link", 0600, "new", 3, &err), 0);
	assert_int_equal(tl_fs_read_file(dir, "target", &text, &err), 0);
	assert_string_equal(tl_buf_str(&text), "t");
}

static void create_never_replaces(void **state)
{
	tl_fd int dir = open_scratch(state);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(5);
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_fs_create_file(dir, "f", 0600, "one", 3, &err), 0);
	assert_int_equal(tl_fs_create_file(dir, "f", 0600, "two", 3, &err), TL_EEXIST);
	assert_says(&err, "f");
	assert_int_equal(tl_fs_read_file(dir, "f", &text, &err), 0);
	assert_string_equal(tl_buf_str(&text), "one");
}

static void a_file_beyond_the_buffer_is_too_big(void **state)
{
	tl_fd int dir = open_scratch(state);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4);
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_fs_write_file(dir, "f", 0600, "12345", 5, &err), 0);
	assert_int_equal(tl_fs_read_file(dir, "f", &text, &err), TL_ETOOBIG);
	assert_says(&err, "4 bytes");
}

static void only_regular_files_are_read(void **state)
{
	tl_fd int dir = open_scratch(state);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4);
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(mkdirat(dir, "sub", 0700), 0);
	assert_int_equal(mkfifoat(dir, "pipe", 0600), 0);
	assert_int_equal(tl_fs_read_file(dir, "sub", &text, &err), TL_EINVAL);
	assert_int_equal(tl_fs_read_file(dir, "pipe", &text, &err), TL_EINVAL);
}

static void removing_twice_is_fine(void **state)
{
	tl_fd int dir = open_scratch(state);
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_fs_write_file(dir, "f", 0600, "x", 1, &err), 0);
	assert_int_equal(tl_fs_remove(dir, "f", &err), 0);
	assert_int_equal(faccessat(dir, "f", F_OK, 0), -1);
	assert_int_equal(tl_fs_remove(dir, "f", &err), 0);
	assert_int_equal(tl_fs_remove(dir, "none/f", &err), 0);
}

static void open_secrets_are_refused(void **state)
{
	tl_fd int dir = open_scratch(state);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_SECRET_INIT(10);
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_fs_write_file(dir, "s", 0600, "x", 1, &err), 0);
	assert_int_equal(tl_fs_read_secret(dir, "s", &text, &err), 0);
	assert_int_equal(fchmodat(dir, "s", 0604, 0), 0);
	assert_int_equal(tl_fs_read_secret(dir, "s", &text, &err), TL_EACCES);
	assert_says(&err, "chmod 600");
}

static void a_lock_is_held_once(void **state)
{
	tl_fd int dir = open_scratch(state), first = -1, second = -1;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(tl_fs_lock(dir, "lock", &first, &err), 0);
	assert_int_equal(tl_fs_lock(dir, "lock", &second, &err), TL_EBUSY);
	close(tl_steal_fd(&first));
	assert_int_equal(tl_fs_lock(dir, "lock", &second, &err), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_set_up, scratch_tear_down)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_plain_relative_paths_are_safe),
		TEST(directories_are_made_with_their_parents),
		TEST(a_file_in_the_way_of_a_directory_is_reported),
		TEST(links_do_not_lead_out),
		TEST(a_missing_file_is_enoent),
		TEST(written_files_come_back_whole),
		TEST(files_are_written_below_subdirectories),
		TEST(writing_through_a_link_replaces_the_link),
		TEST(create_never_replaces),
		TEST(a_file_beyond_the_buffer_is_too_big),
		TEST(only_regular_files_are_read),
		TEST(removing_twice_is_fine),
		TEST(open_secrets_are_refused),
		TEST(a_lock_is_held_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
