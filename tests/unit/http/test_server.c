#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <towline/str.h>
#include <cmocka.h>

#include "fixture.h"

#define HOST "Host: localhost\r\n"

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	fixture_init(fixture);
	fixture_start(fixture);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	fixture_end(*state);
	free(*state);
	return 0;
}

/* Opens a connection, sends, and expects `status`. */
static void expect_status(struct fixture *fixture, const char *request, int status)
{
	struct client client;

	client_open(&client, fixture);
	assert_int_equal(client_ask(&client, request, NULL), status);
	client_close(&client);
}

static void a_connection_carries_many_requests(void **state)
{
	tl_auto(tl_buf) struct tl_buf body = TL_BUF_INIT(4096);
	struct client client;

	client_open(&client, *state);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(client_ask(&client, "GET /hello HTTP/1.1\r\n" HOST "\r\n", &body),
				 200);
		assert_string_equal(tl_buf_str(&body), "{\"hello\":\"world\"}");
	}
	client_close(&client);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	tl_auto(tl_buf) struct tl_buf body = TL_BUF_INIT(4096);
	struct client client;
	char text[32];

	client_open(&client, *state);
	client_send(&client, "GET /items/1 HTTP/1.1\r\n" HOST "\r\n"
			     "POST /echo HTTP/1.1\r\n" HOST
			     "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":2}"
			     "GET /nowhere HTTP/1.1\r\n" HOST "\r\n"
			     "GET /items/4 HTTP/1.1\r\n" HOST "\r\n");
	for (int i = 1; i <= 4; i++) {
		int status = client_reply(&client, &body);

		assert_int_equal(status, i == 3 ? 404 : 200);
		if (i == 3)
			continue;
		snprintf(text, sizeof text, i == 2 ? "{\"a\":%d}" : "{\"id\":\"%d\"}", i);
		assert_string_equal(tl_buf_str(&body), text);
	}
	client_close(&client);
}

static void a_thousand_pipelined_requests_need_no_more_stack(void **state)
{
	tl_auto(tl_buf) struct tl_buf all = TL_BUF_INIT(1 << 20);
	struct client client;

	for (int i = 0; i < 1000; i++)
		tl_buf_puts(&all, "GET /no HTTP/1.1\r\nHost: a\r\n\r\n");
	client_open(&client, *state);
	client_send_bytes(&client, all.data, all.len);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(client_reply(&client, NULL), 404);
	client_close(&client);
}

static void two_lengths_are_refused(void **state)
{
	expect_status(*state,
		      "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n"
		      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		      400);
	expect_status(*state,
		      "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
		      "Content-Length: 3\r\n\r\n0\r\n\r\n",
		      400);
}

static void folded_headers_are_refused(void **state)
{
	expect_status(*state, "GET /hello HTTP/1.1\r\n" HOST "X-A: b\r\n c\r\n\r\n", 400);
}

static void only_http_1_1_is_spoken(void **state)
{
	expect_status(*state, "GET /hello HTTP/1.0\r\n" HOST "\r\n", 505);
}

static void large_headers_are_refused(void **state)
{
	tl_auto(tl_buf) struct tl_buf request = TL_BUF_INIT(1 << 20);

	tl_buf_puts(&request, "GET /hello HTTP/1.1\r\n" HOST "X-Long: ");
	for (int i = 0; i < 20000; i++)
		tl_buf_putc(&request, 'a');
	tl_buf_puts(&request, "\r\n\r\n");
	expect_status(*state, tl_buf_str(&request), 431);
}

static void too_many_headers_are_refused(void **state)
{
	tl_auto(tl_buf) struct tl_buf request = TL_BUF_INIT(1 << 20);

	tl_buf_puts(&request, "GET /hello HTTP/1.1\r\n" HOST);
	for (int i = 0; i < 120; i++)
		tl_buf_printf(&request, "X-%d: a\r\n", i);
	tl_buf_puts(&request, "\r\n");
	expect_status(*state, tl_buf_str(&request), 431);
}

static void unknown_paths_and_methods_are_told_apart(void **state)
{
	struct client client;

	expect_status(*state, "GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404);
	expect_status(*state, "MKCOL /hello HTTP/1.1\r\n" HOST "\r\n", 501);
	expect_status(*state, "BREW /hello HTTP/1.1\r\n" HOST "\r\n", 501);
	client_open(&client, *state);
	client_send(&client, "DELETE /hello HTTP/1.1\r\n" HOST "\r\n");
	assert_true(client_await(&client, "\r\nAllow: GET, HEAD\r\n"));
	assert_int_equal(client_reply(&client, NULL), 405);
	client_close(&client);
}

static void the_row_decides_who_may_call(void **state)
{
	struct fixture *fixture = *state;
	struct client client;

	client_open(&client, fixture);
	assert_int_equal(client_ask(&client, "GET /whoami HTTP/1.1\r\n" HOST "\r\n", NULL), 401);
	assert_int_equal(client_ask(&client,
				    "GET /whoami HTTP/1.1\r\n" HOST
				    "Authorization: Bearer host\r\n\r\n",
				    NULL),
			 403);
	assert_int_equal(fixture->calls, 0);
	assert_int_equal(client_ask(&client,
				    "GET /whoami HTTP/1.1\r\n" HOST
				    "Authorization: Bearer engineer\r\n\r\n",
				    NULL),
			 200);
	assert_int_equal(fixture->calls, 1);
	client_close(&client);
}

static void a_problem_names_itself(void **state)
{
	tl_auto(tl_buf) struct tl_buf body = TL_BUF_INIT(4096);
	struct client client;

	client_open(&client, *state);
	client_send(&client, "GET /nothing?secret=1 HTTP/1.1\r\n" HOST "\r\n");
	assert_true(client_await(&client, "Content-Type: application/problem+json\r\n"));
	assert_int_equal(client_reply(&client, &body), 404);
	assert_string_equal(tl_buf_str(&body),
			    "{\"detail\":\"there is no such resource\",\"instance\":\"/nothing\","
			    "\"status\":404,\"title\":\"Not Found\","
			    "\"type\":\"urn:towline:problem:not-found\"}");
	client_close(&client);
}

static void a_body_must_be_what_the_row_takes(void **state)
{
	expect_status(*state,
		      "POST /echo HTTP/1.1\r\n" HOST
		      "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
		      415);
	expect_status(*state,
		      "POST /echo HTTP/1.1\r\n" HOST
		      "Content-Type: application/json\r\nContent-Length: 3\r\n\r\n{x}",
		      400);
	expect_status(*state, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 400);
	expect_status(*state, "GET /hello HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 400);
}

static void a_form_becomes_an_object(void **state)
{
	tl_auto(tl_buf) struct tl_buf body = TL_BUF_INIT(4096);
	struct client client;

	client_open(&client, *state);
	assert_int_equal(client_ask(&client,
				    "POST /form HTTP/1.1\r\n" HOST
				    "Content-Type: application/x-www-form-urlencoded\r\n"
				    "Content-Length: 15\r\n\r\na=1+2&b=%C3%BC&",
				    &body),
			 200);
	assert_string_equal(tl_buf_str(&body), "{\"a\":\"1 2\",\"b\":\"\xc3\xbc\"}");
	client_close(&client);
}

static void a_huge_json_body_is_refused_unread(void **state)
{
	struct client client;

	client_open(&client, *state);
	client_send(&client,
		    "POST /echo HTTP/1.1\r\n" HOST
		    "Content-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n{");
	assert_int_equal(client_reply(&client, NULL), 413);
	assert_true(client_sees_end(&client));
	client_close(&client);
}

static void a_chunked_json_body_is_bounded_too(void **state)
{
	tl_auto(tl_buf) struct tl_buf chunk = TL_BUF_INIT(1 << 20);
	struct client client;

	client_open(&client, *state);
	client_send(&client, "POST /echo HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
			     "Transfer-Encoding: chunked\r\n\r\n");
	tl_buf_puts(&chunk, "20000\r\n");
	for (int i = 0; i < 0x20000; i++)
		tl_buf_putc(&chunk, ' ');
	client_send_bytes(&client, chunk.data, chunk.len);
	assert_int_equal(client_reply(&client, NULL), 413);
	client_close(&client);
}

static void chunked_json_is_read(void **state)
{
	tl_auto(tl_buf) struct tl_buf body = TL_BUF_INIT(4096);
	struct client client;

	client_open(&client, *state);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(client_ask(&client,
					    "POST /echo HTTP/1.1\r\n" HOST
					    "Content-Type: application/json\r\n"
					    "Transfer-Encoding: chunked\r\n\r\n"
					    "3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n",
					    &body),
				 200);
		assert_string_equal(tl_buf_str(&body), "{\"a\":1}");
	}
	client_close(&client);
}

static void a_silent_handler_becomes_500(void **state)
{
	expect_status(*state, "GET /mute HTTP/1.1\r\n" HOST "\r\n", 500);
}

static void an_unchanged_resource_is_304(void **state)
{
	expect_status(*state, "GET /tagged HTTP/1.1\r\n" HOST "If-None-Match: \"v1\"\r\n\r\n", 304);
	expect_status(*state, "GET /tagged HTTP/1.1\r\n" HOST "If-None-Match: \"v0\"\r\n\r\n", 200);
}

static void head_has_no_body(void **state)
{
	struct client client;

	client_open(&client, *state);
	client_send(&client,
		    "HEAD /hello HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n");
	assert_true(client_await(&client, "Content-Length: 17\r\n"));
	assert_true(client_await(&client, "\r\n\r\nHTTP/1.1 200 OK\r\n"));
	client_close(&client);
}

static void connection_close_is_honoured(void **state)
{
	struct client client;

	client_open(&client, *state);
	assert_int_equal(client_ask(&client,
				    "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
				    NULL),
			 200);
	assert_true(client_sees_end(&client));
	client_close(&client);
}

static void two_hundred_connections_are_served_at_once(void **state)
{
	struct client *clients = calloc(200, sizeof *clients);

	for (int i = 0; i < 200; i++)
		client_open(&clients[i], *state);
	for (int i = 0; i < 200; i++)
		client_send(&clients[i], "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	for (int i = 0; i < 200; i++)
		assert_int_equal(client_reply(&clients[i], NULL), 200);
	for (int i = 0; i < 200; i++)
		client_close(&clients[i]);
	free(clients);
}

static void a_new_certificate_is_served_after_reload(void **state)
{
	struct fixture *fixture = *state;
	struct tl_err err = TL_ERR_INIT;
	struct client old, new;
	char name[64];

	client_open(&old, fixture);
	fixture_make_certificate(fixture, "renewed");
	assert_int_equal(tl_http_reload(fixture->http, &err), 0);
	client_open(&new, fixture);
	X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(new.ssl)),
				  NID_commonName, name, sizeof name);
	assert_string_equal(name, "renewed");
	assert_int_equal(client_ask(&old, "GET /hello HTTP/1.1\r\n" HOST "\r\n", NULL), 200);
	client_close(&old);
	client_close(&new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(a_connection_carries_many_requests),
		TEST(pipelined_requests_are_answered_in_order),
		TEST(a_thousand_pipelined_requests_need_no_more_stack),
		TEST(two_lengths_are_refused),
		TEST(folded_headers_are_refused),
		TEST(only_http_1_1_is_spoken),
		TEST(large_headers_are_refused),
		TEST(too_many_headers_are_refused),
		TEST(unknown_paths_and_methods_are_told_apart),
		TEST(the_row_decides_who_may_call),
		TEST(a_problem_names_itself),
		TEST(a_body_must_be_what_the_row_takes),
		TEST(a_form_becomes_an_object),
		TEST(a_huge_json_body_is_refused_unread),
		TEST(a_chunked_json_body_is_bounded_too),
		TEST(chunked_json_is_read),
		TEST(a_silent_handler_becomes_500),
		TEST(an_unchanged_resource_is_304),
		TEST(head_has_no_body),
		TEST(connection_close_is_honoured),
		TEST(two_hundred_connections_are_served_at_once),
		TEST(a_new_certificate_is_served_after_reload),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
