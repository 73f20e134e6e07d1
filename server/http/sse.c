/* Server-sent events (WHATWG HTML §9.2) in a chunked reply. */
#include <string.h>
#include <towline/str.h>

#include "http/conn.h"
#include "http/server.h"

#define WRITE_MAX ((size_t)32 * 1024)
#define RETRY_HINT "retry: 2000\nevent: retry\ndata: {\"after_ms\":2000}\n\n"

/* A field is one line: what would break it becomes a blank. */
static void put_field(struct tl_buf *out, const char *name, const char *value)
{
	size_t start;

	if (!value)
		return;
	tl_buf_printf(out, "%s: ", name);
	start = out->len;
	tl_buf_puts(out, value);
	for (size_t i = start; i < out->len; i++)
		if (out->data[i] == '\n' || out->data[i] == '\r')
			out->data[i] = ' ';
	tl_buf_putc(out, '\n');
}

/* Each line of the data is a field of its own; CR, LF and CRLF all end one. */
static void put_data(struct tl_buf *out, const char *data)
{
	for (;;) {
		size_t len = strcspn(data, "\r\n");

		tl_buf_puts(out, "data: ");
		tl_buf_append(out, data, len);
		tl_buf_putc(out, '\n');
		data += len;
		if (!*data)
			return;
		data += data[0] == '\r' && data[1] == '\n' ? 2 : 1;
	}
}

void tl_http_sse_format(struct tl_buf *out, const char *id, const char *event, const char *data)
{
	put_field(out, "id", id);
	put_field(out, "event", event);
	put_data(out, data ? data : "");
	tl_buf_putc(out, '\n');
}

static void put_chunk(struct tl_buf *out, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	tl_buf_printf(out, "%zx\r\n", len);
	tl_buf_append(out, bytes, len);
	tl_buf_puts(out, "\r\n");
}

int tl_http_subscribe(struct tl_http_call *call, const char *topic)
{
	if (!call->subscription)
		call->subscription = tl_hub_subscribe(call->http->hub, topic);
	return call->subscription ? 0 : TL_ENOMEM;
}

void tl_http_on_stream_end(struct tl_http_call *call, void (*ended)(void *arg), void *arg)
{
	tl_hub_on_end(call->subscription, ended, arg);
}

void tl_http_stream(struct tl_http_call *call, const char *topic, const struct tl_buf *first,
		    int64_t lifetime_ms)
{
	if (tl_http_subscribe(call, topic) < 0) {
		tl_http_problem(call, 503, "busy", "out of memory");
		return;
	}
	if (strcmp(call->request.method, "HEAD") == 0) {
		tl_http_reply_bytes(call, 200, NULL, NULL, 0);
		return;
	}
	if (!tl_response_claim(call, TL_OUTCOME_STREAM))
		return;
	call->request.keep_alive = false;
	call->lifetime_ms = lifetime_ms;
	tl_http_add_header(call, "Transfer-Encoding", "chunked");
	tl_response_head(call, 200, "text/event-stream", UINT64_MAX);
	if (first)
		put_chunk(&call->out, first->data, first->len);
}

/* Ends the stream in good order. */
static void end_stream(struct tl_conn *conn, const char *last_words)
{
	put_chunk(&conn->out, last_words, strlen(last_words));
	tl_buf_puts(&conn->out, "0\r\n\r\n");
	conn->ending = true;
}

static bool take_events(struct tl_conn *conn)
{
	tl_auto(tl_buf) struct tl_buf events = TL_BUF_INIT(TL_HUB_QUEUE_BYTES_MAX);
	bool sound;

	events.max = WRITE_MAX;
	sound = tl_hub_take(conn->subscription, &events);
	put_chunk(&conn->out, events.data, events.len);
	return sound;
}

/* Writes what is queued, until there is nothing or the socket is full. */
static void pump(struct tl_conn *conn)
{
	for (;;) {
		if (tl_conn_flush(conn) != 1)
			return;
		if (conn->ending) {
			tl_conn_end_stream(conn);
			tl_conn_linger(conn);
			return;
		}
		if (!take_events(conn)) {
			tl_conn_abort(conn);
			return;
		}
		if (conn->out.len == 0) {
			tl_conn_wait(conn, UV_READABLE);
			return;
		}
	}
}

void tl_conn_begin_stream(struct tl_conn *conn)
{
	int64_t lifetime_ms = conn->call->lifetime_ms;

	conn->subscription = tl_steal(&conn->call->subscription);
	tl_call_free(tl_steal(&conn->call));
	conn->expires_ms = lifetime_ms > 0 ? tl_loop_now(conn->loop) + lifetime_ms : 0;
	tl_conn_enter(conn, TL_CONN_STREAM);
	tl_conn_watch_peer(conn);
	tl_hub_attach(conn->subscription, conn->loop, conn);
	tl_conn_wait(conn, UV_READABLE);
	if (atomic_load(&conn->loop->http->draining))
		end_stream(conn, RETRY_HINT);
	pump(conn);
}

void tl_conn_end_stream(struct tl_conn *conn)
{
	tl_hub_unsubscribe(tl_steal(&conn->subscription));
}

/* A client has nothing to say on a stream: bytes break it, and so does its end. */
static void on_ready(struct tl_conn *conn)
{
	char byte;

	if (tl_conn_read(conn, &byte, 1) != TL_TLS_AGAIN) {
		tl_conn_close(conn);
		return;
	}
	if (conn->blocked)
		pump(conn);
}

static void on_timeout(struct tl_conn *conn)
{
	if (conn->blocked) {
		tl_conn_abort(conn);
		return;
	}
	if (conn->expires_ms && tl_loop_now(conn->loop) >= conn->expires_ms)
		end_stream(conn, "");
	else
		put_chunk(&conn->out, ":\n\n", 3);
	tl_conn_progress(conn);
	pump(conn);
}

void tl_conn_on_stream(struct tl_conn *conn, enum tl_conn_event event)
{
	switch (event) {
	case TL_CONN_READY:
		on_ready(conn);
		break;
	case TL_CONN_WAKE:
		if (!conn->blocked)
			pump(conn);
		break;
	case TL_CONN_TIMEOUT:
		on_timeout(conn);
		break;
	case TL_CONN_DRAIN:
		if (!conn->blocked && !conn->ending) {
			end_stream(conn, RETRY_HINT);
			pump(conn);
		} else {
			tl_conn_close(conn);
		}
		break;
	default:
		break;
	}
}
