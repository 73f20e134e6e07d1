#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <towline/clock.h>
#include <towline/log.h>
#include <towline/str.h>

#include "http/call.h"
#include "http/server.h"

static const char *date_text(struct tl_date *date)
{
	int64_t now_ms = tl_clock_wall_ms(tl_clock_system());

	if (date->second != now_ms / 1000) {
		char text[TL_TIME_TEXT];

		date->second = now_ms / 1000;
		tl_time_http(now_ms, text);
		snprintf(date->text, sizeof date->text, "%s", text);
	}
	return date->text;
}

/* Values may carry text from outside: no control character may end a header early. */
static void append_clean(struct tl_buf *out, const char *text)
{
	size_t start = out->len;

	tl_buf_puts(out, text);
	for (size_t i = start; i < out->len; i++)
		if ((unsigned char)out->data[i] < 0x20 || out->data[i] == 0x7f)
			out->data[i] = ' ';
}

void tl_http_add_header(struct tl_http_call *call, const char *name, const char *value)
{
	if (strcasecmp(name, "etag") == 0) {
		call->has_etag = strlen(value) < sizeof call->etag;
		snprintf(call->etag, sizeof call->etag, "%s", value);
	}
	if (strcasecmp(name, "cache-control") == 0)
		call->has_cache_control = true;
	if (strcasecmp(name, "content-type") == 0)
		call->has_type = true;
	append_clean(&call->headers, name);
	tl_buf_puts(&call->headers, ": ");
	append_clean(&call->headers, value);
	tl_buf_puts(&call->headers, "\r\n");
}

bool tl_response_claim(struct tl_http_call *call, enum tl_call_outcome outcome)
{
	if (call->replied) {
		tl_log_error("a handler replied twice", TL_S("path", call->request.path));
		return false;
	}
	call->replied = true;
	call->outcome = outcome;
	return true;
}

/* An unread rest of the body, or a server that stops, ends the connection after this reply. */
static bool may_go_on(const struct tl_http_call *call)
{
	return call->request.keep_alive && call->last && !call->cut &&
	       !atomic_load_explicit(&call->http->draining, memory_order_relaxed);
}

static bool status_has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

void tl_response_head(struct tl_http_call *call, int status, const char *content_type,
		      uint64_t content_length)
{
	struct tl_buf *out = &call->out;

	call->status = status;
	call->keep_alive = status == 101 || may_go_on(call);
	tl_buf_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, tl_problem_title(status),
		      date_text(call->date));
	if (content_type && !call->has_type && status_has_body(status))
		tl_buf_printf(out, "Content-Type: %s\r\n", content_type);
	if (content_length != UINT64_MAX && status_has_body(status))
		tl_buf_printf(out, "Content-Length: %llu\r\n", (unsigned long long)content_length);
	if (status != 101)
		tl_buf_puts(out, "X-Content-Type-Options: nosniff\r\n");
	if (status != 101 && !call->has_cache_control && !call->has_etag)
		tl_buf_puts(out, "Cache-Control: no-store\r\n");
	tl_buf_append(out, tl_buf_str(&call->headers), call->headers.len);
	if (!call->keep_alive)
		tl_buf_puts(out, "Connection: close\r\n");
	tl_buf_puts(out, "\r\n");
}

static bool etag_in(const char *list, const char *etag)
{
	size_t len;

	if (strncmp(etag, "W/", 2) == 0)
		etag += 2;
	len = strlen(etag);
	while (*list) {
		list += strspn(list, ", \t");
		if (strncmp(list, "W/", 2) == 0)
			list += 2;
		if (*list == '*' || (strncmp(list, etag, len) == 0 && strchr(", \t", list[len])))
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

bool tl_response_not_modified(const struct tl_http_call *call, const char *etag)
{
	const char *list = tl_http_header(call, "if-none-match");

	if (strcmp(call->request.method, "GET") != 0 && strcmp(call->request.method, "HEAD") != 0)
		return false;
	return list && etag_in(list, etag);
}

void tl_http_reply_bytes(struct tl_http_call *call, int status, const char *content_type,
			 const void *bytes, size_t len)
{
	if (!tl_response_claim(call, TL_OUTCOME_REPLY))
		return;
	if (status == 200 && call->has_etag && tl_response_not_modified(call, call->etag))
		status = 304;
	tl_response_head(call, status, len > 0 ? content_type : NULL, len);
	if (len > 0 && status_has_body(status) && strcmp(call->request.method, "HEAD") != 0)
		tl_buf_append(&call->out, bytes, len);
	if (tl_buf_check(&call->out) < 0) {
		tl_log_error("a reply is larger than its limit", TL_S("path", call->request.path));
		tl_buf_reset(&call->out);
		tl_response_head(call, 500, NULL, 0);
	}
}

void tl_http_reply(struct tl_http_call *call, int status, json_t *json)
{
	tl_json *owned = json;
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_CALL_REPLY_MAX / 2);

	if (owned)
		tl_json_write(&text, owned);
	if (tl_buf_check(&text) < 0)
		status = 500;
	tl_http_reply_bytes(call, status, "application/json", tl_buf_str(&text), text.len);
}
