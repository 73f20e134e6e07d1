#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include <towline/bundle.h>
#include <towline/crypto.h>

#include "collect/redacting_writer.h"

#define ID "01j9zs2b5d0000000000000000"

static struct tl_redact_rules *rules;
static struct tl_err err;

static int make_rules(void **state TL_UNUSED)
{
	return tl_redact_rules_new(tl_redact_builtin, tl_redact_builtin_count, &rules, NULL);
}

static int free_rules(void **state TL_UNUSED)
{
	tl_redact_rules_free(rules);
	return 0;
}

static void add(struct redacting_writer *writer, const char *path, const char *text)
{
	struct bundle_member member = {.path = path, .mode = 0644};

	assert_int_equal(redacting_writer_begin(writer, &member, &err), 0);
	assert_int_equal(redacting_writer_write(writer, text, strlen(text), &err), 0);
	assert_int_equal(redacting_writer_end(writer, "ok", &err), 0);
}

static void write_bundle(int fd, struct bundle_writer_facts *ret_facts)
{
	tl_auto(redacting_writer) struct redacting_writer *writer = NULL;
	struct bundle_options options = {.fd = fd, .id = ID, .started_s = 1767225600};
	tl_json *manifest = json_pack("{s:i, s:s, s:s}", "schema", 1, "bundle", ID, "argv",
				      "x --password canary3");

	assert_int_equal(redacting_writer_new(&options, rules, &writer, &err), 0);
	assert_int_equal(redacting_writer_json(writer, "MANIFEST.json", manifest, &err), 0);
	add(writer, "root/etc/a", "token=canary1 and more\n");
	add(writer, "root/etc/a", "the same name\n");
	add(writer, "root/etc/empty", "");
	redacting_writer_note(writer, "c", "/x?api_key=canary2", "failed", "password=canary4");
	assert_int_equal(redacting_writer_finish(writer, NULL, ret_facts, &err), 0);
}

static void what_is_written_is_read_and_checked(void **state TL_UNUSED)
{
	tl_fd int fd = memfd_create("b", MFD_CLOEXEC);
	tl_auto(bundle_writer_facts) struct bundle_writer_facts wrote = {.size = 0};
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};

	write_bundle(fd, &wrote);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(tl_bundle_check(fd, &tl_bundle_limits_default, &facts, &err), 0);
	assert_string_equal(facts.sha256, wrote.sha256);
	assert_string_equal(facts.index_sha256, wrote.index_sha256);
	assert_int_equal(facts.packed_bytes, wrote.size);
	assert_int_equal(facts.members, json_array_size(wrote.files));
	assert_int_equal(wrote.errors, 1);
}

static void same_members_give_the_same_bytes(void **state TL_UNUSED)
{
	tl_fd int first = memfd_create("b", MFD_CLOEXEC);
	tl_fd int second = memfd_create("b", MFD_CLOEXEC);
	tl_auto(bundle_writer_facts) struct bundle_writer_facts one = {.size = 0};
	tl_auto(bundle_writer_facts) struct bundle_writer_facts two = {.size = 0};

	write_bundle(first, &one);
	write_bundle(second, &two);
	assert_string_equal(one.sha256, two.sha256);
	assert_int_equal(one.size, two.size);
}

static int seek_canary(void *arg, const void *bytes, size_t len, struct tl_err *fault TL_UNUSED)
{
	size_t *count = arg;

	*count += bytes && memmem(bytes, len, "canary", 6);
	return 0;
}

static void no_secret_reaches_any_member(void **state TL_UNUSED)
{
	tl_fd int fd = memfd_create("b", MFD_CLOEXEC);
	tl_auto(bundle_writer_facts) struct bundle_writer_facts wrote = {.size = 0};
	size_t found = 0;
	struct tl_bundle_visitor visitor = {.data = seek_canary, .arg = &found};

	write_bundle(fd, &wrote);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(tl_bundle_walk(fd, &tl_bundle_limits_default, &visitor, &err), 0);
	assert_int_equal(found, 0);
	assert_int_equal(json_integer_value(json_object_get(wrote.redactions, "assignment")), 3);
	assert_int_equal(json_integer_value(json_object_get(wrote.redactions, "argument")), 1);
}

static void name_that_is_taken_gets_a_number(void **state TL_UNUSED)
{
	tl_fd int fd = memfd_create("b", MFD_CLOEXEC);
	tl_auto(bundle_writer_facts) struct bundle_writer_facts wrote = {.size = 0};
	const json_t *third;

	write_bundle(fd, &wrote);
	third = json_array_get(wrote.files, 2);
	assert_string_equal(json_string_value(json_object_get(third, "path")), "root/etc/a~2");
}

static void full_disk_is_a_fault_with_its_code(void **state TL_UNUSED)
{
	tl_fd int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	tl_auto(redacting_writer) struct redacting_writer *writer = NULL;
	tl_auto(bundle_writer_facts) struct bundle_writer_facts facts = {.size = 0};
	struct bundle_options options = {.fd = fd, .id = ID, .started_s = 1};
	tl_json *manifest = json_pack("{s:i}", "schema", 1);
	int r;

	err = (struct tl_err)TL_ERR_INIT;
	assert_int_equal(redacting_writer_new(&options, rules, &writer, &err), 0);
	r = redacting_writer_json(writer, "MANIFEST.json", manifest, &err);
	if (r == 0)
		r = redacting_writer_finish(writer, NULL, &facts, &err);
	assert_int_equal(r, TL_ENOSPC);
	assert_non_null(strstr(tl_err_text(&err), "the bundle cannot be written"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_and_checked),
		cmocka_unit_test(same_members_give_the_same_bytes),
		cmocka_unit_test(no_secret_reaches_any_member),
		cmocka_unit_test(name_that_is_taken_gets_a_number),
		cmocka_unit_test(full_disk_is_a_fault_with_its_code),
	};

	return cmocka_run_group_tests(tests, make_rules, free_rules);
}
