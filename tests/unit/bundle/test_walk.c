#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <archive_entry.h>
#include <towline/bundle.h>

#include "forge.h"

static struct tl_err err;

static int nothing(void *arg TL_UNUSED, const struct tl_bundle_member *member TL_UNUSED,
		   struct tl_err *fault TL_UNUSED)
{
	return 0;
}

static int walk_with(struct forge *forge, const struct tl_bundle_limits *limits)
{
	tl_fd int fd = forge_finish(forge);
	struct tl_bundle_visitor visitor = {.member = nothing};

	err = (struct tl_err)TL_ERR_INIT;
	return tl_bundle_walk(fd, limits, &visitor, &err);
}

static void expect_refused(struct forge *forge, int code, const char *word)
{
	assert_int_equal(walk_with(forge, &tl_bundle_limits_default), code);
	assert_non_null(strstr(tl_err_text(&err), word));
}

static void expect_path_refused(const char *path, const char *word)
{
	struct forge *forge = forge_new();

	forge_manifest(forge);
	forge_file(forge, path, "x", 1, false);
	expect_refused(forge, TL_EINVAL, word);
}

struct seen {
	char paths[16][64];
	size_t count, bytes, ends;
};

static int see_member(void *arg, const struct tl_bundle_member *member,
		      struct tl_err *fault TL_UNUSED)
{
	struct seen *seen = arg;

	strncpy(seen->paths[seen->count++], member->path, 63);
	return 0;
}

static int see_data(void *arg, const void *bytes, size_t len, struct tl_err *fault TL_UNUSED)
{
	struct seen *seen = arg;

	seen->bytes += len;
	seen->ends += !bytes;
	return 0;
}

static void members_come_in_order_below_the_top_directory(void **state TL_UNUSED)
{
	tl_fd int fd = forge_finish(forge_sound());
	struct seen seen = {.count = 0};
	struct tl_bundle_visitor visitor = {see_member, see_data, &seen};

	assert_int_equal(tl_bundle_walk(fd, &tl_bundle_limits_default, &visitor, &err), 0);
	assert_int_equal(seen.count, 5);
	assert_int_equal(seen.ends, 5);
	assert_string_equal(seen.paths[0], "MANIFEST.json");
	assert_string_equal(seen.paths[1], "data/a.txt");
	assert_string_equal(seen.paths[4], "INDEX.json");
}

static void unsafe_paths_are_refused(void **state TL_UNUSED)
{
	expect_path_refused(FORGE_ID "/../../etc/passwd", "unsafe path");
	expect_path_refused("/etc/passwd", "unsafe path");
	expect_path_refused(FORGE_ID "/a/./b", "unsafe path");
	expect_path_refused(FORGE_ID "/a//b", "unsafe path");
	expect_path_refused(FORGE_ID "/a\\b", "unsafe path");
	expect_path_refused(FORGE_ID "/a\nb", "unsafe path");
	expect_path_refused(FORGE_ID "/\033[2J", "unsafe path");
}

static void member_outside_the_top_directory_is_refused(void **state TL_UNUSED)
{
	expect_path_refused("elsewhere/a", "top directory");
	expect_path_refused("01j9zs2b5d0000000000000001/a", "two top directories");
	expect_path_refused("zzzzzzzzzzzzzzzzzzzzzzzzzz/a", "not a bundle's id");
}

static void links_and_devices_are_refused(void **state TL_UNUSED)
{
	static const struct {
		mode_t type;
		const char *target;
		bool hard;
		const char *word;
	} rows[] = {
		{AE_IFLNK, "/etc/passwd", false, "link"},
		{AE_IFREG, FORGE_ID "/MANIFEST.json", true, "link"},
		{AE_IFCHR, NULL, false, "device"},
		{AE_IFBLK, NULL, false, "device"},
		{AE_IFIFO, NULL, false, "device"},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		struct forge *forge = forge_new();

		forge_manifest(forge);
		forge_special(forge, FORGE_ID "/x", rows[i].type, rows[i].target, rows[i].hard);
		expect_refused(forge, TL_EINVAL, rows[i].word);
	}
}

static void directories_are_passed_over(void **state TL_UNUSED)
{
	struct forge *forge = forge_new();

	forge_special(forge, FORGE_ID "/", AE_IFDIR, NULL, false);
	forge_special(forge, FORGE_ID "/data/", AE_IFDIR, NULL, false);
	forge_manifest(forge);
	assert_int_equal(walk_with(forge, &tl_bundle_limits_default), 0);
}

static void duplicate_member_is_refused(void **state TL_UNUSED)
{
	struct forge *forge = forge_new();

	forge_manifest(forge);
	forge_file(forge, FORGE_ID "/a", "1", 1, false);
	forge_file(forge, FORGE_ID "/a", "2", 1, false);
	expect_refused(forge, TL_EINVAL, "twice");
}

static void bomb_is_refused_by_its_ratio(void **state TL_UNUSED)
{
	struct forge *forge = forge_new();
	size_t len = 48 * 1024 * 1024;
	char *zeros = calloc(1, len);

	forge_file(forge, FORGE_ID "/zeros", zeros, len, false);
	free(zeros);
	expect_refused(forge, TL_ETOOBIG, "times its size");
}

static void each_limit_holds(void **state TL_UNUSED)
{
	struct tl_bundle_limits limits = tl_bundle_limits_default;

	limits.max_members = 4;
	assert_int_equal(walk_with(forge_sound(), &limits), TL_ETOOBIG);
	limits = tl_bundle_limits_default;
	limits.max_unpacked_bytes = 2048;
	assert_int_equal(walk_with(forge_sound(), &limits), TL_ETOOBIG);
	limits = tl_bundle_limits_default;
	limits.max_packed_bytes = 100;
	assert_int_equal(walk_with(forge_sound(), &limits), TL_ETOOBIG);
}

static void what_is_no_zstd_is_refused(void **state TL_UNUSED)
{
	static const char text[4096] = "just some text";
	tl_fd int fd = forge_fd(text, sizeof text);
	tl_fd int empty = forge_fd("", 0);
	struct tl_bundle_visitor visitor = {.member = nothing};

	assert_int_equal(tl_bundle_walk(fd, &tl_bundle_limits_default, &visitor, &err), TL_EINVAL);
	assert_int_equal(tl_bundle_walk(empty, &tl_bundle_limits_default, &visitor, &err),
			 TL_EINVAL);
}

static void bytes_behind_the_end_are_refused(void **state TL_UNUSED)
{
	size_t len;
	tl_free char *bytes = forge_bytes(forge_sound(), &len);
	tl_free char *longer = calloc(1, len + 1024 * 1024);
	struct tl_bundle_visitor visitor = {.member = nothing};
	tl_fd int fd = -1;

	memcpy(longer, bytes, len);
	fd = forge_fd(longer, len + 1024 * 1024);
	assert_int_equal(tl_bundle_walk(fd, &tl_bundle_limits_default, &visitor, &err), TL_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_come_in_order_below_the_top_directory),
		cmocka_unit_test(unsafe_paths_are_refused),
		cmocka_unit_test(member_outside_the_top_directory_is_refused),
		cmocka_unit_test(links_and_devices_are_refused),
		cmocka_unit_test(directories_are_passed_over),
		cmocka_unit_test(duplicate_member_is_refused),
		cmocka_unit_test(bomb_is_refused_by_its_ratio),
		cmocka_unit_test(each_limit_holds),
		cmocka_unit_test(what_is_no_zstd_is_refused),
		cmocka_unit_test(bytes_behind_the_end_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
