#include "redact/wide.h"

#include <string.h>

#include "redact/redact.h"
#include "tests.h"

#define TEXT_MAX 65536

/* Fed in pieces of `step` bytes. */
static void make_plain(const char *text, size_t len, size_t step, struct tl_buf *out)
{
	struct wide wide = {.held = TL_BUF_INIT(TEXT_MAX)};

	for (size_t at = 0; at < len; at += step)
		assert_int_equal(wide_feed(&wide, text + at, len - at < step ? len - at : step,
					   false, out),
				 0);
	assert_int_equal(wide_feed(&wide, "", 0, true, out), 0);
	assert_int_equal(wide.held.len, 0);
	tl_buf_clear(&wide.held);
}

static void expect(const char *text, size_t len, const char *plain, size_t plain_len)
{
	for (size_t step = 1; step <= len; step++) {
		tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(TEXT_MAX);

		make_plain(text, len, step, &out);
		assert_int_equal(out.len, plain_len);
		assert_memory_equal(tl_buf_str(&out), plain, plain_len);
	}
}

#define EXPECT(text, plain) expect(text, sizeof(text) - 1, plain, sizeof(plain) - 1)

static void wide_text_loses_its_nuls(void **state TL_UNUSED)
{
	EXPECT("\xff\xfep\0a\0s\0s\0=\0x\0\r\0\n\0", "\xff\xfepass=x\r\n");
}

static void the_other_byte_order_does_too(void **state TL_UNUSED)
{
	EXPECT("\xfe\xff\0p\0a\0s\0s\0=\0x\0y\0\n", "\xfe\xffpass=xy\n");
}

static void run_in_other_text_is_found(void **state TL_UNUSED)
{
	EXPECT("log: t\0o\0k\0e\0n\0=\0x\0 done", "log: token=x done");
}

static void text_with_few_nuls_stays_as_it_is(void **state TL_UNUSED)
{
	EXPECT("PATH=/bin\0HOME=/\0a\0b\0c\0end", "PATH=/bin\0HOME=/\0a\0b\0c\0end");
	EXPECT("\0\0\0\0\0\0\0\0", "\0\0\0\0\0\0\0\0");
	EXPECT("plain", "plain");
}

static int gather(void *arg, const void *bytes, size_t len, struct tl_err *err TL_UNUSED)
{
	tl_buf_append(arg, bytes, len);
	return 0;
}

static void secret_in_wide_text_is_hidden(void **state TL_UNUSED)
{
	static const struct tl_redact_sources sources = {.site_dir = NULL};
	static const char secret[] = "db_password=correct-Horse7";
	tl_auto(tl_redact_rules) struct tl_redact_rules *rules = NULL;
	tl_auto(tl_redactor) struct tl_redactor *redactor = NULL;
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(TEXT_MAX);
	char text[2 * sizeof secret] = {0};

	for (size_t i = 0; i < sizeof secret - 1; i++)
		text[2 * i] = secret[i];
	assert_int_equal(tl_redact_rules_open(&sources, &rules, NULL), 0);
	assert_int_equal(tl_redactor_new(rules, &tl_redact_limits_default, &redactor, NULL), 0);
	tl_redactor_begin(redactor, gather, &out);
	assert_int_equal(tl_redactor_feed(redactor, text, 2 * (sizeof secret - 1), NULL), 0);
	assert_int_equal(tl_redactor_flush(redactor, NULL), 0);
	assert_string_equal(tl_buf_str(&out), "db_password=[redacted:assignment]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wide_text_loses_its_nuls),
		cmocka_unit_test(the_other_byte_order_does_too),
		cmocka_unit_test(run_in_other_text_is_found),
		cmocka_unit_test(text_with_few_nuls_stays_as_it_is),
		cmocka_unit_test(secret_in_wide_text_is_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
