#include "daemon/stream.h"

#include <stdio.h>
#include <towline/log.h>
#include <towline/str.h>

#include "core/backoff.h"
#include "core/sse.h"

#define HEARTBEAT_MIN_S 5
#define HEARTBEAT_MAX_S 3600

enum stream_state { STREAM_WAITING, STREAM_OPENING, STREAM_OPEN, STREAM_ENDED };
enum stream_event {
	STREAM_EV_TIMER, /* of the state: time to connect, or the link is dead */
	STREAM_EV_HELLO,
	STREAM_EV_BROKEN
};

struct tl_stream {
	struct tl_stream_options options;
	enum stream_state state;
	struct tl_call *call;
	struct tl_sse sse;
	uv_timer_t timer;
	struct tl_backoff backoff;
	bool superseded;
	int64_t heartbeat_ms;
	char trouble[TL_ERR_TEXT_MAX];
};

static void stream_step(struct tl_stream *stream, enum stream_event event);

static void on_timer(uv_timer_t *timer)
{
	stream_step(timer->data, STREAM_EV_TIMER);
}

static void on_hello(struct tl_stream *stream, const json_t *data)
{
	const char *relay_time = json_string_value(json_object_get(data, "relay_time"));
	json_int_t heartbeat_s = json_integer_value(json_object_get(data, "heartbeat_s"));

	tl_relay_note_time(stream->options.relay, relay_time ? relay_time : "");
	if (heartbeat_s >= HEARTBEAT_MIN_S && heartbeat_s <= HEARTBEAT_MAX_S)
		stream->heartbeat_ms = heartbeat_s * 1000;
	stream_step(stream, STREAM_EV_HELLO);
}

static void on_event(void *arg, const char *event, const char *text, size_t len)
{
	struct tl_stream *stream = arg;
	tl_json *data = NULL;

	if (tl_json_parse(text, len, &data, NULL) != 0 || !json_is_object(data)) {
		tl_log_warning("the relay sent an event that is no JSON object",
			       TL_S("event", event));
		return;
	}
	if (tl_streq(event, "hello"))
		on_hello(stream, data);
	else if (tl_streq(event, "superseded"))
		stream->superseded = true;
	else if (tl_streq(event, "retry"))
		tl_backoff_ask(&stream->backoff,
			       json_integer_value(json_object_get(data, "after_ms")));
	else
		stream->options.on_event(stream->options.arg, event, data);
}

static bool on_data(void *arg, const char *bytes, size_t len)
{
	struct tl_stream *stream = arg;

	uv_timer_start(&stream->timer, on_timer, TL_STREAM_SILENCE_MS, 0);
	/* false ends the exchange; what happens then is decided when libcurl has let go of it. */
	return tl_sse_feed(&stream->sse, bytes, len) == 0 && !stream->superseded;
}

static void on_done(void *arg, const struct tl_reply *reply)
{
	struct tl_stream *stream = arg;

	stream->call = NULL;
	tl_backoff_ask(&stream->backoff, reply->retry_after_ms);
	snprintf(stream->trouble, sizeof(stream->trouble), "%s",
		 reply->err.code ? tl_err_text(&reply->err) : "the relay ended the stream");
	stream_step(stream, STREAM_EV_BROKEN);
}

static void open_stream(struct tl_stream *stream)
{
	static const char *const headers[] = {"Accept: text/event-stream", NULL};
	char path[96];

	tl_sse_clear(&stream->sse);
	tl_sse_init(&stream->sse, on_event, stream);
	snprintf(path, sizeof(path), "/v1/agent/stream?generation=%lld",
		 (long long)stream->options.generation);
	stream->call = tl_relay_call(stream->options.relay, &(struct tl_call_spec){
								    .method = "GET",
								    .path = path,
								    .headers = headers,
								    .on_data = on_data,
								    .data_arg = stream,
								    .on_done = on_done,
								    .arg = stream,
							    });
}

static void stream_enter(struct tl_stream *stream, enum stream_state state)
{
	uint64_t wait_ms = TL_STREAM_SILENCE_MS;

	stream->state = state;
	switch (state) {
	case STREAM_WAITING:
		wait_ms = (uint64_t)tl_backoff_draw(&stream->backoff);
		tl_log_warning("not connected", TL_S("why", stream->trouble),
			       TL_I("next_try_ms", wait_ms));
		break;
	case STREAM_OPENING:
		open_stream(stream);
		break;
	case STREAM_OPEN:
		stream->trouble[0] = '\0';
		tl_backoff_reset(&stream->backoff);
		tl_log_info("connected",
			    TL_S("relay", tl_relay_identity(stream->options.relay)->url));
		stream->options.on_open(stream->options.arg, stream->heartbeat_ms);
		break;
	case STREAM_ENDED:
		uv_timer_stop(&stream->timer);
		stream->options.on_superseded(stream->options.arg);
		return;
	}
	uv_timer_start(&stream->timer, on_timer, wait_ms, 0);
}

static void timer_event(struct tl_stream *stream)
{
	if (stream->state == STREAM_WAITING) {
		stream_enter(stream, STREAM_OPENING);
		return;
	}
	tl_call_cancel(tl_steal(&stream->call));
	snprintf(stream->trouble, sizeof(stream->trouble), "%s",
		 stream->state == STREAM_OPEN ? "the relay has been silent for 60 s"
					      : "the relay did not open the stream within 60 s");
	stream_enter(stream, STREAM_WAITING);
}

static void stream_step(struct tl_stream *stream, enum stream_event event)
{
	switch (event) {
	case STREAM_EV_TIMER:
		timer_event(stream);
		break;
	case STREAM_EV_HELLO:
		if (stream->state == STREAM_OPENING)
			stream_enter(stream, STREAM_OPEN);
		break;
	case STREAM_EV_BROKEN:
		stream_enter(stream, stream->superseded ? STREAM_ENDED : STREAM_WAITING);
		break;
	}
}

int tl_stream_new(const struct tl_stream_options *options, struct tl_stream **ret_stream,
		  struct tl_err *err)
{
	struct tl_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	stream->options = *options;
	stream->heartbeat_ms = 60000;
	tl_sse_init(&stream->sse, on_event, stream);
	uv_timer_init(options->loop, &stream->timer);
	stream->timer.data = stream;
	snprintf(stream->trouble, sizeof(stream->trouble), "it connects just now");
	stream_enter(stream, STREAM_OPENING);
	*ret_stream = stream;
	return 0;
}

bool tl_stream_is_open(const struct tl_stream *stream)
{
	return stream->state == STREAM_OPEN;
}

const char *tl_stream_trouble(const struct tl_stream *stream)
{
	return stream->trouble;
}

static void on_closed(uv_handle_t *handle)
{
	struct tl_stream *stream = handle->data;

	tl_sse_clear(&stream->sse);
	free(stream);
}

void tl_stream_close(struct tl_stream *stream)
{
	if (!stream)
		return;
	tl_call_cancel(tl_steal(&stream->call));
	uv_close((uv_handle_t *)&stream->timer, on_closed);
}
