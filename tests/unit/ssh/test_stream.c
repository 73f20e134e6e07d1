/* Both ends are this library's own: a server that always has bytes to send and a client that reads
 * when it is told to, on one loop, over a socket pair. */
#include "ssh/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <towline/attr.h>

#include <cmocka.h>

#include "ssh/algorithms.h"
#include "ssh/keys.h"
#include "ssh/server.h"

#define TOTAL (24u * 1024 * 1024)
/* Both queues, the window, libssh's own buffer, and what two sockets hold. */
#define HELD_MAX (2 * TL_SSH_STREAM_QUEUE + TL_SSH_WINDOW_MAX + TL_SSH_UNSENT_MAX + 1024 * 1024)
#define QUIET_ROUNDS 500

/* A clock that moves by so much at each look: how far away the peer seems to be. */
static uint64_t tick_ns, clock_ns = 1000000000;

uint64_t __wrap_uv_hrtime(void);
uint64_t __wrap_uv_hrtime(void)
{
	return clock_ns += tick_ns;
}

enum step { CONNECT, LOGIN, OPEN, START, RUN };

struct pair {
	uv_loop_t loop;
	struct tl_key *key;
	ssh_key client_key;
	struct tl_ssh_server *server;
	struct tl_ssh_server_channel *channel; /* once it runs */
	struct tl_ssh_link *client;
	struct tl_ssh_stream stream; /* the client's */
	enum step step;
	bool reading, damaged;
	uint64_t given, taken;
};

/* The byte at an offset: a period that divides no buffer's size. */
static char byte_at(uint64_t at)
{
	return (char)(at % 251);
}

/* ---- the server -------------------------------------------------------------------------------- */

static void on_key(void *arg, const char *user TL_UNUSED, const char *text TL_UNUSED)
{
	struct pair *pair = arg;

	tl_ssh_server_verdict(pair->server, true);
}

static void on_login(void *arg TL_UNUSED)
{
}

static void on_start(void *arg, struct tl_ssh_server_channel *channel)
{
	struct pair *pair = arg;

	tl_ssh_channel_answer(channel, true, NULL);
	pair->channel = channel;
}

static bool serve(void *arg, struct tl_ssh_server_channel *channel)
{
	struct pair *pair = arg;
	char bytes[32 * 1024];
	size_t room = tl_ssh_stream_room(&channel->stream, TL_SSH_DATA);

	if (!pair->channel || pair->given == TOTAL || room == 0)
		return false;
	room = room < sizeof bytes ? room : sizeof bytes;
	room = room < TOTAL - pair->given ? room : (size_t)(TOTAL - pair->given);
	for (size_t i = 0; i < room; i++)
		bytes[i] = byte_at(pair->given + i);
	tl_ssh_stream_send(&channel->stream, TL_SSH_DATA, bytes, room);
	pair->given += room;
	if (pair->given == TOTAL)
		tl_ssh_stream_finish(&channel->stream, 0, NULL);
	return true;
}

static void on_channel(void *arg TL_UNUSED, struct tl_ssh_server_channel *channel TL_UNUSED)
{
}

static void on_gone(void *arg, struct tl_ssh_server_channel *channel TL_UNUSED)
{
	struct pair *pair = arg;

	pair->channel = NULL;
}

static void on_signal(void *arg TL_UNUSED, struct tl_ssh_server_channel *channel TL_UNUSED,
		      const char *name TL_UNUSED)
{
}

static void on_closed(void *arg TL_UNUSED, const char *reason TL_UNUSED)
{
}

static const struct tl_ssh_server_handlers server_handlers = {
	.key = on_key,
	.login = on_login,
	.start = on_start,
	.resize = on_channel,
	.signal = on_signal,
	.refused = on_signal,
	.pump = serve,
	.gone = on_gone,
	.closed = on_closed,
};

/* ---- the client -------------------------------------------------------------------------------- */

static void on_ready(void *arg)
{
	struct pair *pair = arg;

	pair->step = LOGIN;
}

static bool take(struct pair *pair)
{
	const char *bytes;
	size_t len = tl_ssh_stream_peek(&pair->stream, TL_SSH_DATA, &bytes);

	if (!pair->reading || len == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		pair->damaged |= bytes[i] != byte_at(pair->taken + i);
	tl_ssh_stream_take(&pair->stream, TL_SSH_DATA, len);
	pair->taken += len;
	return true;
}

/* One step on the way to a running program; false while the peer has to answer first. */
static bool advance(struct pair *pair)
{
	ssh_session session = tl_ssh_link_session(pair->client);
	int r = SSH_OK;

	switch (pair->step) {
	case CONNECT:
		return false;
	case LOGIN:
		r = ssh_userauth_publickey(session, NULL, pair->client_key);
		r = r == SSH_AUTH_AGAIN ? SSH_AGAIN : r;
		break;
	case OPEN:
		if (!pair->stream.channel)
			tl_ssh_stream_attach(&pair->stream, pair->client, ssh_channel_new(session));
		r = ssh_channel_open_session(pair->stream.channel);
		break;
	case START:
		r = ssh_channel_request_shell(pair->stream.channel);
		break;
	case RUN:
		break;
	}
	if (r == SSH_AGAIN)
		return false;
	assert_int_equal(r, SSH_OK);
	pair->step++;
	return true;
}

static bool on_pump(void *arg)
{
	struct pair *pair = arg;
	bool moved;

	if (pair->step < RUN)
		return advance(pair);
	moved = tl_ssh_stream_pump(&pair->stream);
	return take(pair) || moved;
}

static const struct tl_ssh_link_handlers client_handlers = {
	.ready = on_ready,
	.pump = on_pump,
	.closed = on_closed,
};

/* ---- both -------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
	struct pair *pair = calloc(1, sizeof *pair);
	struct tl_err err = TL_ERR_INIT;
	ssh_session session;
	int ends[2];

	assert_non_null(pair);
	uv_loop_init(&pair->loop);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
			 0);
	assert_int_equal(tl_key_generate(&pair->key, &err), 0);
	assert_int_equal(tl_ssh_key_import(pair->key, &pair->client_key, &err), 0);
	assert_int_equal(tl_ssh_server_new(&pair->loop, ends[0], pair->key, &server_handlers, pair,
					   &pair->server, &err),
			 0);
	assert_int_equal(tl_ssh_client_session("tester", ends[1], &session, &err), 0);
	assert_int_equal(tl_ssh_link_new(&pair->loop, session, ends[1], false, &client_handlers,
					 pair, &pair->client, &err),
			 0);
	*state = pair;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *pair = *state;

	tl_ssh_stream_clear(&pair->stream);
	tl_ssh_link_free(pair->client);
	tl_ssh_server_free(pair->server);
	uv_run(&pair->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&pair->loop), 0);
	ssh_key_free(pair->client_key);
	tl_key_free(pair->key);
	free(pair);
	return 0;
}

/* Runs the loop until neither side gives or takes any more. */
static void run_until_quiet(struct pair *pair)
{
	unsigned quiet = 0;

	while (quiet < QUIET_ROUNDS && pair->taken < TOTAL) {
		uint64_t before = pair->given + pair->taken;

		uv_run(&pair->loop, pair->step < RUN ? UV_RUN_ONCE : UV_RUN_NOWAIT);
		tl_ssh_link_kick(pair->client);
		quiet = pair->given + pair->taken == before && pair->given > 0 ? quiet + 1 : 0;
	}
}

static void a_reader_that_stops_makes_the_writer_wait_in_bounded_memory(void **state)
{
	struct pair *pair = *state;

	run_until_quiet(pair);
	assert_int_equal(pair->step, RUN);
	assert_int_equal(pair->taken, 0);
	assert_true(pair->given > TL_SSH_STREAM_QUEUE);
	assert_true(pair->given < HELD_MAX);
	assert_true(pair->stream.in[TL_SSH_DATA].len <= TL_SSH_STREAM_QUEUE);
	assert_true(pair->stream.withheld[TL_SSH_DATA] <= TL_SSH_WINDOW_MAX);
	assert_true(pair->channel->stream.out[TL_SSH_DATA].len <= TL_SSH_STREAM_QUEUE);
}

static void what_waited_arrives_whole_and_in_order(void **state)
{
	struct pair *pair = *state;

	run_until_quiet(pair);
	pair->reading = true;
	run_until_quiet(pair);
	assert_int_equal(pair->taken, TOTAL);
	assert_false(pair->damaged);
}

/* In a round trip that many looks at the clock go by; half a MiB takes one. */
static void what_is_far_away_gets_a_wide_window_and_one_that_waits_still_has_a_bound(void **state)
{
	struct pair *pair = *state;

	tick_ns = 10000000;
	pair->reading = true;
	while (pair->taken < TOTAL / 3)
		uv_run(&pair->loop, UV_RUN_ONCE);
	assert_true(pair->stream.window > 2 * 1024 * 1024);
	pair->reading = false;
	run_until_quiet(pair);
	assert_true(pair->given - pair->taken > 1280 * 1024);
	assert_true(pair->given - pair->taken < HELD_MAX);
	assert_true(pair->stream.in[TL_SSH_DATA].len <= 2 * TL_SSH_WINDOW_WIDE);
	pair->reading = true;
	run_until_quiet(pair);
	assert_int_equal(pair->taken, TOTAL);
	assert_false(pair->damaged);
	assert_true(pair->stream.in[TL_SSH_DATA].capacity < TL_SSH_WINDOW_WIDE);
}

static void what_is_near_keeps_the_window_that_it_has(void **state)
{
	struct pair *pair = *state;

	tick_ns = 0;
	pair->reading = true;
	run_until_quiet(pair);
	assert_int_equal(pair->taken, TOTAL);
	assert_int_equal(pair->stream.window, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_reader_that_stops_makes_the_writer_wait_in_bounded_memory, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(what_waited_arrives_whole_and_in_order, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_far_away_gets_a_wide_window_and_one_that_waits_still_has_a_bound,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_near_keeps_the_window_that_it_has, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
