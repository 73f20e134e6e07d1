#include "../common/tests.h"

#include <towline/str.h>

#include "core/sse.h"

struct heard {
	unsigned count;
	char event[64];
	char data[1024];
};

static void on_event(void *arg, const char *event, const char *data, size_t len)
{
	struct heard *heard = arg;

	heard->count++;
	assert_int_equal(strlen(data), len);
	snprintf(heard->event, sizeof(heard->event), "%s", event);
	snprintf(heard->data, sizeof(heard->data), "%s", data);
}

static struct heard hear(const char *text)
{
	struct heard heard = {.count = 0};
	tl_auto(tl_sse) struct tl_sse sse;

	tl_sse_init(&sse, on_event, &heard);
	assert_int_equal(tl_sse_feed(&sse, text, strlen(text)), 0);
	return heard;
}

static void an_event_has_its_name_and_data(void **state)
{
	struct heard heard = hear("event: grant\ndata: {\"a\":1}\n\n");

	(void)state;
	assert_int_equal(heard.count, 1);
	assert_string_equal(heard.event, "grant");
	assert_string_equal(heard.data, "{\"a\":1}");
}

static void an_event_without_name_is_a_message(void **state)
{
	(void)state;
	assert_string_equal(hear("data: x\n\n").event, "message");
}

static void data_lines_are_joined(void **state)
{
	(void)state;
	assert_string_equal(hear("data: a\ndata: b\n\n").data, "a\nb");
}

static void comments_and_unknown_fields_are_ignored(void **state)
{
	struct heard heard = hear(": beat\n\nid: 7\nretry: 5\nnonsense\ndata:x\n\n");

	(void)state;
	assert_int_equal(heard.count, 1);
	assert_string_equal(heard.data, "x");
}

static void an_event_without_data_is_no_event(void **state)
{
	(void)state;
	assert_int_equal(hear("event: grant\n\n").count, 0);
}

static void an_unfinished_event_is_no_event(void **state)
{
	(void)state;
	assert_int_equal(hear("data: x\n").count, 0);
}

static void every_line_end_counts(void **state)
{
	(void)state;
	assert_int_equal(hear("data: a\r\n\r\ndata: b\r\rdata: c\n\n").count, 3);
}

static void a_byte_order_mark_is_skipped(void **state)
{
	(void)state;
	assert_string_equal(hear("\xef\xbb\xbf"
				 "data: x\n\n")
				    .data,
			    "x");
}

static void pieces_of_any_size_give_the_same(void **state)
{
	static const char text[] = "event: hello\r\ndata: one\r\ndata: two\r\n\r\n: beat\n\n";

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece++) {
		struct heard heard = {.count = 0};
		tl_auto(tl_sse) struct tl_sse sse;

		tl_sse_init(&sse, on_event, &heard);
		for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
			size_t left = sizeof(text) - 1 - at;

			assert_int_equal(tl_sse_feed(&sse, text + at, left < piece ? left : piece),
					 0);
		}
		assert_int_equal(heard.count, 1);
		assert_string_equal(heard.event, "hello");
		assert_string_equal(heard.data, "one\ntwo");
	}
}

static void an_endless_line_is_refused(void **state)
{
	struct heard heard = {.count = 0};
	tl_auto(tl_sse) struct tl_sse sse;
	char piece[4096];
	int rc = 0;

	(void)state;
	memset(piece, 'a', sizeof(piece));
	tl_sse_init(&sse, on_event, &heard);
	for (size_t sent = 0; rc == 0 && sent <= TL_SSE_EVENT_MAX + sizeof(piece);
	     sent += sizeof(piece))
		rc = tl_sse_feed(&sse, piece, sizeof(piece));
	assert_int_equal(rc, TL_ETOOBIG);
}

static void endless_data_lines_are_refused(void **state)
{
	struct heard heard = {.count = 0};
	tl_auto(tl_sse) struct tl_sse sse;
	char line[4096];
	int rc = 0;

	(void)state;
	snprintf(line, sizeof(line), "data: ");
	memset(line + strlen(line), 'a', sizeof(line) - strlen("data: "));
	line[sizeof(line) - 1] = '\n';
	tl_sse_init(&sse, on_event, &heard);
	for (size_t sent = 0; rc == 0 && sent <= TL_SSE_EVENT_MAX + 2 * sizeof(line);
	     sent += sizeof(line))
		rc = tl_sse_feed(&sse, line, sizeof(line));
	assert_int_equal(rc, TL_ETOOBIG);
	assert_int_equal(heard.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_has_its_name_and_data),
		cmocka_unit_test(an_event_without_name_is_a_message),
		cmocka_unit_test(data_lines_are_joined),
		cmocka_unit_test(comments_and_unknown_fields_are_ignored),
		cmocka_unit_test(an_event_without_data_is_no_event),
		cmocka_unit_test(an_unfinished_event_is_no_event),
		cmocka_unit_test(every_line_end_counts),
		cmocka_unit_test(a_byte_order_mark_is_skipped),
		cmocka_unit_test(pieces_of_any_size_give_the_same),
		cmocka_unit_test(an_endless_line_is_refused),
		cmocka_unit_test(endless_data_lines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
