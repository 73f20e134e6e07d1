/* The key, the map and what is revealed by it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/fs.h>
#include <towline/str.h>

#include "../common/scratch.h"
#include "../common/tests.h"
#include "redact/identity.h"
#include "redact/identity_key.h"
#include "redact/identity_map.h"

static const char *path_of(const char *dir, const char *file)
{
	static char path[512];

	snprintf(path, sizeof path, "%s/%s", dir, file);
	return path;
}

static void put(const char *dir, const char *file, mode_t mode, const char *text)
{
	assert_int_equal(tl_fs_write_file(AT_FDCWD, path_of(dir, file), mode, text, strlen(text),
					  NULL),
			 0);
}

static struct tl_identities *open_identities(const char *dir)
{
	const struct tl_identity_places places = {.state_dir = dir, .root = dir};
	struct tl_identities *identities = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (tl_identities_open(&places, &identities, &err) < 0)
		fail_msg("%s", err.text);
	return identities;
}

static void a_key_is_made_once_and_kept(void **state)
{
	uint8_t one[TL_IDENTITY_KEY_LEN], two[TL_IDENTITY_KEY_LEN];
	struct stat status;

	assert_int_equal(tl_identity_key_load(*state, one, NULL), 0);
	assert_int_equal(tl_identity_key_load(*state, two, NULL), 0);
	assert_memory_equal(one, two, sizeof one);
	assert_int_equal(stat(path_of(*state, TL_PSEUDONYM_KEY_FILE), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(status.st_size, 65);
}

static void an_organisations_key_is_taken_over(void **state)
{
	uint8_t key[TL_IDENTITY_KEY_LEN];

	put(*state, TL_PSEUDONYM_KEY_FILE, 0600,
	    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\r\n");
	assert_int_equal(tl_identity_key_load(*state, key, NULL), 0);
	assert_int_equal(key[1], 0x11);
}

static void a_key_that_is_none_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "short\n", "zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
		"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00\n",
		"-----BEGIN PRIVATE KEY-----\n"};
	uint8_t key[TL_IDENTITY_KEY_LEN];

	for (size_t i = 0; i < TL_ARRAY_LEN(texts); i++) {
		struct tl_err err = TL_ERR_INIT;

		put(*state, TL_PSEUDONYM_KEY_FILE, 0600, texts[i]);
		assert_int_equal(tl_identity_key_load(*state, key, &err), TL_EINVAL);
		assert_says(&err, "64 hexadecimal digits");
	}
}

static void a_key_or_map_that_others_can_read_is_refused(void **state)
{
	uint8_t key[TL_IDENTITY_KEY_LEN];
	struct tl_identity_map *map = NULL;
	int fd = -1;

	put(*state, TL_PSEUDONYM_KEY_FILE, 0644,
	    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
	assert_int_equal(tl_identity_key_load(*state, key, NULL), TL_EACCES);
	put(*state, TL_PSEUDONYM_MAP_FILE, 0640, "");
	assert_int_equal(tl_identity_map_open(*state, &fd, NULL), TL_EACCES);
	assert_int_equal(tl_identity_map_load(*state, &map, NULL), TL_EACCES);
}

static void revealed(const char *dir, const char *text, struct tl_buf *out)
{
	tl_auto(tl_identity_map) struct tl_identity_map *map = NULL;

	assert_int_equal(tl_identity_map_load(dir, &map, NULL), 0);
	tl_identity_map_reveal(map, text, strlen(text), out);
}

static void what_was_replaced_is_revealed(void **state)
{
	static const char text[] =
		"alice@acme.com on web01.corp.acme.com, 10.1.2.3:22 [2a02:8070:1::5]:80 "
		"00:11:22:33:44:55 ip-10-1-2-3 3.2.1.10.in-addr.arpa 10.1.2.0/24 enx001122334455 "
		" 0302010A:0016 0280022A000000000000000001000000:0016 zulu-7 user alice in "
		"/home/zoe; DE:AD:BE:EF:00:01 0011.2233.44aa.";
	tl_auto(tl_identities) struct tl_identities *identities = NULL;
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(4096), back = TL_BUF_INIT(4096);
	struct stat status;

	assert_int_equal(mkdir(path_of(*state, "etc"), 0755), 0);
	put(*state, "etc/hostname", 0644, "web01.corp.acme.com\n");
	put(*state, "etc/passwd", 0644, "alice:x:1000:1000::/:/bin/sh\n");
	identities = open_identities(*state);
	assert_int_equal(tl_identities_text(identities, text, strlen(text), &out), 0);
	assert_int_equal(tl_identities_save(identities, NULL), 0);
	assert_null(strstr(out.data, "alice"));
	assert_null(strstr(out.data, "10.1.2.3"));
	assert_null(strstr(out.data, "001122334455"));
	revealed(*state, out.data, &back);
	assert_string_equal(tl_buf_str(&back), text);
	assert_int_equal(stat(path_of(*state, TL_PSEUDONYM_MAP_FILE), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
}

static void what_is_not_saved_is_not_on_the_disk(void **state)
{
	tl_auto(tl_identities) struct tl_identities *identities = open_identities(*state);
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(256);
	struct stat status;

	assert_int_equal(tl_identities_text(identities, "10.1.2.3", 8, &out), 0);
	assert_int_equal(stat(path_of(*state, TL_PSEUDONYM_MAP_FILE), &status), 0);
	assert_int_equal(status.st_size, 0);
	assert_int_equal(tl_identities_save(identities, NULL), 0);
	assert_int_equal(tl_identities_save(identities, NULL), 0);
	assert_int_equal(stat(path_of(*state, TL_PSEUDONYM_MAP_FILE), &status), 0);
	assert_true(status.st_size > 0);
}

static void unknown_pseudonyms_stay(void **state)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(256);
	static const char text[] = "user-abc123 at 10.9.9.9 host-0a1b2c3d domain-abc123.invalid";

	revealed(*state, text, &out);
	assert_string_equal(tl_buf_str(&out), text);
}

static void of_two_lines_the_newer_holds(void **state)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(256);

	put(*state, TL_PSEUDONYM_MAP_FILE, 0600,
	    "user\tuser-abc123\told\nnonsense\n\t\t\nuser\tuser-abc123\tnew\nuser\tuser-"
	    "abc123\tcut");
	revealed(*state, "user-abc123, USER-ABC123", &out);
	assert_string_equal(tl_buf_str(&out), "new, new");
}

static void a_map_that_has_grown_is_rewritten(void **state)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_IDENTITY_MAP_BYTES_MAX);
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(256);
	struct stat status;
	tl_fd int fd = -1;

	tl_identity_map_line(&text, "user", "user-zzzzzz", "oldest");
	for (unsigned i = 0; text.len < 9 * 1024 * 1024; i++) {
		char pseudonym[32], original[32];

		snprintf(pseudonym, sizeof pseudonym, "host-%08x", i % 50000);
		snprintf(original, sizeof original, "h%u", i % 50000);
		tl_identity_map_line(&text, "host", pseudonym, original);
	}
	put(*state, TL_PSEUDONYM_MAP_FILE, 0600, tl_buf_str(&text));
	assert_int_equal(tl_identity_map_open(*state, &fd, NULL), 0);
	assert_int_equal(fstat(fd, &status), 0);
	assert_true(status.st_size < 2 * 1024 * 1024);
	revealed(*state, "host-00000007 host-0000c34f user-zzzzzz", &out);
	assert_string_equal(tl_buf_str(&out), "h7 h49999 oldest");
}

static void the_state_is_where_a_person_keeps_it(void **state TL_UNUSED)
{
	char path[PATH_MAX];

	assert_int_equal(setenv("TOWLINE_STATE", "/x/given", 1), 0);
	assert_int_equal(tl_identity_state_dir(path, NULL), 0);
	assert_string_equal(path, "/x/given");
	assert_int_equal(unsetenv("TOWLINE_STATE"), 0);
	if (geteuid() == 0) {
		assert_int_equal(tl_identity_state_dir(path, NULL), 0);
		assert_string_equal(path, TL_PSEUDONYM_STATE_DIR);
		return;
	}
	assert_int_equal(setenv("XDG_STATE_HOME", "/x/state", 1), 0);
	assert_int_equal(tl_identity_state_dir(path, NULL), 0);
	assert_string_equal(path, "/x/state/towline");
	assert_int_equal(unsetenv("XDG_STATE_HOME"), 0);
	assert_int_equal(setenv("HOME", "/h", 1), 0);
	assert_int_equal(tl_identity_state_dir(path, NULL), 0);
	assert_string_equal(path, "/h/.local/state/towline");
}

#define scratch_test(function) \
	cmocka_unit_test_setup_teardown(function, scratch_set_up, scratch_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_key_is_made_once_and_kept),
		scratch_test(an_organisations_key_is_taken_over),
		scratch_test(a_key_that_is_none_is_refused),
		scratch_test(a_key_or_map_that_others_can_read_is_refused),
		scratch_test(what_was_replaced_is_revealed),
		scratch_test(what_is_not_saved_is_not_on_the_disk),
		scratch_test(unknown_pseudonyms_stay),
		scratch_test(of_two_lines_the_newer_holds),
		scratch_test(a_map_that_has_grown_is_rewritten),
		cmocka_unit_test(the_state_is_where_a_person_keeps_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
