/* The server's deadlines, proxies and end. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <towline/str.h>
#include <cmocka.h>

#include "fixture.h"

#define HOST "Host: localhost\r\n"

static int set_up_with(void **state, void (*change)(struct tl_http_config *config))
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	fixture_init(fixture);
	if (change)
		change(&fixture->config);
	fixture_start(fixture);
	*state = fixture;
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(state, NULL);
}

static int tear_down(void **state)
{
	fixture_end(*state);
	free(*state);
	return 0;
}

/* ---- deadlines ---- */

static void short_deadlines(struct tl_http_config *config)
{
	config->header_timeout_ms = 150;
	config->keepalive_timeout_ms = 150;
	config->body_idle_timeout_ms = 150;
	config->write_timeout_ms = 150;
}

static int set_up_short_deadlines(void **state)
{
	return set_up_with(state, short_deadlines);
}

/* One byte at a time does not extend the deadline of a header. */
static void a_slow_header_is_408(void **state)
{
	static const char request[] =
		"GET /hello HTTP/1.1\r\nHost: localhost\r\nX-Slow: aaaaaaaaaaaa";
	struct client client;
	struct pollfd entry = {.events = POLLIN};

	client_open(&client, *state);
	entry.fd = client.fd;
	for (size_t i = 0; i < sizeof request - 1; i++) {
		client_send_bytes(&client, request + i, 1);
		if (poll(&entry, 1, 20) > 0 && client_read(&client) > 0 && client.in.len > 0)
			break;
	}
	assert_int_equal(client_reply(&client, NULL), 408);
	assert_true(client_sees_end(&client));
	client_close(&client);
}

static void a_handshake_that_never_comes_ends(void **state)
{
	int fd = client_connect_tcp(*state);
	char byte;

	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
}

static void an_idle_connection_ends(void **state)
{
	struct client client;

	client_open(&client, *state);
	assert_int_equal(client_ask(&client, "GET /hello HTTP/1.1\r\n" HOST "\r\n", NULL), 200);
	assert_true(client_sees_end(&client));
	client_close(&client);
}

static void a_body_that_stops_coming_is_408(void **state)
{
	struct client client;

	client_open(&client, *state);
	client_send(&client, "POST /echo HTTP/1.1\r\n" HOST
			     "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{");
	assert_int_equal(client_reply(&client, NULL), 408);
	client_close(&client);
}

static void an_upload_that_stops_coming_is_broken(void **state)
{
	struct fixture *fixture = *state;
	struct client client;

	client_open(&client, fixture);
	client_send(&client, "PUT /upload HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n");
	fixture_wait(&fixture->uploads_broken, 1);
	client_close(&client);
}

static void a_reader_that_stops_reading_is_dropped(void **state)
{
	const int small = 4096;
	struct client client;
	int fd = client_connect_tcp(*state);
	struct pollfd entry = {.fd = fd, .events = POLLRDHUP};

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	client_open_on(&client, fd);
	client_send(&client, "GET /file HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(poll(&entry, 1, 10000), 1);
	client_close(&client);
}

/* ---- who must wait ---- */

static void room_for_two(struct tl_http_config *config)
{
	config->max_connections = 2;
	config->loops = 1;
}

static int set_up_small(void **state)
{
	return set_up_with(state, room_for_two);
}

static void beyond_the_configured_connections_new_ones_wait(void **state)
{
	struct client first, second, third;
	int fd;

	client_open(&first, *state);
	client_open(&second, *state);
	fd = client_connect_tcp(*state);
	client_close(&first);
	client_open_on(&third, fd);
	assert_int_equal(client_ask(&third, "GET /hello HTTP/1.1\r\n" HOST "\r\n", NULL), 200);
	assert_int_equal(client_ask(&second, "GET /hello HTTP/1.1\r\n" HOST "\r\n", NULL), 200);
	client_close(&second);
	client_close(&third);
}

static void one_loop(struct tl_http_config *config)
{
	config->loops = 1;
}

static int set_up_one_loop(void **state)
{
	return set_up_with(state, one_loop);
}

/* More than a loop shakes hands with at once, all of them stuck after their first bytes. */
static void handshakes_that_get_stuck_do_not_shut_others_out(void **state)
{
	static const char hello[] = {0x16, 3, 1, 1, 0};
	int stuck[300];
	struct client client;

	for (size_t i = 0; i < TL_ARRAY_LEN(stuck); i++) {
		stuck[i] = client_connect_tcp(*state);
		assert_int_equal(send(stuck[i], hello, sizeof hello, 0), sizeof hello);
	}
	client_open(&client, *state);
	assert_int_equal(client_ask(&client, "GET /hello HTTP/1.1\r\n" HOST "\r\n", NULL), 200);
	client_close(&client);
	for (size_t i = 0; i < TL_ARRAY_LEN(stuck); i++)
		close(stuck[i]);
}

static void every_connection_is_counted(void **state)
{
	struct fixture *fixture = *state;
	struct client client;

	assert_true(tl_http_accepted(fixture->http) == 0);
	client_open(&client, fixture);
	assert_true(tl_http_accepted(fixture->http) == 1);
	client_close(&client);
}

/* ---- proxies ---- */

static void trust_loopback(struct tl_http_config *config)
{
	static const char *const trusted[] = {"127.0.0.0/8", NULL};

	config->trusted_proxies = trusted;
}

static int set_up_trusting(void **state)
{
	return set_up_with(state, trust_loopback);
}

#define WHOAMI "GET /whoami HTTP/1.1\r\n" HOST "Authorization: Bearer engineer\r\n"

static void a_trusted_proxy_names_its_client(void **state)
{
	tl_auto(tl_buf) struct tl_buf body = TL_BUF_INIT(4096);
	struct client client;
	int fd = client_connect_tcp(*state);
	static const char header[] = "PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n";

	assert_int_equal(send(fd, header, sizeof header - 1, 0), sizeof header - 1);
	client_open_on(&client, fd);
	assert_int_equal(client_ask(&client, WHOAMI "\r\n", &body), 200);
	assert_non_null(strstr(tl_buf_str(&body), "203.0.113.7"));
	client_close(&client);
	client_open(&client, *state);
	assert_int_equal(client_ask(&client,
				    WHOAMI "X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\n\r\n",
				    &body),
			 200);
	assert_non_null(strstr(tl_buf_str(&body), "203.0.113.9"));
	client_close(&client);
}

static void anybody_else_is_not_believed(void **state)
{
	tl_auto(tl_buf) struct tl_buf body = TL_BUF_INIT(4096);
	struct client client;

	client_open(&client, *state);
	assert_int_equal(client_ask(&client, WHOAMI "X-Forwarded-For: 203.0.113.9\r\n\r\n", &body),
			 200);
	assert_non_null(strstr(tl_buf_str(&body), "127.0.0.1"));
	client_close(&client);
}

/* ---- the end ---- */

static void *stop(void *arg)
{
	struct fixture *fixture = arg;

	tl_http_stop(fixture->http, 10000);
	return NULL;
}

static void a_running_call_ends_before_the_server(void **state)
{
	struct fixture *fixture = *state;
	struct client idle, stream, upload;
	pthread_t thread;

	client_open(&idle, fixture);
	assert_int_equal(client_ask(&idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n", NULL), 200);
	client_open(&stream, fixture);
	client_send(&stream, "GET /events/a HTTP/1.1\r\n" HOST "\r\n");
	assert_true(client_await(&stream, "data: one"));
	client_open(&upload, fixture);
	client_send(&upload, "PUT /upload HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n");
	client_send_bytes(&upload, "", 1);
	fixture_wait(&fixture->upload_bytes, 1);
	assert_int_equal(pthread_create(&thread, NULL, stop, fixture), 0);
	assert_true(client_sees_end(&idle));
	assert_true(
		client_await(&stream, "retry: 2000\nevent: retry\ndata: {\"after_ms\":2000}\n\n"));
	assert_true(client_await(&stream, "\r\n0\r\n\r\n"));
	client_close(&idle);
	client_close(&stream);
	client_send_bytes(&upload, "\1", 1);
	assert_true(client_await(&upload, "Connection: close\r\n"));
	assert_int_equal(client_reply(&upload, NULL), 201);
	client_close(&upload);
	pthread_join(thread, NULL);
	assert_int_equal(fixture->uploads_ended, 1);
}

static void what_does_not_end_is_broken_off(void **state)
{
	struct fixture *fixture = *state;
	struct client upload;

	client_open(&upload, fixture);
	client_send(&upload, "PUT /upload HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n");
	client_send_bytes(&upload, "", 1);
	fixture_wait(&fixture->upload_bytes, 1);
	tl_http_stop(fixture->http, 50);
	assert_int_equal(fixture->uploads_broken, 1);
	client_close(&upload);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST_WITH(name, up) cmocka_unit_test_setup_teardown(name, up, tear_down)
		TEST_WITH(a_slow_header_is_408, set_up_short_deadlines),
		TEST_WITH(a_handshake_that_never_comes_ends, set_up_short_deadlines),
		TEST_WITH(an_idle_connection_ends, set_up_short_deadlines),
		TEST_WITH(a_body_that_stops_coming_is_408, set_up_short_deadlines),
		TEST_WITH(an_upload_that_stops_coming_is_broken, set_up_short_deadlines),
		TEST_WITH(a_reader_that_stops_reading_is_dropped, set_up_short_deadlines),
		TEST_WITH(beyond_the_configured_connections_new_ones_wait, set_up_small),
		TEST_WITH(handshakes_that_get_stuck_do_not_shut_others_out, set_up_one_loop),
		TEST_WITH(every_connection_is_counted, set_up),
		TEST_WITH(a_trusted_proxy_names_its_client, set_up_trusting),
		TEST_WITH(anybody_else_is_not_believed, set_up),
		TEST_WITH(a_running_call_ends_before_the_server, set_up),
		TEST_WITH(what_does_not_end_is_broken_off, set_up),
#undef TEST_WITH
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
