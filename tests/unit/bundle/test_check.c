#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <towline/bundle.h>
#include <towline/bundle_inspect.h>
#include <towline/crypto.h>

#include "forge.h"

#define HELLO_SHA256 "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
#define ZERO_SHA256 "0000000000000000000000000000000000000000000000000000000000000000"

static struct tl_err err;

static int check(struct forge *forge)
{
	tl_fd int fd = forge_finish(forge);
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};

	err = (struct tl_err)TL_ERR_INIT;
	return tl_bundle_check(fd, &tl_bundle_limits_default, &facts, &err);
}

static void expect_refused(struct forge *forge, const char *word)
{
	assert_int_equal(check(forge), TL_EINVAL);
	assert_non_null(strstr(tl_err_text(&err), word));
}

static void sound_bundle_gives_its_facts(void **state TL_UNUSED)
{
	size_t len;
	tl_free char *bytes = forge_bytes(forge_sound(), &len);
	tl_fd int fd = forge_fd(bytes, len);
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	char hex[65];

	assert_int_equal(tl_bundle_check(fd, &tl_bundle_limits_default, &facts, &err), 0);
	tl_sha256_hex_of(bytes, len, hex);
	assert_string_equal(facts.id, FORGE_ID);
	assert_string_equal(facts.sha256, hex);
	assert_int_equal(facts.packed_bytes, len);
	assert_int_equal(facts.members, 5);
	assert_int_equal(strlen(facts.index_sha256), 64);
	assert_int_equal(json_array_size(facts.errors), 1);
	assert_int_equal(json_array_size(json_object_get(facts.index, "files")), 4);
	assert_true(json_is_object(facts.manifest) && json_is_object(facts.redaction));
}

static void manifest_must_come_first(void **state TL_UNUSED)
{
	struct forge *forge = forge_new();

	forge_file(forge, FORGE_ID "/a", "x", 1, true);
	forge_manifest(forge);
	expect_refused(forge, "first member");
}

static void nothing_stands_behind_the_index(void **state TL_UNUSED)
{
	struct forge *forge = forge_sound();

	forge_file(forge, FORGE_ID "/late", "x", 1, false);
	expect_refused(forge, "behind INDEX.json");
}

static void bundle_without_index_is_refused(void **state TL_UNUSED)
{
	struct forge *forge = forge_new();

	forge_manifest(forge);
	forge_reports(forge);
	expect_refused(forge, "last member");
}

static void unlisted_member_is_refused(void **state TL_UNUSED)
{
	struct forge *forge = forge_new();

	forge_manifest(forge);
	forge_reports(forge);
	forge_file(forge, FORGE_ID "/hidden", "x", 1, false);
	forge_index(forge);
	expect_refused(forge, "hidden is not listed");
}

static void listed_member_that_is_missing_is_refused(void **state TL_UNUSED)
{
	struct forge *forge = forge_new();

	forge_manifest(forge);
	forge_reports(forge);
	forge_list(forge, "gone", 6, HELLO_SHA256);
	forge_index(forge);
	expect_refused(forge, "not there");
}

static void expect_hello_refused(int64_t size, const char *sha256, const char *word)
{
	struct forge *forge = forge_new();

	forge_manifest(forge);
	forge_reports(forge);
	forge_file(forge, FORGE_ID "/a", "hello\n", 6, false);
	forge_list(forge, "a", size, sha256);
	forge_index(forge);
	expect_refused(forge, word);
}

static void wrong_hash_is_refused(void **state TL_UNUSED)
{
	expect_hello_refused(6, ZERO_SHA256, "another SHA-256");
}

static void wrong_size_is_refused(void **state TL_UNUSED)
{
	expect_hello_refused(7, HELLO_SHA256, "another size");
}

static void member_listed_twice_is_refused(void **state TL_UNUSED)
{
	struct forge *forge = forge_new();

	forge_manifest(forge);
	forge_reports(forge);
	forge_file(forge, FORGE_ID "/a", "hello\n", 6, true);
	forge_list(forge, "a", 6, HELLO_SHA256);
	forge_index(forge);
	expect_refused(forge, "listed twice");
}

static void bundle_without_redaction_report_is_refused(void **state TL_UNUSED)
{
	struct forge *forge = forge_new();

	forge_manifest(forge);
	forge_index(forge);
	expect_refused(forge, "redaction/report.json");
}

static int check_manifest(const char *text)
{
	struct forge *forge = forge_new();

	forge_file(forge, FORGE_ID "/MANIFEST.json", text, strlen(text), true);
	forge_reports(forge);
	forge_index(forge);
	return check(forge);
}

static void manifest_of_another_kind_is_refused(void **state TL_UNUSED)
{
	assert_int_equal(check_manifest("{\"schema\":2,\"bundle\":\"" FORGE_ID "\"}"), TL_ESCHEMA);
	assert_int_equal(check_manifest("{\"schema\":1,\"bundle\":\"other\"}"), TL_EINVAL);
	assert_int_equal(check_manifest("{\"bundle\":\"" FORGE_ID "\"}"), TL_EINVAL);
	assert_int_equal(check_manifest("[]"), TL_EINVAL);
	assert_int_equal(check_manifest("{\"schema\":1,"), TL_EINVAL);
}

static void bundle_cut_anywhere_is_refused(void **state TL_UNUSED)
{
	size_t len;
	tl_free char *bytes = forge_bytes(forge_sound(), &len);

	for (size_t cut = 0; cut < len - 4; cut += 3) {
		tl_fd int fd = forge_fd(bytes, cut);
		tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};

		assert_true(tl_bundle_check(fd, &tl_bundle_limits_default, &facts, &err) < 0);
	}
}

static void bundle_with_one_byte_changed_is_refused(void **state TL_UNUSED)
{
	size_t len;
	tl_free char *bytes = forge_bytes(forge_sound(), &len);

	/* the frame's own header, at its very beginning, may say the same in other ways */
	for (size_t at = 16; at < len; at += 5) {
		tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
		tl_fd int fd = -1;
		int r;

		bytes[at] ^= 0x40;
		fd = forge_fd(bytes, len);
		r = tl_bundle_check(fd, &tl_bundle_limits_default, &facts, &err);
		bytes[at] ^= 0x40;
		/* what still passes must be a bundle whose members are the same */
		assert_true(r < 0 || facts.members == 5);
	}
}

static void inspection_prints_no_control_characters(void **state TL_UNUSED)
{
	tl_fd int fd = forge_finish(forge_sound());
	tl_free char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(tl_bundle_inspect(fd, out, false, &err), 0);
	fclose(out);
	assert_non_null(strstr(text, "data/\n"));
	assert_non_null(strstr(text, "jwt"));
	assert_non_null(strstr(text, "/x: no"));
	assert_null(strchr(text, '\033'));
}

static void inspection_as_json_is_json(void **state TL_UNUSED)
{
	tl_fd int fd = forge_finish(forge_sound());
	tl_free char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	tl_json *json = NULL;

	assert_int_equal(tl_bundle_inspect(fd, out, true, &err), 0);
	fclose(out);
	assert_int_equal(tl_json_parse(text, len, &json, &err), 0);
	assert_string_equal(json_string_value(json_object_get(json, "bundle")), FORGE_ID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_bundle_gives_its_facts),
		cmocka_unit_test(manifest_must_come_first),
		cmocka_unit_test(nothing_stands_behind_the_index),
		cmocka_unit_test(bundle_without_index_is_refused),
		cmocka_unit_test(unlisted_member_is_refused),
		cmocka_unit_test(listed_member_that_is_missing_is_refused),
		cmocka_unit_test(wrong_hash_is_refused),
		cmocka_unit_test(wrong_size_is_refused),
		cmocka_unit_test(member_listed_twice_is_refused),
		cmocka_unit_test(bundle_without_redaction_report_is_refused),
		cmocka_unit_test(manifest_of_another_kind_is_refused),
		cmocka_unit_test(bundle_cut_anywhere_is_refused),
		cmocka_unit_test(bundle_with_one_byte_changed_is_refused),
		cmocka_unit_test(inspection_prints_no_control_characters),
		cmocka_unit_test(inspection_as_json_is_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
