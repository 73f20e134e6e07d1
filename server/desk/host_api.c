/* /v1/hosts */
#include <stdio.h>

#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/host.h"
#include "desk/reply.h"

/* "Now" of the listing is the query's own: column 9. */
static json_t *make(const struct tl_rows *row)
{
	return tl_host_make(row, tl_rows_int(row, 9));
}

void tl_host_list(struct tl_http_call *call)
{
	struct tl_err err = TL_ERR_INIT;
	struct tl_page page;
	json_t *list = NULL;
	int r = tl_page_read(call, &page, &err);

	if (r == 0)
		r = tl_page_query(tl_desk_store(call), &page,
				  "SELECT " TL_HOST_COLUMNS ", CAST($1 AS BIGINT) FROM host h "
				  "WHERE h.id > $2 ORDER BY h.id LIMIT $3",
				  TL_ARGS(TL_ARG_INT(tl_clock_wall_ms(tl_desk_of(call)->clock)),
					  TL_ARG_TEXT(page.after), TL_ARG_INT(page.limit + 1)),
				  make, &list, &err);
	tl_reply_list(call, r, list, &err);
}

void tl_host_show(struct tl_http_call *call)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (tl_store_row(tl_desk_store(call),
			 "SELECT " TL_HOST_COLUMNS " FROM host h WHERE h.id = $1 OR h.name = $1",
			 TL_ARGS(TL_ARG_TEXT(tl_http_param(call, "id"))), &row, &err))
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply(call, 200,
			      tl_host_make(row, tl_clock_wall_ms(tl_desk_of(call)->clock)));
}

/* A host that never told has no verdict and no facts. */
void tl_host_health_show(struct tl_http_call *call)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	struct tl_err err = TL_ERR_INIT;
	json_t *health;
	int r = tl_store_row(tl_desk_store(call),
			     "SELECT h.id, h.name, t.verdict, t.updated_ms, t.facts FROM host h "
			     "LEFT JOIN host_health t ON t.host_id = h.id "
			     "WHERE h.id = $1 OR h.name = $1",
			     TL_ARGS(TL_ARG_TEXT(tl_http_param(call, "id"))), &row, &err);

	if (r) {
		tl_reply_failure(call, NULL, &err);
		return;
	}
	health = json_pack("{s:o}", "host", tl_row_named(row, 0, 1));
	tl_json_set(health, "verdict", tl_row_text(row, 2));
	tl_json_set(health, "updated", tl_row_time(row, 3));
	tl_json_set(health, "facts", tl_rows_is_null(row, 4) ? json_array() : tl_row_json(row, 4));
	tl_http_reply(call, 200, health);
}

static int revoke_host(struct tl_change *change, void *arg, struct tl_err *err)
{
	return tl_host_revoke(change, arg, err);
}

void tl_host_revoke_call(struct tl_http_call *call)
{
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	char host[256];

	snprintf(host, sizeof host, "%s", tl_http_param(call, "id"));
	tl_change_init(&change, call, revoke_host, host);
	if (tl_change_run(&change, &err))
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply(call, 204, NULL);
}
