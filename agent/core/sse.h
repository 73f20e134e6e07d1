/* A parser for server-sent events (HTML Living Standard §9.2.6, "Interpreting an event stream").
 *
 * Fed with bytes as they come; calls back once an event is complete. `id` and `retry` fields are
 * ignored: the relay sends what is pending on each connection and asks for delays by event. An event
 * beyond TL_SSE_EVENT_MAX bytes ends the stream with TL_ETOOBIG. One thread at a time. */
#ifndef TOWLINE_AGENT_SSE_H
#define TOWLINE_AGENT_SSE_H

#include <stdbool.h>
#include <towline/attr.h>
#include <towline/buf.h>

#define TL_SSE_EVENT_MAX (128 * 1024) /* a grant with sixteen keys stays far below */

/* `event` is "message" where the stream named none; `data` is NUL-terminated. Both are borrowed. */
typedef void tl_sse_event(void *arg, const char *event, const char *data, size_t len);

struct tl_sse {
	tl_sse_event *on_event;
	void *arg;
	struct tl_buf line;
	struct tl_buf data;
	char event[64];
	bool has_data;
	bool after_cr;	/* the last byte was CR: an LF that follows belongs to it */
	bool after_bom; /* the start of the stream, where a byte order mark may stand, is passed */
};

void tl_sse_init(struct tl_sse *sse, tl_sse_event *on_event, void *arg);
/* 0, or TL_ETOOBIG: the parser then takes nothing more until it is initialised again. */
TL_MUST_CHECK int tl_sse_feed(struct tl_sse *sse, const char *bytes, size_t len);
void tl_sse_clear(struct tl_sse *sse);
TL_DEFINE_AUTO(tl_sse, tl_sse_clear);

#endif
