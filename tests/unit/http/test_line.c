/* Upgrades that outlive their connection. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <towline/line.h>
#include <towline/str.h>
#include <cmocka.h>

#include "fixture.h"

#define HELLO_FRAME "\x00\x00\x00\x05hello"

static int set_up_with(void **state, int64_t gap_ms)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	fixture_init(fixture);
	fixture->gap_ms = gap_ms;
	fixture_start(fixture);
	*state = fixture;
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(state, 60000);
}

static int set_up_without_patience(void **state)
{
	return set_up_with(state, 1);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	unsigned long opened = fixture->opened;

	fixture_end(fixture);
	assert_int_equal(fixture->freed, opened);
	free(fixture);
	return 0;
}

/* Asks for the line; returns the status, and what the server says of it. */
static int ask(struct client *client, struct fixture *fixture, const struct tl_line_hello *hello,
	       struct tl_line_hello *ret_hello)
{
	char text[TL_LINE_HELLO_MAX], request[512];
	char *field;
	int status;

	tl_line_hello_write(hello, text);
	snprintf(request, sizeof request,
		 "GET /line/one HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
		 "Upgrade: towline-test\r\nTowline-Line: %s\r\n\r\n",
		 text);
	client_open(client, fixture);
	client_send(client, request);
	assert_true(client_await(client, "\r\n\r\n"));
	status = atoi(client->in.data + strlen("HTTP/1.1 "));
	if (status != 101)
		return status;
	field = strstr(client->in.data, "Towline-Line: ") + strlen("Towline-Line: ");
	*strchr(field, '\r') = '\0';
	assert_int_equal(tl_line_hello_parse(field, ret_hello), 0);
	tl_buf_reset(&client->in);
	return status;
}

static void open_line(struct client *client, struct fixture *fixture, struct tl_line_hello *hello)
{
	const struct tl_line_hello none = {.token = ""};

	assert_int_equal(ask(client, fixture, &none, hello), 101);
	assert_int_equal(strlen(hello->token), TL_LINE_TOKEN_LEN);
	fixture_wait(&fixture->opened, 1);
}

/* Goes on, having received so much; the server has received `expected`. */
static void go_on(struct client *client, struct fixture *fixture, struct tl_line_hello *hello,
		  uint64_t received, uint64_t expected)
{
	struct tl_line_hello mine = *hello;

	mine.received = received;
	assert_int_equal(ask(client, fixture, &mine, hello), 101);
	assert_int_equal(hello->received, expected);
}

static void assert_refused(struct fixture *fixture, const struct tl_line_hello *hello,
			   uint64_t received)
{
	struct tl_line_hello mine = *hello, answer;
	struct client client;

	mine.received = received;
	assert_int_equal(ask(&client, fixture, &mine, &answer), 403);
	client_close(&client);
}

static void assert_local(struct fixture *fixture, const char *text)
{
	char bytes[64] = "";
	size_t len = 0;

	while (len < strlen(text)) {
		struct pollfd entry = {.fd = fixture->upgraded_fd, .events = POLLIN};
		ssize_t got;

		assert_int_equal(poll(&entry, 1, 10000), 1);
		got = read(fixture->upgraded_fd, bytes + len, strlen(text) - len);
		assert_true(got > 0);
		len += (size_t)got;
	}
	assert_string_equal(bytes, text);
}

static void assert_local_ends(struct fixture *fixture)
{
	struct pollfd entry = {.fd = fixture->upgraded_fd, .events = POLLIN};
	char byte;

	assert_int_equal(poll(&entry, 1, 10000), 1);
	assert_int_equal(read(fixture->upgraded_fd, &byte, 1), 0);
}

static bool await_bytes(struct client *client, const char *bytes, size_t len)
{
	while (client->in.len < len || !memmem(client->in.data, client->in.len, bytes, len))
		if (client_read(client) <= 0)
			return false;
	return true;
}

static void a_broken_line_goes_on_on_another_connection(void **state)
{
	struct fixture *fixture = *state;
	struct tl_line_hello hello;
	struct client client;

	open_line(&client, fixture, &hello);
	client_send_bytes(&client, HELLO_FRAME HELLO_FRAME, 18);
	assert_local(fixture, "hellohello");
	client_close(&client);
	assert_int_equal(write(fixture->upgraded_fd, "answer", 6), 6);
	go_on(&client, fixture, &hello, 0, 10);
	assert_true(await_bytes(&client,
				"\x00\x00\x00\x06"
				"answer",
				10));
	client_send_bytes(&client, HELLO_FRAME, 9);
	assert_local(fixture, "hello");
	client_close(&client);
	/* Of the answer only half had come. */
	go_on(&client, fixture, &hello, 3, 15);
	assert_true(await_bytes(&client,
				"\x00\x00\x00\x03"
				"wer",
				7));
	client_close(&client);
}

static void a_frame_that_came_in_part_is_counted_in_part(void **state)
{
	struct fixture *fixture = *state;
	struct tl_line_hello hello;
	struct client client;

	open_line(&client, fixture, &hello);
	client_send_bytes(&client, HELLO_FRAME, 6);
	assert_local(fixture, "he");
	client_close(&client);
	go_on(&client, fixture, &hello, 0, 2);
	client_send_bytes(&client,
			  "\x00\x00\x00\x03"
			  "llo",
			  7);
	assert_local(fixture, "llo");
	client_close(&client);
}

/* The host's network changed, and the relay has not noticed. */
static void the_older_connection_is_overtaken(void **state)
{
	struct fixture *fixture = *state;
	struct tl_line_hello hello;
	struct client old, client;

	open_line(&old, fixture, &hello);
	client_send_bytes(&old, HELLO_FRAME, 9);
	assert_local(fixture, "hello");
	go_on(&client, fixture, &hello, 0, 5);
	client_send_bytes(&client, HELLO_FRAME, 9);
	assert_local(fixture, "hello");
	client_send_bytes(&old, HELLO_FRAME, 9);
	assert_true(client_sees_end(&old));
	assert_int_equal(write(fixture->upgraded_fd, "x", 1), 1);
	assert_true(await_bytes(&client, "\x00\x00\x00\x01x", 5));
	client_close(&old);
	client_close(&client);
}

static void a_token_that_was_used_opens_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct tl_line_hello first, second;
	struct client client;

	open_line(&client, fixture, &first);
	client_close(&client);
	second = first;
	go_on(&client, fixture, &second, 0, 0);
	assert_string_not_equal(first.token, second.token);
	client_close(&client);
	/* The answer may have been lost: the first one is still good. */
	go_on(&client, fixture, &first, 0, 0);
	client_send_bytes(&client, HELLO_FRAME, 9);
	assert_local(fixture, "hello");
	/* But now it was heard with the new one. */
	assert_refused(fixture, &second, 0);
	client_close(&client);
	go_on(&client, fixture, &first, 0, 5);
	client_close(&client);
}

static void other_tokens_and_impossible_counts_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct tl_line_hello hello, other = {.token = ""};
	struct client client;

	open_line(&client, fixture, &hello);
	tl_line_token(other.token);
	assert_refused(fixture, &other, 0);
	assert_refused(fixture, &hello, 1);
	assert_refused(fixture, &hello, UINT64_MAX);
	/* Nothing of that has disturbed it. */
	client_send_bytes(&client, HELLO_FRAME, 9);
	assert_local(fixture, "hello");
	client_close(&client);
}

static void what_breaks_the_protocol_ends_the_line(void **state)
{
	struct fixture *fixture = *state;
	struct tl_line_hello hello;
	struct client client;

	open_line(&client, fixture, &hello);
	client_send_bytes(&client, "\xff\x00\x00\x00", 4);
	assert_local_ends(fixture);
	assert_true(client_sees_end(&client));
	assert_refused(fixture, &hello, 0);
	client_close(&client);
}

static void an_end_is_told_to_the_other_side(void **state)
{
	struct fixture *fixture = *state;
	struct tl_line_hello hello;
	struct client client;

	open_line(&client, fixture, &hello);
	assert_int_equal(write(fixture->upgraded_fd, "bye", 3), 3);
	close(fixture->upgraded_fd);
	fixture->upgraded_fd = -1;
	assert_true(await_bytes(&client,
				"\x00\x00\x00\x03"
				"bye\x02\x00\x00\x00",
				11));
	assert_true(client_sees_end(&client));
	client_close(&client);
	assert_refused(fixture, &hello, 0);
}

static void the_peers_end_reaches_the_local_side(void **state)
{
	struct fixture *fixture = *state;
	struct tl_line_hello hello;
	struct client client;

	open_line(&client, fixture, &hello);
	client_send_bytes(&client, HELLO_FRAME "\x02\x00\x00\x00", 13);
	assert_local(fixture, "hello");
	assert_local_ends(fixture);
	assert_int_equal(write(fixture->upgraded_fd, "so long", 7), 7);
	assert_true(await_bytes(&client, "so long", 7));
	client_close(&client);
}

static void a_line_that_nobody_comes_back_for_is_lost(void **state)
{
	struct fixture *fixture = *state;
	struct tl_line_hello hello;
	struct client client;

	open_line(&client, fixture, &hello);
	client_close(&client);
	fixture_wait(&fixture->lost, 1);
	assert_local_ends(fixture);
	fixture_wait(&fixture->freed, 1);
	assert_refused(fixture, &hello, 0);
}

static void a_line_that_the_local_side_left_is_not_kept(void **state)
{
	struct fixture *fixture = *state;
	struct tl_line_hello hello;
	struct client client;

	open_line(&client, fixture, &hello);
	client_close(&client);
	close(fixture->upgraded_fd);
	fixture->upgraded_fd = -1;
	fixture_wait(&fixture->freed, 1);
	assert_int_equal(fixture->lost, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_broken_line_goes_on_on_another_connection),
		TEST(a_frame_that_came_in_part_is_counted_in_part),
		TEST(the_older_connection_is_overtaken),
		TEST(a_token_that_was_used_opens_nothing),
		TEST(other_tokens_and_impossible_counts_are_refused),
		TEST(what_breaks_the_protocol_ends_the_line),
		TEST(an_end_is_told_to_the_other_side),
		TEST(the_peers_end_reaches_the_local_side),
		cmocka_unit_test_setup_teardown(a_line_that_nobody_comes_back_for_is_lost,
						set_up_without_patience, tear_down),
		TEST(a_line_that_the_local_side_left_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
