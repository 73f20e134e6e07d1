/* Bodies, files, event streams, upgrades and sockets: everything that lasts longer than one reply. */
#include <openssl/rand.h>
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

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	fixture_init(fixture);
	fixture->config.heartbeat_ms = 200;
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

/* `len` bytes of the counter that the upload's sink checks, from position `at` on. */
static unsigned char *counter(size_t at, size_t len)
{
	unsigned char *bytes = malloc(len);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)((at + i) % 251);
	return bytes;
}

/* ---- uploads ---- */

static void a_long_upload_arrives_whole(void **state)
{
	enum { SIZE = 24 * 1024 * 1024 };
	tl_auto(tl_buf) struct tl_buf body = TL_BUF_INIT(4096);
	tl_free unsigned char *bytes = counter(0, SIZE);
	struct fixture *fixture = *state;
	struct client client;
	char head[128];

	client_open(&client, fixture);
	for (int i = 0; i < 2; i++) {
		snprintf(head, sizeof head,
			 "PUT /upload HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", SIZE);
		client_send(&client, head);
		client_send_bytes(&client, bytes, SIZE);
		assert_int_equal(client_reply(&client, &body), 201);
		assert_string_equal(tl_buf_str(&body), "{\"bytes\":25165824}");
	}
	assert_int_equal(fixture->upload_bytes, 2 * SIZE);
	client_close(&client);
}

static void a_chunked_upload_arrives_whole(void **state)
{
	enum { CHUNK = 70001, CHUNKS = 60 };
	tl_auto(tl_buf) struct tl_buf body = TL_BUF_INIT(4096);
	struct fixture *fixture = *state;
	struct client client;
	char line[32];

	client_open(&client, fixture);
	client_send(&client, "PUT /upload HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
	for (size_t i = 0; i < CHUNKS; i++) {
		tl_free unsigned char *bytes = counter(i * CHUNK, CHUNK);

		snprintf(line, sizeof line, "%x\r\n", CHUNK);
		client_send(&client, line);
		client_send_bytes(&client, bytes, CHUNK);
		client_send(&client, "\r\n");
	}
	client_send(&client, "0\r\n\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(client_reply(&client, &body), 201);
	assert_string_equal(tl_buf_str(&body), "{\"bytes\":4200060}");
	assert_int_equal(client_reply(&client, NULL), 200);
	client_close(&client);
}

static void broken_chunks_break_the_upload(void **state)
{
	struct fixture *fixture = *state;
	struct client client;

	client_open(&client, fixture);
	client_send(&client, "PUT /upload HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
			     "zz\r\n");
	assert_true(client_sees_end(&client));
	fixture_wait(&fixture->uploads_broken, 1);
	assert_int_equal(fixture->uploads_ended, 0);
	client_close(&client);
}

static void an_upload_cut_short_is_broken(void **state)
{
	struct fixture *fixture = *state;
	tl_free unsigned char *bytes = counter(0, 1000);
	struct client client;

	client_open(&client, fixture);
	client_send(&client, "PUT /upload HTTP/1.1\r\n" HOST "Content-Length: 5000\r\n\r\n");
	client_send_bytes(&client, bytes, 1000);
	fixture_wait(&fixture->upload_bytes, 1000);
	client_close(&client);
	fixture_wait(&fixture->uploads_broken, 1);
	assert_int_equal(fixture->uploads_ended, 0);
}

static void continue_is_said_only_after_begin(void **state)
{
	struct fixture *fixture = *state;
	struct client client;

	client_open(&client, fixture);
	client_send(&client, "PUT /upload HTTP/1.1\r\n" HOST
			     "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	assert_true(client_await(&client, "\r\n\r\n"));
	assert_string_equal(tl_buf_str(&client.in), "HTTP/1.1 100 Continue\r\n\r\n");
	tl_buf_reset(&client.in);
	client_send_bytes(&client, "\0\1\2", 3);
	assert_int_equal(client_reply(&client, NULL), 201);
	assert_int_equal(client_ask(&client,
				    "PUT /upload?refuse=1 HTTP/1.1\r\n" HOST
				    "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
				    NULL),
			 409);
	client_close(&client);
	client_open(&client, fixture);
	assert_int_equal(client_ask(&client,
				    "PUT /upload-known HTTP/1.1\r\n" HOST
				    "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
				    NULL),
			 401);
	client_close(&client);
}

static void a_refused_piece_is_answered(void **state)
{
	struct fixture *fixture = *state;
	struct client client;

	client_open(&client, fixture);
	client_send(&client, "PUT /upload HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\nwrong");
	assert_int_equal(client_reply(&client, NULL), 422);
	assert_int_equal(fixture->uploads_broken, 1);
	client_close(&client);
}

static void an_empty_upload_is_one(void **state)
{
	struct client client;

	client_open(&client, *state);
	assert_int_equal(client_ask(&client,
				    "PUT /upload HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
				    NULL),
			 201);
	assert_int_equal(client_ask(&client,
				    "PUT /upload HTTP/1.1\r\n" HOST
				    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
				    NULL),
			 201);
	client_close(&client);
}

/* A slow sink stops the sender: what the server holds stays within its pieces and the socket's. */
static void a_slow_sink_stops_the_sender(void **state)
{
	enum { SIZE = 64 * 1024 * 1024, BLOCK = 64 * 1024 };
	struct fixture *fixture = *state;
	tl_free unsigned char *bytes = counter(0, BLOCK + 251);
	struct client client;
	const struct timeval short_patience = {.tv_usec = 300000};
	size_t sent = 0;
	char head[128];

	atomic_store(&fixture->hold, true);
	client_open(&client, fixture);
	snprintf(head, sizeof head, "PUT /upload HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n",
		 SIZE);
	client_send(&client, head);
	setsockopt(client.fd, SOL_SOCKET, SO_SNDTIMEO, &short_patience, sizeof short_patience);
	while (sent < SIZE) {
		int rc = SSL_write(client.ssl, bytes + sent % 251, BLOCK);

		if (rc <= 0)
			break;
		sent += (size_t)rc;
	}
	assert_true(sent < SIZE / 2);
	atomic_store(&fixture->hold, false);
	client_close(&client);
	fixture_wait(&fixture->uploads_broken, 1);
}

/* ---- files ---- */

static void a_file_comes_whole_and_in_parts(void **state)
{
	tl_auto(tl_buf) struct tl_buf body = TL_BUF_INIT(16 * 1024 * 1024);
	struct client client;

	client_open(&client, *state);
	assert_int_equal(client_ask(&client, "GET /file HTTP/1.1\r\n" HOST "\r\n", &body), 200);
	assert_int_equal(body.len, 8 * 1024 * 1024);
	for (size_t i = 0; i < body.len; i += 999)
		assert_int_equal((unsigned char)body.data[i], i / 1024 % 251);
	assert_int_equal(client_ask(&client,
				    "GET /file HTTP/1.1\r\n" HOST "Range: bytes=1023-1024\r\n\r\n",
				    &body),
			 206);
	assert_int_equal(body.len, 2);
	assert_int_equal(body.data[1] - body.data[0], 1);
	client_send(&client, "GET /file HTTP/1.1\r\n" HOST "Range: bytes=9000000-\r\n\r\n");
	assert_true(client_await(&client, "Content-Range: bytes */8388608\r\n"));
	assert_int_equal(client_reply(&client, NULL), 416);
	assert_int_equal(client_ask(&client,
				    "GET /file HTTP/1.1\r\n" HOST
				    "Range: bytes=0-0\r\nIf-Range: \"other\"\r\n\r\n",
				    &body),
			 200);
	assert_int_equal(client_ask(&client,
				    "GET /file HTTP/1.1\r\n" HOST
				    "If-None-Match: \"file-1\"\r\n\r\n",
				    NULL),
			 304);
	client_close(&client);
}

/* Private memory of this process that is in use, in bytes. */
static size_t memory_in_use(void)
{
	char line[256];
	FILE *in = fopen("/proc/self/statm", "r");
	unsigned long size = 0, resident = 0;

	assert_non_null(in);
	if (!fgets(line, sizeof line, in) || sscanf(line, "%lu %lu", &size, &resident) != 2)
		fail();
	fclose(in);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void slow_readers_cost_bounded_memory(void **state)
{
	enum { READERS = 40 };
	struct client clients[READERS];
	struct fixture *fixture = *state;
	size_t before;

	for (int i = 0; i < READERS; i++)
		client_open(&clients[i], fixture);
	before = memory_in_use();
	for (int i = 0; i < READERS; i++)
		client_send(&clients[i], "GET /file HTTP/1.1\r\n" HOST "\r\n");
	fixture_wait(&fixture->calls, READERS);
	for (int i = 0; i < READERS; i++)
		assert_true(client_await(&clients[i], "\r\n\r\n"));
	/* 40 files of 8 MiB are 320 MiB; a quarter MiB each is 10, and sanitizers keep some. */
	assert_true(memory_in_use() < before + (size_t)100 * 1024 * 1024);
	for (int i = 0; i < READERS; i++)
		client_close(&clients[i]);
}

/* ---- events ---- */

static void await_published(struct fixture *fixture, const char *topic, const char *data,
			    size_t reach)
{
	for (int tries = 0; tries < 10000; tries++) {
		if (tl_http_publish(fixture->http, topic, "7", "news", data) == reach)
			return;
		poll(NULL, 0, 1);
	}
	fail_msg("nobody listens to %s", topic);
}

static void a_stream_gets_what_was_pending_then_what_is_published(void **state)
{
	struct fixture *fixture = *state;
	struct client client;

	client_open(&client, fixture);
	client_send(&client, "GET /events/a HTTP/1.1\r\n" HOST "\r\n");
	assert_true(client_await(&client, "event: pending\ndata: one\n\n"));
	assert_int_equal(tl_http_publish(fixture->http, "a", "7", "news", "two\nlines"), 1);
	assert_int_equal(tl_http_publish(fixture->http, "b", "8", "news", "not for us"), 0);
	assert_true(client_await(&client, "id: 7\nevent: news\ndata: two\ndata: lines\n\n"));
	assert_null(strstr(tl_buf_str(&client.in), "not for us"));
	client_close(&client);
}

static void a_quiet_stream_beats(void **state)
{
	struct client client;

	client_open(&client, *state);
	client_send(&client, "GET /events/a HTTP/1.1\r\n" HOST "\r\n");
	assert_true(client_await(&client, "\r\n:\n\n\r\n"));
	tl_buf_reset(&client.in);
	assert_true(client_await(&client, ":\n\n"));
	client_close(&client);
}

static void a_stream_ends_with_its_lifetime(void **state)
{
	struct client client;

	client_open(&client, *state);
	client_send(&client, "GET /events/a?lifetime=50 HTTP/1.1\r\n" HOST "\r\n");
	assert_true(client_await(&client, "\r\n0\r\n\r\n"));
	assert_true(client_sees_end(&client));
	client_close(&client);
}

static void a_stream_that_leaves_is_not_reached(void **state)
{
	struct client client;

	client_open(&client, *state);
	client_send(&client, "GET /events/gone HTTP/1.1\r\n" HOST "\r\n");
	await_published(*state, "gone", "x", 1);
	client_close(&client);
	await_published(*state, "gone", "x", 0);
}

static void a_stream_that_does_not_read_is_closed(void **state)
{
	struct fixture *fixture = *state;
	tl_free char *data = calloc(1, 100001);
	const int small = 4096;
	struct client client;
	int fd = client_connect_tcp(fixture);

	memset(data, 'x', 100000);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	client_open_on(&client, fd);
	client_send(&client, "GET /events/slow HTTP/1.1\r\n" HOST "\r\n");
	await_published(fixture, "slow", data, 1);
	await_published(fixture, "slow", data, 0);
	client_close(&client);
}

static void thousands_of_events_keep_their_order(void **state)
{
	struct fixture *fixture = *state;
	struct client client;
	char text[32];

	client_open(&client, fixture);
	client_send(&client, "GET /events/many HTTP/1.1\r\n" HOST "\r\n");
	await_published(fixture, "many", "start", 1);
	for (int i = 0; i < 3000; i++) {
		snprintf(text, sizeof text, "n%d.", i);
		assert_int_equal(tl_http_publish(fixture->http, "many", NULL, NULL, text), 1);
		if (i % 500 == 499)
			assert_true(client_await(&client, text));
	}
	client_close(&client);
}

/* ---- upgrades ---- */

#define UPGRADE \
	"GET /upgrade HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: towline-test\r\n\r\n"

static void await_fd(int fd, short events)
{
	struct pollfd entry = {.fd = fd, .events = events};

	assert_int_equal(poll(&entry, 1, 10000), 1);
}

static size_t read_all(int fd, char *bytes, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t got;

		await_fd(fd, POLLIN);
		got = read(fd, bytes + len, size - len);
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	return len;
}

static void an_upgrade_carries_bytes_and_each_half_ends_alone(void **state)
{
	struct fixture *fixture = *state;
	struct client client;
	char bytes[64];

	client_open(&client, fixture);
	client_send(&client, UPGRADE "early");
	assert_true(client_await(&client, "\r\n\r\n"));
	assert_true(tl_str_starts(tl_buf_str(&client.in), "HTTP/1.1 101 Switching Protocols\r\n"));
	tl_buf_reset(&client.in);
	fixture_wait(&fixture->opened, 1);
	client_send(&client, "hello");
	assert_int_equal(read_all(fixture->upgraded_fd, bytes, 10), 10);
	assert_memory_equal(bytes, "earlyhello", 10);
	SSL_shutdown(client.ssl);
	assert_int_equal(read_all(fixture->upgraded_fd, bytes, 1), 0);
	assert_int_equal(write(fixture->upgraded_fd, "answer", 6), 6);
	assert_true(client_await(&client, "answer"));
	shutdown(fixture->upgraded_fd, SHUT_WR);
	assert_true(client_sees_end(&client));
	client_close(&client);
}

static void the_local_half_may_end_first(void **state)
{
	struct fixture *fixture = *state;
	struct client client;
	char bytes[8];

	client_open(&client, fixture);
	client_send(&client, UPGRADE);
	fixture_wait(&fixture->opened, 1);
	assert_int_equal(write(fixture->upgraded_fd, "bye", 3), 3);
	shutdown(fixture->upgraded_fd, SHUT_WR);
	assert_true(client_await(&client, "bye"));
	assert_true(client_sees_end(&client));
	client_send(&client, "late");
	assert_int_equal(read_all(fixture->upgraded_fd, bytes, 4), 4);
	client_close(&client);
	assert_int_equal(read_all(fixture->upgraded_fd, bytes, 1), 0);
}

static void closing_either_side_closes_both(void **state)
{
	struct fixture *fixture = *state;
	struct client client;

	client_open(&client, fixture);
	client_send(&client, UPGRADE);
	fixture_wait(&fixture->opened, 1);
	close(fixture->upgraded_fd);
	fixture->upgraded_fd = -1;
	assert_true(client_await(&client, "\r\n\r\n"));
	assert_true(client_sees_end(&client));
	client_close(&client);
}

static void an_upgrade_stops_a_writer_that_is_too_fast(void **state)
{
	enum { SIZE = 6 * 1024 * 1024 };
	struct fixture *fixture = *state;
	tl_free unsigned char *bytes = counter(0, 65536 + 251);
	struct client client;
	size_t written = 0;

	client_open(&client, fixture);
	client_send(&client, UPGRADE);
	assert_true(client_await(&client, "\r\n\r\n"));
	tl_buf_reset(&client.in);
	fixture_wait(&fixture->opened, 1);
	while (written < SIZE) {
		struct pollfd entry = {.fd = fixture->upgraded_fd, .events = POLLOUT};
		ssize_t rc;

		if (poll(&entry, 1, 0) == 0) {
			assert_true(client_read(&client) > 0);
			continue;
		}
		rc = write(fixture->upgraded_fd, bytes + written % 251, 65536);
		assert_true(rc > 0);
		written += (size_t)rc;
	}
	while (client.in.len < written)
		assert_true(client_read(&client) > 0);
	for (size_t i = 0; i < written; i++)
		assert_int_equal((unsigned char)client.in.data[i], i % 251);
	client_close(&client);
}

static void without_the_header_an_upgrade_is_426(void **state)
{
	struct client client;

	client_open(&client, *state);
	assert_int_equal(client_ask(&client, "GET /upgrade HTTP/1.1\r\n" HOST "\r\n", NULL), 426);
	client_close(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(a_long_upload_arrives_whole),
		TEST(a_chunked_upload_arrives_whole),
		TEST(broken_chunks_break_the_upload),
		TEST(an_upload_cut_short_is_broken),
		TEST(continue_is_said_only_after_begin),
		TEST(a_refused_piece_is_answered),
		TEST(an_empty_upload_is_one),
		TEST(a_slow_sink_stops_the_sender),
		TEST(a_file_comes_whole_and_in_parts),
		TEST(slow_readers_cost_bounded_memory),
		TEST(a_stream_gets_what_was_pending_then_what_is_published),
		TEST(a_quiet_stream_beats),
		TEST(a_stream_ends_with_its_lifetime),
		TEST(a_stream_that_leaves_is_not_reached),
		TEST(a_stream_that_does_not_read_is_closed),
		TEST(thousands_of_events_keep_their_order),
		TEST(an_upgrade_carries_bytes_and_each_half_ends_alone),
		TEST(the_local_half_may_end_first),
		TEST(closing_either_side_closes_both),
		TEST(an_upgrade_stops_a_writer_that_is_too_fast),
		TEST(without_the_header_an_upgrade_is_426),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
