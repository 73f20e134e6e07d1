/* WebSockets, from both sides: raw frames on one, packets on the other. */
#include <errno.h>
#include <fcntl.h>
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
#include "routes.h"

#define REQUEST(protocol) \
	"GET /socket HTTP/1.1\r\nHost: localhost\r\n" \
	"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" \
	"Sec-WebSocket-Extensions: permessage-deflate\r\n" \
	"Sec-WebSocket-Protocol: " protocol "\r\n\r\n"

struct scene {
	struct fixture fixture;
	struct client client;
	int local; /* the other side of the pair; the fixture closes it */
};

static int set_up_with(void **state, int64_t heartbeat_ms)
{
	struct scene *scene = calloc(1, sizeof *scene);

	fixture_init(&scene->fixture);
	if (heartbeat_ms)
		scene->fixture.config.heartbeat_ms = heartbeat_ms;
	fixture_start(&scene->fixture);
	client_open(&scene->client, &scene->fixture);
	client_send(&scene->client, REQUEST("other, test.towline"));
	/* The key and its answer are the example of RFC 6455 §1.3. */
	assert_true(client_await(&scene->client,
				 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
	assert_true(client_await(&scene->client, "\r\n\r\n"));
	assert_null(strstr(tl_buf_str(&scene->client.in), "deflate"));
	assert_non_null(
		strstr(tl_buf_str(&scene->client.in), "Sec-WebSocket-Protocol: test.towline\r\n"));
	tl_buf_reset(&scene->client.in);
	fixture_wait(&scene->fixture.opened, 1);
	scene->local = scene->fixture.upgraded_fd;
	*state = scene;
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(state, 0);
}

static int set_up_fast_heartbeat(void **state)
{
	return set_up_with(state, 100);
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	client_close(&scene->client);
	fixture_end(&scene->fixture);
	free(scene);
	return 0;
}

/* ---- both sides ---- */

/* Masked, as RFC 6455 §5.3 demands of a client. */
static size_t make_frame(unsigned char first, const char *bytes, size_t len, unsigned char *frame)
{
	static const unsigned char mask[] = {1, 2, 3, 4};
	size_t at = 2;

	frame[0] = first;
	frame[1] = (unsigned char)(0x80 | (len < 126 ? len : len < 65536 ? 126 : 127));
	if (len >= 126)
		for (int shift = len < 65536 ? 8 : 56; shift >= 0; shift -= 8)
			frame[at++] = (unsigned char)((uint64_t)len >> shift);
	memcpy(frame + at, mask, sizeof mask);
	for (size_t i = 0; i < len; i++)
		frame[at + 4 + i] = (unsigned char)(bytes[i] ^ (int)(1 + i % 4));
	return at + 4 + len;
}

static void send_frame(struct client *client, unsigned char first, const char *bytes, size_t len)
{
	unsigned char *frame = malloc(len + 16);

	client_send_bytes(client, frame, make_frame(first, bytes, len, frame));
	free(frame);
}

static size_t await_packet(int local, char *packet)
{
	struct pollfd entry = {.fd = local, .events = POLLIN};
	ssize_t got;

	assert_int_equal(poll(&entry, 1, 10000), 1);
	got = recv(local, packet, TL_WS_PACKET_MAX, 0);
	assert_true(got >= 0);
	return (size_t)got;
}

/* Binary bytes, in however many pieces: `len` of them, of which byte i is bytes[i % period]. */
static void expect_bytes(int local, const char *bytes, size_t period, size_t len)
{
	char packet[TL_WS_PACKET_MAX];
	size_t at = 0;

	while (at < len) {
		size_t got = await_packet(local, packet);

		assert_true(got > 1);
		assert_int_equal(packet[0], TL_WS_BINARY);
		for (size_t i = 1; i < got; i++, at++)
			assert_int_equal(packet[i], bytes[at % period]);
	}
	assert_int_equal(at, len);
}

static void expect_packet(int local, const char *text)
{
	char packet[TL_WS_PACKET_MAX];

	assert_int_equal(await_packet(local, packet), strlen(text));
	assert_memory_equal(packet, text, strlen(text));
}

static void expect_end(int local)
{
	expect_packet(local, "");
}

/* The close frame itself: `code`, whatever the reason. 1005 stands for a frame without a code. */
static void expect_close(struct client *client, unsigned code)
{
	const unsigned char want[] = {(unsigned char)(code >> 8), (unsigned char)code};

	if (code == 1005) {
		assert_true(client_await(client, "\x88"));
		assert_true(client_sees_end(client));
		assert_int_equal(client->in.len, 2);
		return;
	}
	while (client->in.len < 4)
		assert_true(client_read(client) > 0);
	assert_int_equal((unsigned char)client->in.data[0], 0x88);
	assert_memory_equal(client->in.data + 2, want, 2);
}

/* ---- messages ---- */

static void messages_pass_both_ways(void **state)
{
	struct scene *scene = *state;

	send_frame(&scene->client, 0x81, "hello", 5);
	expect_packet(scene->local, "Thello");
	send_frame(&scene->client, 0x02, "two ", 4);
	send_frame(&scene->client, 0x80, "parts", 5);
	expect_bytes(scene->local, "two parts", 9, 9);
	assert_int_equal(send(scene->local, "Tgood", 5, 0), 5);
	assert_true(client_await(&scene->client, "\x81\x04good"));
	assert_int_equal(send(scene->local, "Bbytes", 6, 0), 6);
	assert_true(client_await(&scene->client, "\x82\x05"
						 "bytes"));
}

static void a_long_message_comes_in_pieces(void **state)
{
	struct scene *scene = *state;
	char *bytes = malloc(SOCKET_MESSAGE_MAX);

	for (size_t i = 0; i < SOCKET_MESSAGE_MAX; i++)
		bytes[i] = (char)(i * 7 / 5);
	send_frame(&scene->client, 0x82, bytes, SOCKET_MESSAGE_MAX);
	expect_bytes(scene->local, bytes, SOCKET_MESSAGE_MAX, SOCKET_MESSAGE_MAX);
	free(bytes);
}

/* ---- what makes no sense ---- */

/* Without a code (1005) where wslay finds the frame itself to be none. */
static void frames_that_make_no_sense_end_it(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		unsigned code;
	} rows[] = {
		{"\x81\x02hi", 4, 1002},	       /* not masked */
		{"\xc1\x80\1\2\3\4", 6, 1002},	       /* a reserved bit */
		{"\x83\x80\1\2\3\4", 6, 1002},	       /* an opcode that there is not */
		{"\x80\x80\1\2\3\4", 6, 1002},	       /* goes on with nothing */
		{"\x09\x80\1\2\3\4", 6, 1005},	       /* a ping in parts */
		{"\x89\xfe\x00\x80\1\2\3\4", 8, 1005}, /* a ping that is too long */
		{"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10, 1005}, /* 2^64 - 1 bytes */
		{"\x82\xff\x00\x00\x00\x00\x10\x00\x00\x00\1\2\3\4x", 15, 1009},
		{"\x81\x81\0\0\0\0\xff", 7, 1007}, /* no UTF-8 */
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++) {
		struct scene *scene;

		set_up(state);
		scene = *state;
		client_send_bytes(&scene->client, rows[i].bytes, rows[i].len);
		expect_close(&scene->client, rows[i].code);
		assert_true(client_sees_end(&scene->client));
		expect_end(scene->local);
		tear_down(state);
	}
}

static void a_message_beyond_the_limit_is_1009(void **state)
{
	struct scene *scene = *state;
	char *bytes = calloc(1, SOCKET_MESSAGE_MAX + 1);

	send_frame(&scene->client, 0x02, bytes, SOCKET_MESSAGE_MAX);
	expect_bytes(scene->local, bytes, 1, SOCKET_MESSAGE_MAX);
	send_frame(&scene->client, 0x80, bytes, 1);
	expect_close(&scene->client, 1009);
	expect_end(scene->local);
	free(bytes);
}

static void a_text_that_fills_no_packet_is_1009(void **state)
{
	struct scene *scene = *state;
	char *text = malloc(TL_WS_PACKET_MAX);

	memset(text, 'x', TL_WS_PACKET_MAX);
	send_frame(&scene->client, 0x81, text, TL_WS_PACKET_MAX);
	expect_close(&scene->client, 1009);
	free(text);
}

/* ---- only as fast as the other side takes it ---- */

/* Sends `frame` until the peer takes no more for a moment, at most `max` times. */
static size_t flood(struct client *client, const unsigned char *frame, size_t len, size_t max)
{
	struct pollfd entry = {.fd = client->fd, .events = POLLOUT};
	size_t count = 0;

	SSL_set_mode(client->ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	fcntl(client->fd, F_SETFL, O_NONBLOCK);
	while (count < max && (count == 0 || poll(&entry, 1, 200) == 1))
		if (SSL_write(client->ssl, frame, (int)len) > 0)
			count++;
	fcntl(client->fd, F_SETFL, 0);
	return count;
}

static void what_nobody_takes_stays_with_the_peer(void **state)
{
	struct scene *scene = *state;
	char bytes[8192];
	unsigned char frame[sizeof bytes + 16];
	size_t len, count;

	memset(bytes, 'p', sizeof bytes);
	len = make_frame(0x82, bytes, sizeof bytes, frame);
	count = flood(&scene->client, frame, len, 8192);
	assert_true(count < 8192); /* 64 MiB: far less fits into sockets */
	expect_bytes(scene->local, bytes, sizeof bytes, count * sizeof bytes);
}

static void pings_whose_answers_nobody_takes_are_not_read(void **state)
{
	struct scene *scene = *state;
	char bytes[125];
	unsigned char ping[sizeof bytes + 16];
	size_t len, count;

	memset(bytes, 'p', sizeof bytes);
	len = make_frame(0x89, bytes, sizeof bytes, ping);
	count = flood(&scene->client, ping, len, (size_t)1024 * 1024);
	assert_true(count < (size_t)1024 * 1024);
}

static void what_the_peer_does_not_take_stays_here(void **state)
{
	struct scene *scene = *state;
	char packet[TL_WS_PACKET_MAX];
	struct pollfd entry = {.fd = scene->local, .events = POLLOUT};
	size_t sent = 0, at = 0;

	memset(packet, 'B', sizeof packet);
	while (sent < (size_t)64 * 1024 * 1024 && poll(&entry, 1, 200) == 1)
		if (send(scene->local, packet, sizeof packet, MSG_DONTWAIT) > 0)
			sent += sizeof packet - 1;
	assert_true(sent < (size_t)64 * 1024 * 1024);
	while (at < sent) {
		assert_true(client_read(&scene->client) > 0);
		at += scene->client.in.len;
		tl_buf_reset(&scene->client.in);
	}
}

/* ---- the end ---- */

static void a_closing_handshake_is_answered(void **state)
{
	struct scene *scene = *state;

	send_frame(&scene->client, 0x82, "last", 4);
	send_frame(&scene->client, 0x88, "\x03\xe8", 2);
	expect_close(&scene->client, 1000);
	assert_true(client_sees_end(&scene->client));
	expect_packet(scene->local, "Blast");
	expect_end(scene->local);
}

static void the_local_side_ends_it_with_code_and_reason(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(send(scene->local, "Blast", 5, 0), 5);
	assert_int_equal(send(scene->local,
			      "C\x11\x39"
			      "moved",
			      8, 0),
			 8);
	assert_true(client_await(&scene->client, "\x82\x04last\x88\x07\x11\x39moved"));
	send_frame(&scene->client, 0x88, "\x11\x39", 2);
	assert_true(client_sees_end(&scene->client));
}

static void last_words_are_heard_though_ours_were_not_read(void **state)
{
	struct scene *scene = *state;

	send_frame(&scene->client, 0x82, "unread", 6);
	assert_int_equal(poll(&(struct pollfd){.fd = scene->local, .events = POLLIN}, 1, 10000), 1);
	assert_int_equal(send(scene->local, "C\x11\x39", 3, 0), 3);
	close(scene->local);
	scene->fixture.upgraded_fd = -1;
	expect_close(&scene->client, 0x1139);
}

static void a_local_side_that_vanishes_is_1011(void **state)
{
	struct scene *scene = *state;

	close(scene->local);
	scene->fixture.upgraded_fd = -1;
	expect_close(&scene->client, 1011);
}

static void a_peer_that_does_not_answer_the_end_is_left(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(send(scene->local, "C\x03\xe8", 3, 0), 3);
	assert_true(client_sees_end(&scene->client));
	expect_end(scene->local);
}

static void a_silent_socket_is_pinged_then_closed(void **state)
{
	struct scene *scene = *state;

	assert_true(client_await(&scene->client, "\x89"));
	assert_true(client_sees_end(&scene->client));
	expect_end(scene->local);
}

/* Its bytes are not read, so its pongs are not either. */
static void a_socket_whose_bytes_nobody_takes_outlives_its_pings(void **state)
{
	struct scene *scene = *state;
	char bytes[8192];
	unsigned char frame[sizeof bytes + 16];
	size_t len;

	memset(bytes, 'p', sizeof bytes);
	len = make_frame(0x82, bytes, sizeof bytes, frame);
	flood(&scene->client, frame, len, 8192);
	for (int pings = 0; pings < 4;) {
		assert_true(client_read(&scene->client) > 0);
		for (size_t i = 0; i + 1 < scene->client.in.len; i += 2)
			pings += memcmp(scene->client.in.data + i, "\x89", 2) == 0;
		tl_buf_reset(&scene->client.in);
	}
}

/* ---- the handshake ---- */

static void without_its_headers_a_socket_is_426(void **state)
{
	struct scene *scene = *state;
	struct client client;

	client_open(&client, &scene->fixture);
	assert_int_equal(client_ask(&client, "GET /socket HTTP/1.1\r\nHost: localhost\r\n\r\n",
				    NULL),
			 426);
	client_close(&client);
}

static void another_subprotocol_is_400(void **state)
{
	struct scene *scene = *state;
	struct client client;

	client_open(&client, &scene->fixture);
	assert_int_equal(client_ask(&client, REQUEST("test.towline.2"), NULL), 400);
	client_close(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_FAST(name) cmocka_unit_test_setup_teardown(name, set_up_fast_heartbeat, tear_down)
		TEST(messages_pass_both_ways),
		TEST(a_long_message_comes_in_pieces),
		cmocka_unit_test(frames_that_make_no_sense_end_it),
		TEST(a_message_beyond_the_limit_is_1009),
		TEST(a_text_that_fills_no_packet_is_1009),
		TEST(what_nobody_takes_stays_with_the_peer),
		TEST(pings_whose_answers_nobody_takes_are_not_read),
		TEST(what_the_peer_does_not_take_stays_here),
		TEST(a_closing_handshake_is_answered),
		TEST(the_local_side_ends_it_with_code_and_reason),
		TEST(last_words_are_heard_though_ours_were_not_read),
		TEST(a_local_side_that_vanishes_is_1011),
		TEST_FAST(a_peer_that_does_not_answer_the_end_is_left),
		TEST_FAST(a_silent_socket_is_pinged_then_closed),
		TEST_FAST(a_socket_whose_bytes_nobody_takes_outlives_its_pings),
		TEST(without_its_headers_a_socket_is_426),
		TEST(another_subprotocol_is_400),
#undef TEST
#undef TEST_FAST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
