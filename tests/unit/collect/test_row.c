#include "../common/tests.h"
#include "collect/row.h"

static const struct collector collector = {
	.name = "test", .group = "test", .summary = "s", .max_bytes = 1000, .timeout_ms = 1000};
static struct row row;
static struct tl_err err;

static int set_up(void **state TL_UNUSED)
{
	err = (struct tl_err)TL_ERR_INIT;
	row_init(&row, &collector, false);
	return 0;
}

static int tear_down(void **state TL_UNUSED)
{
	row_clear(&row);
	return 0;
}

static int take(enum frame_kind kind, const void *payload, size_t len)
{
	struct frame frame = {.kind = kind, .payload = payload, .len = len};

	return row_take(&row, &frame, &err);
}

static int take_text(enum frame_kind kind, const char *text)
{
	return take(kind, text, strlen(text));
}

static int begin(const char *path)
{
	char payload[256] = {0};

	snprintf(payload + sizeof(struct frame_member),
		 sizeof payload - sizeof(struct frame_member), "%s", path);
	return take(FRAME_BEGIN, payload, sizeof(struct frame_member) + strlen(path));
}

static void member_comes_in_pieces(void **state TL_UNUSED)
{
	assert_int_equal(begin("a"), 0);
	assert_int_equal(take_text(FRAME_DATA, "one "), 0);
	assert_int_equal(take_text(FRAME_DATA, "two"), 0);
	assert_int_equal(take_text(FRAME_END, "{\"status\":\"ok\",\"redactions\":{\"x\":1}}"), 0);
	assert_int_equal(take_text(FRAME_ROW, "{\"outcome\":\"ok\",\"ms\":5}"), 1);
	assert_int_equal(row.count, 1);
	assert_int_equal(row.bytes, 7);
	assert_false(row.open);
}

static void nonsense_is_refused(void **state TL_UNUSED)
{
	static const struct {
		enum frame_kind kind;
		const char *text;
	} rows[] = {
		{FRAME_DATA, "of no member"},
		{FRAME_END, "{\"status\":\"ok\",\"redactions\":{}}"},
		{FRAME_BEGIN, "short"},
		{FRAME_NOTE, "{\"source\":7}"},
		{FRAME_NOTE, "[]"},
		{FRAME_COUNTS, "no JSON"},
		{FRAME_ROW, "{\"outcome\":\"splendid\"}"},
		{FRAME_READY, ""},
		{FRAME_CANARY, "x"},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++)
		assert_int_equal(take_text(rows[i].kind, rows[i].text), TL_EPROTO);
}

static void two_members_are_never_open(void **state TL_UNUSED)
{
	assert_int_equal(begin("a"), 0);
	assert_int_equal(begin("b"), TL_EPROTO);
}

static void more_bytes_than_the_collector_may_give_are_refused(void **state TL_UNUSED)
{
	static char piece[FRAME_DATA_MAX];
	int r = begin("a");

	for (int i = 0; r == 0 && i < 10000; i++)
		r = take(FRAME_DATA, piece, sizeof piece);
	assert_int_equal(r, TL_ETOOBIG);
	assert_true(row.bytes < 80u << 20);
}

static void broken_row_drops_what_is_half_and_says_so(void **state TL_UNUSED)
{
	const json_t *note;

	assert_int_equal(begin("half"), 0);
	assert_int_equal(take_text(FRAME_DATA, "x"), 0);
	row_break(&row, "timeout", "too long", 7);
	assert_int_equal(row.count, 0);
	assert_int_equal(row.bytes, 0);
	assert_string_equal(row.outcome, "failed");
	note = json_array_get(row.notes, 0);
	assert_string_equal(json_string_value(json_object_get(note, "source")), "half");
	assert_string_equal(json_string_value(json_object_get(note, "kind")), "timeout");
}

static void frames_come_whole_from_a_cut_stream(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf in = TL_BUF_INIT(1000);
	uint32_t header[2] = {FRAME_DATA, 3};
	struct frame frame;

	tl_buf_append(&in, header, sizeof header);
	tl_buf_append(&in, "ab", 2);
	assert_int_equal(frame_next(&in, &frame, &err), 0);
	tl_buf_append(&in, "cd", 2);
	assert_int_equal(frame_next(&in, &frame, &err), 1);
	assert_memory_equal(frame.payload, "abc", 3);
	frame_consume(&in, &frame);
	assert_int_equal(in.len, 1);
}

static void frame_without_bounds_is_refused(void **state TL_UNUSED)
{
	tl_auto(tl_buf) struct tl_buf in = TL_BUF_INIT(1000);
	uint32_t huge[2] = {FRAME_DATA, FRAME_PAYLOAD_MAX + 1}, unknown[2] = {99, 0};
	struct frame frame;

	tl_buf_append(&in, huge, sizeof huge);
	assert_int_equal(frame_next(&in, &frame, &err), TL_EPROTO);
	tl_buf_reset(&in);
	tl_buf_append(&in, unknown, sizeof unknown);
	assert_int_equal(frame_next(&in, &frame, &err), TL_EPROTO);
}

static void findings_without_end_are_refused(void **state TL_UNUSED)
{
	static char text[32 * 1024];
	int r = 0, frames = 0;

	snprintf(text, sizeof text, "{\"x\":\"%0*d\"}", (int)sizeof text - 9, 0);
	for (; r == 0 && frames < 100000; frames++)
		r = take_text(FRAME_FINDINGS, text);
	assert_int_equal(r, TL_ETOOBIG);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		FRESH(member_comes_in_pieces),
		FRESH(nonsense_is_refused),
		FRESH(two_members_are_never_open),
		FRESH(more_bytes_than_the_collector_may_give_are_refused),
		FRESH(broken_row_drops_what_is_half_and_says_so),
		FRESH(frames_come_whole_from_a_cut_stream),
		FRESH(frame_without_bounds_is_refused),
		FRESH(findings_without_end_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
