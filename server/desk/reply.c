#include "desk/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <towline/clock.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/desk.h"

int tl_problem_set(struct tl_problem *problem, struct tl_err *err, int status, const char *slug,
		   const char *format, ...)
{
	char text[TL_ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	problem->status = status;
	problem->slug = slug;
	return tl_err_set(err, TL_EDENIED, "%s", text);
}

static bool is_own_fault(int code)
{
	return code == TL_EIO || code == TL_ENOMEM || code == TL_ENOSPC || code == TL_EINTERNAL ||
	       code == TL_EUNREACH || code == TL_ESCHEMA;
}

void tl_reply_failure(struct tl_http_call *call, const struct tl_problem *problem,
		      const struct tl_err *err)
{
	if (problem && problem->slug) {
		tl_http_problem(call, problem->status, problem->slug, tl_err_text(err));
		return;
	}
	if (is_own_fault(err->code))
		tl_log_error("request failed", TL_S("peer", tl_http_peer(call)), TL_ERR(err));
	tl_http_fail(call, err);
}

void tl_reply_clock_skew(struct tl_http_call *call, const char *sentence)
{
	tl_auto(tl_buf) struct tl_buf body = TL_BUF_INIT(2048);
	char now[TL_TIME_TEXT];
	tl_json *problem;

	tl_time_rfc3339(tl_clock_wall_ms(tl_desk_of(call)->clock), now);
	problem = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "urn:towline:problem:clock-skew",
			    "title", "Unauthorized", "status", 401, "detail", sentence,
			    "relay_time", now);
	tl_json_write(&body, problem);
	tl_http_reply_bytes(call, 401, "application/problem+json", tl_buf_str(&body), body.len);
}

bool tl_reply_throttled(struct tl_http_call *call, const char *who)
{
	unsigned wait_s = tl_throttle_wait_s(tl_desk_of(call)->throttle, who);
	char text[16];

	if (wait_s == 0)
		return false;
	snprintf(text, sizeof text, "%u", wait_s);
	tl_http_add_header(call, "Retry-After", text);
	tl_http_problem(call, 429, "too-many-failures",
			"too many failed attempts from this address; try again later");
	return true;
}

int tl_page_read(const struct tl_http_call *call, struct tl_page *ret_page, struct tl_err *err)
{
	const char *limit = tl_http_query(call, "limit"), *after = tl_http_query(call, "after");
	struct tl_page page = {.after = after ? after : "", .limit = TL_PAGE_DEFAULT};

	if (limit && tl_str_i64(limit, 1, TL_PAGE_MAX, &page.limit))
		return tl_err_set(err, TL_EINVAL, "limit is a number from 1 to %d", TL_PAGE_MAX);
	if (after && !tl_id_is_valid(after))
		return tl_err_set(err, TL_EINVAL, "after is the \"next\" of an earlier page");
	*ret_page = page;
	return 0;
}

int tl_page_query(struct tl_store *store, const struct tl_page *page, const char *sql,
		  const struct tl_store_arg *args, size_t arg_count,
		  json_t *(*make)(const struct tl_rows *row), json_t **ret_list, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	tl_json *items = json_array();
	char cursor[TL_ID_LEN + 1] = "";
	bool more = false;
	int r;

	if ((r = tl_store_query(store, sql, args, arg_count, &rows, err)))
		return r;
	while ((r = tl_rows_next(rows, err)) > 0) {
		more = (int64_t)json_array_size(items) == page->limit;
		if (more)
			break;
		snprintf(cursor, sizeof cursor, "%s", tl_rows_text(rows, 0));
		if (json_array_append_new(items, make(rows)))
			return tl_err_set(err, TL_ENOMEM, "out of memory");
	}
	if (r < 0)
		return r;
	*ret_list = json_pack("{s:O, s:s?}", "items", items, "next", more ? cursor : NULL);
	return *ret_list ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory");
}

void tl_reply_list(struct tl_http_call *call, int r, json_t *list, const struct tl_err *err)
{
	if (r)
		tl_reply_failure(call, NULL, err);
	else
		tl_http_reply(call, 200, list);
}

json_t *tl_row_time(const struct tl_rows *row, int column)
{
	char text[TL_TIME_TEXT];

	if (tl_rows_is_null(row, column))
		return json_null();
	tl_time_rfc3339(tl_rows_int(row, column), text);
	return json_string(text);
}

json_t *tl_row_text(const struct tl_rows *row, int column)
{
	return tl_rows_is_null(row, column) ? json_null() : json_string(tl_rows_text(row, column));
}

json_t *tl_row_json(const struct tl_rows *row, int column)
{
	const char *text = tl_rows_text(row, column);
	json_t *value = NULL;

	if (!*text || tl_json_parse(text, strlen(text), &value, NULL))
		return json_null();
	return value;
}

json_t *tl_row_named(const struct tl_rows *row, int id_column, int name_column)
{
	if (tl_rows_is_null(row, id_column))
		return json_null();
	return json_pack("{s:s, s:s}", "id", tl_rows_text(row, id_column), "name",
			 tl_rows_text(row, name_column));
}

void tl_json_set(json_t *object, const char *name, json_t *value)
{
	json_object_set_new(object, name, value ? value : json_null());
}
