/* One request and its response: the unit that travels between a loop and the workers. It belongs to
 * whoever holds it: to the loop, or, from submission until completion, to a worker. */
#ifndef TOWLINE_SERVER_HTTP_CALL_H
#define TOWLINE_SERVER_HTTP_CALL_H

#include <netinet/in.h>
#include <stdatomic.h>

#include "http/http.h"
#include "http/request.h"
#include "http/router.h"

#define TL_CALL_PIECE_MAX ((size_t)256 * 1024)
#define TL_CALL_REPLY_MAX ((size_t)256 * 1024 * 1024)
#define TL_CALL_QUERIES_MAX 32

struct tl_conn;
struct tl_http_line;
struct tl_loop;
struct tl_subscription;

enum tl_call_stage {
	TL_STAGE_BEGIN,	 /* authorise, then the sink's begin, or the handler where no body comes */
	TL_STAGE_HANDLE, /* the buffered body is complete: parse it, run the handler */
	TL_STAGE_PIECE,	 /* a piece of a streamed body; the last one with `last` */
	TL_STAGE_BROKEN, /* the streamed body will not be completed */
	TL_STAGE_REFILL	 /* the next part of a file that is being sent */
};

enum tl_call_outcome {
	TL_OUTCOME_NONE,
	TL_OUTCOME_BODY, /* accepted: read the body */
	TL_OUTCOME_REPLY,
	TL_OUTCOME_STREAM,
	TL_OUTCOME_UPGRADE,
	TL_OUTCOME_WEBSOCKET
};

struct tl_pair {
	const char *name, *value;
};

/* Small strings that live as long as the call. */
struct tl_arena_block;
struct tl_arena {
	struct tl_arena_block *first;
};

/* The Date header, made once a second; one per thread. */
struct tl_date {
	int64_t second;
	char text[40];
};

struct tl_http_call {
	struct tl_http_call *next; /* in a queue */
	struct tl_http *http;
	struct tl_conn *conn;
	struct tl_loop *loop;
	struct tl_date *date; /* of the thread that holds the call */
	void *worker;

	enum tl_call_stage stage;
	enum tl_call_outcome outcome;
	struct tl_request request;
	const struct tl_http_route *route;
	struct tl_pair params[TL_ROUTE_PARAMS_MAX];
	size_t param_count;
	struct tl_pair *queries;
	size_t query_count;
	struct tl_arena arena;
	char peer[INET6_ADDRSTRLEN];

	struct tl_principal principal;
	bool authorised;
	bool begun;	    /* the sink accepted: end or broken must follow */
	bool last;	    /* no body bytes come after what the worker has been given */
	bool cut;	    /* the body will not be read to its end: the connection cannot go on */
	struct tl_buf body; /* the buffered body, or the piece at the worker */
	json_t *json;
	void *state;

	bool replied, keep_alive;
	int status;
	struct tl_buf headers; /* of the reply, as added */
	struct tl_buf out;     /* head and body */
	bool has_etag, has_cache_control, has_type;
	char etag[80];

	int file_fd; /* -1, or what the reply continues with */
	uint64_t file_at, file_left;

	struct tl_subscription *subscription;
	int64_t lifetime_ms;
	int pair_fd, pair_peer_fd; /* an upgrade's socket pair: ours, and on_open's */
	void (*on_open)(void *arg, int fd);
	struct tl_http_line *line; /* an upgrade's, */
	uint64_t line_turn;	   /* as it was when it was given to the call */
	size_t max_message;	   /* of a WebSocket */
	void *arg;
};

/* A call that belongs to `loop`; NULL when memory ran out. The request is still empty. */
struct tl_http_call *tl_call_new(struct tl_http *http, struct tl_loop *loop, struct tl_conn *conn);
/* Decodes the parameters of the matched row and the query. TL_EINVAL for a bad escape, TL_ENOMEM. */
TL_MUST_CHECK int tl_call_set_route(struct tl_http_call *call, const struct tl_route_match *match);
void tl_call_free(struct tl_http_call *call);

/* `size` bytes that live as long as the call; NULL when memory ran out. */
void *tl_arena_alloc(struct tl_arena *arena, size_t size);
void tl_arena_clear(struct tl_arena *arena);

/* Runs the call's stage (worker thread) and leaves its outcome. */
void tl_dispatch_run(struct tl_http_call *call);

/* Writes status line and headers, and ends them. content_length UINT64_MAX: no length is sent. */
void tl_response_head(struct tl_http_call *call, int status, const char *content_type,
		      uint64_t content_length);
/* Claims the reply for a connection that becomes a pair of `type` (SOCK_STREAM, SOCK_SEQPACKET). False when
 * another reply was given: no descriptor was left, or it had one already. */
bool tl_call_pair(struct tl_http_call *call, enum tl_call_outcome outcome, int type);
/* True when the request's conditions make `etag` a 304 (RFC 9110 §13.1.2). */
bool tl_response_not_modified(const struct tl_http_call *call, const char *etag);
/* Claims the call's one reply. False (and logged) when there was one already. */
bool tl_response_claim(struct tl_http_call *call, enum tl_call_outcome outcome);
/* Reads the next part of the file into call->out. TL_EIO: the reply cannot be completed. */
TL_MUST_CHECK int tl_response_refill(struct tl_http_call *call);

/* The reason phrase of a status ("Not Found"). Static storage. */
const char *tl_problem_title(int status);

#endif
