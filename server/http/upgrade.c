/* A connection that has become something else: bytes are pumped between TLS and a socket pair, each way
 * only as fast as the other side takes them. Either side may end its half. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/conn.h"
#include "http/server.h"

#define ROUNDS_A_TURN 16

struct tl_pump {
	uv_poll_t poll;
	struct tl_conn *conn;
	int fd;
	int polled;
	struct tl_buf inward; /* from the peer, not taken by the local side yet */
	bool peer_ended, local_ended;
	bool peer_told, local_told; /* the other half was ended accordingly */
};

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

int tl_http_upgrade(struct tl_http_call *call, const char *protocol,
		    void (*on_open)(void *arg, int fd), void *arg)
{
	if (!call->request.upgrade || !tl_request_has_token(&call->request, "upgrade", protocol)) {
		tl_http_add_header(call, "Upgrade", protocol);
		tl_http_problem(call, 426, "upgrade-required",
				"this resource speaks another protocol");
		return TL_EINVAL;
	}
	if (!tl_call_pair(call, TL_OUTCOME_UPGRADE, SOCK_STREAM))
		return TL_EBUSY;
	call->on_open = on_open;
	call->arg = arg;
	tl_http_add_header(call, "Connection", "Upgrade");
	tl_http_add_header(call, "Upgrade", protocol);
	tl_response_head(call, 101, NULL, UINT64_MAX);
	return 0;
}

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

/* Moves bytes to the local side. 1 when it took some, 0 when it waits, -1 when it is gone. */
static int push_inward(struct tl_pump *pump)
{
	ssize_t sent = send(pump->fd, pump->inward.data, pump->inward.len, MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	tl_buf_consume(&pump->inward, (size_t)sent);
	if (pump->inward.len == 0)
		tl_buf_clear(&pump->inward);
	return 1;
}

/* peer → local */
static int move_inward(struct tl_conn *conn)
{
	struct tl_pump *pump = conn->pump;
	ssize_t got;

	if (pump->inward.len > 0)
		return push_inward(pump);
	if (conn->in.len > 0) {
		tl_buf_append(&pump->inward, conn->in.data, conn->in.len);
		tl_buf_clear(&conn->in);
		return push_inward(pump);
	}
	if (!pump->peer_ended) {
		got = tl_tls_read(conn->ssl, conn->loop->scratch, TL_LOOP_SCRATCH);
		if (got == TL_TLS_AGAIN)
			return 0;
		if (got == TL_TLS_FAILED)
			return -1;
		if (got > 0) {
			tl_buf_append(&pump->inward, conn->loop->scratch, (size_t)got);
			return push_inward(pump) < 0 ? -1 : 1;
		}
		pump->peer_ended = true;
	}
	if (!pump->local_told) {
		shutdown(pump->fd, SHUT_WR);
		pump->local_told = true;
	}
	return 0;
}

/* local → peer */
static int move_outward(struct tl_conn *conn)
{
	struct tl_pump *pump = conn->pump;
	ssize_t got;
	int rc = tl_conn_flush(conn);

	if (rc <= 0)
		return rc;
	if (!pump->local_ended) {
		got = recv(pump->fd, conn->loop->scratch, TL_LOOP_SCRATCH, 0);
		if (got < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		if (got > 0) {
			tl_buf_append(&conn->out, conn->loop->scratch, (size_t)got);
			return tl_conn_flush(conn) < 0 ? -1 : 1;
		}
		pump->local_ended = true;
	}
	if (!pump->peer_told) {
		if (tl_tls_end(conn->ssl) == TL_TLS_FAILED)
			return -1;
		pump->peer_told = true;
	}
	return 0;
}

/* After its half was ended, only a hang-up tells that the local side is gone altogether. */
static bool local_gone(const struct tl_pump *pump)
{
	struct pollfd entry = {.fd = pump->fd};

	return poll(&entry, 1, 0) == 1 && (entry.revents & (POLLHUP | POLLERR));
}

static void set_interest(struct tl_conn *conn)
{
	struct tl_pump *pump = conn->pump;
	bool takes_peer = pump->inward.len == 0 && !pump->peer_ended;
	bool takes_local = conn->out.len == 0 && !pump->local_ended;

	tl_conn_wait(conn, (takes_peer ? UV_READABLE : 0) | (conn->blocked ? UV_WRITABLE : 0));
	wait_local(pump,
		   (takes_local ? UV_READABLE : 0) | (pump->inward.len > 0 ? UV_WRITABLE : 0));
}

static bool is_over(struct tl_conn *conn)
{
	struct tl_pump *pump = conn->pump;

	if (pump->peer_told && pump->local_told)
		return true;
	return pump->peer_told && local_gone(pump);
}

static void run(struct tl_conn *conn)
{
	int inward, outward, rounds = 0;

	do {
		inward = move_inward(conn);
		outward = inward < 0 ? -1 : move_outward(conn);
		if (conn->state == TL_CONN_DEAD)
			return;
		if (outward < 0 || is_over(conn)) {
			tl_conn_close(conn);
			return;
		}
		/* A turn ends early only where the socket will say again that there is more. */
	} while ((inward > 0 || outward > 0) &&
		 (++rounds < ROUNDS_A_TURN || SSL_has_pending(conn->ssl)));
	set_interest(conn);
}

static int make_pump(struct tl_conn *conn)
{
	struct tl_pump *pump = calloc(1, sizeof *pump);

	if (!pump || uv_poll_init(&conn->loop->uv, &pump->poll, conn->call->pair_fd) != 0) {
		free(pump);
		return TL_ENOMEM;
	}
	pump->conn = conn;
	pump->fd = tl_steal_fd(&conn->call->pair_fd);
	tl_buf_init(&pump->inward, conn->loop->http->config.max_header_bytes + TL_LOOP_SCRATCH);
	conn->pump = pump;
	return 0;
}

void tl_conn_begin_pump(struct tl_conn *conn)
{
	struct tl_http_call *call = conn->call;

	if (make_pump(conn) < 0) {
		tl_conn_close(conn);
		return;
	}
	call->outcome = TL_OUTCOME_NONE;
	call->on_open(call->arg, tl_steal_fd(&call->pair_peer_fd));
	tl_call_free(tl_steal(&conn->call));
	tl_conn_enter(conn, TL_CONN_PUMP);
	tl_conn_watch_peer(conn);
	run(conn);
}

static void on_pump_closed(uv_handle_t *handle)
{
	free(tl_container_of((uv_poll_t *)handle, struct tl_pump, poll));
}

void tl_conn_end_pump(struct tl_conn *conn)
{
	struct tl_pump *pump = tl_steal(&conn->pump);

	uv_close((uv_handle_t *)&pump->poll, on_pump_closed);
	close(pump->fd);
	tl_buf_clear(&pump->inward);
}

void tl_conn_on_pump(struct tl_conn *conn, enum tl_conn_event event)
{
	switch (event) {
	case TL_CONN_READY:
		run(conn);
		break;
	case TL_CONN_TIMEOUT:
		tl_conn_progress(conn);
		if (is_over(conn))
			tl_conn_close(conn);
		break;
	case TL_CONN_DRAIN:
		tl_conn_close(conn);
		break;
	default:
		break;
	}
}

/* on_open is called exactly once; here with an end whose other end is closed, which reads as its end. */
void tl_conn_abandon(struct tl_http_call *call)
{
	if (call->outcome == TL_OUTCOME_UPGRADE || call->outcome == TL_OUTCOME_WEBSOCKET)
		call->on_open(call->arg, tl_steal_fd(&call->pair_peer_fd));
	call->outcome = TL_OUTCOME_NONE;
}
