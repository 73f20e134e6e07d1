/* The agent's lines on standard input: the request first, then orders. Loop thread only. */
#ifndef TOWLINE_SESSION_ORDERS_H
#define TOWLINE_SESSION_ORDERS_H

#include <uv.h>

#include "session/request.h"

/* Blocking: reads and parses the first line of `fd`. */
TL_MUST_CHECK int tl_orders_request(int fd, struct tl_session_request *ret_request,
				    struct tl_err *err);

struct tl_orders;
struct tl_orders_events {
	void (*token)(void *arg, const char *access_token);
	/* The agent says stop, or has gone. */
	void (*stop)(void *arg, const char *reason);
};
TL_MUST_CHECK int tl_orders_watch(uv_loop_t *loop, int fd, const struct tl_orders_events *events,
				  void *arg, struct tl_orders **ret_orders, struct tl_err *err);
void tl_orders_free(struct tl_orders *orders);

#endif
