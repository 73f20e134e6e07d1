/* A connection that has become something else: bytes move between TLS and the local end of a socket pair,
 * each way only as fast as the other side takes them. Either side may end its half. A line with a name
 * (http/line.h) outlives the connection. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/conn.h"
#include "http/line.h"
#include "http/server.h"

#define ROUNDS_A_TURN 16

/* The part that a connection has in a line. */
struct tl_pump {
	uv_poll_t poll;
	struct tl_conn *conn;
	struct tl_http_line *line;
	int fd; /* a duplicate: an overtaken connection may watch the other for a while */
	int polled;
	bool peer_told; /* without frames: that the local side sends nothing more */
};

enum outcome { WAITS, MOVED, BROKEN, OVER };

static void on_local(uv_poll_t *poll, int status, int events)
{
	struct tl_pump *pump = tl_container_of(poll, struct tl_pump, poll);

	(void)status;
	(void)events;
	tl_conn_step(pump->conn, TL_CONN_READY);
}

static void wait_local(struct tl_pump *pump, int events)
{
	if (pump->polled == events)
		return;
	pump->polled = events;
	if (events)
		uv_poll_start(&pump->poll, events, on_local);
	else
		uv_poll_stop(&pump->poll);
}

/* ---- peer → local ----------------------------------------------------------------------------- */

/* How many of the bytes the local side took. When it is gone it takes all. */
static size_t push(const struct tl_http_line *line, const char *bytes, size_t len)
{
	ssize_t sent = send(line->fd, bytes, len, MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : len;
	return (size_t)sent;
}

static enum outcome push_inward(struct tl_http_line *line)
{
	size_t sent = push(line, line->inward.data, line->inward.len);

	tl_buf_consume(&line->inward, sent);
	if (line->inward.len == 0)
		tl_buf_clear(&line->inward);
	return sent > 0 ? MOVED : WAITS;
}

static void deliver(struct tl_http_line *line, const char *bytes, size_t len)
{
	size_t sent = line->inward.len == 0 && len > 0 ? push(line, bytes, len) : 0;

	tl_buf_append(&line->inward, bytes + sent, len - sent);
}

static enum outcome take_bytes(struct tl_http_line *line, const char *bytes, size_t len)
{
	int64_t now_ms = tl_http_line_now();

	while (len > 0) {
		const char *payload;
		size_t payload_len;
		ssize_t used = tl_line_read(line->core, bytes, len, now_ms, &payload, &payload_len);

		if (used < 0)
			return OVER;
		deliver(line, payload, payload_len);
		bytes += used;
		len -= (size_t)used;
	}
	line->peer_ended |= tl_line_ended(line->core);
	/* The peer knows the token that it was offered. */
	if (line->offered[0]) {
		memcpy(line->token, line->offered, sizeof line->token);
		line->offered[0] = '\0';
	}
	return tl_buf_check(&line->inward) == 0 ? MOVED : OVER;
}

static enum outcome read_peer(struct tl_conn *conn, struct tl_http_line *line)
{
	ssize_t got = tl_tls_read(conn->ssl, conn->loop->scratch, TL_LOOP_SCRATCH);

	if (got > 0)
		return take_bytes(line, conn->loop->scratch, (size_t)got);
	if (got == TL_TLS_AGAIN)
		return WAITS;
	if (got == TL_TLS_FAILED || line->name[0])
		return line->peer_ended && line->local_ended ? OVER : BROKEN;
	line->peer_ended = true;
	return WAITS;
}

static enum outcome move_inward(struct tl_conn *conn, struct tl_http_line *line)
{
	enum outcome outcome = WAITS;

	if (line->inward.len > 0)
		return push_inward(line);
	if (conn->in.len > 0) {
		outcome = take_bytes(line, conn->in.data, conn->in.len);
		tl_buf_clear(&conn->in);
		return outcome;
	}
	if (!line->peer_ended || line->name[0])
		outcome = read_peer(conn, line);
	if (line->peer_ended && line->inward.len == 0 && !line->local_told) {
		shutdown(line->fd, SHUT_WR);
		line->local_told = true;
	}
	return outcome;
}

/* ---- local → peer ----------------------------------------------------------------------------- */

static enum outcome write_peer(struct tl_conn *conn, struct tl_http_line *line, const char *bytes,
			       size_t len)
{
	ssize_t sent = tl_tls_write(conn->ssl, bytes, len);

	if (sent == TL_TLS_FAILED)
		return BROKEN;
	conn->blocked = sent == TL_TLS_AGAIN;
	if (conn->blocked)
		return WAITS;
	tl_line_sent(line->core, (size_t)sent, tl_http_line_now());
	return MOVED;
}

static enum outcome read_local(struct tl_conn *conn, struct tl_http_line *line)
{
	size_t room = tl_line_room(line->core);
	ssize_t got = room > 0 ? recv(line->fd, conn->loop->scratch, room, 0) : -1;

	if (room == 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
		return WAITS;
	if (got <= 0) {
		line->local_ended = true;
		return tl_line_end(line->core) == 0 ? MOVED : OVER;
	}
	return tl_line_put(line->core, conn->loop->scratch, (size_t)got) == 0 ? MOVED : OVER;
}

static enum outcome move_outward(struct tl_conn *conn, struct tl_http_line *line)
{
	struct tl_pump *pump = conn->pump;
	const char *bytes;
	size_t len;

	if (tl_line_next(line->core, &bytes, &len))
		return write_peer(conn, line, bytes, len);
	if (!line->local_ended)
		return read_local(conn, line);
	if (!pump->peer_told && !line->name[0]) {
		if (tl_tls_end(conn->ssl) == TL_TLS_FAILED)
			return BROKEN;
	}
	pump->peer_told = true;
	return WAITS;
}

/* ---- turns ------------------------------------------------------------------------------------ */

/* After its half was ended, only a hang-up tells that the local side is gone altogether. */
static bool is_over(const struct tl_pump *pump)
{
	const struct tl_http_line *line = pump->line;

	return pump->peer_told && tl_line_end_sent(line->core) &&
	       (line->local_told || tl_http_line_is_left(line));
}

static void set_interest(struct tl_conn *conn, const struct tl_http_line *line)
{
	bool takes_peer = line->inward.len == 0 && (!line->peer_ended || line->name[0]);
	bool takes_local = !conn->blocked && !line->local_ended && tl_line_room(line->core) > 0;

	tl_conn_wait(conn, (takes_peer ? UV_READABLE : 0) | (conn->blocked ? UV_WRITABLE : 0));
	wait_local(conn->pump,
		   (takes_local ? UV_READABLE : 0) | (line->inward.len > 0 ? UV_WRITABLE : 0));
}

/* The line's lock is held, and the line is ours. */
static enum outcome move(struct tl_conn *conn, struct tl_http_line *line)
{
	enum outcome inward, outward;
	int rounds = 0;

	do {
		inward = move_inward(conn, line);
		outward = inward > MOVED ? inward : move_outward(conn, line);
		if (outward > MOVED)
			return outward;
		if (is_over(conn->pump))
			return OVER;
		/* A turn ends early only where the socket will say again that there is more. */
	} while ((inward == MOVED || outward == MOVED) &&
		 (++rounds < ROUNDS_A_TURN || SSL_has_pending(conn->ssl)));
	set_interest(conn, line);
	return WAITS;
}

/* Everything that we sent shall arrive: closing with bytes unread would take it back. */
static void end_over(struct tl_conn *conn, struct tl_http_line *line)
{
	tl_lines_remove(&conn->loop->http->lines, line);
	tl_conn_end_pump(conn);
	tl_conn_linger(conn);
}

static void run(struct tl_conn *conn)
{
	struct tl_http_line *line = conn->pump->line;
	enum outcome outcome = BROKEN;

	pthread_mutex_lock(&line->lock);
	if (line->owner == conn && !line->over)
		outcome = move(conn, line);
	pthread_mutex_unlock(&line->lock);
	if (outcome == BROKEN)
		tl_conn_close(conn);
	else if (outcome == OVER)
		end_over(conn, line);
}

/* ---- life ------------------------------------------------------------------------------------- */

static int make_pump(struct tl_conn *conn)
{
	struct tl_http_line *line = conn->call->line;
	struct tl_pump *pump = calloc(1, sizeof *pump);
	int fd = fcntl(line->fd, F_DUPFD_CLOEXEC, 3);

	if (!pump || fd < 0 || uv_poll_init(&conn->loop->uv, &pump->poll, fd) != 0) {
		if (fd >= 0)
			close(fd);
		free(pump);
		return TL_ENOMEM;
	}
	pump->conn = conn;
	pump->fd = fd;
	pump->line = tl_steal(&conn->call->line);
	conn->pump = pump;
	return 0;
}

/* False when a later connection was quicker. */
static bool own(struct tl_conn *conn, uint64_t turn)
{
	struct tl_http_line *line = conn->pump->line;
	bool mine;

	pthread_mutex_lock(&line->lock);
	mine = line->turn == turn && !line->over;
	if (mine)
		line->owner = conn;
	pthread_mutex_unlock(&line->lock);
	return mine;
}

void tl_conn_begin_pump(struct tl_conn *conn)
{
	struct tl_http_call *call = conn->call;
	struct tl_http_line *line = call->line;
	uint64_t turn = call->line_turn;
	bool mine;

	if (make_pump(conn) < 0) {
		tl_conn_close(conn);
		return;
	}
	call->outcome = TL_OUTCOME_NONE;
	mine = own(conn, turn);
	if (call->pair_peer_fd >= 0) { /* the first connection of the line */
		if (line->name[0])
			tl_lines_add(&conn->loop->http->lines, line);
		call->on_open(call->arg, tl_steal_fd(&call->pair_peer_fd));
	}
	tl_call_free(tl_steal(&conn->call));
	tl_conn_enter(conn, TL_CONN_PUMP);
	tl_conn_watch_peer(conn);
	if (mine)
		run(conn);
	else
		tl_conn_close(conn);
}

static void on_pump_closed(uv_handle_t *handle)
{
	free(tl_container_of((uv_poll_t *)handle, struct tl_pump, poll));
}

void tl_conn_end_pump(struct tl_conn *conn)
{
	struct tl_pump *pump = tl_steal(&conn->pump);

	if (!pump)
		return;
	tl_http_line_leave(pump->line, conn);
	if (!pump->line->name[0])
		tl_lines_remove(&conn->loop->http->lines, pump->line);
	uv_close((uv_handle_t *)&pump->poll, on_pump_closed);
	close(pump->fd);
	tl_http_line_unref(pump->line);
}

/* A connection of which nothing was heard for so long takes nothing any more either. */
static void on_tick(struct tl_conn *conn)
{
	struct tl_http_line *line = conn->pump->line;
	bool alive;

	pthread_mutex_lock(&line->lock);
	alive = line->owner != conn ||
		tl_line_tick(line->core, line->inward.len == 0, tl_http_line_now());
	pthread_mutex_unlock(&line->lock);
	if (!alive) {
		tl_conn_abort(conn);
		return;
	}
	tl_conn_progress(conn);
	run(conn);
}

void tl_conn_on_pump(struct tl_conn *conn, enum tl_conn_event event)
{
	switch (event) {
	case TL_CONN_READY:
		run(conn);
		break;
	case TL_CONN_TIMEOUT:
		on_tick(conn);
		break;
	case TL_CONN_DRAIN:
		tl_lines_remove(&conn->loop->http->lines, conn->pump->line);
		tl_conn_close(conn);
		break;
	default:
		break;
	}
}

bool tl_call_pair(struct tl_http_call *call, enum tl_call_outcome outcome, int type)
{
	int pair[2];

	if (socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
		tl_http_problem(call, 503, "busy", "the server has no descriptor left");
		return false;
	}
	if (!tl_response_claim(call, outcome)) {
		close(pair[0]);
		close(pair[1]);
		return false;
	}
	call->pair_fd = pair[0];
	call->pair_peer_fd = pair[1];
	return true;
}

/* on_open is called exactly once; here with an end whose other end is closed, which reads as its end. */
void tl_conn_abandon(struct tl_http_call *call)
{
	struct tl_http_line *line = tl_steal(&call->line);
	bool waits = call->outcome == TL_OUTCOME_UPGRADE || call->outcome == TL_OUTCOME_WEBSOCKET;

	if (waits && call->pair_peer_fd >= 0)
		call->on_open(call->arg, tl_steal_fd(&call->pair_peer_fd));
	tl_http_line_unref(line);
	call->outcome = TL_OUTCOME_NONE;
}
