/* Secrets on the lines below the one that names them: what goes, where it ends, and what stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "redact/redact.h"

#define OUT_MAX (4 * 1024 * 1024)
#define WINDOW 1024

static struct tl_redact_rules *rules;

/* Rules of the tests' own, so that those of the product can change. */
static const char rule_text[] =
	"rules:\n"
	"  - {id: block, keywords: [password], regex: '(?m)^ *(?:- )*password: [|>]$', follow: "
	"block}\n"
	"  - {id: pair, keywords: [token], regex: '^ *(?:- )?\"?name\"?: \"?TOKEN\"?,?$', follow: "
	"value,\n"
	"     nextLines: 2, nextRegex: '^ *\"?value\"?: \"?([^\"]+)'}\n"
	"  - {id: continued, keywords: [secret], regex: '^secret=.*\\\\$', follow: continued}\n"
	"  - {id: quoted, keywords: [secret], regex: '^secret: \"[^\"]*$', follow: quoted}\n"
	"  - {id: element, keywords: [secret], regex: '^ *<secret>$', follow: element}\n"
	"  - {id: kind, keywords: ['kind'], regex: '^ *(?:- )?\"?kind\"?: \"?Secret\"?,?$', "
	"follow: "
	"kubernetes-secret}\n"
	"  - {id: data, regex: '^ *(?:- )?\"?data\"?: *\\{?$', follow: kubernetes-data}\n"
	"  - {id: key, keywords: [private], regex: '-----BEGIN PRIVATE KEY-----', blockEnd: "
	"'-----END'}\n";

static int make_rules(void **state TL_UNUSED)
{
	struct tl_err err = TL_ERR_INIT;

	if (tl_redact_rules_parse("r.yaml", rule_text, sizeof rule_text - 1, &rules, &err) < 0)
		fail_msg("%s", tl_err_text(&err));
	return 0;
}

static int free_rules(void **state TL_UNUSED)
{
	tl_redact_rules_free(rules);
	return 0;
}

static int to_buf(void *arg, const void *bytes, size_t len, struct tl_err *err TL_UNUSED)
{
	tl_buf_append(arg, bytes, len);
	return 0;
}

static void redact(const char *text, size_t len, size_t piece, struct tl_buf *out)
{
	const struct tl_redact_limits limits = {WINDOW, 256, 200000};
	tl_auto(tl_redactor) struct tl_redactor *redactor = NULL;

	assert_int_equal(tl_redactor_new(rules, &limits, &redactor, NULL), 0);
	tl_redactor_begin(redactor, to_buf, out);
	for (size_t at = 0; at < len; at += piece)
		assert_int_equal(tl_redactor_feed(redactor, text + at,
						  len - at < piece ? len - at : piece, NULL),
				 0);
	assert_int_equal(tl_redactor_flush(redactor, NULL), 0);
	assert_int_equal(tl_buf_check(out), 0);
}

/* In pieces of every size. */
static void expect(const char *text, const char *wanted)
{
	size_t len = strlen(text);

	for (size_t piece = 1; piece <= len; piece++) {
		tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(OUT_MAX);

		redact(text, len, piece, &out);
		assert_string_equal(tl_buf_str(&out), wanted);
	}
}

static void block_goes_until_a_line_is_indented_no_deeper(void **state TL_UNUSED)
{
	expect("a:\n  password: |\n    one\n      two\n\n    three\n  user: bob\n",
	       "a:\n  password: |\n    [redacted:block]\n      \n\n    \n  user: bob\n");
	expect("- password: >\n   one\n- next\n", "- password: >\n   [redacted:block]\n- next\n");
	expect("password: |\n  last", "password: |\n  [redacted:block]");
	expect("password: |\nuser: x\n", "password: |\nuser: x\n");
}

static void value_goes_on_one_of_the_next_lines(void **state TL_UNUSED)
{
	expect("- name: TOKEN\n  value: abc\n  value: def\n",
	       "- name: TOKEN\n  value: [redacted:pair]\n  value: def\n");
	expect("\"name\": \"TOKEN\",\n\n\"type\": 1,\n\"value\": \"abc\"\n}",
	       "\"name\": \"TOKEN\",\n\n\"type\": 1,\n\"value\": \"[redacted:pair]\"\n}");
	expect("name: TOKEN\na: 1\nb: 2\nvalue: abc\n", "name: TOKEN\na: 1\nb: 2\nvalue: abc\n");
}

static void value_of_another_object_stays(void **state TL_UNUSED)
{
	expect("- name: TOKEN\n- value: abc\n", "- name: TOKEN\n- value: abc\n");
	expect("  \"name\": \"TOKEN\"\n}, {\n  \"value\": \"abc\"\n",
	       "  \"name\": \"TOKEN\"\n}, {\n  \"value\": \"abc\"\n");
}

static void value_may_be_a_block(void **state TL_UNUSED)
{
	expect("- name: TOKEN\n  value: |\n    one\n    two\n  x: y\n",
	       "- name: TOKEN\n  value: |\n    [redacted:pair]\n    \n  x: y\n");
}

static void key_as_a_value_goes_whole(void **state TL_UNUSED)
{
	expect("name: TOKEN\nvalue: -----BEGIN PRIVATE KEY-----\nMIIBVgIBADANBg\n"
	       "-----END PRIVATE KEY-----\nx\n",
	       "name: TOKEN\nvalue: [redacted:key]\n\n\nx\n");
}

static void continued_lines_go(void **state TL_UNUSED)
{
	expect("secret=a\\\n  b\\\n  c\nuser=d\n",
	       "secret=a\\\n  [redacted:continued]\\\n  \nuser=d\n");
}

static void quoted_lines_go_when_the_quote_is_closed(void **state TL_UNUSED)
{
	expect("secret: \"a\n  b\n  c\"\nd\n", "secret: \"a\n  [redacted:quoted]\n  \"\nd\n");
	expect("secret: \"a\nthe word \"b\" is quoted\n",
	       "secret: \"a\nthe word \"b\" is quoted\n");
	expect("secret: \"a\nb\nc\n", "secret: \"a\nb\nc\n");
}

static void text_of_an_element_goes_when_it_is_closed(void **state TL_UNUSED)
{
	expect("<secret>\n  x\n</secret>\ny\n", "<secret>\n  [redacted:element]\n</secret>\ny\n");
	expect("<secret>\n<name>x</name>\n</secret>\n", "<secret>\n<name>x</name>\n</secret>\n");
	expect("<secret>\nx\ny\n", "<secret>\nx\ny\n");
}

static void values_of_a_secret_go_and_its_keys_stay(void **state TL_UNUSED)
{
	expect("kind: Secret\nmetadata:\n  name: n\ndata:\n  a: eA\n  b: |\n    eQ\n    eg\ntype: "
	       "t\nstringData:\n  c: \"d\"\n---\ndata:\n  e: f\n",
	       "kind: Secret\nmetadata:\n  name: n\ndata:\n  a: [redacted:kind]\n  b: |\n"
	       "    [redacted:kind]\n    \ntype: t\nstringData:\n  c: \"[redacted:kind]\"\n---\n"
	       "data:\n  e: f\n");
	expect("- data:\n    a: eA\n  kind: Secret\n- data:\n    a: eA\n  kind: ConfigMap\n",
	       "- data:\n    a: [redacted:data]\n  kind: Secret\n- data:\n    a: eA\n  kind: "
	       "ConfigMap\n");
	expect("{\n \"data\": {\n  \"a\": \"eA\",\n  \"b\": \"eQ\"\n },\n \"kind\": "
	       "\"Secret\"\n}\n",
	       "{\n \"data\": {\n  \"a\": \"[redacted:data]\",\n  \"b\": \"[redacted:data]\"\n "
	       "},\n "
	       "\"kind\": \"Secret\"\n}\n");
}

static void block_inside_of_a_secret_does_not_end_it(void **state TL_UNUSED)
{
	expect("kind: Secret\nmetadata:\n  password: |\n    x\ndata:\n  a: eA\n",
	       "kind: Secret\nmetadata:\n  password: |\n    [redacted:block]\ndata:\n  a: "
	       "[redacted:kind]\n");
}

static void data_without_a_kind_stay(void **state TL_UNUSED)
{
	expect("data:\n  a: c3ludGhldGlj\n", "data:\n  a: c3ludGhldGlj\n");
	expect("data:\n  a: b\nkind: ConfigMap\n", "data:\n  a: b\nkind: ConfigMap\n");
	expect("data:\n  a: b\nother\n---\nkind: Secret\n",
	       "data:\n  a: b\nother\n---\nkind: Secret\n");
}

/* What says of which kind it is, is further away than a window: base64 has to do. */
static void long_data_go_by_their_form(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(OUT_MAX);

	tl_buf_puts(&text, "data:\n  release: ");
	for (unsigned i = 0; i < 3 * WINDOW; i++)
		tl_buf_putc(&text, 'Q');
	tl_buf_puts(&text, "\nkind: x\n");
	for (size_t piece = 1; piece < 2 * WINDOW; piece += 97) {
		tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(OUT_MAX);

		redact(text.data, text.len, piece, &out);
		assert_string_equal(tl_buf_str(&out),
				    "data:\n  release: [redacted:data]\nkind: x\n");
	}
}

static void long_value_goes_to_its_line_s_end(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(OUT_MAX);

	tl_buf_puts(&text, "name: TOKEN\nvalue: ");
	for (unsigned i = 0; i < 3 * WINDOW; i++)
		tl_buf_putc(&text, 'Q');
	tl_buf_puts(&text, "\nvalue: x\n");
	for (size_t piece = 1; piece < 2 * WINDOW; piece += 97) {
		tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(OUT_MAX);

		redact(text.data, text.len, piece, &out);
		assert_string_equal(tl_buf_str(&out),
				    "name: TOKEN\nvalue: [redacted:pair]\nvalue: x\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(block_goes_until_a_line_is_indented_no_deeper),
		cmocka_unit_test(value_goes_on_one_of_the_next_lines),
		cmocka_unit_test(value_of_another_object_stays),
		cmocka_unit_test(value_may_be_a_block),
		cmocka_unit_test(key_as_a_value_goes_whole),
		cmocka_unit_test(continued_lines_go),
		cmocka_unit_test(quoted_lines_go_when_the_quote_is_closed),
		cmocka_unit_test(text_of_an_element_goes_when_it_is_closed),
		cmocka_unit_test(values_of_a_secret_go_and_its_keys_stay),
		cmocka_unit_test(block_inside_of_a_secret_does_not_end_it),
		cmocka_unit_test(data_without_a_kind_stay),
		cmocka_unit_test(long_data_go_by_their_form),
		cmocka_unit_test(long_value_goes_to_its_line_s_end),
	};

	return cmocka_run_group_tests(tests, make_rules, free_rules);
}
