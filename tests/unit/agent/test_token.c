#include "../common/tests.h"

#include <towline/str.h>

#include "core/token.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SECRET "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const char *make(const char *json, struct tl_buf *out)
{
	tl_buf_puts(out, "tl1.");
	tl_base64url_encode(out, json, strlen(json));
	return tl_buf_str(out);
}

static int parse(const char *json, struct tl_enrol_token *ret_token, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4096);

	make(json, &text);
	return tl_enrol_token_parse(tl_buf_str(&text), text.len, ret_token, err);
}

static void a_pasted_token_is_read(void **state)
{
	tl_auto(tl_enrol_token) struct tl_enrol_token token;

	(void)state;
	assert_int_equal(parse("{\"u\":\"https://relay:8443/\",\"f\":\"" HEX "\",\"s\":\"" SECRET
			       "\"}",
			       &token, NULL),
			 0);
	assert_string_equal(token.url, "https://relay:8443");
	assert_string_equal(token.ca_sha256, HEX);
	assert_string_equal(token.secret, SECRET);
}

static void blanks_around_it_do_not_matter(void **state)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4096);
	tl_auto(tl_enrol_token) struct tl_enrol_token token;

	(void)state;
	tl_buf_puts(&text, "  \n");
	make("{\"u\":\"https://r\",\"f\":\"" HEX "\",\"s\":\"" SECRET "\"}", &text);
	tl_buf_puts(&text, "\r\n\n");
	assert_int_equal(tl_enrol_token_parse(tl_buf_str(&text), text.len, &token, NULL), 0);
}

static void something_else_is_no_token(void **state)
{
	tl_auto(tl_enrol_token) struct tl_enrol_token token;
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(tl_enrol_token_parse("hello", 5, &token, &err), TL_EINVAL);
	assert_says(&err, "starts with \"tl1.\"");
}

static void a_cut_token_is_damaged(void **state)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(4096);
	tl_auto(tl_enrol_token) struct tl_enrol_token token;
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	make("{\"u\":\"https://r\",\"f\":\"" HEX "\",\"s\":\"" SECRET "\"}", &text);
	for (size_t len = 0; len < text.len; len++)
		assert_int_equal(tl_enrol_token_parse(text.data, len, &token, &err), TL_EINVAL);
	assert_says(&err, "damaged");
}

static void the_secret_is_in_no_sentence(void **state)
{
	tl_auto(tl_enrol_token) struct tl_enrol_token token;
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_equal(parse("{\"u\":\"http://r\",\"f\":\"" HEX "\",\"s\":\"" SECRET "\"}",
			       &token, &err),
			 TL_EINVAL);
	assert_null(strstr(err.text, SECRET));
}

static void only_plain_https_addresses_are_taken(void **state)
{
	static const char *const bad[] = {
		"http://relay",	   "https://",	      "https://user@relay", "https://relay/path",
		"https://relay?x", "https://relay#x", "https://:8443",	    "https://re lay",
		"relay",	   "https://relay//"};

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++)
		assert_false(tl_relay_url_is_valid(bad[i]));
	assert_true(tl_relay_url_is_valid("https://127.0.0.1:8443"));
	assert_true(tl_relay_url_is_valid("https://[::1]:8443"));
	assert_true(tl_relay_url_is_valid("https://relay.example/"));
}

static void wrong_fingerprints_and_secrets_are_refused(void **state)
{
	static const char *const bad[] = {
		"{\"u\":\"https://r\",\"f\":\"abc\",\"s\":\"" SECRET "\"}",
		"{\"u\":\"https://r\",\"f\":\"" HEX "\",\"s\":\"short\"}",
		"{\"u\":\"https://r\",\"f\":\"" HEX "\"}",
		"{\"u\":\"https://r\",\"f\":\"" HEX "\",\"s\":\"" SECRET "\",\"x\":1}",
		"[]",
		"{\"u\":1,\"f\":\"" HEX "\",\"s\":\"" SECRET "\"}",
	};
	tl_auto(tl_enrol_token) struct tl_enrol_token token;

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++)
		assert_int_equal(parse(bad[i], &token, NULL), TL_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pasted_token_is_read),
		cmocka_unit_test(blanks_around_it_do_not_matter),
		cmocka_unit_test(something_else_is_no_token),
		cmocka_unit_test(a_cut_token_is_damaged),
		cmocka_unit_test(the_secret_is_in_no_sentence),
		cmocka_unit_test(only_plain_https_addresses_are_taken),
		cmocka_unit_test(wrong_fingerprints_and_secrets_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
