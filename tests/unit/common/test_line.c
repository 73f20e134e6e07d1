#include "tests.h"
#include <towline/buf.h>
#include <towline/line.h>

#define MEGABYTE ((size_t)1024 * 1024)

/* Two sides and the connection between them, which takes `grip` bytes at a time and can be cut. */
struct side {
	struct tl_line *line;
	struct tl_buf got; /* of the other's stream */
};

struct pair {
	struct side a, b;
	size_t grip;
	int64_t now_ms;
};

static int setup_with(void **state, bool framed)
{
	struct pair *pair = calloc(1, sizeof *pair);

	pair->a.line = tl_line_new(framed, 0);
	pair->b.line = tl_line_new(framed, 0);
	tl_buf_init(&pair->a.got, 16 * MEGABYTE);
	tl_buf_init(&pair->b.got, 16 * MEGABYTE);
	pair->grip = 100000;
	*state = pair;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, true);
}

static int setup_plain(void **state)
{
	return setup_with(state, false);
}

static int teardown(void **state)
{
	struct pair *pair = *state;

	tl_line_free(pair->a.line);
	tl_line_free(pair->b.line);
	tl_buf_clear(&pair->a.got);
	tl_buf_clear(&pair->b.got);
	free(pair);
	return 0;
}

static int hear(struct side *side, const char *bytes, size_t len, int64_t now_ms)
{
	while (len > 0) {
		const char *payload;
		size_t payload_len;
		ssize_t used = tl_line_read(side->line, bytes, len, now_ms, &payload, &payload_len);

		if (used < 0)
			return (int)used;
		assert_in_range(used, 1, len);
		tl_buf_append(&side->got, payload, payload_len);
		bytes += used;
		len -= (size_t)used;
	}
	assert_int_equal(tl_buf_check(&side->got), 0);
	return 0;
}

/* Moves up to `most` bytes of the wire; returns how many. */
static size_t move(struct pair *pair, struct side *from, struct side *to, size_t most)
{
	size_t moved = 0, len;
	const char *bytes;

	while (moved < most && tl_line_next(from->line, &bytes, &len)) {
		len = len < pair->grip ? len : pair->grip;
		len = len < most - moved ? len : most - moved;
		assert_int_equal(hear(to, bytes, len, pair->now_ms), 0);
		tl_line_sent(from->line, len, pair->now_ms);
		moved += len;
	}
	return moved;
}

static void settle(struct pair *pair)
{
	while (move(pair, &pair->a, &pair->b, SIZE_MAX) + move(pair, &pair->b, &pair->a, SIZE_MAX))
		;
}

/* What is between the two is lost: `from` has sent `most` bytes that nobody reads. */
static void lose(struct side *from, size_t most)
{
	const char *bytes;
	size_t len;

	while (most > 0 && tl_line_next(from->line, &bytes, &len)) {
		len = len < most ? len : most;
		tl_line_sent(from->line, len, 0);
		most -= len;
	}
}

static void reconnect(struct pair *pair)
{
	uint64_t a = tl_line_received(pair->a.line), b = tl_line_received(pair->b.line);

	assert_int_equal(tl_line_resume(pair->a.line, b, pair->now_ms), 0);
	assert_int_equal(tl_line_resume(pair->b.line, a, pair->now_ms), 0);
}

static char *make_bytes(size_t len)
{
	char *bytes = malloc(len);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(i * 2654435761u >> 13);
	return bytes;
}

static void put(struct side *side, const char *bytes, size_t len)
{
	assert_int_equal(tl_line_put(side->line, bytes, len), 0);
}

static void assert_got(const struct side *side, const char *bytes, size_t len)
{
	assert_int_equal(side->got.len, len);
	assert_memory_equal(side->got.data, bytes, len);
}

/* ---- bytes ------------------------------------------------------------------------------------ */

static void bytes_come_through_both_ways(void **state)
{
	struct pair *pair = *state;

	for (pair->grip = 1; pair->grip < 20; pair->grip += 6) {
		put(&pair->a, "hello", 5);
		put(&pair->b, "good morning", 12);
		settle(pair);
	}
	assert_got(&pair->b, "hellohellohellohello", 20);
	assert_int_equal(pair->a.got.len, 48);
}

static void a_plain_line_adds_nothing(void **state)
{
	struct pair *pair = *state;
	const char *bytes;
	size_t len;

	put(&pair->a, "SSH-2.0-x\r\n", 11);
	assert_true(tl_line_next(pair->a.line, &bytes, &len));
	assert_int_equal(len, 11);
	assert_memory_equal(bytes, "SSH-2.0-x\r\n", 11);
	assert_true(tl_line_tick(pair->a.line, true, TL_LINE_DEAD_MS * 10));
	tl_line_sent(pair->a.line, 11, 0);
	assert_false(tl_line_next(pair->a.line, &bytes, &len));
	assert_int_equal(tl_line_resume(pair->a.line, 0, 0), TL_EINVAL);
	assert_int_equal(tl_line_end(pair->a.line), 0);
	assert_true(tl_line_end_sent(pair->a.line));
}

static void the_end_comes_after_all_bytes(void **state)
{
	struct pair *pair = *state;

	put(&pair->a, "last words", 10);
	assert_int_equal(tl_line_end(pair->a.line), 0);
	assert_int_equal(tl_line_room(pair->a.line), 0);
	assert_false(tl_line_end_sent(pair->a.line));
	move(pair, &pair->a, &pair->b, 13);
	assert_false(tl_line_ended(pair->b.line));
	settle(pair);
	assert_true(tl_line_end_sent(pair->a.line));
	assert_true(tl_line_ended(pair->b.line));
	assert_got(&pair->b, "last words", 10);
}

/* OpenSSL takes a repeated write for the same one: other bytes under it would be lost. */
static void what_was_offered_is_offered_again(void **state)
{
	struct pair *pair = *state;
	const char *first, *again;
	size_t first_len, again_len;

	put(&pair->a, "one", 3);
	assert_true(tl_line_next(pair->a.line, &first, &first_len));
	assert_true(tl_line_tick(pair->a.line, true, TL_LINE_KEEPALIVE_MS));
	put(&pair->a, "two", 3);
	assert_true(tl_line_next(pair->a.line, &again, &again_len));
	assert_ptr_equal(first, again);
	assert_int_equal(first_len, again_len);
}

/* ---- bounds ----------------------------------------------------------------------------------- */

static size_t fill(struct pair *pair, struct side *side, bool connection_takes)
{
	tl_free char *bytes = make_bytes(TL_LINE_FRAME_MAX);
	size_t total = 0, room;

	(void)pair;
	while ((room = tl_line_room(side->line)) > 0) {
		put(side, bytes, room);
		total += room;
		if (connection_takes)
			lose(side, SIZE_MAX);
	}
	return total;
}

static void a_slow_connection_is_not_filled_up(void **state)
{
	struct pair *pair = *state;
	size_t total = fill(pair, &pair->a, false);

	assert_in_range(total, TL_LINE_AHEAD - TL_LINE_FRAME_MAX,
			TL_LINE_AHEAD + TL_LINE_FRAME_MAX);
}

static void a_peer_that_acknowledges_nothing_stops_the_source(void **state)
{
	struct pair *pair = *state;
	size_t total = fill(pair, &pair->a, true);

	assert_in_range(total, TL_LINE_WINDOW - TL_LINE_FRAME_MAX, TL_LINE_WINDOW);
}

static void acknowledged_bytes_make_room(void **state)
{
	struct pair *pair = *state;
	tl_free char *bytes = make_bytes(TL_LINE_FRAME_MAX);
	size_t rounds = 3 * TL_LINE_WINDOW / TL_LINE_FRAME_MAX;

	for (size_t i = 0; i < rounds; i++) {
		assert_int_equal(tl_line_room(pair->a.line), TL_LINE_FRAME_MAX);
		put(&pair->a, bytes, TL_LINE_FRAME_MAX);
		settle(pair);
	}
	assert_int_equal(pair->b.got.len, rounds * TL_LINE_FRAME_MAX);
}

static void single_bytes_are_acknowledged_before_the_window_is_full(void **state)
{
	struct pair *pair = *state;

	for (size_t i = 0; i < 3 * MEGABYTE / 16; i++) {
		assert_int_not_equal(tl_line_room(pair->a.line), 0);
		put(&pair->a, "x", 1);
		settle(pair);
	}
}

/* ---- breaks ----------------------------------------------------------------------------------- */

static void after_a_break_nothing_is_missing_and_nothing_comes_twice(void **state)
{
	struct pair *pair = *state;
	tl_free char *bytes = make_bytes(8 * MEGABYTE);
	size_t at_a = 0, at_b = 0, cut = 1;

	while (at_a < 8 * MEGABYTE || pair->b.got.len < at_a || pair->a.got.len < at_b) {
		size_t room_a = tl_line_room(pair->a.line), room_b = tl_line_room(pair->b.line);

		room_a = room_a < 8 * MEGABYTE - at_a ? room_a : 8 * MEGABYTE - at_a;
		room_b = room_b < 8 * MEGABYTE - at_b ? room_b : 8 * MEGABYTE - at_b;
		put(&pair->a, bytes + at_a, room_a);
		put(&pair->b, bytes + at_b, room_b);
		at_a += room_a;
		at_b += room_b;
		/* Some arrives, some is lost, at every position of a header and within a frame. */
		cut = cut * 7 % 200003;
		move(pair, &pair->a, &pair->b, cut);
		move(pair, &pair->b, &pair->a, cut / 3);
		lose(&pair->a, cut / 2);
		lose(&pair->b, cut);
		reconnect(pair);
	}
	assert_got(&pair->b, bytes, 8 * MEGABYTE);
	assert_got(&pair->a, bytes, at_b);
}

static void an_end_that_was_lost_comes_again(void **state)
{
	struct pair *pair = *state;

	put(&pair->a, "bye", 3);
	assert_int_equal(tl_line_end(pair->a.line), 0);
	lose(&pair->a, SIZE_MAX);
	assert_true(tl_line_end_sent(pair->a.line));
	reconnect(pair);
	assert_false(tl_line_end_sent(pair->a.line));
	settle(pair);
	assert_true(tl_line_ended(pair->b.line));
	assert_got(&pair->b, "bye", 3);
	reconnect(pair);
	settle(pair);
	assert_true(tl_line_end_sent(pair->a.line));
}

static void a_peer_cannot_have_what_was_not_sent(void **state)
{
	struct pair *pair = *state;

	put(&pair->a, "12345", 5);
	assert_int_equal(tl_line_resume(pair->a.line, 1, 0), TL_EINVAL);
	lose(&pair->a, SIZE_MAX);
	assert_int_equal(tl_line_resume(pair->a.line, 6, 0), TL_EINVAL);
	assert_int_equal(tl_line_resume(pair->a.line, 5, 0), 0);
}

/* TLS writes records of what is offered before it says that it took any of it. */
static void a_peer_may_have_of_what_was_only_offered(void **state)
{
	struct pair *pair = *state;
	const char *bytes;
	size_t len;

	put(&pair->a, "12345", 5);
	assert_true(tl_line_next(pair->a.line, &bytes, &len));
	assert_int_equal(hear(&pair->b, bytes, len - 2, 0), 0);
	reconnect(pair);
	settle(pair);
	assert_got(&pair->b, "12345", 5);
}

static void a_peer_cannot_ask_again_for_what_it_acknowledged(void **state)
{
	struct pair *pair = *state;

	put(&pair->a, "12345", 5);
	settle(pair);
	pair->now_ms = TL_LINE_KEEPALIVE_MS;
	assert_true(tl_line_tick(pair->b.line, true, pair->now_ms));
	settle(pair);
	assert_int_equal(tl_line_resume(pair->a.line, 4, 0), TL_EINVAL);
	assert_int_equal(tl_line_resume(pair->a.line, 5, 0), 0);
}

/* ---- hostile peers ---------------------------------------------------------------------------- */

static void frames_that_are_none_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{"\x00\x00\x00\x00", 4},				  /* no data */
		{"\x00\x01\x00\x01", 4},				  /* too much */
		{"\x01\x00\x00\x07", 4},				  /* half a count */
		{"\x01\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x01", 12}, /* nothing was sent */
		{"\x02\x00\x00\x01", 4},				  /* an end with a load */
		{"\x02\x00\x00\x00\x02\x00\x00\x00", 8},		  /* two ends */
		{"\x02\x00\x00\x00\x00\x00\x00\x01x", 9},		  /* data behind the end */
		{"\x03\x00\x00\x00", 4},				  /* an unknown type */
		{"SSH-2.0-x\r\n", 11},
	};

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++) {
		struct side side = {.line = tl_line_new(true, 0), .got = TL_BUF_INIT(100)};

		assert_int_equal(hear(&side, bad[i].bytes, bad[i].len, 0), TL_EPROTO);
		tl_line_free(side.line);
		tl_buf_clear(&side.got);
	}
}

static void an_acknowledgement_never_goes_back(void **state)
{
	struct pair *pair = *state;

	put(&pair->a, "12345", 5);
	lose(&pair->a, SIZE_MAX);
	assert_int_equal(hear(&pair->a, "\x01\x00\x00\x08\0\0\0\0\0\0\0\x05", 12, 0), 0);
	assert_int_equal(hear(&pair->a, "\x01\x00\x00\x08\0\0\0\0\0\0\0\x04", 12, 0), TL_EPROTO);
}

/* ---- time ------------------------------------------------------------------------------------- */

static void a_silent_line_says_that_it_is_there(void **state)
{
	struct pair *pair = *state;
	const char *bytes;
	size_t len;

	assert_true(tl_line_tick(pair->a.line, true, TL_LINE_KEEPALIVE_MS - 1));
	assert_false(tl_line_next(pair->a.line, &bytes, &len));
	assert_true(tl_line_tick(pair->a.line, true, TL_LINE_KEEPALIVE_MS));
	assert_true(tl_line_next(pair->a.line, &bytes, &len));
	assert_int_equal(len, 12);
}

static void a_silent_peer_is_dead(void **state)
{
	struct pair *pair = *state;

	assert_true(tl_line_tick(pair->a.line, true, TL_LINE_DEAD_MS - 1));
	assert_false(tl_line_tick(pair->a.line, true, TL_LINE_DEAD_MS));
}

static void a_peer_that_was_heard_lives(void **state)
{
	struct pair *pair = *state;

	for (pair->now_ms = 0; pair->now_ms < 10 * TL_LINE_DEAD_MS; pair->now_ms += 1000) {
		assert_true(tl_line_tick(pair->a.line, true, pair->now_ms));
		assert_true(tl_line_tick(pair->b.line, true, pair->now_ms));
		settle(pair);
	}
}

/* Who does not read cannot know. */
static void silence_does_not_count_while_nobody_listens(void **state)
{
	struct pair *pair = *state;

	assert_true(tl_line_tick(pair->a.line, false, 20 * TL_LINE_DEAD_MS));
	assert_true(tl_line_tick(pair->a.line, true, 20 * TL_LINE_DEAD_MS + 5));
}

/* ---- the header field ------------------------------------------------------------------------- */

static void a_hello_is_read_back(void **state)
{
	struct tl_line_hello hello = {.received = UINT64_MAX, .gap_ms = 60000}, read;
	char text[TL_LINE_HELLO_MAX];

	(void)state;
	tl_line_token(hello.token);
	tl_line_hello_write(&hello, text);
	assert_int_equal(tl_line_hello_parse(text, &read), 0);
	assert_string_equal(read.token, hello.token);
	assert_int_equal(read.received, hello.received);
	assert_int_equal(read.gap_ms, 60000);
	hello.token[0] = '\0';
	tl_line_hello_write(&hello, text);
	assert_int_equal(tl_line_hello_parse(text, &read), 0);
	assert_string_equal(read.token, "");
}

static void tokens_are_random(void **state)
{
	char one[TL_LINE_TOKEN_LEN + 1], other[TL_LINE_TOKEN_LEN + 1];

	(void)state;
	tl_line_token(one);
	tl_line_token(other);
	assert_int_equal(strlen(one), TL_LINE_TOKEN_LEN);
	assert_string_not_equal(one, other);
}

static void hellos_that_are_none_are_refused(void **state)
{
#define TOKEN "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	static const char *const bad[] = {
		"1",
		"1 -",
		"1 - 0",
		"1 - 0 0 0",
		"1 - -1 0",
		"1 - 0 -1",
		"1 - 0 300001",
		"1  - 0 0",
		("1 " TOKEN "A 0 0"),
		"1 short 0 0",
		"1 - 0x1 0",
		" 1 - 0 0",
		"1 - 0 0 ",
		"1 * 0 60000",
		"1 - 18446744073709551616 0",
	};
	struct tl_line_hello hello;

	(void)state;
	for (size_t i = 0; i < TL_ARRAY_LEN(bad); i++)
		if (tl_line_hello_parse(bad[i], &hello) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
	assert_int_equal(tl_line_hello_parse("2 - 0 0", &hello), TL_EUNSUPPORTED);
	assert_int_equal(tl_line_hello_parse("1 " TOKEN " 0 0", &hello), 0);
}

#define WITH_PAIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PAIR(bytes_come_through_both_ways),
		cmocka_unit_test_setup_teardown(a_plain_line_adds_nothing, setup_plain, teardown),
		WITH_PAIR(the_end_comes_after_all_bytes),
		WITH_PAIR(what_was_offered_is_offered_again),
		WITH_PAIR(a_slow_connection_is_not_filled_up),
		WITH_PAIR(a_peer_that_acknowledges_nothing_stops_the_source),
		WITH_PAIR(acknowledged_bytes_make_room),
		WITH_PAIR(single_bytes_are_acknowledged_before_the_window_is_full),
		WITH_PAIR(after_a_break_nothing_is_missing_and_nothing_comes_twice),
		WITH_PAIR(an_end_that_was_lost_comes_again),
		WITH_PAIR(a_peer_cannot_have_what_was_not_sent),
		WITH_PAIR(a_peer_may_have_of_what_was_only_offered),
		WITH_PAIR(a_peer_cannot_ask_again_for_what_it_acknowledged),
		cmocka_unit_test(frames_that_are_none_are_refused),
		WITH_PAIR(an_acknowledgement_never_goes_back),
		WITH_PAIR(a_silent_line_says_that_it_is_there),
		WITH_PAIR(a_silent_peer_is_dead),
		WITH_PAIR(a_peer_that_was_heard_lives),
		WITH_PAIR(silence_does_not_count_while_nobody_listens),
		cmocka_unit_test(a_hello_is_read_back),
		cmocka_unit_test(tokens_are_random),
		cmocka_unit_test(hellos_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
