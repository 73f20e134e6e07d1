#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/request.h"

static int parse(struct tl_request *request, const char *text)
{
	const char *reason = NULL;
	int status = tl_request_parse(request, text, strlen(text), &reason);

	assert_int_equal(status != 0, reason != NULL);
	return status;
}

static void expect(const char *text, int status)
{
	struct tl_request request;

	assert_int_equal(parse(&request, text), status);
	tl_request_clear(&request);
}

static void a_request_is_taken_apart(void **state)
{
	struct tl_request request;

	(void)state;
	assert_int_equal(parse(&request,
			       "POST /a/b?c=d&e HTTP/1.1\r\nHost: h\r\nX-Some:  a value \t\r\n"
			       "Content-Length: 12\r\nEmpty:\r\n\r\n"),
			 0);
	assert_string_equal(request.method, "POST");
	assert_string_equal(request.path, "/a/b");
	assert_string_equal(request.query, "c=d&e");
	assert_string_equal(tl_request_field(&request, "x-some"), "a value");
	assert_string_equal(tl_request_field(&request, "empty"), "");
	assert_null(tl_request_field(&request, "absent"));
	assert_int_equal(request.content_length, 12);
	assert_true(request.keep_alive);
	tl_request_clear(&request);
}

static void an_absolute_target_loses_its_authority(void **state)
{
	struct tl_request request;

	(void)state;
	assert_int_equal(parse(&request, "GET https://h:1/x?y HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
	assert_string_equal(request.path, "/x");
	assert_string_equal(request.query, "y");
	tl_request_clear(&request);
	assert_int_equal(parse(&request, "GET https://h HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
	assert_string_equal(request.path, "/");
	tl_request_clear(&request);
}

static void the_end_of_the_header_is_found_in_any_pieces(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\nrest";
	size_t end = sizeof text - 5;

	(void)state;
	for (size_t len = 1; len < sizeof text; len++)
		for (size_t scanned = 0; scanned < len && scanned < end; scanned++)
			assert_int_equal(tl_request_find_end(text, len, scanned),
					 len >= end ? end : 0);
}

static void ambiguous_lengths_are_refused(void **state)
{
	(void)state;
	expect("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: "
	       "chunked\r\n\r\n",
	       400);
	expect("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400);
	expect("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\n", 400);
	expect("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400);
	expect("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", 400);
	expect("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501);
	expect("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 400);
	expect("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n", 400);
}

static void malformed_lines_are_refused(void **state)
{
	(void)state;
	expect("GET / HTTP/1.1\nHost: h\n\r\n\r\n", 400);
	expect("GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", 400);
	expect("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", 400);
	expect("GET / HTTP/1.1\r\nHost: h\r\nA b: c\r\n\r\n", 400);
	expect("GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", 400);
	expect("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400);
	expect("\r\n\r\n", 400);
}

static void a_nul_in_a_header_is_refused(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n";
	struct tl_request request;
	const char *reason;

	(void)state;
	assert_int_equal(tl_request_parse(&request, text, sizeof text - 1, &reason), 400);
	tl_request_clear(&request);
}

static void exactly_one_host_is_needed(void **state)
{
	(void)state;
	expect("GET / HTTP/1.1\r\n\r\n", 400);
	expect("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400);
}

static void other_versions_and_methods_are_named(void **state)
{
	(void)state;
	expect("GET / HTTP/1.0\r\nHost: h\r\n\r\n", 505);
	expect("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505);
	expect("BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501);
	expect("CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 501);
	expect("GET / HTTP/1.1\r\nHost: h\r\nExpect: a-miracle\r\n\r\n", 417);
}

static void tokens_are_found_in_lists(void **state)
{
	struct tl_request request;

	(void)state;
	assert_int_equal(
		parse(&request,
		      "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, UPGRADE\r\n\r\n"),
		0);
	assert_true(request.upgrade);
	assert_true(tl_request_has_token(&request, "connection", "upgrade"));
	assert_false(tl_request_has_token(&request, "connection", "up"));
	tl_request_clear(&request);
}

#define CHUNKED "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

static void chunks_are_decoded_in_any_pieces(void **state)
{
	static const char body[] =
		"3\r\nabc\r\nA;ext=1\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nNEXT";
	const size_t whole = sizeof body - 1 - 4;

	(void)state;
	for (size_t step = 1; step <= sizeof body; step++) {
		tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(100);
		struct tl_request request;
		size_t at = 0;

		assert_int_equal(parse(&request, CHUNKED), 0);
		while (!request.body_done) {
			size_t left = sizeof body - 1 - at;
			ptrdiff_t used = tl_request_take_body(&request, body + at,
							      left < step ? left : step, &out);

			assert_true(used > 0);
			at += (size_t)used;
		}
		assert_int_equal(at, whole);
		assert_string_equal(tl_buf_str(&out), "abc0123456789");
		assert_int_equal(request.received, 13);
		tl_request_clear(&request);
	}
}

static void expect_bad_chunks(const char *body)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(1 << 20);
	struct tl_request request;

	assert_int_equal(parse(&request, CHUNKED), 0);
	assert_int_equal(tl_request_take_body(&request, body, strlen(body), &out), -1);
	tl_request_clear(&request);
}

static void malformed_chunks_are_noticed(void **state)
{
	tl_auto(tl_buf) struct tl_buf endless = TL_BUF_INIT(1 << 20);

	(void)state;
	expect_bad_chunks("zz\r\n");
	expect_bad_chunks("-1\r\n");
	expect_bad_chunks("fffffffffffffffff\r\n");
	expect_bad_chunks("3\r\nabcd");
	tl_buf_puts(&endless, "1;");
	for (int i = 0; i < 20000; i++)
		tl_buf_putc(&endless, 'x');
	expect_bad_chunks(tl_buf_str(&endless));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_taken_apart),
		cmocka_unit_test(an_absolute_target_loses_its_authority),
		cmocka_unit_test(the_end_of_the_header_is_found_in_any_pieces),
		cmocka_unit_test(ambiguous_lengths_are_refused),
		cmocka_unit_test(malformed_lines_are_refused),
		cmocka_unit_test(a_nul_in_a_header_is_refused),
		cmocka_unit_test(exactly_one_host_is_needed),
		cmocka_unit_test(other_versions_and_methods_are_named),
		cmocka_unit_test(tokens_are_found_in_lists),
		cmocka_unit_test(chunks_are_decoded_in_any_pieces),
		cmocka_unit_test(malformed_chunks_are_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
