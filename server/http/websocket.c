/* WebSockets (RFC 6455) by wslay, on the connection's own TLS. Messages are pumped to and from a socket
 * pair, each way only as fast as the other side takes them: what has not been taken stays with the peer. */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/frames.h"

/* ---- the handshake ---------------------------------------------------------------------------- */

static void accept_key(const char *key, char text[static 32])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 §1.3 */
	unsigned char digest[SHA_DIGEST_LENGTH];
	char joined[64 + sizeof guid];
	int len = snprintf(joined, sizeof joined, "%s%s", key, guid);

	SHA1((unsigned char *)joined, (size_t)len, digest);
	EVP_EncodeBlock((unsigned char *)text, digest, sizeof digest);
}

static bool is_handshake(const struct tl_request *request)
{
	const char *key = tl_request_field(request, "sec-websocket-key");
	const char *version = tl_request_field(request, "sec-websocket-version");

	return request->upgrade && key && strlen(key) == 24 && version &&
	       strcmp(version, "13") == 0 && tl_request_has_token(request, "upgrade", "websocket");
}

int tl_http_websocket(struct tl_http_call *call, const struct tl_http_ws *ws)
{
	char text[32];

	if (!is_handshake(&call->request)) {
		tl_http_add_header(call, "Upgrade", "websocket");
		tl_http_add_header(call, "Sec-WebSocket-Version", "13");
		tl_http_problem(call, 426, "upgrade-required", "this resource is a WebSocket");
		return TL_EINVAL;
	}
	if (!tl_request_has_token(&call->request, "sec-websocket-protocol", ws->protocol)) {
		tl_http_problem(call, 400, "subprotocol", "the subprotocol here is another one");
		return TL_EINVAL;
	}
	if (!tl_call_pair(call, TL_OUTCOME_WEBSOCKET, SOCK_SEQPACKET))
		return TL_EBUSY;
	accept_key(tl_request_field(&call->request, "sec-websocket-key"), text);
	call->on_open = ws->on_open;
	call->arg = ws->arg;
	call->max_message = ws->max_message;
	tl_http_add_header(call, "Connection", "Upgrade");
	tl_http_add_header(call, "Upgrade", "websocket");
	tl_http_add_header(call, "Sec-WebSocket-Accept", text);
	tl_http_add_header(call, "Sec-WebSocket-Protocol", ws->protocol);
	tl_response_head(call, 101, NULL, UINT64_MAX);
	return 0;
}

/* ---- turns ------------------------------------------------------------------------------------ */

static bool wants_more(const struct tl_ws *ws)
{
	return wslay_event_want_read(ws->context) || wslay_event_want_write(ws->context) ||
	       (ws->inward.len > 0 && ws->fd >= 0);
}

static void say_end(struct tl_ws *ws)
{
	if (!ws->ending || ws->closing || wslay_event_get_queued_msg_count(ws->context) > 0)
		return;
	ws->closing = true;
	wslay_event_queue_close(ws->context, ws->code, (const uint8_t *)ws->reason,
				strlen(ws->reason));
}

/* Receives, passes on and sends what can be. False when TLS has ended, or broke. */
static bool exchange(struct tl_ws *ws)
{
	bool moved;

	do {
		/* An error that is not TLS's is a frame that makes no sense: wslay says the end. */
		(void)wslay_event_recv(ws->context);
		moved = tl_ws_push(ws);
		moved |= tl_ws_pull(ws);
		(void)wslay_event_send(ws->context);
		say_end(ws);
		(void)wslay_event_send(ws->context);
	} while (moved && !ws->lost && !ws->conn->blocked && ws->taken < TL_WS_TURN_MAX);
	return !ws->lost;
}

static void set_interest(struct tl_conn *conn)
{
	struct tl_ws *ws = conn->ws;
	bool reads = tl_ws_may_read(ws) && wslay_event_want_read(ws->context);

	conn->again = reads && ws->held && (conn->in.len > 0 || SSL_has_pending(conn->ssl));
	tl_conn_wait(conn, (reads ? UV_READABLE : 0) | (conn->blocked ? UV_WRITABLE : 0));
	if (ws->fd >= 0)
		tl_ws_wait(ws, (tl_ws_may_fetch(ws) ? UV_READABLE : 0) |
				       (ws->inward.len > 0 ? UV_WRITABLE : 0));
}

static void run(struct tl_conn *conn)
{
	struct tl_ws *ws = conn->ws;

	ws->taken = 0;
	ws->held = false;
	if (!exchange(ws)) {
		tl_conn_close(conn);
		return;
	}
	if (wants_more(ws)) {
		set_interest(conn);
		return;
	}
	/* Both have said that it is over, or one of them something that makes no sense. */
	tl_conn_end_socket(conn);
	tl_conn_linger(conn);
}

static struct tl_ws *make_ws(struct tl_conn *conn)
{
	struct tl_ws *ws = calloc(1, sizeof *ws);

	if (!ws || wslay_event_context_server_init(&ws->context, &tl_ws_callbacks, ws) != 0) {
		free(ws);
		return NULL;
	}
	if (uv_poll_init(&conn->loop->uv, &ws->poll, conn->call->pair_fd) != 0) {
		wslay_event_context_free(ws->context);
		free(ws);
		return NULL;
	}
	ws->conn = conn;
	ws->fd = tl_steal_fd(&conn->call->pair_fd);
	ws->max_message = conn->call->max_message;
	wslay_event_config_set_no_buffering(ws->context, 1);
	wslay_event_config_set_max_recv_msg_length(ws->context, ws->max_message);
	tl_buf_init(&ws->text, TL_WS_PACKET_MAX);
	tl_buf_init(&ws->inward, TL_WS_INWARD_MAX);
	return ws;
}

void tl_conn_begin_socket(struct tl_conn *conn)
{
	struct tl_ws *ws = make_ws(conn);

	if (!ws) {
		tl_conn_close(conn);
		return;
	}
	conn->ws = ws;
	conn->call->outcome = TL_OUTCOME_NONE;
	conn->call->on_open(conn->call->arg, tl_steal_fd(&conn->call->pair_peer_fd));
	tl_call_free(tl_steal(&conn->call));
	tl_conn_enter(conn, TL_CONN_SOCKET);
	tl_conn_watch_peer(conn);
	ws->heard = true;
	run(conn);
}

static void on_poll_closed(uv_handle_t *handle)
{
	free(tl_container_of((uv_poll_t *)handle, struct tl_ws, poll));
}

void tl_conn_end_socket(struct tl_conn *conn)
{
	struct tl_ws *ws = tl_steal(&conn->ws);

	if (!ws)
		return;
	uv_close((uv_handle_t *)&ws->poll, on_poll_closed);
	if (ws->fd >= 0)
		close(tl_steal_fd(&ws->fd));
	wslay_event_context_free(ws->context);
	tl_buf_clear(&ws->text);
	tl_buf_clear(&ws->inward);
}

/* A peer that let a whole heartbeat pass without a byte, not even the answer to our ping, is gone; one
 * whose bytes we leave lying may still be there (TCP_USER_TIMEOUT knows). One that was told that it ends
 * had its time, too. */
static void on_heartbeat(struct tl_conn *conn)
{
	static const struct wslay_event_msg ping = {.opcode = WSLAY_PING};
	struct tl_ws *ws = conn->ws;

	if (ws->ending || (!ws->heard && tl_ws_may_read(ws))) {
		tl_conn_close(conn);
		return;
	}
	ws->heard = false;
	if (wslay_event_get_queued_msg_count(ws->context) < TL_WS_ANSWERS_MAX)
		wslay_event_queue_msg(ws->context, &ping);
	tl_conn_progress(conn);
	run(conn);
}

void tl_conn_on_socket(struct tl_conn *conn, enum tl_conn_event event)
{
	switch (event) {
	case TL_CONN_READY:
		run(conn);
		break;
	case TL_CONN_TIMEOUT:
		on_heartbeat(conn);
		break;
	case TL_CONN_DRAIN:
		tl_ws_fail(conn->ws, WSLAY_CODE_GOING_AWAY, "the relay is stopping");
		run(conn);
		break;
	default:
		break;
	}
}
