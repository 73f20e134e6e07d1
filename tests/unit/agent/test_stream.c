#include "../common/tests.h"

#include "daemon/stream.h"
#include "fake_relay.h"

#define HELLO "event: hello\ndata: {\"relay_time\":\"2026-01-02T03:04:05Z\",\"heartbeat_s\":30}\n\n"

static uv_loop_t loop;
static struct tl_stream *stream;
static int64_t heartbeat_ms;
static unsigned opened, superseded;
static char events[256];

static void on_event(void *arg TL_UNUSED, const char *event, const json_t *data)
{
	snprintf(events + strlen(events), sizeof(events) - strlen(events), "%s %s;", event,
		 json_string_value(json_object_get(data, "session")));
}

static void on_open(void *arg TL_UNUSED, int64_t told_ms)
{
	opened++;
	heartbeat_ms = told_ms;
}

static void on_superseded(void *arg TL_UNUSED)
{
	superseded++;
}

static int set_up(void **state TL_UNUSED)
{
	fake_reset();
	opened = superseded = 0;
	events[0] = '\0';
	uv_loop_init(&loop);
	return tl_stream_new(&(struct tl_stream_options){.loop = &loop,
							 .generation = 77,
							 .on_event = on_event,
							 .on_open = on_open,
							 .on_superseded = on_superseded},
			     &stream, NULL);
}

static int tear_down(void **state TL_UNUSED)
{
	tl_stream_close(stream);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static void it_asks_for_the_stream_with_its_generation(void **state TL_UNUSED)
{
	assert_string_equal(fake.path, "/v1/agent/stream?generation=77");
	assert_int_equal(fake.open.timeout_ms, 0);
	assert_false(tl_stream_is_open(stream));
}

static void hello_opens_it_and_tells_time_and_heartbeat(void **state TL_UNUSED)
{
	assert_true(fake_feed(HELLO));
	assert_true(tl_stream_is_open(stream));
	assert_int_equal(opened, 1);
	assert_int_equal(heartbeat_ms, 30000);
	assert_string_equal(fake.told_time, "2026-01-02T03:04:05Z");
	assert_string_equal(tl_stream_trouble(stream), "");
}

static void a_second_hello_changes_nothing(void **state TL_UNUSED)
{
	fake_feed(HELLO HELLO);
	assert_int_equal(opened, 1);
}

static void an_absurd_heartbeat_is_not_taken(void **state TL_UNUSED)
{
	fake_feed("event: hello\ndata: {\"relay_time\":\"x\",\"heartbeat_s\":0}\n\n");
	assert_int_equal(heartbeat_ms, 60000);
}

static void events_are_passed_on_in_order(void **state TL_UNUSED)
{
	fake_feed(HELLO "event: grant\ndata: {\"session\":\"a\"}\n\n"
			"event: stop\ndata: {\"session\":\"b\"}\n\n");
	assert_string_equal(events, "grant a;stop b;");
}

static void an_event_that_is_no_object_is_left_out(void **state TL_UNUSED)
{
	assert_true(fake_feed(HELLO "event: grant\ndata: [1]\n\n"));
	assert_string_equal(events, "");
}

static void every_byte_puts_the_dead_link_off(void **state TL_UNUSED)
{
	fake_feed(HELLO);
	fake.timer = NULL;
	fake_feed(": still there\n\n");
	assert_non_null(fake.timer);
	assert_int_equal(fake.timer_ms, TL_STREAM_SILENCE_MS);
}

static void silence_ends_the_link_and_it_comes_again(void **state TL_UNUSED)
{
	fake_feed(HELLO);
	fake_fire();
	assert_int_equal(fake.cancelled, 1);
	assert_false(tl_stream_is_open(stream));
	assert_non_null(strstr(tl_stream_trouble(stream), "silent"));
	fake_fire();
	assert_int_equal(fake.calls, 2);
}

static void a_broken_link_waits_with_jitter_and_comes_again(void **state TL_UNUSED)
{
	fake_feed(HELLO);
	fake_answer((struct tl_reply){.status = 0});
	assert_int_equal(fake.calls, 1);
	assert_in_range(fake.timer_ms, 0, 1000);
	fake_fire();
	assert_int_equal(fake.calls, 2);
}

static void retry_is_a_lower_bound(void **state TL_UNUSED)
{
	fake_feed(HELLO "event: retry\ndata: {\"after_ms\":30000}\n\n");
	fake_answer((struct tl_reply){.status = 200});
	assert_in_range(fake.timer_ms, 30000, 31000);
}

static void retry_after_of_a_refusal_is_a_lower_bound(void **state TL_UNUSED)
{
	fake_answer((struct tl_reply){.status = 503, .retry_after_ms = 20000});
	assert_in_range(fake.timer_ms, 20000, 21000);
}

static void superseded_ends_it_for_good(void **state TL_UNUSED)
{
	assert_false(fake_feed(HELLO "event: superseded\ndata: {}\n\n"));
	fake_answer((struct tl_reply){.status = 200});
	assert_int_equal(superseded, 1);
	assert_null(fake.timer);
	assert_int_equal(fake.calls, 1);
}

int main(void)
{
#define STREAM_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		STREAM_TEST(it_asks_for_the_stream_with_its_generation),
		STREAM_TEST(hello_opens_it_and_tells_time_and_heartbeat),
		STREAM_TEST(a_second_hello_changes_nothing),
		STREAM_TEST(an_absurd_heartbeat_is_not_taken),
		STREAM_TEST(events_are_passed_on_in_order),
		STREAM_TEST(an_event_that_is_no_object_is_left_out),
		STREAM_TEST(every_byte_puts_the_dead_link_off),
		STREAM_TEST(silence_ends_the_link_and_it_comes_again),
		STREAM_TEST(a_broken_link_waits_with_jitter_and_comes_again),
		STREAM_TEST(retry_is_a_lower_bound),
		STREAM_TEST(retry_after_of_a_refusal_is_a_lower_bound),
		STREAM_TEST(superseded_ends_it_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
