/* The push stream: one connection on which the relay sends what is to be done (docs/protocol.md).
 * stream_step is the only switch, stream_enter the only place that changes state and arms its timer.
 * Loop thread only. */
#ifndef TOWLINE_AGENT_STREAM_H
#define TOWLINE_AGENT_STREAM_H

#include "core/relay.h"

#define TL_STREAM_SILENCE_MS 60000 /* the relay's heartbeat comes every 20 s */

struct tl_stream;

struct tl_stream_options {
	uv_loop_t *loop;
	struct tl_relay *relay;
	int64_t generation; /* milliseconds since the epoch at the agent's start */
	/* An event for the agent: "grant" or "stop". Called within libcurl: must not end calls. */
	void (*on_event)(void *arg, const char *event, const json_t *data);
	void (*on_open)(void *arg, int64_t heartbeat_ms);
	/* The relay has another agent with this identity: this one is to end. */
	void (*on_superseded)(void *arg);
	void *arg;
};

TL_MUST_CHECK int tl_stream_new(const struct tl_stream_options *options,
				struct tl_stream **ret_stream, struct tl_err *err);
bool tl_stream_is_open(const struct tl_stream *stream);
/* Why it is not open, "" when it is. */
const char *tl_stream_trouble(const struct tl_stream *stream);
void tl_stream_close(struct tl_stream *stream);

#endif
