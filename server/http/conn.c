#include "http/conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <towline/line.h>
#include <towline/log.h>
#include <unistd.h>

#include "http/server.h"

#define LINGER_MS 2000
#define PUMP_TICK_MS (TL_LINE_KEEPALIVE_MS / 2)

/* A deadline is a field of the configuration, or one of these. */
#define NO_DEADLINE SIZE_MAX
#define LINGER_DEADLINE (SIZE_MAX - 1)
#define PUMP_DEADLINE (SIZE_MAX - 2)
#define CONFIG(field) offsetof(struct tl_http_config, field)

struct state_row {
	const char *name;
	size_t deadline;
	void (*step)(struct tl_conn *conn, enum tl_conn_event event);
};

static const struct state_row state_rows[TL_CONN_STATES] = {
	[TL_CONN_PROXY] = {"proxy", CONFIG(header_timeout_ms), tl_conn_on_proxy},
	[TL_CONN_TLS] = {"tls", CONFIG(header_timeout_ms), tl_conn_on_tls},
	[TL_CONN_HEAD] = {"head", CONFIG(header_timeout_ms), tl_conn_on_head},
	[TL_CONN_IDLE] = {"idle", CONFIG(keepalive_timeout_ms), tl_conn_on_head},
	[TL_CONN_WORK] = {"work", NO_DEADLINE, tl_conn_on_work},
	[TL_CONN_BODY] = {"body", CONFIG(body_idle_timeout_ms), tl_conn_on_body},
	[TL_CONN_REPLY] = {"reply", CONFIG(write_timeout_ms), tl_conn_on_reply},
	[TL_CONN_STREAM] = {"stream", CONFIG(heartbeat_ms), tl_conn_on_stream},
	[TL_CONN_SOCKET] = {"socket", CONFIG(heartbeat_ms), tl_conn_on_socket},
	[TL_CONN_PUMP] = {"pump", PUMP_DEADLINE, tl_conn_on_pump},
	[TL_CONN_LINGER] = {"linger", LINGER_DEADLINE, tl_conn_on_linger},
	[TL_CONN_DEAD] = {"dead", NO_DEADLINE, tl_conn_on_dead},
};

static int64_t config_ms(const struct tl_conn *conn, size_t offset)
{
	return *(const int64_t *)(const void *)((const char *)&conn->loop->http->config + offset);
}

/* A stream's heartbeat gives way to the write deadline, and to the end of its life. */
static int64_t due_of(const struct tl_conn *conn, int64_t wait_ms)
{
	int64_t due_ms = tl_loop_now(conn->loop) + wait_ms;

	if (conn->state != TL_CONN_STREAM)
		return due_ms;
	if (conn->blocked)
		return tl_loop_now(conn->loop) + conn->loop->http->config.write_timeout_ms;
	return conn->expires_ms && conn->expires_ms < due_ms ? conn->expires_ms : due_ms;
}

void tl_conn_progress(struct tl_conn *conn)
{
	size_t deadline = state_rows[conn->state].deadline;
	int64_t wait_ms = deadline == LINGER_DEADLINE ? LINGER_MS : PUMP_TICK_MS;

	if (deadline == NO_DEADLINE) {
		tl_wheel_cancel(&conn->loop->wheel, &conn->timer);
		return;
	}
	if (deadline < PUMP_DEADLINE)
		wait_ms = config_ms(conn, deadline);
	tl_loop_arm(conn->loop, &conn->timer, due_of(conn, wait_ms));
}

void tl_conn_enter(struct tl_conn *conn, enum tl_conn_state state)
{
	/* PROXY header and handshake share one deadline. */
	bool shared = conn->state == TL_CONN_PROXY && state == TL_CONN_TLS && conn->timer.next;

	if (conn->state == TL_CONN_TLS)
		tl_accept_shaken(conn);
	conn->state = (uint8_t)state;
	if (!shared)
		tl_conn_progress(conn);
}

/* A peer whose bytes lie in the socket, unread because the loop has much to do, is not late. */
static bool is_ours_to_read(const struct tl_conn *conn)
{
	char byte;

	return conn->state <= TL_CONN_BODY && conn->state != TL_CONN_WORK &&
	       recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void tl_conn_step(struct tl_conn *conn, enum tl_conn_event event)
{
	if (event == TL_CONN_DONE)
		conn->busy = false;
	if (conn->state == TL_CONN_DEAD) {
		tl_conn_on_dead(conn, event);
		return;
	}
	if (event == TL_CONN_TIMEOUT && is_ours_to_read(conn)) {
		tl_conn_progress(conn);
		event = TL_CONN_READY;
	}
	state_rows[conn->state].step(conn, event);
	while (conn->again) {
		conn->again = false;
		state_rows[conn->state].step(conn, TL_CONN_READY);
	}
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct tl_conn *conn = tl_container_of(poll, struct tl_conn, poll);

	(void)events;
	if (status < 0)
		tl_conn_close(conn);
	else
		tl_conn_step(conn, TL_CONN_READY);
}

void tl_conn_wait(struct tl_conn *conn, int events)
{
	if (conn->polled == events)
		return;
	conn->polled = (uint8_t)events;
	if (events)
		uv_poll_start(&conn->poll, events, on_ready);
	else
		uv_poll_stop(&conn->poll);
}

void tl_conn_open(struct tl_loop *loop, int fd, const struct tl_address *peer)
{
	struct tl_conn *conn = calloc(1, sizeof *conn);
	bool trusted = tl_trust_has(loop->http->trust, peer);

	if (!conn || uv_poll_init(&loop->uv, &conn->poll, fd) != 0) {
		free(conn);
		close(fd);
		return;
	}
	conn->loop = loop;
	conn->fd = fd;
	conn->peer = *peer;
	tl_buf_init(&conn->in, loop->http->config.max_header_bytes + TL_LOOP_SCRATCH);
	tl_buf_init(&conn->out, TL_CALL_REPLY_MAX);
	tl_buf_init(&conn->fill, TL_CALL_PIECE_MAX);
	tl_loop_adopt(loop, conn);
	conn->ssl = tl_tls_accept(loop->http->tls, fd);
	if (!conn->ssl) {
		tl_conn_close(conn);
		return;
	}
	tl_conn_enter(conn, trusted ? TL_CONN_PROXY : TL_CONN_TLS);
	tl_conn_wait(conn, UV_READABLE);
}

ssize_t tl_conn_read(struct tl_conn *conn, void *bytes, size_t size)
{
	ssize_t got = tl_tls_read(conn->ssl, bytes, size);

	if (got > 0)
		return got;
	if (got == TL_TLS_AGAIN)
		tl_conn_wait(conn,
			     SSL_want_write(conn->ssl) ? UV_READABLE | UV_WRITABLE : UV_READABLE);
	if (got == TL_TLS_FAILED)
		tl_conn_close(conn);
	return got;
}

static bool reads_while_writing(const struct tl_conn *conn)
{
	return conn->state == TL_CONN_STREAM || conn->state == TL_CONN_PUMP;
}

int tl_conn_flush(struct tl_conn *conn)
{
	while (conn->out_at < conn->out.len) {
		ssize_t sent = tl_tls_write(conn->ssl, conn->out.data + conn->out_at,
					    conn->out.len - conn->out_at);

		if (sent == TL_TLS_FAILED) {
			tl_conn_close(conn);
			return -1;
		}
		if (sent == TL_TLS_AGAIN) {
			tl_conn_wait(conn,
				     UV_WRITABLE | (reads_while_writing(conn) ? UV_READABLE : 0));
			if (!conn->blocked) {
				conn->blocked = true;
				tl_conn_progress(conn);
			}
			return 0;
		}
		conn->out_at += (size_t)sent;
		if (conn->blocked)
			tl_conn_progress(conn);
	}
	tl_buf_clear(&conn->out);
	conn->out_at = 0;
	conn->blocked = false;
	return 1;
}

void tl_conn_submit(struct tl_conn *conn, enum tl_call_stage stage)
{
	conn->busy = true;
	conn->call->outcome = TL_OUTCOME_NONE;
	tl_loop_submit(conn->loop, conn->call, stage);
}

void tl_conn_watch_peer(struct tl_conn *conn)
{
	int64_t beat_ms = conn->loop->http->config.heartbeat_ms;
	unsigned dead_ms = (unsigned)beat_ms * 3;
	int beat_s = beat_ms < 1000 ? 1 : (int)(beat_ms / 1000);
	const int on = 1;

	setsockopt(conn->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(conn->fd, IPPROTO_TCP, TCP_KEEPIDLE, &beat_s, sizeof beat_s);
	setsockopt(conn->fd, IPPROTO_TCP, TCP_KEEPINTVL, &beat_s, sizeof beat_s);
	setsockopt(conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof dead_ms);
}

/* ---- the end ---- */

void tl_conn_linger(struct tl_conn *conn)
{
	if (tl_tls_end(conn->ssl) == TL_TLS_FAILED || shutdown(conn->fd, SHUT_WR) < 0) {
		tl_conn_close(conn);
		return;
	}
	tl_buf_clear(&conn->in);
	tl_conn_enter(conn, TL_CONN_LINGER);
	tl_conn_wait(conn, UV_READABLE);
}

/* What still comes is discarded unread, within bounds: closing at once would reset the connection
 * and may take the reply with it. */
void tl_conn_on_linger(struct tl_conn *conn, enum tl_conn_event event)
{
	static const size_t most = (size_t)8 * 1024 * 1024;
	ssize_t got = -1;

	if (event == TL_CONN_READY)
		got = recv(conn->fd, conn->loop->scratch, TL_LOOP_SCRATCH, 0);
	if (got > 0)
		conn->lingered += (size_t)got;
	if (event == TL_CONN_TIMEOUT || got == 0 || conn->lingered > most ||
	    (got < 0 && event == TL_CONN_READY && errno != EAGAIN && errno != EINTR))
		tl_conn_close(conn);
}

/* Everything is released when the poll handle is closed and no worker has the call. */
static void settle(struct tl_conn *conn)
{
	if (conn->busy)
		return;
	if (conn->call && conn->call->begun) {
		tl_conn_submit(conn, TL_STAGE_BROKEN);
		return;
	}
	if (conn->call)
		tl_conn_abandon(conn->call);
	tl_call_free(tl_steal(&conn->call));
	if (!conn->closed)
		return;
	tl_loop_forget(conn->loop, conn);
	free(conn);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct tl_conn *conn = tl_container_of((uv_poll_t *)handle, struct tl_conn, poll);

	conn->closed = true;
	settle(conn);
}

void tl_conn_on_dead(struct tl_conn *conn, enum tl_conn_event event)
{
	if (event == TL_CONN_DONE)
		settle(conn);
}

void tl_conn_close(struct tl_conn *conn)
{
	if (conn->state == TL_CONN_DEAD)
		return;
	switch (conn->state) {
	case TL_CONN_STREAM:
		tl_conn_end_stream(conn);
		break;
	case TL_CONN_SOCKET:
		tl_conn_end_socket(conn);
		break;
	case TL_CONN_PUMP:
		tl_conn_end_pump(conn);
		break;
	default:
		break;
	}
	conn->again = false;
	tl_conn_enter(conn, TL_CONN_DEAD);
	uv_close((uv_handle_t *)&conn->poll, on_poll_closed);
	SSL_free(tl_steal(&conn->ssl));
	close(tl_steal_fd(&conn->fd));
	tl_buf_clear(&conn->in);
	tl_buf_clear(&conn->out);
	tl_buf_clear(&conn->fill);
	if (!conn->busy && conn->call && conn->call->begun)
		settle(conn);
}

void tl_conn_abort(struct tl_conn *conn)
{
	const struct linger none = {.l_onoff = 1, .l_linger = 0};

	setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
	tl_conn_close(conn);
}
