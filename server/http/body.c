/* Reading a body. A buffered one is collected, then handled; a streamed one goes to its sink in pieces:
 * while a worker has one piece the next is filled, and when that is full too, the socket waits. */
#include "http/conn.h"
#include "http/server.h"

#define READ_SIZE ((size_t)64 * 1024)

enum progress {
	MORE,	 /* bytes were taken: go on */
	WAITING, /* the socket has none */
	FULL,	 /* no room before the worker is back */
	STOPPED	 /* the body was refused, or the connection is gone */
};

static bool is_streamed(const struct tl_conn *conn)
{
	return conn->call->route->sink != NULL;
}

static struct tl_buf *target_of(struct tl_conn *conn)
{
	return is_streamed(conn) ? &conn->fill : &conn->call->body;
}

static enum progress refuse_rest(struct tl_conn *conn, int status, const char *slug,
				 const char *detail)
{
	/* A sink that has begun cannot be answered for: it learns that the body broke. */
	if (is_streamed(conn)) {
		tl_conn_close(conn);
		return STOPPED;
	}
	conn->call->cut = true;
	tl_conn_refuse(conn, status, slug, detail);
	return STOPPED;
}

/* Decodes `len` bytes; what belongs to the next request stays in, or goes to, conn->in. */
static enum progress decode(struct tl_conn *conn, const char *bytes, size_t len)
{
	struct tl_request *request = &conn->call->request;
	ptrdiff_t used = tl_request_take_body(request, bytes, len, target_of(conn));

	if (used < 0)
		return refuse_rest(conn, 400, "chunks-invalid",
				   "the chunked body is not well-formed");
	if (request->received > conn->call->route->max_body || tl_buf_check(target_of(conn)) < 0)
		return refuse_rest(conn, 413, "too-large", "the body is larger than its limit");
	if (bytes == conn->in.data)
		tl_buf_consume(&conn->in, (size_t)used);
	else
		tl_buf_append(&conn->in, bytes + used, len - (size_t)used);
	if (conn->in.len == 0)
		tl_buf_clear(&conn->in);
	return MORE;
}

static enum progress of_read(struct tl_conn *conn, ssize_t got)
{
	if (got > 0) {
		tl_conn_progress(conn);
		return MORE;
	}
	if (got == TL_TLS_AGAIN)
		return WAITING;
	tl_conn_close(conn);
	return STOPPED;
}

/* Bytes with a Content-Length go where they belong without another copy. */
static enum progress read_plain(struct tl_conn *conn, size_t room)
{
	struct tl_request *request = &conn->call->request;
	size_t want = request->body_left < room ? (size_t)request->body_left : room;
	char *at = tl_buf_reserve(target_of(conn), want);
	ssize_t got;

	if (!at)
		return refuse_rest(conn, 503, "busy", "out of memory");
	got = tl_conn_read(conn, at, want);
	if (got > 0) {
		tl_buf_commit(target_of(conn), (size_t)got);
		tl_request_count_body(request, (size_t)got);
	}
	return of_read(conn, got);
}

static enum progress read_chunked(struct tl_conn *conn, size_t room)
{
	enum progress progress;
	ssize_t got = tl_conn_read(conn, conn->loop->scratch, room);

	progress = of_read(conn, got);
	return progress == MORE ? decode(conn, conn->loop->scratch, (size_t)got) : progress;
}

static enum progress read_some(struct tl_conn *conn)
{
	struct tl_buf *into = target_of(conn);
	size_t room = is_streamed(conn) ? into->max - into->len : READ_SIZE;

	if (room > READ_SIZE)
		room = READ_SIZE;
	if (room == 0)
		return FULL;
	if (conn->in.len > 0)
		return decode(conn, conn->in.data, conn->in.len < room ? conn->in.len : room);
	return conn->call->request.chunked ? read_chunked(conn, room) : read_plain(conn, room);
}

/* The filled piece and the one the worker gave back change places. */
static void hand_over(struct tl_conn *conn)
{
	struct tl_http_call *call = conn->call;
	struct tl_buf piece = conn->fill;

	conn->fill = call->body;
	call->body = piece;
	tl_buf_reset(&conn->fill);
	call->last = call->request.body_done;
	tl_conn_submit(conn, TL_STAGE_PIECE);
}

static void handle_buffered(struct tl_conn *conn)
{
	conn->call->last = true;
	tl_conn_enter(conn, TL_CONN_WORK);
	tl_conn_submit(conn, TL_STAGE_HANDLE);
}

static bool may_hand_over(const struct tl_conn *conn)
{
	return !conn->busy && (conn->fill.len > 0 || conn->call->request.body_done);
}

static void advance(struct tl_conn *conn)
{
	struct tl_request *request = &conn->call->request;
	enum progress progress = MORE;

	while (progress == MORE && !request->body_done) {
		progress = read_some(conn);
		if (progress == FULL && may_hand_over(conn)) {
			hand_over(conn);
			progress = MORE;
		}
	}
	if (progress == STOPPED)
		return;
	if (!is_streamed(conn)) {
		if (request->body_done)
			handle_buffered(conn);
		return;
	}
	if (may_hand_over(conn))
		hand_over(conn);
}

void tl_conn_begin_body(struct tl_conn *conn)
{
	tl_conn_enter(conn, TL_CONN_BODY);
	if (conn->call->request.expect_continue && conn->in.len == 0) {
		tl_buf_puts(&conn->out, "HTTP/1.1 100 Continue\r\n\r\n");
		if (tl_conn_flush(conn) < 0)
			return;
	}
	tl_conn_wait(conn, UV_READABLE);
	advance(conn);
}

/* Readable: but not while both pieces are full, and not for the next request. */
static void on_bytes(struct tl_conn *conn)
{
	bool full = conn->busy && conn->fill.len == conn->fill.max;

	if (conn->blocked && tl_conn_flush(conn) <= 0)
		return;
	if (full || conn->call->request.body_done)
		tl_conn_wait(conn, 0);
	else
		advance(conn);
}

static void on_piece_done(struct tl_conn *conn)
{
	if (conn->call->replied) {
		tl_conn_send_reply(conn);
		return;
	}
	tl_conn_wait(conn, UV_READABLE);
	advance(conn);
}

void tl_conn_on_body(struct tl_conn *conn, enum tl_conn_event event)
{
	switch (event) {
	case TL_CONN_READY:
		on_bytes(conn);
		break;
	case TL_CONN_DONE:
		on_piece_done(conn);
		break;
	case TL_CONN_TIMEOUT:
		/* While the worker has a piece, it is not the peer who is late. */
		if (conn->busy)
			tl_conn_progress(conn);
		else
			refuse_rest(conn, 408, "timeout", "the request's body took too long");
		break;
	default:
		break;
	}
}
