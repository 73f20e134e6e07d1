/* Upgraded connections: what stays of one when it breaks, so that another may go on with it. A line has
 * its core (towline/line.h), the local end of the socket pair, and at most one connection that serves it;
 * all lines with a name are in the server's table. upgrade.c moves the bytes, line.c does the rest. */
#ifndef TOWLINE_SERVER_HTTP_LINE_H
#define TOWLINE_SERVER_HTTP_LINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <towline/buf.h>
#include <towline/line.h>

#include "http/http.h"

#define TL_LINE_SWEEP_MS 1000
#define TL_LINE_RESUMES_MAX 10000 /* of one line */

struct tl_conn;
struct tl_loop;

struct tl_http_line {
	struct tl_http_line *next;	      /* in the table */
	struct tl_http_line_config config;    /* without its name: */
	char name[TL_HTTP_LINE_NAME_MAX + 1]; /* "": none, a break is the end */
	atomic_uint refs;
	pthread_mutex_t lock; /* of what follows */
	struct tl_line *core;
	int fd;			     /* the local end */
	struct tl_buf inward;	     /* from the peer, not taken by the local side yet */
	bool peer_ended;	     /* its half: END, or without frames the connection's end */
	bool local_ended;	     /* the local side sends nothing more */
	bool local_told;	     /* that the peer sends nothing more */
	bool over;		     /* nothing can go on with it */
	const struct tl_conn *owner; /* who serves it; NULL: it is away */
	uint64_t turn;		     /* counts owners: who was overtaken finds another number */
	int64_t away_since_ms;
	unsigned resumes;
	/* What the peer knows, and what it was offered: the second becomes the first when the peer is heard
	 * with it. Nothing older opens anything. */
	char token[TL_LINE_TOKEN_LEN + 1], offered[TL_LINE_TOKEN_LEN + 1];
};

struct tl_lines {
	pthread_mutex_t lock;
	struct tl_http_line *first;
};

void tl_lines_init(struct tl_lines *lines);
void tl_lines_clear(struct tl_lines *lines);
/* The timer of the first loop: lines that were away for too long, or that the local side left, end. */
void tl_lines_sweep(struct tl_lines *lines);
void tl_lines_add(struct tl_lines *lines, struct tl_http_line *line);
/* Takes it out and ends its local side; what serves it finds it over. */
void tl_lines_remove(struct tl_lines *lines, struct tl_http_line *line);

void tl_http_line_unref(struct tl_http_line *line);
/* The connection that served it is gone (line->lock is not held). */
void tl_http_line_leave(struct tl_http_line *line, const struct tl_conn *conn);
/* The local side has closed its end altogether. */
bool tl_http_line_is_left(const struct tl_http_line *line);
int64_t tl_http_line_now(void);

#endif
