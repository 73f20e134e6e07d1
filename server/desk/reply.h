/* What handlers share when they read requests and write replies. Workers only. */
#ifndef TOWLINE_SERVER_REPLY_H
#define TOWLINE_SERVER_REPLY_H

#include <stdint.h>
#include <towline/err.h>
#include <towline/json.h>

#include "http/http.h"
#include "store/store.h"

/* A refusal with a problem type of its own. slug NULL: the error's code says it all. */
struct tl_problem {
	int status;
	const char *slug;
};
#define TL_PROBLEM_INIT \
	{ \
		.status = 0 \
	}

/* Records problem and sentence; returns TL_EDENIED, which ends a transaction. */
int tl_problem_set(struct tl_problem *problem, struct tl_err *err, int status, const char *slug,
		   const char *format, ...) TL_PRINTF(5, 6);
/* Replies by the problem, or by the error where none was set; logs what is the relay's own fault. */
void tl_reply_failure(struct tl_http_call *call, const struct tl_problem *problem,
		      const struct tl_err *err);
/* 401 "clock-skew" with the relay's time, by which the endpoint corrects itself. */
void tl_reply_clock_skew(struct tl_http_call *call, const char *sentence);
/* True when `who`, as told to the throttle, failed too often: 429 was sent. */
bool tl_reply_throttled(struct tl_http_call *call, const char *who);

/* ?after= and ?limit= of a list. Cursors are the ids of last items. */
#define TL_PAGE_DEFAULT 50
#define TL_PAGE_MAX 200
struct tl_page {
	const char *after; /* "" for the first page */
	int64_t limit;
};
TL_MUST_CHECK int tl_page_read(const struct tl_http_call *call, struct tl_page *ret_page,
			       struct tl_err *err);
/* Runs a query for limit + 1 rows and makes {"items","next"} of it. Column 0 is the cursor; `make`
 * turns the current row into an item. */
TL_MUST_CHECK int tl_page_query(struct tl_store *store, const struct tl_page *page, const char *sql,
				const struct tl_store_arg *args, size_t arg_count,
				json_t *(*make)(const struct tl_rows *row), json_t **ret_list,
				struct tl_err *err);
/* Replies with the list or the failure. */
void tl_reply_list(struct tl_http_call *call, int r, json_t *list, const struct tl_err *err);

/* RFC 3339, or null for a NULL column. */
json_t *tl_row_time(const struct tl_rows *row, int column);
/* Text, or null for a NULL column. */
json_t *tl_row_text(const struct tl_rows *row, int column);
/* The column's JSON, or null when it holds none. */
json_t *tl_row_json(const struct tl_rows *row, int column);
/* {"id","name"}, or null when the id is NULL. */
json_t *tl_row_named(const struct tl_rows *row, int id_column, int name_column);
/* Sets a member; takes the value, NULL becomes null. */
void tl_json_set(json_t *object, const char *name, json_t *value);

#endif
