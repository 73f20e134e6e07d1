/* WebSockets (RFC 6455) by wslay, on the connection's own TLS. */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "http/conn.h"
#include "http/server.h"

#define MESSAGE_MAX ((size_t)1024 * 1024)
#define QUEUE_MAX ((size_t)1024 * 1024)

struct tl_http_ws {
	struct tl_conn *conn;
	wslay_event_context_ptr context;
	const struct tl_http_ws_handlers *handlers;
	void *arg;
	bool running; /* inside a step: what is queued is sent at its end */
	bool heard;   /* since the last heartbeat */
};

static void accept_key(const char *key, char text[static 32])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 §1.3 */
	unsigned char digest[SHA_DIGEST_LENGTH];
	char joined[64 + sizeof guid];
	int len = snprintf(joined, sizeof joined, "%s%s", key, guid);

	SHA1((unsigned char *)joined, (size_t)len, digest);
	EVP_EncodeBlock((unsigned char *)text, digest, sizeof digest);
}

int tl_http_websocket(struct tl_http_call *call, const struct tl_http_ws_handlers *handlers,
		      void *arg)
{
	const char *key = tl_request_field(&call->request, "sec-websocket-key");
	const char *version = tl_request_field(&call->request, "sec-websocket-version");
	char text[32];

	if (!call->request.upgrade || !key || strlen(key) != 24 || !version ||
	    strcmp(version, "13") != 0 ||
	    !tl_request_has_token(&call->request, "upgrade", "websocket")) {
		tl_http_add_header(call, "Upgrade", "websocket");
		tl_http_add_header(call, "Sec-WebSocket-Version", "13");
		tl_http_problem(call, 426, "upgrade-required", "this resource is a WebSocket");
		return TL_EINVAL;
	}
	if (!tl_response_claim(call, TL_OUTCOME_WEBSOCKET))
		return TL_EINVAL;
	accept_key(key, text);
	call->ws_handlers = handlers;
	call->arg = arg;
	tl_http_add_header(call, "Connection", "Upgrade");
	tl_http_add_header(call, "Upgrade", "websocket");
	tl_http_add_header(call, "Sec-WebSocket-Accept", text);
	tl_response_head(call, 101, NULL, UINT64_MAX);
	return 0;
}

/* ---- wslay's view of the connection ---- */

static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *bytes, size_t len, int flags,
		       void *arg)
{
	struct tl_http_ws *ws = arg;
	ssize_t sent = tl_tls_write(ws->conn->ssl, bytes, len);

	(void)flags;
	ws->conn->blocked = sent == TL_TLS_AGAIN;
	if (sent > 0)
		return sent;
	wslay_event_set_error(context, sent == TL_TLS_AGAIN ? WSLAY_ERR_WOULDBLOCK
							    : WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static ssize_t on_receive(wslay_event_context_ptr context, uint8_t *bytes, size_t size, int flags,
			  void *arg)
{
	struct tl_http_ws *ws = arg;
	struct tl_conn *conn = ws->conn;
	ssize_t got;

	(void)flags;
	if (conn->in.len > 0) {
		size_t len = conn->in.len < size ? conn->in.len : size;

		memcpy(bytes, conn->in.data, len);
		tl_buf_consume(&conn->in, len);
		return (ssize_t)len;
	}
	got = tl_tls_read(conn->ssl, bytes, size);
	if (got > 0) {
		ws->heard = true;
		return got;
	}
	wslay_event_set_error(context, got == TL_TLS_AGAIN ? WSLAY_ERR_WOULDBLOCK
							   : WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static void on_message(wslay_event_context_ptr context,
		       const struct wslay_event_on_msg_recv_arg *message, void *arg)
{
	struct tl_http_ws *ws = arg;

	(void)context;
	if (!wslay_is_ctrl_frame(message->opcode))
		ws->handlers->message(ws->arg, ws, message->opcode == WSLAY_BINARY_FRAME,
				      message->msg, message->msg_length);
}

/* Receives and sends what can be. False when the socket is at its end. */
static bool exchange(struct tl_http_ws *ws)
{
	bool sound;

	ws->running = true;
	sound = wslay_event_recv(ws->context) == 0;
	ws->running = false;
	sound = sound && wslay_event_send(ws->context) == 0;
	return sound && (wslay_event_want_read(ws->context) || wslay_event_want_write(ws->context));
}

static void run(struct tl_conn *conn)
{
	struct tl_http_ws *ws = conn->ws;

	if (!exchange(ws)) {
		tl_conn_close(conn);
		return;
	}
	tl_conn_wait(conn, UV_READABLE | (wslay_event_want_write(ws->context) ? UV_WRITABLE : 0));
}

static struct tl_http_ws *make_ws(struct tl_conn *conn)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = on_receive,
		.send_callback = on_send,
		.on_msg_recv_callback = on_message,
	};
	struct tl_http_ws *ws = calloc(1, sizeof *ws);

	if (!ws || wslay_event_context_server_init(&ws->context, &callbacks, ws) != 0) {
		free(ws);
		return NULL;
	}
	wslay_event_config_set_max_recv_msg_length(ws->context, MESSAGE_MAX);
	ws->conn = conn;
	ws->handlers = conn->call->ws_handlers;
	ws->arg = conn->call->arg;
	return ws;
}

void tl_conn_begin_socket(struct tl_conn *conn)
{
	struct tl_http_ws *ws = make_ws(conn);

	if (!ws) {
		tl_conn_close(conn);
		return;
	}
	conn->ws = ws;
	conn->call->outcome = TL_OUTCOME_NONE;
	tl_call_free(tl_steal(&conn->call));
	tl_conn_enter(conn, TL_CONN_SOCKET);
	tl_conn_watch_peer(conn);
	ws->heard = true;
	ws->running = true;
	if (ws->handlers->open)
		ws->handlers->open(ws->arg, ws);
	ws->running = false;
	run(conn);
}

void tl_conn_end_socket(struct tl_conn *conn)
{
	struct tl_http_ws *ws = tl_steal(&conn->ws);

	ws->running = true;
	if (ws->handlers->closed)
		ws->handlers->closed(ws->arg, ws);
	wslay_event_context_free(ws->context);
	free(ws);
}

int tl_http_ws_send(struct tl_http_ws *ws, bool binary, const void *bytes, size_t len)
{
	const struct wslay_event_msg message = {
		.opcode = binary ? WSLAY_BINARY_FRAME : WSLAY_TEXT_FRAME,
		.msg = bytes,
		.msg_length = len,
	};

	if (wslay_event_get_queued_msg_length(ws->context) + len > QUEUE_MAX)
		return TL_EBUSY;
	if (wslay_event_queue_msg(ws->context, &message) != 0)
		return TL_EBUSY;
	if (!ws->running)
		tl_conn_wait(ws->conn, UV_READABLE | UV_WRITABLE);
	return 0;
}

void tl_http_ws_close(struct tl_http_ws *ws, unsigned code)
{
	wslay_event_queue_close(ws->context, (uint16_t)code, NULL, 0);
	if (!ws->running)
		tl_conn_wait(ws->conn, UV_READABLE | UV_WRITABLE);
}

/* A peer that let a whole heartbeat pass without a byte, not even the answer to our ping, is gone. */
static void on_heartbeat(struct tl_conn *conn)
{
	static const struct wslay_event_msg ping = {.opcode = WSLAY_PING};
	struct tl_http_ws *ws = conn->ws;

	if (!ws->heard) {
		tl_conn_close(conn);
		return;
	}
	ws->heard = false;
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
		tl_http_ws_close(conn->ws, WSLAY_CODE_GOING_AWAY);
		run(conn);
		break;
	default:
		break;
	}
}
