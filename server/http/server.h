/* The server object: what loops and workers share. Read-only after the start, but for the atomics. */
#ifndef TOWLINE_SERVER_HTTP_SERVER_H
#define TOWLINE_SERVER_HTTP_SERVER_H

#include <stdatomic.h>

#include "http/http.h"
#include "http/hub.h"
#include "http/line.h"
#include "http/loop.h"
#include "http/proxy.h"
#include "http/tls.h"
#include "http/worker.h"

#define TL_HTTP_LOOPS_MAX 64

struct tl_http {
	struct tl_http_config config;
	struct tl_tls *tls;
	struct tl_trust *trust;
	struct tl_hub *hub;
	struct tl_lines lines;
	struct tl_pool *pool;
	struct tl_loop *loops[TL_HTTP_LOOPS_MAX];
	unsigned loop_count;
	unsigned port;
	int64_t drain_ms;
	atomic_bool draining;
	atomic_uint connections;
	atomic_uint_fast64_t accepted;
};

/* The listening sockets, one for each of `count` loops. Sets *ret_port. */
TL_MUST_CHECK int tl_listen(const struct tl_http_config *config, unsigned count, int *fds,
			    unsigned *ret_port, struct tl_err *err);

#endif
