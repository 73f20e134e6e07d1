/* The worker pool: threads with a context each, that run the stages of calls and hand them back to
 * their loops. */
#ifndef TOWLINE_SERVER_HTTP_WORKER_H
#define TOWLINE_SERVER_HTTP_WORKER_H

#include <stdbool.h>
#include <towline/err.h>

#include "http/call.h"

/* Requests that may wait for a worker; more are answered 503. */
#define TL_POOL_WAITING_MAX 8192

struct tl_pool;

/* Opens every worker's context first: a failure of one fails the start. */
TL_MUST_CHECK int tl_pool_new(struct tl_http *http, unsigned workers, struct tl_pool **ret_pool,
			      struct tl_err *err);
/* Requests that wait for a worker now. Any thread. */
size_t tl_pool_waiting(struct tl_pool *pool);
/* True when new requests should be refused. Any thread. */
bool tl_pool_full(struct tl_pool *pool);
/* Takes a list of `count` calls (linked by next). Any thread. */
void tl_pool_submit(struct tl_pool *pool, struct tl_http_call *first, struct tl_http_call *last,
		    size_t count);
/* Ends the threads; nothing may be waiting. NULL is fine. */
void tl_pool_free(struct tl_pool *pool);

#endif
