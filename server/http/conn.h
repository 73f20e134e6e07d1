/* One connection: a state machine on its loop's thread. Each state is one row: its name, what it
 * polls for, which deadline it has, and the function that takes its events. */
#ifndef TOWLINE_SERVER_HTTP_CONN_H
#define TOWLINE_SERVER_HTTP_CONN_H

#include <openssl/ssl.h>
#include <towline/buf.h>
#include <uv.h>

#include "http/call.h"
#include "http/loop.h"
#include "http/proxy.h"
#include "http/timer.h"

enum tl_conn_state {
	TL_CONN_PROXY,	/* from a trusted proxy: its header may come before TLS */
	TL_CONN_TLS,	/* handshake */
	TL_CONN_HEAD,	/* reading a header block */
	TL_CONN_IDLE,	/* between requests */
	TL_CONN_WORK,	/* a worker has the call; nothing is read */
	TL_CONN_BODY,	/* reading a body; a streamed one's last piece may be at a worker */
	TL_CONN_REPLY,	/* writing a reply */
	TL_CONN_STREAM, /* server-sent events */
	TL_CONN_SOCKET, /* WebSocket */
	TL_CONN_PUMP,	/* upgraded */
	TL_CONN_LINGER, /* replied; reading what still comes, so that the reply isn't lost */
	TL_CONN_DEAD,	/* closed; perhaps a worker still has the call */
	TL_CONN_STATES
};

enum tl_conn_event {
	TL_CONN_READY,	 /* the socket is readable or writable */
	TL_CONN_DONE,	 /* the worker handed the call back */
	TL_CONN_TIMEOUT, /* the state's deadline has passed */
	TL_CONN_WAKE,	 /* a published event is queued */
	TL_CONN_DRAIN	 /* the server is stopping */
};

struct tl_pump;
struct tl_ws;

struct tl_conn {
	uv_poll_t poll;
	struct tl_loop *loop;
	struct tl_conn *next, **slot; /* in the loop's list */
	SSL *ssl;
	int fd;
	uint8_t state; /* enum tl_conn_state; assigned by tl_conn_enter only */
	uint8_t polled;
	bool busy;    /* a worker has the call */
	bool used;    /* a request was read on it before */
	bool closed;  /* the poll handle is closed */
	bool ending;  /* close when `out` is written */
	bool blocked; /* `out` waits for the socket */
	bool again;   /* step once more: bytes are there that the socket won't announce */
	bool quiet;   /* nothing was heard since the last heartbeat */
	bool shaking; /* counted among its loop's handshakes, in shaking_window */
	unsigned shaking_window;
	struct tl_wheel_node timer;
	struct tl_address peer;
	struct tl_buf in;  /* read, not used yet */
	size_t scanned;	   /* of `in`, for the end of the header block */
	struct tl_buf out; /* being written, from out_at */
	size_t out_at;
	struct tl_buf fill; /* the next piece of a streamed body */
	size_t lingered;
	int64_t expires_ms; /* of a stream; 0: never */
	struct tl_http_call *call;
	union {
		struct tl_subscription *subscription;
		struct tl_ws *ws;
		struct tl_pump *pump;
	};
};

/* A connection on `fd` (taken over). */
void tl_conn_open(struct tl_loop *loop, int fd, const struct tl_address *peer);
/* Takes an event. The only way into the machine; the connection may be gone afterwards. */
void tl_conn_step(struct tl_conn *conn, enum tl_conn_event event);
/* Changes the state and arms the new state's deadline. The only place that assigns conn->state. */
void tl_conn_enter(struct tl_conn *conn, enum tl_conn_state state);
/* Starts the state's deadline again: there was progress. */
void tl_conn_progress(struct tl_conn *conn);
/* Sets what to wait for: UV_READABLE | UV_WRITABLE, or 0. */
void tl_conn_wait(struct tl_conn *conn, int events);
/* Ends the connection at once. */
void tl_conn_close(struct tl_conn *conn);
/* As tl_conn_close, for a peer that doesn't read: the kernel drops what it holds for it. */
void tl_conn_abort(struct tl_conn *conn);

/* Reads TLS bytes. As tl_tls_read; waits for the socket when it must, closes when it failed (then the
 * result is TL_TLS_FAILED and `conn` is dead). */
ssize_t tl_conn_read(struct tl_conn *conn, void *bytes, size_t size);
/* Writes conn->out. 1 when all is written, 0 when it waits for the socket, -1 when it closed. */
int tl_conn_flush(struct tl_conn *conn);
/* Refuses the call at hand without a worker. */
void tl_conn_refuse(struct tl_conn *conn, int status, const char *slug, const char *detail);
/* Sends what call->out holds, then does what the outcome says. */
void tl_conn_send_reply(struct tl_conn *conn);
/* Gives the call to a worker. */
void tl_conn_submit(struct tl_conn *conn, enum tl_call_stage stage);

/* The states' own rooms. */
void tl_conn_on_proxy(struct tl_conn *conn, enum tl_conn_event event);
void tl_conn_on_tls(struct tl_conn *conn, enum tl_conn_event event);
void tl_conn_on_head(struct tl_conn *conn, enum tl_conn_event event);
void tl_conn_on_work(struct tl_conn *conn, enum tl_conn_event event);
void tl_conn_on_body(struct tl_conn *conn, enum tl_conn_event event);
void tl_conn_on_reply(struct tl_conn *conn, enum tl_conn_event event);
void tl_conn_on_stream(struct tl_conn *conn, enum tl_conn_event event);
void tl_conn_on_socket(struct tl_conn *conn, enum tl_conn_event event);
void tl_conn_on_pump(struct tl_conn *conn, enum tl_conn_event event);
void tl_conn_on_linger(struct tl_conn *conn, enum tl_conn_event event);
void tl_conn_on_dead(struct tl_conn *conn, enum tl_conn_event event);

/* The call ends without its reply having been sent: whoever waits for its outcome is told. */
void tl_conn_abandon(struct tl_http_call *call);
/* Notices a peer that vanished without a word: for connections that are silent by nature. */
void tl_conn_watch_peer(struct tl_conn *conn);
/* Ends what we send, and waits shortly for the peer to do so. */
void tl_conn_linger(struct tl_conn *conn);

/* Starts reading the body of the call that was accepted. */
void tl_conn_begin_body(struct tl_conn *conn);
/* Turns the connection into what the reply announced. */
void tl_conn_begin_stream(struct tl_conn *conn);
void tl_conn_begin_socket(struct tl_conn *conn);
void tl_conn_begin_pump(struct tl_conn *conn);
/* Releases what those states hold. */
void tl_conn_end_stream(struct tl_conn *conn);
void tl_conn_end_socket(struct tl_conn *conn);
void tl_conn_end_pump(struct tl_conn *conn);

#endif
