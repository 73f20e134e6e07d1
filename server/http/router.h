/* The route table: which row a request belongs to. Rows are sorted by pattern, then method; a pattern's
 * ":name" segment takes one non-empty segment, a last "*name" takes the rest. The more literal
 * pattern wins. Read-only after init; any thread. */
#ifndef TOWLINE_SERVER_HTTP_ROUTER_H
#define TOWLINE_SERVER_HTTP_ROUTER_H

#include <stddef.h>
#include <towline/buf.h>
#include <towline/err.h>

#include "http/http.h"

#define TL_ROUTE_PARAMS_MAX 6

struct tl_route_match {
	const struct tl_http_route *route; /* NULL when no row has this path and method */
	int status;			   /* then: 404, 405 or 501 */
	struct {
		const char *name; /* in the pattern, up to the next '/' */
		size_t name_len;
		const char *value; /* in the path, still percent-encoded */
		size_t value_len;
	} params[TL_ROUTE_PARAMS_MAX];
	size_t param_count;
};

/* 0, or TL_EINVAL naming the row that is out of order, malformed or contradicts itself. */
TL_MUST_CHECK int tl_router_check(const struct tl_http_route *routes, size_t count,
				  struct tl_err *err);

/* HEAD falls back to the GET row. */
void tl_router_match(const struct tl_http_route *routes, size_t count, const char *method,
		     const char *path, struct tl_route_match *ret_match);

/* Appends the methods that `path` knows: "GET, HEAD, POST". */
void tl_router_allow(const struct tl_http_route *routes, size_t count, const char *path,
		     struct tl_buf *out);

/* Percent-decodes `len` bytes into `out` (room for len + 1); `plus_is_blank` for forms and queries.
 * TL_EINVAL on a bad escape, NUL or control character. Returns 0. */
TL_MUST_CHECK int tl_percent_decode(const char *text, size_t len, bool plus_is_blank, char *out);

#endif
