#include "store/blob.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/fs.h>
#include <towline/str.h>

#include "place.h"

struct room {
	char dir[128];
	char url[160];
	struct tl_blobs *blobs;
};

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct room *room = calloc(1, sizeof(*room));

	snprintf(room->dir, sizeof(room->dir), "%s/towline-blob.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(room->dir));
	snprintf(room->url, sizeof(room->url), "file:%s/blobs", room->dir);
	assert_int_equal(tl_blobs_open(room->url, &room->blobs, NULL), 0);
	*state = room;
	return 0;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
	(void)info;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct room *room = *state;

	tl_blobs_close(room->blobs);
	nftw(room->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(room);
	return 0;
}

static void append_text(struct room *room, const char *name, const char *text, uint64_t expected)
{
	tl_fd int fd = -1;
	uint64_t size = 0;

	assert_int_equal(tl_blob_append(room->blobs, name, &fd, &size, NULL), 0);
	assert_true(size == expected);
	assert_int_equal(tl_fs_write_all(fd, text, strlen(text), NULL), 0);
}

static void assert_contents(struct room *room, const char *name, const char *text)
{
	char bytes[256] = "";
	tl_fd int fd = -1;
	uint64_t size = 0;

	assert_int_equal(tl_blob_read(room->blobs, name, &fd, &size, NULL), 0);
	assert_true(size == strlen(text));
	assert_int_equal(read(fd, bytes, sizeof(bytes)), (int)strlen(text));
	assert_string_equal(bytes, text);
}

static void appends_resume_where_they_broke_off(void **state)
{
	struct room *room = *state;

	assert_int_equal(tl_blob_create(room->blobs, "bundle-1", NULL), 0);
	append_text(room, "bundle-1", "one ", 0);
	append_text(room, "bundle-1", "two", 4);
	assert_contents(room, "bundle-1", "one two");
}

static void another_process_finds_what_was_appended(void **state)
{
	struct room *room = *state;

	assert_int_equal(tl_blob_create(room->blobs, "rec-1", NULL), 0);
	append_text(room, "rec-1", "abc", 0);
	tl_blobs_close(tl_steal(&room->blobs));
	assert_int_equal(tl_blobs_open(room->url, &room->blobs, NULL), 0);
	append_text(room, "rec-1", "def", 3);
	assert_contents(room, "rec-1", "abcdef");
}

static void an_existing_name_is_not_made_again(void **state)
{
	struct room *room = *state;

	assert_int_equal(tl_blob_create(room->blobs, "a", NULL), 0);
	append_text(room, "a", "kept", 0);
	assert_int_equal(tl_blob_create(room->blobs, "a", NULL), TL_EEXIST);
	assert_contents(room, "a", "kept");
}

static void a_sealed_blob_is_read_only(void **state)
{
	struct room *room = *state;
	struct stat info;
	struct tl_err err = TL_ERR_INIT;
	uint64_t size;
	int fd = -1;

	assert_int_equal(tl_blob_create(room->blobs, "a", NULL), 0);
	append_text(room, "a", "done", 0);
	assert_int_equal(tl_blob_seal(room->blobs, "a", NULL), 0);
	assert_int_equal(tl_blob_append(room->blobs, "a", &fd, &size, &err), TL_EACCES);
	assert_int_equal(fd, -1);
	assert_int_equal(tl_blob_read(room->blobs, "a", &fd, &size, NULL), 0);
	assert_int_equal(fstat(fd, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0400);
	close(fd);
}

static void sealing_twice_is_fine(void **state)
{
	struct room *room = *state;

	assert_int_equal(tl_blob_create(room->blobs, "a", NULL), 0);
	assert_int_equal(tl_blob_seal(room->blobs, "a", NULL), 0);
	assert_int_equal(tl_blob_seal(room->blobs, "a", NULL), 0);
}

static void a_missing_blob_is_enoent(void **state)
{
	struct room *room = *state;
	uint64_t size;
	int fd = -1;

	assert_int_equal(tl_blob_append(room->blobs, "none", &fd, &size, NULL), TL_ENOENT);
	assert_int_equal(tl_blob_read(room->blobs, "none", &fd, &size, NULL), TL_ENOENT);
	assert_int_equal(tl_blob_seal(room->blobs, "none", NULL), TL_ENOENT);
	assert_int_equal(tl_blob_remove(room->blobs, "none", NULL), 0);
	assert_int_equal(fd, -1);
}

static void a_removed_blob_is_gone_and_its_name_free(void **state)
{
	struct room *room = *state;
	uint64_t size;
	int fd = -1;

	assert_int_equal(tl_blob_create(room->blobs, "a", NULL), 0);
	assert_int_equal(tl_blob_seal(room->blobs, "a", NULL), 0);
	assert_int_equal(tl_blob_remove(room->blobs, "a", NULL), 0);
	assert_int_equal(tl_blob_read(room->blobs, "a", &fd, &size, NULL), TL_ENOENT);
	assert_int_equal(tl_blob_create(room->blobs, "a", NULL), 0);
}

static void a_name_that_could_leave_the_directory_is_refused(void **state)
{
	static const char *const names[] = {"",	  ".",	 "..", "../x", "a/b", "/etc/passwd",
					    "-x", "a b", "a\n"};
	struct room *room = *state;
	uint64_t size;
	int fd = -1;

	for (size_t i = 0; i < TL_ARRAY_LEN(names); i++) {
		assert_int_equal(tl_blob_create(room->blobs, names[i], NULL), TL_EINVAL);
		assert_int_equal(tl_blob_read(room->blobs, names[i], &fd, &size, NULL), TL_EINVAL);
		assert_int_equal(tl_blob_remove(room->blobs, names[i], NULL), TL_EINVAL);
	}
}

static char found[256];

static int find_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
	(void)info;
	if (type == FTW_F && tl_streq(path + ftw->base, "a"))
		snprintf(found, sizeof(found), "%s", path);
	return 0;
}

static void a_link_in_place_of_a_blob_is_not_followed(void **state)
{
	struct room *room = *state;
	uint64_t size;
	int fd = -1;

	assert_int_equal(tl_blob_create(room->blobs, "a", NULL), 0);
	nftw(room->dir, find_entry, 8, FTW_PHYS);
	assert_int_equal(unlink(found), 0);
	assert_int_equal(symlink("/etc/passwd", found), 0);
	assert_true(tl_blob_read(room->blobs, "a", &fd, &size, NULL) < 0);
	assert_true(tl_blob_append(room->blobs, "a", &fd, &size, NULL) < 0);
	assert_int_equal(fd, -1);
}

static void another_scheme_or_a_relative_path_is_unsupported(void **state)
{
	struct tl_blobs *blobs = NULL;

	(void)state;
	assert_int_equal(tl_blobs_open("s3://bucket", &blobs, NULL), TL_EUNSUPPORTED);
	assert_int_equal(tl_blobs_open("file:blobs", &blobs, NULL), TL_EUNSUPPORTED);
	assert_null(blobs);
}

#define ROOM_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		ROOM_TEST(appends_resume_where_they_broke_off),
		ROOM_TEST(another_process_finds_what_was_appended),
		ROOM_TEST(an_existing_name_is_not_made_again),
		ROOM_TEST(a_sealed_blob_is_read_only),
		ROOM_TEST(sealing_twice_is_fine),
		ROOM_TEST(a_missing_blob_is_enoent),
		ROOM_TEST(a_removed_blob_is_gone_and_its_name_free),
		ROOM_TEST(a_name_that_could_leave_the_directory_is_refused),
		ROOM_TEST(a_link_in_place_of_a_blob_is_not_followed),
		cmocka_unit_test(another_scheme_or_a_relative_path_is_unsupported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
