/* One event loop: its thread, its listener, its connections and deadlines, and the way back from the
 * workers. Everything but the functions marked "any thread" runs on the loop's own thread. */
#ifndef TOWLINE_SERVER_HTTP_LOOP_H
#define TOWLINE_SERVER_HTTP_LOOP_H

#include <pthread.h>
#include <uv.h>

#include "http/call.h"
#include "http/timer.h"

#define TL_LOOP_SCRATCH ((size_t)64 * 1024)

struct tl_loop {
	struct tl_http *http;
	uv_loop_t uv;
	pthread_t thread;
	bool started, draining, ending;
	int listen_fd;
	uv_poll_t listener;
	uv_async_t async;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_timer_t tick;		  /* drives the wheel while it has nodes */
	uv_timer_t sweep;		  /* of broken lines, in the first loop */
	uv_timer_t deadline;		  /* of the drain; or of a pause in accepting */
	bool full;			  /* it was said that new connections wait */
	unsigned shaking, shaking_window; /* handshakes begun in this window and not finished */
	int64_t shaking_since_ms;
	struct tl_wheel wheel;
	struct tl_conn *conns;
	struct tl_date date;

	struct tl_http_call *outgoing_first, *outgoing_last; /* submitted together, once a turn */
	size_t outgoing_count;

	pthread_mutex_t inbox_lock;
	struct tl_http_call *inbox_first, *inbox_last; /* completed calls */
	struct tl_subscription *wake_first;	       /* under the hub's lock */

	char scratch[TL_LOOP_SCRATCH]; /* what is read and used within one callback */
};

/* A loop that accepts from `listen_fd` (taken over). */
TL_MUST_CHECK int tl_loop_new(struct tl_http *http, int listen_fd, struct tl_loop **ret_loop,
			      struct tl_err *err);
TL_MUST_CHECK int tl_loop_start(struct tl_loop *loop, struct tl_err *err);
/* Wakes the loop: it looks for completions, published events and the drain. Any thread. */
void tl_loop_notify(struct tl_loop *loop);
/* Joins the thread, which ends after the last connection of a drain. */
void tl_loop_join(struct tl_loop *loop);
void tl_loop_free(struct tl_loop *loop);

int64_t tl_loop_now(const struct tl_loop *loop);
/* Arms the deadline of `node`; it comes back as TL_CONN_TIMEOUT. */
void tl_loop_arm(struct tl_loop *loop, struct tl_wheel_node *node, int64_t due_ms);

/* Hands the call to a worker, at the end of this turn of the loop. */
void tl_loop_submit(struct tl_loop *loop, struct tl_http_call *call, enum tl_call_stage stage);
/* Hands it back. Any thread. */
void tl_loop_complete(struct tl_http_call *call);

void tl_loop_adopt(struct tl_loop *loop, struct tl_conn *conn);
/* The connection is gone; the last of a drain ends the loop. */
void tl_loop_forget(struct tl_loop *loop, struct tl_conn *conn);

/* Starts accepting (accept.c). A libuv status. */
TL_MUST_CHECK int tl_accept_start(struct tl_loop *loop);
/* The connection's handshake has begun; has ended, however. */
void tl_accept_shaking(struct tl_conn *conn);
void tl_accept_shaken(struct tl_conn *conn);

struct tl_subscription **tl_loop_wake_list(struct tl_loop *loop);

#endif
