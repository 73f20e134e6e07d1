#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "redact/redact.h"

#define OUT_MAX (32 * 1024 * 1024)
#define SMALL_WINDOW 512

static struct tl_redact_rules *rules;

/* Rules of the tests' own, so that those of the product can change. */
static const char rule_text[] =
	"rules:\n"
	"  - id: private-key\n"
	"    keywords: [private]\n"
	"    regex: '-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----'\n"
	"    blockEnd: '-----END'\n"
	"  - id: authorization\n"
	"    keywords: [authorization]\n"
	"    regex: '(?i)authorization:\\s*([^\\r\\n]+)'\n"
	"  - id: assignment\n"
	"    keywords: [password, token, secret, api_key]\n"
	"    regex: >-\n"
	"      (?i)(?:password|token|secret|api_key)[\"']?[ \\t]{0,16}[=:][ "
	"\\t]{0,16}(?|\"((?:[^\"\\\\]|\\\\.|\"(?=\\w))++)|([^\\s\"',]+))\n";

static struct tl_redact_rules *parse_rules(const char *text)
{
	struct tl_redact_rules *parsed = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (tl_redact_rules_parse("r.yaml", text, strlen(text), &parsed, &err) < 0)
		fail_msg("%s", tl_err_text(&err));
	return parsed;
}

static int make_rules(void **state TL_UNUSED)
{
	rules = parse_rules(rule_text);
	return rules ? 0 : -1;
}

static int free_rules(void **state TL_UNUSED)
{
	tl_redact_rules_free(rules);
	return 0;
}

static struct tl_redactor *make(size_t window, size_t overlap, uint32_t match_limit)
{
	struct tl_redact_limits limits = {window, overlap, match_limit};
	struct tl_redactor *redactor = NULL;

	assert_int_equal(tl_redactor_new(rules, &limits, &redactor, NULL), 0);
	return redactor;
}

static int to_buf(void *arg, const void *bytes, size_t len, struct tl_err *err TL_UNUSED)
{
	tl_buf_append(arg, bytes, len);
	return 0;
}

/* Feeds `text` in pieces of `piece` bytes, the first of `first`. */
static void run(struct tl_redactor *redactor, const char *text, size_t len, size_t first,
		size_t piece, struct tl_buf *out)
{
	size_t take = first ? first : piece;

	tl_redactor_begin(redactor, to_buf, out);
	for (size_t at = 0; at < len; at += take, take = piece) {
		if (take > len - at)
			take = len - at;
		assert_int_equal(tl_redactor_feed(redactor, text + at, take, NULL), 0);
	}
	assert_int_equal(tl_redactor_flush(redactor, NULL), 0);
	assert_int_equal(tl_buf_check(out), 0);
}

static const char mixed[] =
	"plain line\nuser=u password=hunter2 x\n-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQ\n"
	"AAAA\n-----END RSA PRIVATE KEY-----\nAuthorization: Bearer abcdefgh\n\n\xff\xfe "
	"token=t1\r\n"
	"{\"a\":1,\"secret\":\"q\\\"r\",\"b\":2}\nlast api_key=zzz without newline";

static void output_does_not_depend_on_how_input_is_cut(void **state TL_UNUSED)
{
	tl_auto(tl_redactor) struct tl_redactor *redactor = make(65536, 4096, 200000);
	tl_auto(tl_buf) struct tl_buf whole = TL_BUF_INIT(OUT_MAX);
	size_t len = sizeof mixed - 1;

	run(redactor, mixed, len, len, len, &whole);
	assert_null(strstr(whole.data, "hunter2"));
	for (size_t cut = 1; cut < len; cut++) {
		tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(OUT_MAX);

		run(redactor, mixed, len, cut, len, &out);
		assert_string_equal(out.data, whole.data);
	}
}

static void long_line_gives_the_same_in_any_pieces(void **state TL_UNUSED)
{
	tl_auto(tl_redactor) struct tl_redactor *redactor = make(SMALL_WINDOW, 64, 200000);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(OUT_MAX);
	tl_auto(tl_buf) struct tl_buf whole = TL_BUF_INIT(OUT_MAX);

	for (unsigned i = 0; i < 300; i++)
		tl_buf_printf(&text, "%.*s,password=s3cr3t%u ", (int)(i % 37),
			      "abcdefghijklmnopqrstuvwxyz0123456789ABC", i);
	tl_buf_puts(&text, "\nnext token=x\n");
	run(redactor, text.data, text.len, 0, text.len, &whole);
	assert_null(strstr(whole.data, "s3cr3t"));
	for (size_t piece = 1; piece < 2 * SMALL_WINDOW; piece += 7) {
		tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(OUT_MAX);

		run(redactor, text.data, text.len, 0, piece, &out);
		assert_string_equal(out.data, whole.data);
	}
}

static void secret_across_a_window_is_found_at_every_offset(void **state TL_UNUSED)
{
	tl_auto(tl_redactor) struct tl_redactor *redactor = make(SMALL_WINDOW, 64, 200000);

	for (size_t before = 0; before < 3 * SMALL_WINDOW; before++) {
		tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(OUT_MAX);
		tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(OUT_MAX);

		for (size_t i = 0; i < before; i++)
			tl_buf_putc(&text, i % 5 ? 'a' : ' ');
		tl_buf_puts(&text, " {\"password\": \"canary-s3cr3t\"} ");
		for (size_t i = 0; i < SMALL_WINDOW; i++)
			tl_buf_putc(&text, i % 5 ? 'b' : ' ');
		run(redactor, text.data, text.len, 0, text.len, &out);
		assert_null(strstr(out.data, "s3cr3t"));
		assert_null(strstr(out.data, "canary"));
	}
}

static void secret_longer_than_the_window_is_hidden_whole(void **state TL_UNUSED)
{
	tl_auto(tl_redactor) struct tl_redactor *redactor = make(SMALL_WINDOW, 64, 200000);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(OUT_MAX);
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(OUT_MAX);

	tl_buf_puts(&text, "before token=");
	for (size_t i = 0; i < 10 * SMALL_WINDOW; i++)
		tl_buf_putc(&text, 'Q');
	tl_buf_puts(&text, "\nafter\n");
	run(redactor, text.data, text.len, 0, 100, &out);
	assert_null(strchr(out.data, 'Q'));
	assert_non_null(strstr(out.data, "before token=[redacted:assignment]"));
	assert_non_null(strstr(out.data, "\nafter\n"));
}

static void newline_free_megabytes_take_linear_work(void **state TL_UNUSED)
{
	tl_auto(tl_redactor) struct tl_redactor *redactor = make(65536, 4096, 200000);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(OUT_MAX);
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(OUT_MAX);

	while (text.len < 8 * 1024 * 1024)
		tl_buf_puts(&text, "keykeykeysecret_passtokenwordpass_");
	run(redactor, text.data, text.len, 0, 1 << 20, &out);
	assert_int_equal(out.len, text.len);
	assert_memory_equal(out.data, text.data, text.len);
}

static void line_that_cannot_be_examined_is_withheld(void **state TL_UNUSED)
{
	tl_auto(tl_redactor) struct tl_redactor *redactor = make(65536, 4096, 1);
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(OUT_MAX);
	static const char text[] = "a clean line\nuser=u password=hunter2 z\nanother\n";

	run(redactor, text, sizeof text - 1, 0, 1000, &out);
	assert_string_equal(out.data, "a clean line\n[withheld: redaction failed]\nanother\n");
	assert_int_equal(tl_redactor_withheld(redactor), 1);
}

static void long_line_that_cannot_be_examined_is_withheld_to_its_end(void **state TL_UNUSED)
{
	tl_auto(tl_redactor) struct tl_redactor *redactor = make(SMALL_WINDOW, 64, 1);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(OUT_MAX);
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(OUT_MAX);

	for (unsigned i = 0; i < 200; i++)
		tl_buf_printf(&text, "password=hunter%u ", i);
	tl_buf_puts(&text, "\nclean\n");
	run(redactor, text.data, text.len, 0, 99, &out);
	assert_string_equal(out.data, "[withheld: redaction failed]\nclean\n");
}

static void counts_are_kept_by_rule(void **state TL_UNUSED)
{
	tl_auto(tl_redactor) struct tl_redactor *redactor = make(65536, 4096, 200000);
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(OUT_MAX);
	tl_json *counts = json_object();
	static const char text[] = "x password=a1 token=b2\nAuthorization: Basic cc\n";

	run(redactor, text, sizeof text - 1, 0, 7, &out);
	tl_redactor_report(redactor, counts);
	assert_int_equal(json_integer_value(json_object_get(counts, "assignment")), 2);
	assert_int_equal(json_integer_value(json_object_get(counts, "authorization")), 1);
	assert_int_equal(json_object_size(counts), 2);
}

static void begin_forgets_the_text_before(void **state TL_UNUSED)
{
	tl_auto(tl_redactor) struct tl_redactor *redactor = make(65536, 4096, 200000);
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(OUT_MAX);

	tl_redactor_begin(redactor, to_buf, &out);
	assert_int_equal(tl_redactor_feed(redactor, "half a li", 9, NULL), 0);
	run(redactor, "new\n", 4, 0, 4, &out);
	assert_string_equal(out.data, "new\n");
}

static int refuse(void *arg TL_UNUSED, const void *bytes TL_UNUSED, size_t len TL_UNUSED,
		  struct tl_err *err)
{
	return tl_err_set(err, TL_ENOSPC, "full");
}

static void fault_of_the_output_stops_the_feed(void **state TL_UNUSED)
{
	tl_auto(tl_redactor) struct tl_redactor *redactor = make(65536, 4096, 200000);
	struct tl_err err = TL_ERR_INIT;

	tl_redactor_begin(redactor, refuse, NULL);
	assert_int_equal(tl_redactor_feed(redactor, "a\nb\n", 4, &err), TL_ENOSPC);
}

static void bytes_pass_unchanged_where_there_is_no_secret(void **state TL_UNUSED)
{
	tl_auto(tl_redactor) struct tl_redactor *redactor = make(65536, 4096, 200000);
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(OUT_MAX);
	char bytes[256 * 3];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 7);
	run(redactor, bytes, sizeof bytes, 0, 11, &out);
	assert_int_equal(out.len, sizeof bytes);
	assert_memory_equal(out.data, bytes, sizeof bytes);
}

static void json_is_redacted_string_by_string(void **state TL_UNUSED)
{
	tl_auto(tl_redactor) struct tl_redactor *redactor = make(65536, 4096, 200000);
	tl_json *json = json_pack("{s:s, s:[s, i], s:n}", "text", "password=hunter2", "list",
				  "token: abc def", 7, "none");
	tl_json *wanted =
		json_pack("{s:s, s:[s, i], s:n}", "text", "password=[redacted:assignment]", "list",
			  "token: [redacted:assignment] def", 7, "none");
	tl_json *clean = NULL;

	assert_int_equal(tl_redact_json(redactor, json, NULL, &clean, NULL), 0);
	assert_true(json_equal(clean, wanted));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_does_not_depend_on_how_input_is_cut),
		cmocka_unit_test(long_line_gives_the_same_in_any_pieces),
		cmocka_unit_test(secret_across_a_window_is_found_at_every_offset),
		cmocka_unit_test(secret_longer_than_the_window_is_hidden_whole),
		cmocka_unit_test(newline_free_megabytes_take_linear_work),
		cmocka_unit_test(line_that_cannot_be_examined_is_withheld),
		cmocka_unit_test(long_line_that_cannot_be_examined_is_withheld_to_its_end),
		cmocka_unit_test(counts_are_kept_by_rule),
		cmocka_unit_test(begin_forgets_the_text_before),
		cmocka_unit_test(fault_of_the_output_stops_the_feed),
		cmocka_unit_test(bytes_pass_unchanged_where_there_is_no_secret),
		cmocka_unit_test(json_is_redacted_string_by_string),
	};

	return cmocka_run_group_tests(tests, make_rules, free_rules);
}
