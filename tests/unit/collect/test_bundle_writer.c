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
#include <towline/sealed.h>
#include <towline/str.h>

#include "../bundle/keys.h"
#include "collect/bundle_writer.h"

#define ID "01j9zs2b5d0000000000000000"
#define LARGE (300 * 1024)

static struct tl_err err;

static struct bundle_writer *open_writer(int fd, const struct bundle_options *more)
{
	struct bundle_options options = more ? *more : (struct bundle_options){.fd = fd};
	struct bundle_writer *writer = NULL;

	options.fd = fd;
	options.id = ID;
	options.started_s = 1767225600;
	options.ruleset = "test-1";
	assert_int_equal(bundle_writer_open(&options, &writer, &err), 0);
	return writer;
}

static int add(struct bundle_writer *writer, const char *path, const char *text, json_t *hidden)
{
	struct bundle_member member = {.path = path, .mode = 0644};
	struct bundle_bytes bytes = {.memory = text,
				     .size = strlen(text),
				     .status = "ok",
				     .redactions = hidden};

	return bundle_writer_append(writer, &member, &bytes, &err);
}

static int add_manifest(struct bundle_writer *writer)
{
	tl_json *manifest = json_pack("{s:i, s:s}", "schema", 1, "bundle", ID);

	return bundle_writer_append_json(writer, "MANIFEST.json", manifest, NULL, &err);
}

static void add_from_spool(struct bundle_writer *writer)
{
	static char text[LARGE];
	tl_auto(spool) struct spool *spool = NULL;
	struct bundle_member member = {.path = "root/large", .mode = 0100755, .mtime_s = 77};
	struct bundle_bytes bytes = {.offset = 5, .size = LARGE - 5, .status = "truncated"};

	memset(text, 'x', sizeof text);
	assert_int_equal(spool_new(false, &spool, &err), 0);
	assert_int_equal(spool_write(spool, text, sizeof text, &err), 0);
	bytes.spool = spool;
	assert_int_equal(bundle_writer_append(writer, &member, &bytes, &err), 0);
}

static void write_bundle(int fd, const struct bundle_options *options,
			 struct bundle_writer_facts *ret_facts)
{
	tl_auto(bundle_writer) struct bundle_writer *writer = open_writer(fd, options);
	tl_json *hidden = json_pack("{s:i}", "jwt", 2);
	tl_json *elsewhere = json_pack("{s:i, s:i}", "jwt", 1, "pem", 1);

	assert_int_equal(add_manifest(writer), 0);
	assert_int_equal(add(writer, "root/etc/a", "one\n", hidden), 0);
	assert_int_equal(add(writer, "root/etc/a", "the same name\n", NULL), 0);
	assert_int_equal(add(writer, "root/etc/empty", "", NULL), 0);
	add_from_spool(writer);
	bundle_writer_count(writer, elsewhere);
	bundle_writer_add_note(writer, json_pack("{s:s, s:s, s:s, s:s}", "collector", "c", "source",
						 "/x", "kind", "failed", "text", "why"));
	assert_int_equal(bundle_writer_close(writer, NULL, ret_facts, &err), 0);
	lseek(fd, 0, SEEK_SET);
}

static void what_is_written_is_read_and_checked(void **state TL_UNUSED)
{
	tl_fd int fd = memfd_create("b", MFD_CLOEXEC);
	tl_auto(bundle_writer_facts) struct bundle_writer_facts wrote = {.size = 0};
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	const json_t *large;

	write_bundle(fd, NULL, &wrote);
	assert_int_equal(tl_bundle_check(fd, &tl_bundle_limits_default, &facts, &err), 0);
	assert_string_equal(facts.sha256, wrote.sha256);
	assert_string_equal(facts.index_sha256, wrote.index_sha256);
	assert_int_equal(facts.packed_bytes, wrote.size);
	assert_int_equal(facts.members, json_array_size(wrote.files));
	assert_int_equal(wrote.errors, 1);
	large = json_array_get(json_object_get(facts.index, "files"), 4);
	assert_int_equal(json_integer_value(json_object_get(large, "size")), LARGE - 5);
	assert_int_equal(json_integer_value(json_object_get(large, "mtime")), 77);
	assert_int_equal(json_integer_value(json_object_get(large, "mode")), 0755);
	assert_string_equal(json_string_value(json_object_get(large, "status")), "truncated");
}

static void counts_of_members_and_of_the_rest_are_reported(void **state TL_UNUSED)
{
	tl_fd int fd = memfd_create("b", MFD_CLOEXEC);
	tl_auto(bundle_writer_facts) struct bundle_writer_facts wrote = {.size = 0};
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	tl_json *files = json_pack("{s:{s:i}}", "root/etc/a", "jwt", 2);
	tl_json *totals = json_pack("{s:i, s:i}", "jwt", 3, "pem", 1);

	write_bundle(fd, NULL, &wrote);
	assert_int_equal(tl_bundle_check(fd, &tl_bundle_limits_default, &facts, &err), 0);
	assert_true(json_equal(json_object_get(facts.redaction, "files"), files));
	assert_true(json_equal(json_object_get(facts.redaction, "totals"), totals));
	assert_true(json_equal(wrote.redactions, totals));
}

static void same_members_give_the_same_bytes(void **state TL_UNUSED)
{
	tl_fd int first = memfd_create("b", MFD_CLOEXEC);
	tl_fd int second = memfd_create("b", MFD_CLOEXEC);
	tl_auto(bundle_writer_facts) struct bundle_writer_facts one = {.size = 0};
	tl_auto(bundle_writer_facts) struct bundle_writer_facts two = {.size = 0};

	write_bundle(first, NULL, &one);
	write_bundle(second, NULL, &two);
	assert_string_equal(one.sha256, two.sha256);
	assert_int_equal(one.size, two.size);
}

static void names_are_made_safe_and_unique(void **state TL_UNUSED)
{
	static const char *const expected[] = {"MANIFEST.json",		"root/etc/a",
					       "root/etc/a~2",		"root/%2E./x",
					       "a%0Ab%FF%20%25c",	"errors.jsonl",
					       "redaction/report.json", "INDEX.json"};
	tl_fd int fd = memfd_create("b", MFD_CLOEXEC);
	tl_auto(bundle_writer) struct bundle_writer *writer = open_writer(fd, NULL);
	tl_auto(bundle_writer_facts) struct bundle_writer_facts wrote = {.size = 0};

	assert_int_equal(add_manifest(writer), 0);
	assert_int_equal(add(writer, "root/etc/a", "", NULL), 0);
	assert_int_equal(add(writer, "/root//etc/a", "", NULL), 0);
	assert_int_equal(add(writer, "root/../x", "", NULL), 0);
	assert_int_equal(add(writer, "a\nb\xff %c", "", NULL), 0);
	assert_int_equal(bundle_writer_close(writer, NULL, &wrote, &err), 0);
	assert_int_equal(json_array_size(wrote.files), TL_ARRAY_LEN(expected));
	for (size_t i = 0; i < TL_ARRAY_LEN(expected); i++) {
		const json_t *file = json_array_get(wrote.files, i);

		assert_string_equal(json_string_value(json_object_get(file, "path")), expected[i]);
	}
}

static void full_disk_is_a_fault_with_its_code(void **state TL_UNUSED)
{
	tl_fd int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	tl_auto(bundle_writer) struct bundle_writer *writer = open_writer(fd, NULL);
	tl_auto(bundle_writer_facts) struct bundle_writer_facts facts = {.size = 0};
	int r = add_manifest(writer);

	if (r == 0)
		r = bundle_writer_close(writer, NULL, &facts, &err);
	assert_int_equal(r, TL_ENOSPC);
	assert_non_null(strstr(tl_err_text(&err), "the bundle cannot be written"));
}

static void file_larger_than_is_taken_is_refused(void **state TL_UNUSED)
{
	tl_fd int fd = memfd_create("b", MFD_CLOEXEC);
	struct bundle_options options = {.max_bytes = 100};
	tl_auto(bundle_writer) struct bundle_writer *writer = open_writer(fd, &options);
	tl_auto(bundle_writer_facts) struct bundle_writer_facts facts = {.size = 0};
	int r = add_manifest(writer);

	if (r == 0)
		r = bundle_writer_close(writer, NULL, &facts, &err);
	assert_int_equal(r, TL_ETOOBIG);
	assert_true(lseek(fd, 0, SEEK_END) <= 100);
}

struct seen {
	size_t members, ends, bytes;
	const char *refused; /* the member at which the watch speaks up */
};

static int see_begin(void *arg, const char *path, struct tl_err *fault)
{
	struct seen *seen = arg;

	seen->members++;
	return tl_streq(path, seen->refused) ? tl_err_set(fault, TL_EDENIED, "a secret") : 0;
}

static int see_data(void *arg, const void *bytes, size_t len, struct tl_err *fault TL_UNUSED)
{
	struct seen *seen = arg;

	seen->ends += !bytes;
	seen->bytes += len;
	return 0;
}

static void watch_sees_every_byte_of_every_member(void **state TL_UNUSED)
{
	struct seen seen = {.members = 0};
	struct bundle_watch watch = {see_begin, see_data, &seen};
	struct bundle_options options = {.watch = &watch};
	tl_fd int fd = memfd_create("b", MFD_CLOEXEC);
	tl_auto(bundle_writer_facts) struct bundle_writer_facts wrote = {.size = 0};
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};

	write_bundle(fd, &options, &wrote);
	assert_int_equal(tl_bundle_check(fd, &tl_bundle_limits_default, &facts, &err), 0);
	assert_int_equal(seen.members, facts.members);
	assert_int_equal(seen.ends, facts.members);
	assert_int_equal(seen.bytes, facts.unpacked_bytes);
}

static void watch_that_speaks_up_fails_the_bundle(void **state TL_UNUSED)
{
	struct seen seen = {.refused = "root/etc/a"};
	struct bundle_watch watch = {see_begin, see_data, &seen};
	struct bundle_options options = {.watch = &watch};
	tl_fd int fd = memfd_create("b", MFD_CLOEXEC);
	tl_auto(bundle_writer) struct bundle_writer *writer = open_writer(fd, &options);
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};

	assert_int_equal(add_manifest(writer), 0);
	assert_int_equal(add(writer, "root/etc/a", "x", NULL), TL_EDENIED);
	bundle_writer_free(tl_steal(&writer));
	lseek(fd, 0, SEEK_SET);
	assert_true(tl_bundle_check(fd, &tl_bundle_limits_default, &facts, &err) < 0);
}

static void sealed_bundle_opens_to_the_same_one(void **state TL_UNUSED)
{
	tl_auto(keys) struct keys keys = {.cert_path = ""};
	tl_auto(tl_recipients) struct tl_recipients *recipients = NULL;
	struct bundle_options options = {.fd = -1};
	tl_fd int fd = memfd_create("b", MFD_CLOEXEC), plain = -1;
	tl_auto(bundle_writer_facts) struct bundle_writer_facts wrote = {.size = 0};
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	char head[TL_SEALED_MAGIC];

	keys_make(KEYS_EC, "Emil", &keys);
	assert_int_equal(tl_recipients_new(&recipients, &err), 0);
	assert_int_equal(tl_recipients_add(recipients, tl_buf_str(&keys.cert_pem), "c", &err), 0);
	options.recipients = recipients;
	write_bundle(fd, &options, &wrote);
	assert_int_equal(pread(fd, head, sizeof head, 0), sizeof head);
	assert_true(tl_sealed_is(head, sizeof head));
	assert_int_equal(lseek(fd, 0, SEEK_END), wrote.size);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(tl_unseal(fd, &(struct tl_unseal_key){keys.key_path, keys.cert_path},
				   &plain, &err),
			 0);
	assert_int_equal(tl_bundle_check(plain, &tl_bundle_limits_default, &facts, &err), 0);
	assert_string_equal(facts.index_sha256, wrote.index_sha256);
	assert_string_not_equal(facts.sha256, wrote.sha256);
}

static void collectors_give_no_members_of_the_bundles_own_names(void **state TL_UNUSED)
{
	static const char *const names[] = {"INDEX.json",    "//MANIFEST.json",
					    "errors.jsonl/", "redaction/report.json",
					    "analysis//x",   "redaction"};
	int fd = memfd_create("bundle", MFD_CLOEXEC);
	tl_auto(bundle_writer) struct bundle_writer *writer = open_writer(fd, NULL);

	for (size_t i = 0; i < TL_ARRAY_LEN(names); i++) {
		struct bundle_member member = {.path = names[i], .mode = 0644};
		struct bundle_bytes bytes = {.memory = "x",
					     .size = 1,
					     .status = "ok",
					     .collector = "liar"};

		assert_int_equal(bundle_writer_append(writer, &member, &bytes, &err), TL_EINVAL);
	}
	close(fd);
}

static void one_name_many_times_costs_no_more_than_others(void **state TL_UNUSED)
{
	int fd = memfd_create("bundle", MFD_CLOEXEC);
	tl_auto(bundle_writer) struct bundle_writer *writer = open_writer(fd, NULL);

	/* with a search from the beginning each time these were a billion steps */
	for (int i = 0; i < 45000; i++)
		assert_int_equal(add(writer, "root/a", "", NULL), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(collectors_give_no_members_of_the_bundles_own_names),
		cmocka_unit_test(one_name_many_times_costs_no_more_than_others),
		cmocka_unit_test(what_is_written_is_read_and_checked),
		cmocka_unit_test(counts_of_members_and_of_the_rest_are_reported),
		cmocka_unit_test(same_members_give_the_same_bytes),
		cmocka_unit_test(names_are_made_safe_and_unique),
		cmocka_unit_test(full_disk_is_a_fault_with_its_code),
		cmocka_unit_test(file_larger_than_is_taken_is_refused),
		cmocka_unit_test(watch_sees_every_byte_of_every_member),
		cmocka_unit_test(watch_that_speaks_up_fails_the_bundle),
		cmocka_unit_test(sealed_bundle_opens_to_the_same_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
