/* Writing a reply, and what comes after it. */
#include <towline/log.h>

#include "http/conn.h"
#include "http/server.h"

/* Without the query: it may hold what a log must not. */
static void log_call(const struct tl_http_call *call)
{
	if (tl_log_enabled(TL_LOG_DEBUG))
		tl_log_debug("answered", TL_S("method", call->request.method),
			     TL_S("path", call->request.path), TL_I("status", call->status),
			     TL_S("peer", call->peer));
}

static void next_request(struct tl_conn *conn)
{
	bool keep_alive = conn->call->keep_alive;

	tl_call_free(tl_steal(&conn->call));
	tl_buf_clear(&conn->fill);
	conn->used = true;
	if (!keep_alive) {
		tl_conn_linger(conn);
		return;
	}
	/* Bytes that were read already are not announced by the socket again. */
	conn->again = conn->in.len > 0 || SSL_has_pending(conn->ssl);
	tl_conn_enter(conn, conn->in.len > 0 ? TL_CONN_HEAD : TL_CONN_IDLE);
	tl_conn_wait(conn, UV_READABLE);
}

static void finish(struct tl_conn *conn)
{
	log_call(conn->call);
	switch (conn->call->outcome) {
	case TL_OUTCOME_STREAM:
		tl_conn_begin_stream(conn);
		break;
	case TL_OUTCOME_UPGRADE:
		tl_conn_begin_pump(conn);
		break;
	case TL_OUTCOME_WEBSOCKET:
		tl_conn_begin_socket(conn);
		break;
	default:
		next_request(conn);
	}
}

static void write_on(struct tl_conn *conn)
{
	if (tl_conn_flush(conn) != 1)
		return;
	if (conn->call->file_fd >= 0 && conn->call->file_left > 0)
		tl_conn_submit(conn, TL_STAGE_REFILL);
	else
		finish(conn);
}

static void take_out(struct tl_conn *conn)
{
	struct tl_buf *out = &conn->call->out;

	tl_buf_clear(&conn->out);
	conn->out = *out;
	conn->out_at = 0;
	tl_buf_init(out, TL_CALL_REPLY_MAX);
	conn->blocked = false;
}

void tl_conn_send_reply(struct tl_conn *conn)
{
	take_out(conn);
	tl_conn_enter(conn, TL_CONN_REPLY);
	write_on(conn);
}

void tl_conn_refuse(struct tl_conn *conn, int status, const char *slug, const char *detail)
{
	struct tl_http_call *call = conn->call;

	if (!call->request.method)
		call->request.method = "GET";
	tl_http_problem(call, status, slug, detail);
	tl_conn_send_reply(conn);
}

void tl_conn_on_work(struct tl_conn *conn, enum tl_conn_event event)
{
	switch (event) {
	case TL_CONN_READY:
		tl_conn_wait(conn, 0);
		break;
	case TL_CONN_DONE:
		if (conn->call->outcome == TL_OUTCOME_BODY)
			tl_conn_begin_body(conn);
		else
			tl_conn_send_reply(conn);
		break;
	default:
		break;
	}
}

void tl_conn_on_reply(struct tl_conn *conn, enum tl_conn_event event)
{
	switch (event) {
	case TL_CONN_READY:
		if (conn->busy)
			tl_conn_wait(conn, 0);
		else
			write_on(conn);
		break;
	case TL_CONN_DONE:
		if (conn->call->cut) {
			tl_conn_close(conn);
			break;
		}
		take_out(conn);
		write_on(conn);
		break;
	case TL_CONN_TIMEOUT:
		if (conn->busy)
			tl_conn_progress(conn);
		else
			tl_conn_abort(conn);
		break;
	default:
		break;
	}
}
