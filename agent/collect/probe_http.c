/* One GET: what a local service answers. No redirection is followed and no proxy is used. */
#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "collect/probe.h"
#include "collect/probe_link.h"

#define HEAD_MAX (32 * 1024)
#define HEADERS_MAX 64

struct answer {
	struct tl_buf head;
	size_t body_at; /* in head's bytes; 0: the head is not whole */
	int64_t connect_ms, first_ms, total_ms;
	uint64_t bytes;
	bool truncated;
};

/* HTTP/1.0: the answer ends with the connection, and comes in no pieces. */
static int send_request(struct probe_link *link, const struct probe_target *target,
			struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(8192);
	bool six = strchr(target->host, ':');

	tl_buf_printf(&text,
		      "GET %s HTTP/1.0\r\nHost: %s%s%s:%s\r\nUser-Agent: towline\r\n"
		      "Accept: */*\r\nConnection: close\r\n\r\n",
		      target->path, six ? "[" : "", target->host, six ? "]" : "", target->port);
	if (tl_buf_check(&text) < 0)
		return tl_err_set(err, TL_ETOOBIG, "the address is too long");
	while (text.len > 0) {
		ssize_t n = probe_move(link, true, text.data, text.len, err);

		if (n < 0)
			return (int)n;
		tl_buf_consume(&text, (size_t)n);
	}
	return 0;
}

static size_t find_body(const struct tl_buf *head)
{
	const char *end = head->len ? memmem(head->data, head->len, "\r\n\r\n", 4) : NULL;

	return end ? (size_t)(end - head->data) + 4 : 0;
}

static int read_head(struct probe_link *link, struct answer *answer, struct tl_err *err)
{
	while ((answer->body_at = find_body(&answer->head)) == 0) {
		char *to = tl_buf_reserve(&answer->head, 4096);
		ssize_t n = to ? probe_move(link, false, to, 4096, err)
			       : tl_err_set(err, TL_EPROTO, "its headers are too long");

		if (n < 0)
			return (int)n;
		if (n == 0)
			return tl_err_set(err, TL_EPROTO, "it hung up before it answered");
		tl_buf_commit(&answer->head, (size_t)n);
	}
	return tl_str_starts(tl_buf_str(&answer->head), "HTTP/1.")
		       ? 0
		       : tl_err_set(err, TL_EPROTO, "its answer is no HTTP");
}

static int copy_body(struct collect_context *context, struct probe_link *link,
		     struct answer *answer, struct tl_err *err)
{
	char piece[16 * 1024];
	size_t len = answer->head.len - answer->body_at;
	struct tl_err fault = TL_ERR_INIT;
	int r = collect_member_write(context, answer->head.data + answer->body_at, len, err);

	answer->bytes = len;
	while (r == 0 && answer->bytes < context->row->max_bytes) {
		ssize_t n = probe_move(link, false, piece, sizeof piece, &fault);

		if (n < 0)
			collect_note(context, context->row->sources[0], "timeout",
				     tl_err_text(&fault));
		answer->truncated = n < 0;
		if (n <= 0)
			return 0;
		answer->bytes += (uint64_t)n;
		r = collect_member_write(context, piece, (size_t)n, err);
	}
	answer->truncated = true;
	return r;
}

static json_t *headers(const struct answer *answer)
{
	json_t *list = json_array();
	const char *at = answer->head.data, *end = answer->head.data + answer->body_at - 2;

	while (at < end && json_array_size(list) < HEADERS_MAX) {
		const char *stop = memmem(at, (size_t)(end - at), "\r\n", 2);
		tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(HEAD_MAX * 4);

		stop = stop ? stop : end;
		tl_str_printable(&line, at, (size_t)(stop - at));
		json_array_append_new(list, json_string(tl_buf_str(&line)));
		at = stop + 2;
	}
	return list;
}

static json_t *describe(const struct collect_context *context, const struct probe_link *link,
			const struct answer *answer, const char *fault)
{
	json_t *meta = json_pack("{s:s, s:I, s:I, s:I, s:b}", "url", context->row->sources[0],
				 "connect_ms", (json_int_t)answer->connect_ms, "first_ms",
				 (json_int_t)answer->first_ms, "ms", (json_int_t)answer->total_ms,
				 "truncated", answer->truncated);

	if (answer->body_at > 0) {
		json_object_set_new(meta, "status",
				    json_integer(strtol(answer->head.data +
								strcspn(answer->head.data, " "),
							NULL, 10)));
		json_object_set_new(meta, "headers", headers(answer));
	}
	if (link->ssl)
		json_object_set_new(meta, "tls", probe_certificates(link));
	if (fault)
		json_object_set_new(meta, "fault", json_string(fault));
	return meta;
}

static void answer_clear(struct answer *answer)
{
	tl_buf_clear(&answer->head);
}
TL_DEFINE_AUTO(answer, answer_clear);

static int ask(struct collect_context *context, struct probe_link *link, struct answer *answer,
	       struct tl_err *err)
{
	int64_t started = tl_clock_mono_ms(context->clock);
	struct probe_target target;
	int r = probe_url_read(context->row->sources[0], &target, err);

	if (r == 0)
		r = probe_open(link, &target, err);
	answer->connect_ms = tl_clock_mono_ms(context->clock) - started;
	if (r == 0)
		r = send_request(link, &target, err);
	if (r == 0)
		r = read_head(link, answer, err);
	answer->first_ms = tl_clock_mono_ms(context->clock) - started;
	return r;
}

int collect_http(struct collect_context *context, struct tl_err *err)
{
	const struct collector *row = context->row;
	int64_t started = tl_clock_mono_ms(context->clock);
	tl_auto(answer) struct answer answer = {.head = TL_BUF_INIT(HEAD_MAX)};
	tl_auto(probe_link) struct probe_link link = {.clock = context->clock,
						      .deadline_ms = context->deadline_ms,
						      .fd = -1};
	struct tl_err fault = TL_ERR_INIT;
	char path[256], meta_path[288];
	struct bundle_member member = {.path = path, .mode = 0644};
	tl_json *meta = NULL;
	int asked = ask(context, &link, &answer, &fault), r = 0;

	snprintf(path, sizeof path, "cmd/%s/%s", row->group, row->name);
	snprintf(meta_path, sizeof meta_path, "%s.meta.json", path);
	if (asked < 0)
		collect_note(context, row->sources[0], asked == TL_ETIMEOUT ? "timeout" : "failed",
			     tl_err_text(&fault));
	if (asked == 0) {
		r = collect_member_begin(context, &member, err);
		if (r == 0)
			r = copy_body(context, &link, &answer, err);
		if (r == 0)
			r = collect_member_end(context, answer.truncated ? "truncated" : "ok", err);
	}
	answer.total_ms = tl_clock_mono_ms(context->clock) - started;
	meta = describe(context, &link, &answer, asked < 0 ? tl_err_text(&fault) : NULL);
	return r < 0 ? r : collect_member_json(context, meta_path, meta, err);
}
