/* The start of a connection and of each request: PROXY header, handshake, header block, route. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "http/conn.h"
#include "http/server.h"

/* The header is looked at before it is taken: what follows belongs to OpenSSL. */
void tl_conn_on_proxy(struct tl_conn *conn, enum tl_conn_event event)
{
	char bytes[TL_PROXY_HEADER_MAX];
	ssize_t got, used;

	if (event != TL_CONN_READY) {
		tl_conn_close(conn);
		return;
	}
	got = recv(conn->fd, bytes, sizeof bytes, MSG_PEEK);
	if (got <= 0) {
		if (got == 0)
			tl_conn_close(conn);
		return;
	}
	used = tl_proxy_header(bytes, (size_t)got, &conn->peer);
	if (used == -1)
		return;
	if (used < 0 || (used > 0 && recv(conn->fd, bytes, (size_t)used, 0) != used)) {
		tl_conn_close(conn);
		return;
	}
	tl_conn_enter(conn, TL_CONN_TLS);
	conn->again = true;
}

void tl_conn_on_tls(struct tl_conn *conn, enum tl_conn_event event)
{
	int rc;

	if (event != TL_CONN_READY) {
		tl_conn_close(conn);
		return;
	}
	rc = tl_tls_handshake(conn->ssl);
	if (rc == TL_TLS_FAILED) {
		tl_conn_close(conn);
		return;
	}
	if (rc == TL_TLS_AGAIN) {
		tl_accept_shaking(conn);
		tl_conn_wait(conn, SSL_want_write(conn->ssl) ? UV_WRITABLE : UV_READABLE);
		return;
	}
	tl_conn_enter(conn, TL_CONN_HEAD);
	tl_conn_wait(conn, UV_READABLE);
	conn->again = SSL_has_pending(conn->ssl);
}

static const char *media_type_fault(const struct tl_http_call *call)
{
	const char *type = tl_request_field(&call->request, "content-type");
	size_t len = type ? strcspn(type, "; \t") : 0;

	switch (call->route->body) {
	case TL_BODY_JSON:
		if (len == 16 && strncasecmp(type, "application/json", len) == 0)
			return NULL;
		if (len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0)
			return NULL;
		return "the body must be application/json";
	case TL_BODY_FORM:
		if (len == 33 && strncasecmp(type, "application/x-www-form-urlencoded", len) == 0)
			return NULL;
		return "the body must be application/x-www-form-urlencoded";
	default:
		return NULL;
	}
}

/* The row's policy, before a byte of the body is taken. True when it refused. */
static bool refuse_body(struct tl_conn *conn)
{
	struct tl_http_call *call = conn->call;
	const struct tl_request *request = &call->request;
	bool buffered = call->route->body == TL_BODY_JSON || call->route->body == TL_BODY_FORM;
	const char *fault;

	if (!tl_request_has_body(request)) {
		if (buffered)
			tl_conn_refuse(conn, 400, "body-missing", "this request needs a body");
		return buffered;
	}
	if (call->route->body == TL_BODY_NONE) {
		tl_conn_refuse(conn, 400, "body-unexpected", "this request takes no body");
		return true;
	}
	fault = media_type_fault(call);
	if (fault) {
		tl_conn_refuse(conn, 415, "media-type", fault);
		return true;
	}
	if (!request->chunked && request->content_length > call->route->max_body) {
		char detail[80];

		snprintf(detail, sizeof detail, "the body may have %llu bytes at most",
			 (unsigned long long)call->route->max_body);
		tl_conn_refuse(conn, 413, "too-large", detail);
		return true;
	}
	return false;
}

static bool refuse_route(struct tl_conn *conn, const struct tl_route_match *match)
{
	const struct tl_http_config *config = &conn->loop->http->config;
	struct tl_http_call *call = conn->call;
	tl_auto(tl_buf) struct tl_buf allow = TL_BUF_INIT(256);

	if (match->route) {
		if (tl_call_set_route(call, match) == 0)
			return false;
		tl_conn_refuse(conn, 400, "target-invalid", "the path or query cannot be decoded");
		return true;
	}
	if (match->status == 405) {
		tl_router_allow(config->routes, config->route_count, call->request.path, &allow);
		tl_http_add_header(call, "Allow", tl_buf_str(&allow));
		tl_conn_refuse(conn, 405, "method-not-allowed", "this resource has other methods");
	} else if (match->status == 501) {
		tl_conn_refuse(conn, 501, "method-unknown", "no resource here has this method");
	} else {
		tl_conn_refuse(conn, 404, "not-found", "there is no such resource");
	}
	return true;
}

static void set_peer(struct tl_conn *conn)
{
	struct tl_http_call *call = conn->call;
	struct tl_address client = tl_proxy_client(conn->loop->http->trust, &conn->peer,
						   tl_http_header(call, "x-forwarded-for"));

	tl_address_format(&client, call->peer);
}

static void start_call(struct tl_conn *conn)
{
	const struct tl_http_config *config = &conn->loop->http->config;
	struct tl_http_call *call = conn->call;
	struct tl_route_match match;

	set_peer(conn);
	call->last = !tl_request_has_body(&call->request);
	tl_router_match(config->routes, config->route_count, call->request.method,
			call->request.path, &match);
	if (refuse_route(conn, &match) || refuse_body(conn))
		return;
	if (tl_pool_full(conn->loop->http->pool)) {
		tl_conn_refuse(conn, 503, "busy", "the server is busy; ask again shortly");
		return;
	}
	/* A public row's small body is read first: one trip to a worker instead of two. */
	if (!call->last && !call->route->sink && (call->route->roles & TL_ROLE_NOBODY)) {
		tl_conn_begin_body(conn);
		return;
	}
	tl_conn_enter(conn, TL_CONN_WORK);
	tl_conn_submit(conn, TL_STAGE_BEGIN);
}

static bool new_call(struct tl_conn *conn)
{
	conn->call = tl_call_new(conn->loop->http, conn->loop, conn);
	if (!conn->call) {
		tl_conn_close(conn);
		return false;
	}
	conn->call->date = &conn->loop->date;
	return true;
}

static void refuse_unparsed(struct tl_conn *conn, int status, const char *detail)
{
	static const struct {
		int status;
		const char *slug;
	} slugs[] = {{408, "timeout"},		{414, "target-too-long"}, {417, "expectation"},
		     {431, "header-too-large"}, {501, "method-unknown"},  {505, "version"}};
	const char *slug = "request-invalid";

	for (size_t i = 0; i < TL_ARRAY_LEN(slugs); i++)
		if (slugs[i].status == status)
			slug = slugs[i].slug;
	conn->call->cut = true;
	tl_conn_refuse(conn, status, slug, detail);
}

/* Takes a header block of `head_len` bytes, and keeps what follows it. */
static void take_head(struct tl_conn *conn, const char *bytes, size_t len, size_t head_len)
{
	const char *reason = NULL;
	int status;

	if (!new_call(conn))
		return;
	status = tl_request_parse(&conn->call->request, bytes, head_len, &reason);
	if (bytes == conn->in.data)
		tl_buf_consume(&conn->in, head_len);
	else
		tl_buf_append(&conn->in, bytes + head_len, len - head_len);
	if (conn->in.len == 0)
		tl_buf_clear(&conn->in);
	conn->scanned = 0;
	if (status)
		refuse_unparsed(conn, status, reason);
	else
		start_call(conn);
}

/* True when `bytes` held a whole header block, or too much for one. */
static bool try_head(struct tl_conn *conn, const char *bytes, size_t len)
{
	size_t most = conn->loop->http->config.max_header_bytes;
	size_t head_len = tl_request_find_end(bytes, len, conn->scanned);

	conn->scanned = len;
	if (head_len > 0 && head_len <= most) {
		take_head(conn, bytes, len, head_len);
		return true;
	}
	if (head_len == 0 && len < most)
		return false;
	if (new_call(conn))
		refuse_unparsed(conn, 431, "request line and headers are larger than their limit");
	return true;
}

static void read_head(struct tl_conn *conn)
{
	char *scratch = conn->loop->scratch;
	ssize_t got;

	if (conn->state == TL_CONN_HEAD && conn->in.len > 0 && conn->scanned < conn->in.len &&
	    try_head(conn, conn->in.data, conn->in.len))
		return;
	got = tl_conn_read(conn, scratch, TL_LOOP_SCRATCH);
	if (got == TL_TLS_CLOSED)
		tl_conn_close(conn);
	if (got <= 0)
		return;
	if (conn->state == TL_CONN_IDLE)
		tl_conn_enter(conn, TL_CONN_HEAD);
	if (conn->in.len == 0) {
		if (try_head(conn, scratch, (size_t)got))
			return;
		tl_buf_append(&conn->in, scratch, (size_t)got);
	} else {
		tl_buf_append(&conn->in, scratch, (size_t)got);
		if (try_head(conn, conn->in.data, conn->in.len))
			return;
	}
	conn->again = SSL_has_pending(conn->ssl);
}

/* HEAD and IDLE. */
void tl_conn_on_head(struct tl_conn *conn, enum tl_conn_event event)
{
	switch (event) {
	case TL_CONN_READY:
		read_head(conn);
		break;
	case TL_CONN_TIMEOUT:
		if (conn->in.len > 0 && new_call(conn))
			refuse_unparsed(conn, 408, "the request's header took too long");
		else
			tl_conn_close(conn);
		break;
	case TL_CONN_DRAIN:
		if (conn->in.len == 0)
			tl_conn_linger(conn);
		break;
	default:
		break;
	}
}
