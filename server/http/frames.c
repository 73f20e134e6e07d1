/* What moves through a WebSocket: wslay's callbacks on one side, packets of the pair on the other. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/frames.h"

struct entry {
	char kind;
	uint32_t len;
};

/* ---- wslay's view of the connection ----------------------------------------------------------- */

static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *bytes, size_t len, int flags,
		       void *arg)
{
	struct tl_ws *ws = arg;
	ssize_t sent = tl_tls_write(ws->conn->ssl, bytes, len);

	(void)flags;
	ws->conn->blocked = sent == TL_TLS_AGAIN;
	ws->lost |= sent != TL_TLS_AGAIN && sent <= 0;
	if (sent > 0)
		return sent;
	wslay_event_set_error(context, sent == TL_TLS_AGAIN ? WSLAY_ERR_WOULDBLOCK
							    : WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

bool tl_ws_may_read(const struct tl_ws *ws)
{
	return ws->inward.len == 0 &&
	       wslay_event_get_queued_msg_count(ws->context) < TL_WS_ANSWERS_MAX;
}

static ssize_t on_receive(wslay_event_context_ptr context, uint8_t *bytes, size_t size, int flags,
			  void *arg)
{
	struct tl_ws *ws = arg;
	struct tl_conn *conn = ws->conn;
	ssize_t got = TL_TLS_AGAIN;

	(void)flags;
	ws->held = !tl_ws_may_read(ws) || ws->taken >= TL_WS_TURN_MAX;
	if (!ws->held) {
		got = (ssize_t)(conn->in.len < size ? conn->in.len : size);
		if (got > 0) {
			memcpy(bytes, conn->in.data, (size_t)got);
			tl_buf_consume(&conn->in, (size_t)got);
		} else {
			got = tl_tls_read(conn->ssl, bytes, size);
		}
	}
	if (got > 0) {
		ws->heard = true;
		ws->taken += (size_t)got;
		return got;
	}
	ws->lost = got != TL_TLS_AGAIN;
	wslay_event_set_error(context, got == TL_TLS_AGAIN ? WSLAY_ERR_WOULDBLOCK
							   : WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

/* Said once everything before is on its way: wslay lets control frames overtake. */
static void end_with(struct tl_ws *ws, unsigned code, const char *reason, size_t len)
{
	if (ws->ending)
		return;
	ws->ending = true;
	ws->code = (uint16_t)code;
	snprintf(ws->reason, sizeof ws->reason, "%.*s", (int)len, reason);
}

void tl_ws_fail(struct tl_ws *ws, unsigned code, const char *reason)
{
	end_with(ws, code, reason, strlen(reason));
}

static void add_entry(struct tl_ws *ws, char kind, const void *bytes, size_t len)
{
	struct entry entry = {.kind = kind, .len = (uint32_t)len};

	if (ws->fd < 0 || ws->ending)
		return;
	tl_buf_append(&ws->inward, &entry, sizeof entry);
	tl_buf_append(&ws->inward, bytes, len);
	if (tl_buf_check(&ws->inward) != 0)
		tl_ws_fail(ws, WSLAY_CODE_INTERNAL_SERVER_ERROR, "out of memory");
}

static void on_frame(wslay_event_context_ptr context,
		     const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
	struct tl_ws *ws = arg;

	ws->frame = frame->opcode;
	if (wslay_is_ctrl_frame(frame->opcode))
		return;
	if (frame->opcode != WSLAY_CONTINUATION_FRAME) {
		ws->message = frame->opcode;
		ws->size = 0;
	}
	ws->size += frame->payload_length;
	if (ws->size > ws->max_message ||
	    (ws->message == WSLAY_TEXT_FRAME && ws->size >= TL_WS_PACKET_MAX)) {
		tl_ws_fail(ws, WSLAY_CODE_MESSAGE_TOO_BIG, "the message is too long");
		wslay_event_shutdown_read(context);
	}
}

/* Nothing is gathered but text, so that neither long messages nor many small frames take memory. */
static void on_chunk(wslay_event_context_ptr context,
		     const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *arg)
{
	struct tl_ws *ws = arg;

	(void)context;
	if (wslay_is_ctrl_frame(ws->frame) || chunk->data_length == 0 || ws->ending)
		return;
	if (ws->message == WSLAY_TEXT_FRAME)
		tl_buf_append(&ws->text, chunk->data, chunk->data_length);
	else
		add_entry(ws, TL_WS_BINARY, chunk->data, chunk->data_length);
}

static void on_message(wslay_event_context_ptr context,
		       const struct wslay_event_on_msg_recv_arg *message, void *arg)
{
	struct tl_ws *ws = arg;

	(void)context;
	if (message->opcode != WSLAY_TEXT_FRAME)
		return;
	if (tl_buf_check(&ws->text) != 0)
		tl_ws_fail(ws, WSLAY_CODE_INTERNAL_SERVER_ERROR, "out of memory");
	add_entry(ws, TL_WS_TEXT, ws->text.data, ws->text.len);
	tl_buf_clear(&ws->text);
}

/* ---- the pair --------------------------------------------------------------------------------- */

static void on_local(uv_poll_t *poll, int status, int events)
{
	struct tl_ws *ws = tl_container_of(poll, struct tl_ws, poll);

	(void)status;
	(void)events;
	tl_conn_step(ws->conn, TL_CONN_READY);
}

void tl_ws_wait(struct tl_ws *ws, int events)
{
	if (ws->polled == events)
		return;
	ws->polled = events;
	if (events)
		uv_poll_start(&ws->poll, events, on_local);
	else
		uv_poll_stop(&ws->poll);
}

/* The local side left: without a word, when it had not said a code before. */
static void lose_local(struct tl_ws *ws)
{
	tl_ws_wait(ws, 0);
	close(tl_steal_fd(&ws->fd));
	tl_buf_clear(&ws->inward);
	tl_ws_fail(ws, WSLAY_CODE_INTERNAL_SERVER_ERROR, "the other side is gone");
}

static ssize_t send_packet(const struct tl_ws *ws, struct entry entry, const char *bytes,
			   size_t len)
{
	struct iovec parts[] = {
		{.iov_base = &entry.kind, .iov_len = 1},
		{.iov_base = (void *)(uintptr_t)bytes, .iov_len = len},
	};
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = TL_ARRAY_LEN(parts)};

	return sendmsg(ws->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A local side that is gone is noticed by reading from it, so
 * that its last words are heard. */
bool tl_ws_push(struct tl_ws *ws)
{
	struct entry entry;
	bool moved = false;

	while (ws->inward.len > 0 && ws->fd >= 0) {
		size_t len;

		memcpy(&entry, ws->inward.data, sizeof entry);
		len = entry.len - ws->inward_at;
		if (len > TL_WS_PACKET_MAX - 1)
			len = TL_WS_PACKET_MAX - 1;
		if (send_packet(ws, entry, ws->inward.data + sizeof entry + ws->inward_at, len) <
		    0) {
			if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
				tl_buf_reset(&ws->inward);
			return moved;
		}
		moved = true;
		ws->inward_at += len;
		if (ws->inward_at == entry.len) {
			tl_buf_consume(&ws->inward, sizeof entry + entry.len);
			ws->inward_at = 0;
		}
	}
	if (moved)
		tl_buf_clear(&ws->inward);
	return moved;
}

static void take_packet(struct tl_ws *ws, const char *packet, size_t len)
{
	const uint8_t *bytes = (const uint8_t *)packet + 1;
	const struct wslay_event_msg message = {
		.opcode = packet[0] == TL_WS_BINARY ? WSLAY_BINARY_FRAME : WSLAY_TEXT_FRAME,
		.msg = bytes,
		.msg_length = len - 1,
	};

	if (ws->ending)
		return;
	if (packet[0] == TL_WS_CLOSE && len >= 3)
		end_with(ws, (unsigned)(bytes[0] << 8 | bytes[1]), packet + 3, len - 3);
	else if (wslay_event_queue_msg(ws->context, &message) == WSLAY_ERR_NOMEM)
		tl_ws_fail(ws, WSLAY_CODE_INTERNAL_SERVER_ERROR, "out of memory");
}

bool tl_ws_may_fetch(const struct tl_ws *ws)
{
	return ws->fd >= 0 && wslay_event_get_queued_msg_length(ws->context) < TL_WS_UNSENT_MAX &&
	       wslay_event_get_queued_msg_count(ws->context) < TL_WS_ANSWERS_MAX;
}

bool tl_ws_pull(struct tl_ws *ws)
{
	char *scratch = ws->conn->loop->scratch;
	bool moved = false;

	while (tl_ws_may_fetch(ws)) {
		ssize_t got = recv(ws->fd, scratch, TL_WS_PACKET_MAX, MSG_DONTWAIT);

		/* A pair that the other side closed with bytes of ours unread says so once, ahead of
		 * what it has still to give. */
		if (got < 0 && errno == ECONNRESET)
			continue;
		if (got < 0)
			return moved;
		if (got == 0) {
			lose_local(ws);
			return true;
		}
		take_packet(ws, scratch, (size_t)got);
		moved = true;
	}
	return moved;
}

const struct wslay_event_callbacks tl_ws_callbacks = {
	.recv_callback = on_receive,
	.send_callback = on_send,
	.on_frame_recv_start_callback = on_frame,
	.on_frame_recv_chunk_callback = on_chunk,
	.on_msg_recv_callback = on_message,
};
