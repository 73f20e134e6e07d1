/* A WebSocket between its TLS connection and its pair: frames.c moves, websocket.c lives. Loop thread only. */
#ifndef TOWLINE_SERVER_HTTP_FRAMES_H
#define TOWLINE_SERVER_HTTP_FRAMES_H

#include <wslay/wslay.h>

#include "http/conn.h"
#include "http/server.h"

#define TL_WS_UNSENT_MAX ((size_t)64 * 1024) /* bytes for the peer: then nothing more is fetched */
#define TL_WS_ANSWERS_MAX 64		     /* messages for the peer, pongs among them */
#define TL_WS_TURN_MAX ((size_t)256 * 1024)  /* bytes read in a turn */
/* What wslay reads at once (4 KiB) becomes at most eight times as much here, and a text beside it. */
#define TL_WS_INWARD_MAX ((size_t)64 * 1024 + TL_WS_PACKET_MAX)
#define TL_WS_REASON_MAX 123 /* RFC 6455 §5.5 */

struct tl_ws {
	uv_poll_t poll;
	struct tl_conn *conn;
	wslay_event_context_ptr context;
	int fd; /* our end of the pair; -1 when the local side is gone */
	int polled;
	size_t taken;		    /* bytes read in this turn */
	bool held;		    /* in this turn bytes were left lying */
	bool heard;		    /* since the last heartbeat */
	bool lost;		    /* TLS ended or broke */
	uint8_t frame, message;	    /* opcodes of what is being received */
	uint64_t max_message, size; /* of the message that is being received */
	struct tl_buf text;	    /* a message that has not come whole */
	struct tl_buf inward; /* entries: kind, length, bytes; not taken by the local side yet */
	size_t inward_at;     /* bytes of the first entry that were taken */
	bool ending, closing; /* we want to say that it ends; we have */
	uint16_t code;
	char reason[TL_WS_REASON_MAX + 1];
};

extern const struct wslay_event_callbacks tl_ws_callbacks;

/* Nothing is read while the local side has not taken what came before, nor while the peer does not
 * take the answers to its pings. */
bool tl_ws_may_read(const struct tl_ws *ws);
bool tl_ws_may_fetch(const struct tl_ws *ws);
/* peer → local, local → peer. True when something moved. */
bool tl_ws_push(struct tl_ws *ws);
bool tl_ws_pull(struct tl_ws *ws);
/* What to wait for on the pair: UV_READABLE | UV_WRITABLE, or 0. */
void tl_ws_wait(struct tl_ws *ws, int events);
/* The socket will end with `code`, after what is on its way. */
void tl_ws_fail(struct tl_ws *ws, unsigned code, const char *reason);

#endif
