/* HTTP/1.1 over TLS: a thin server of well-kept parts (OpenSSL on uv_poll, llhttp, wslay).
 *
 * Routes are rows of one table. The event loop only moves bytes; a route's handler runs as straight-
 * line C on a worker with its own context (a store connection). Authorisation is decided by the
 * dispatcher from the row, before the handler: a handler cannot forget it. Refusals are RFC 9457
 * problems. The server may be driven by several loops (SO_REUSEPORT), one thread each. */
#ifndef TOWLINE_SERVER_HTTP_H
#define TOWLINE_SERVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>
#include <towline/json.h>

struct tl_http;	     /* a server */
struct tl_http_call; /* one request and its response, as a handler sees it (worker thread) */

/* ---- who asks ---------------------------------------------------------------------------- */

#define TL_ROLE_NOBODY 1u /* no credentials: the row is public */
#define TL_ROLE_HOST 2u
#define TL_ROLE_REQUESTER 4u
#define TL_ROLE_ENGINEER 8u
#define TL_ROLE_SUPERVISOR 16u
#define TL_ROLE_AUDITOR 32u
#define TL_ROLE_ADMIN 64u
#define TL_ROLE_TICKET 128u /* of a person, for the one resource that the ticket names */

struct tl_principal {
	unsigned role;	/* one TL_ROLE_* bit or more (a person may have several) */
	char id[27];	/* host id or user id; "" for nobody */
	char login[65]; /* login, or host name */
};

/* ---- routes ------------------------------------------------------------------------------ */

enum tl_http_body {
	TL_BODY_NONE,  /* a body is refused */
	TL_BODY_JSON,  /* application/json (or +json), buffered up to max_body, parsed strictly */
	TL_BODY_FORM,  /* application/x-www-form-urlencoded, buffered up to max_body */
	TL_BODY_STREAM /* any size up to max_body: goes to the row's sink in pieces */
};

/* Where a streamed body goes. Each is called on a worker, never two at once for one call. `begin` may
 * refuse (it sends the reply itself and returns negative) before a byte is taken; nothing else is called
 * then. After an accepted begin exactly one of `end` (which replies) and `broken` comes last. `piece`
 * may refuse too (it replies and returns negative); `broken` follows. */
struct tl_http_sink {
	int (*begin)(struct tl_http_call *call);
	int (*piece)(struct tl_http_call *call, const void *bytes, size_t len);
	void (*end)(struct tl_http_call *call);
	/* The peer vanished or broke the protocol, or a piece was refused: keep what is durable. No
	 * reply can be sent. */
	void (*broken)(struct tl_http_call *call);
};

struct tl_http_route {
	const char *method;
	/* "/v1/tickets/:id"; a last "*name" segment takes the rest. Sorted by pattern, then method. */
	const char *pattern;
	unsigned roles; /* who may: any of these bits */
	enum tl_http_body body;
	uint64_t max_body;
	/* Must reply (reply, problem, stream, file, upgrade, websocket) exactly once. */
	void (*handler)(struct tl_http_call *call);
	const struct tl_http_sink *sink; /* TL_BODY_STREAM only; then handler is NULL */
	const char *summary;		 /* for OpenAPI and the docs */
};

/* ---- what a handler reads ---------------------------------------------------------------- */

const struct tl_principal *tl_http_principal(const struct tl_http_call *call);
/* The value of ":name" in the pattern, percent-decoded; never NULL for a name of the row. */
const char *tl_http_param(const struct tl_http_call *call, const char *name);
/* The first value in the query string, decoded; NULL when absent. */
const char *tl_http_query(const struct tl_http_call *call, const char *name);
/* A request header, name in lower case; NULL when absent; repeated ones joined by ", ". */
const char *tl_http_header(const struct tl_http_call *call, const char *name);
/* The parsed body: TL_BODY_JSON an object or array, TL_BODY_FORM an object of strings. Borrowed. */
const json_t *tl_http_json(const struct tl_http_call *call);
uint64_t tl_http_content_length(const struct tl_http_call *call); /* UINT64_MAX when chunked */
/* The peer's address without port (of the client, where a trusted proxy names it). */
const char *tl_http_peer(const struct tl_http_call *call);
/* This worker's context and the server's user pointer, as given in tl_http_config. */
void *tl_http_worker(const struct tl_http_call *call);
void *tl_http_user(const struct tl_http_call *call);
/* A pointer that a sink may keep from begin to end/broken. */
void tl_http_set_state(struct tl_http_call *call, void *state);
void *tl_http_state(const struct tl_http_call *call);

/* ---- how it replies ---------------------------------------------------------------------- */

void tl_http_add_header(struct tl_http_call *call, const char *name, const char *value);
/* Takes `json` (may be NULL: no body). An ETag added before is honoured against If-None-Match. */
void tl_http_reply(struct tl_http_call *call, int status, json_t *json);
void tl_http_reply_bytes(struct tl_http_call *call, int status, const char *content_type,
			 const void *bytes, size_t len);
/* Serves `fd` (taken over) with Range, If-Range and conditional requests. */
void tl_http_reply_file(struct tl_http_call *call, const char *content_type, int fd, uint64_t size,
			const char *etag);
/* RFC 9457: {"type":"urn:towline:problem:<slug>","title":…,"status":…,"detail":…,"instance":…}. */
void tl_http_problem(struct tl_http_call *call, int status, const char *slug, const char *detail);
/* Maps a TL_E* error to a status (ENOENT 404, EINVAL 422, ECONFLICT 412, ETOOBIG 413, …). */
void tl_http_fail(struct tl_http_call *call, const struct tl_err *err);

/* Subscribes before the stream is opened: what is published from here on is kept for it. Call it, read what
 * is pending, then tl_http_stream: nothing is lost in between (it may come twice). TL_ENOMEM. */
TL_MUST_CHECK int tl_http_subscribe(struct tl_http_call *call, const char *topic);
/* After tl_http_subscribe: `ended` is called once when the stream is over, or never came to be. Any thread;
 * must not block. */
void tl_http_on_stream_end(struct tl_http_call *call, void (*ended)(void *arg), void *arg);
/* Becomes a server-sent event stream subscribed to `topic`. `first` (may be NULL) is sent ahead of
 * anything published later: what was pending. The stream ends after lifetime_ms (0: never). */
void tl_http_stream(struct tl_http_call *call, const char *topic, const struct tl_buf *first,
		    int64_t lifetime_ms);

/* 101 to `protocol`. From then on the connection's bytes are pumped to and from one end of a socket
 * pair with back-pressure; `on_open` receives the other end (non-blocking, its to close) on the
 * loop's thread. Closing either side closes both; either may end its half (shutdown) first. Returns 0:
 * then on_open is called exactly once, with an end that reads as closed when the peer left before; or
 * TL_EINVAL / TL_EBUSY after replying 426 / 503: then it is not called. */
int tl_http_upgrade(struct tl_http_call *call, const char *protocol,
		    void (*on_open)(void *arg, int fd), void *arg);

/* As tl_http_upgrade, with an upgrade that outlives its connection: the bytes travel in frames
 * (towline/line.h), and when the connection breaks the other end of the pair stays open for gap_ms, for
 * tl_http_line_resume. The reply tells the peer the token for that, in the field Towline-Line. */
#define TL_HTTP_LINE_NAME_MAX 31
struct tl_http_line_config {
	const char *name; /* of the line, and of no other; copied */
	int64_t gap_ms;
	void (*on_open)(void *arg, int fd); /* on a loop's thread */
	void (*on_lost)(void *arg); /* nobody came in time; the pair ends right afterwards */
	void (*on_free)(void *arg); /* the last call; any thread. Neither may block */
	void *arg;
};
int tl_http_line(struct tl_http_call *call, const char *protocol,
		 const struct tl_http_line_config *config);
/* Whether `token` goes on with the line, which has been broken for *ret_away_ms (0: we did not notice).
 * TL_ENOENT: there is no such line here; TL_EACCES; TL_EBUSY: it broke too often. Any thread. */
struct tl_line_hello;
TL_MUST_CHECK int tl_http_line_check(struct tl_http *http, const char *name, const char *token,
				     int64_t *ret_away_ms);
/* 101: goes on with it on this connection; the one before is closed. Returns 0, or negative after a
 * reply of 426 or 403: wrong token, or a count of received bytes that cannot be. */
int tl_http_line_resume(struct tl_http_call *call, const char *protocol, const char *name,
			const struct tl_line_hello *hello);

/* What a WebSocket's local side reads and writes: packets (SOCK_SEQPACKET) of at most TL_WS_PACKET_MAX bytes, the
 * first of which says what the others are. */
#define TL_WS_PACKET_MAX ((size_t)32 * 1024)
#define TL_WS_TEXT 'T'	 /* a whole message */
#define TL_WS_BINARY 'B' /* a message, or a piece of one: where it ends is not told */
#define TL_WS_CLOSE \
	'C' /* outward only: the code (two bytes, big-endian), then up to 123 of reason */

struct tl_http_ws {
	const char *protocol; /* the subprotocol, which the client must offer */
	size_t max_message; /* bytes; more is answered with 1009, as is text that fills no packet */
	void (*on_open)(void *arg, int fd);
	void *arg;
};
/* RFC 6455, without extensions. As tl_http_upgrade, in packets. Closing the local side without a TL_WS_CLOSE tells
 * the peer 1011. A peer that answers no ping is closed. TL_EINVAL / TL_EBUSY after replying 426, 400 / 503. */
int tl_http_websocket(struct tl_http_call *call, const struct tl_http_ws *ws);

/* One event in the text/event-stream format (WHATWG HTML §9.2), appended to `out`. */
void tl_http_sse_format(struct tl_buf *out, const char *id, const char *event, const char *data);

/* ---- the server -------------------------------------------------------------------------- */

struct tl_http_config {
	const char *listen;	      /* "ADDRESS:PORT", "[v6]:PORT"; port 0 takes a free one */
	int listen_fd;		      /* a socket handed over by systemd, or -1 */
	const char *certificate_file; /* PEM chain; read again on tl_http_reload */
	const char *key_file;	      /* PEM, 0600 */
	unsigned loops, workers;      /* 0: by cores */
	unsigned max_connections;
	int64_t header_timeout_ms, body_idle_timeout_ms, keepalive_timeout_ms, write_timeout_ms;
	int64_t heartbeat_ms;		    /* of SSE and WebSocket: 20000 */
	size_t max_header_bytes;	    /* request line + headers: 16 KiB */
	const char *const *trusted_proxies; /* addresses or CIDR; NULL-terminated; may be NULL */
	const struct tl_http_route *routes;
	size_t route_count;
	/* Worker thread. 0 fills *ret_principal; TL_EAUTH → 401, TL_EACCES → 403. Called for every row
	 * whose roles lack TL_ROLE_NOBODY. */
	int (*authenticate)(struct tl_http_call *call, struct tl_principal *ret_principal,
			    struct tl_err *err);
	/* Each worker's own context. */
	int (*worker_open)(void *user, void **ret_worker, struct tl_err *err);
	void (*worker_close)(void *worker);
	void *user;
};
void tl_http_config_init(struct tl_http_config *config); /* the defaults named above */

/* Binds, loads the certificate, starts loops and workers as threads. */
TL_MUST_CHECK int tl_http_start(const struct tl_http_config *config, struct tl_http **ret_http,
				struct tl_err *err);
unsigned tl_http_port(const struct tl_http *http);
/* Connections accepted since the start. Any thread. */
uint64_t tl_http_accepted(const struct tl_http *http);
/* Publishes an event to every stream subscribed to `topic`. Any thread, never blocks; a stream whose
 * queue is full is closed (it reconnects and reads what is pending). Returns the streams reached. */
size_t tl_http_publish(struct tl_http *http, const char *topic, const char *id, const char *event,
		       const char *data);
TL_MUST_CHECK int tl_http_reload(struct tl_http *http, struct tl_err *err);
/* Graceful: stops accepting, lets running calls end for up to drain_ms, closes streams with a retry
 * hint, joins all threads. */
void tl_http_stop(struct tl_http *http, int64_t drain_ms);
void tl_http_free(struct tl_http *http);

#endif
