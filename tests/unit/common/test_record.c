#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/record.h>
#include <cmocka.h>

static struct {
	struct tl_clock_fake clock;
	struct tl_key *key;
	char path[64];
	struct tl_record *record;
} t;

static int setup(void **state)
{
	struct tl_record_header header = {"01session", "T-1001",  "web-01",
					  "eva",       "bastion", "relay"};
	int fd;

	(void)state;
	tl_clock_fake_init(&t.clock, 1700000000000);
	assert_int_equal(tl_key_generate(&t.key, NULL), 0);
	snprintf(t.path, sizeof(t.path), "%.40s/recordXXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	fd = mkstemp(t.path);
	assert_true(fd >= 0);
	assert_int_equal(tl_record_new(fd, &header, 1 << 20, &t.clock.clock, &t.record, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tl_record_free(t.record);
	tl_key_free(t.key);
	unlink(t.path);
	return 0;
}

static void terminal(const char *const *pieces)
{
	assert_int_equal(tl_record_open(t.record, 1, "shell", NULL, 80, 24, NULL), 0);
	for (; *pieces; pieces++) {
		tl_clock_fake_advance(&t.clock, 500);
		assert_int_equal(tl_record_output(t.record, 1, *pieces, strlen(*pieces), NULL), 0);
	}
	assert_int_equal(tl_record_exit(t.record, 1, 0, NULL, NULL), 0);
	assert_int_equal(tl_record_close(t.record, 1, NULL), 0);
}

static void read_all(char *text, size_t size, size_t *ret_len)
{
	FILE *in = fopen(t.path, "r");

	assert_non_null(in);
	*ret_len = fread(text, 1, size - 1, in);
	text[*ret_len] = '\0';
	fclose(in);
}

static int verify(const char *text, size_t len, struct tl_record_facts *facts, struct tl_err *err)
{
	FILE *in = fmemopen((void *)(uintptr_t)text, len, "r");
	int rc = tl_record_verify(in, t.key, facts, err);

	fclose(in);
	return rc;
}

static void a_sealed_recording_verifies(void **state)
{
	const char *pieces[] = {"hello\r\n", "world \"\\\x1b[1m", NULL};
	struct tl_record_facts facts;
	char text[8192];
	size_t len;

	(void)state;
	terminal(pieces);
	assert_int_equal(tl_record_seal(t.record, t.key, NULL), 0);
	read_all(text, sizeof(text), &len);
	assert_int_equal(verify(text, len, &facts, NULL), 0);
	assert_true(facts.sealed);
	assert_int_equal(facts.lines, 7);
}

static void the_seal_of_another_key_is_refused(void **state)
{
	const char *pieces[] = {"x", NULL};
	struct tl_record_facts facts;
	struct tl_key *other = NULL;
	char text[8192];
	size_t len;

	(void)state;
	terminal(pieces);
	assert_int_equal(tl_key_generate(&other, NULL), 0);
	assert_int_equal(tl_record_seal(t.record, other, NULL), 0);
	tl_key_free(other);
	read_all(text, sizeof(text), &len);
	assert_int_equal(verify(text, len, &facts, NULL), TL_ESIG);
}

static void an_unsealed_recording_says_so(void **state)
{
	const char *pieces[] = {"x", NULL};
	struct tl_record_facts facts;
	char text[8192];
	size_t len;

	(void)state;
	terminal(pieces);
	read_all(text, sizeof(text), &len);
	assert_int_equal(verify(text, len, &facts, NULL), 0);
	assert_false(facts.sealed);
}

static void every_changed_byte_is_found(void **state)
{
	const char *pieces[] = {"secret", NULL};
	struct tl_record_facts facts;
	char text[8192];
	size_t len;

	(void)state;
	terminal(pieces);
	assert_int_equal(tl_record_seal(t.record, t.key, NULL), 0);
	read_all(text, sizeof(text), &len);
	for (size_t i = 0; i + 1 < len; i++) {
		text[i] ^= 1;
		assert_true(verify(text, len, &facts, NULL) != 0);
		text[i] ^= 1;
	}
}

static void a_removed_line_is_found_and_named(void **state)
{
	const char *pieces[] = {"one", "two", NULL};
	struct tl_record_facts facts;
	struct tl_err err = TL_ERR_INIT;
	char text[8192], *second, *third;
	size_t len;

	(void)state;
	terminal(pieces);
	read_all(text, sizeof(text), &len);
	second = strchr(text, '\n') + 1;
	third = strchr(second, '\n') + 1;
	memmove(second, third, strlen(third) + 1);
	assert_int_equal(verify(text, strlen(text), &facts, &err), TL_ESIG);
	assert_non_null(strstr(err.text, "line 2"));
}

static void a_split_character_is_put_together(void **state)
{
	const char *pieces[] = {"gr\xc3", "\xbc\xc3\x9f", "e \xe2\x82", "\xac", NULL};
	char text[8192];
	size_t len;

	(void)state;
	terminal(pieces);
	read_all(text, sizeof(text), &len);
	assert_non_null(strstr(text, "\xc3\xbc\xc3\x9f"));
	assert_non_null(strstr(text, "\xe2\x82\xac"));
	assert_null(strstr(text, "\xef\xbf\xbd"));
}

static void what_is_no_text_becomes_a_replacement(void **state)
{
	const char *pieces[] = {"a\xff\xed\xa0\x80z", "\xe2\x82", NULL};
	struct tl_record_facts facts;
	char text[8192];
	size_t len;

	(void)state;
	terminal(pieces);
	read_all(text, sizeof(text), &len);
	assert_int_equal(verify(text, len, &facts, NULL), 0);
	assert_non_null(strstr(text, "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"));
}

static void bulk_output_is_hashed_beyond_what_is_kept(void **state)
{
	static char block[1 << 20];
	struct stat stat_before;

	(void)state;
	memset(block, 'x', sizeof(block));
	assert_int_equal(tl_record_open(t.record, 1, "exec", "cat big", 0, 0, NULL), 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(tl_record_output(t.record, 1, block, sizeof(block), NULL), 0);
	assert_int_equal(tl_record_close(t.record, 1, NULL), 0);
	assert_int_equal(stat(t.path, &stat_before), 0);
	assert_true(stat_before.st_size < TL_RECORD_KEEP_MAX + (256 << 10));
}

static void a_terminal_exports_as_asciicast(void **state)
{
	const char *pieces[] = {"hello\r\n", NULL};
	char cast[1024] = "";
	FILE *in, *out = fmemopen(cast, sizeof(cast), "w");

	(void)state;
	terminal(pieces);
	in = fopen(t.path, "r");
	assert_int_equal(tl_record_export(in, 0, out, NULL), 0);
	fclose(in);
	fclose(out);
	assert_string_equal(cast,
			    "{\"version\":2,\"width\":80,\"height\":24,\"timestamp\":1700000000}\n"
			    "[0.5,\"o\",\"hello\\r\\n\"]\n");
}

static void the_seal_gives_reserved_space_back(void **state)
{
	struct stat before, after;

	(void)state;
	assert_int_equal(stat(t.path, &before), 0);
	assert_int_equal(tl_record_seal(t.record, t.key, NULL), 0);
	assert_int_equal(stat(t.path, &after), 0);
	assert_true(after.st_blocks <= before.st_blocks);
	assert_true(after.st_blocks < (1 << 20) / 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_sealed_recording_verifies),
		T(the_seal_of_another_key_is_refused),
		T(an_unsealed_recording_says_so),
		T(every_changed_byte_is_found),
		T(a_removed_line_is_found_and_named),
		T(a_split_character_is_put_together),
		T(what_is_no_text_becomes_a_replacement),
		T(bulk_output_is_hashed_beyond_what_is_kept),
		T(a_terminal_exports_as_asciicast),
		T(the_seal_gives_reserved_space_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
