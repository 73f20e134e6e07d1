/* Reading tickets. */
#include "desk/ticket.h"

#include <stdio.h>
#include <towline/str.h>

#include "desk/bundle.h"
#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/reply.h"
#include "desk/session_row.h"

json_t *tl_ticket_make(const struct tl_rows *row)
{
	json_t *ticket = json_object();

	tl_json_set(ticket, "number", tl_row_text(row, 1));
	tl_json_set(ticket, "kind", tl_row_text(row, 13));
	tl_json_set(ticket, "summary", tl_row_text(row, 2));
	tl_json_set(ticket, "state", tl_row_text(row, 3));
	tl_json_set(ticket, "priority", json_integer(tl_rows_int(row, 4)));
	tl_json_set(ticket, "impact", json_integer(tl_rows_int(row, 10)));
	tl_json_set(ticket, "urgency", json_integer(tl_rows_int(row, 11)));
	tl_json_set(ticket, "host", tl_row_named(row, 5, 6));
	tl_json_set(ticket, "requester", tl_row_text(row, 7));
	tl_json_set(ticket, "created", tl_row_time(row, 8));
	tl_json_set(ticket, "updated", tl_row_time(row, 9));
	return ticket;
}

/* A list of at most TL_PAGE_MAX rows of `sql`, whose one argument is the ticket's id. */
static int load_part(struct tl_store *store, const char *sql, const char *ticket,
		     json_t *(*make)(const struct tl_rows *row), json_t *into, const char *member,
		     struct tl_err *err)
{
	const struct tl_page page = {.limit = TL_PAGE_MAX};
	tl_json *list = NULL;
	int r = tl_page_query(store, &page, sql,
			      TL_ARGS(TL_ARG_TEXT(ticket), TL_ARG_INT(page.limit + 1)), make, &list,
			      err);

	if (r == 0)
		tl_json_set(into, member, json_incref(json_object_get(list, "items")));
	return r;
}

static int load_parts(struct tl_store *store, const char *id, json_t *ticket, struct tl_err *err)
{
	int r = load_part(store,
			  "SELECT " TL_BUNDLE_COLUMNS TL_BUNDLE_FROM
			  "WHERE b.ticket_id = $1 AND b.state = 'stored' ORDER BY b.id LIMIT $2",
			  id, tl_bundle_make, ticket, "bundles", err);

	if (r)
		return r;
	return load_part(store,
			 "SELECT " TL_SESSION_COLUMNS TL_SESSION_FROM
			 "WHERE s.ticket_id = $1 ORDER BY s.id LIMIT $2",
			 id, tl_session_make, ticket, "sessions", err);
}

int tl_ticket_load(struct tl_store *store, const char *number, json_t **ret_ticket,
		   struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	tl_json *ticket = NULL;
	char id[TL_ID_LEN + 1];
	int r = tl_store_row(store,
			     "SELECT " TL_TICKET_COLUMNS TL_TICKET_FROM
			     "WHERE t.number = upper(CAST($1 AS TEXT))",
			     TL_ARGS(TL_ARG_TEXT(number)), &row, err);

	if (r == TL_ENOENT)
		return tl_err_set(err, r, "there is no ticket %s", number);
	if (r)
		return r;
	ticket = tl_ticket_make(row);
	tl_json_set(ticket, "description", tl_row_text(row, 14));
	tl_json_set(ticket, "version", json_integer(tl_rows_int(row, 12)));
	snprintf(id, sizeof id, "%s", tl_rows_text(row, 0));
	tl_rows_free(tl_steal(&row));
	if ((r = load_parts(store, id, ticket, err)))
		return r;
	*ret_ticket = tl_steal(&ticket);
	return 0;
}

int tl_ticket_find(struct tl_store *store, const char *number, char ret_id[static TL_ID_LEN + 1],
		   struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(store, "SELECT id FROM ticket WHERE number = upper(CAST($1 AS TEXT))",
			     TL_ARGS(TL_ARG_TEXT(number)), &row, err);

	if (r == TL_ENOENT)
		return tl_err_set(err, r, "there is no ticket %s", number);
	if (r == 0)
		snprintf(ret_id, TL_ID_LEN + 1, "%s", tl_rows_text(row, 0));
	return r;
}

void tl_ticket_list(struct tl_http_call *call)
{
	const char *state = tl_http_query(call, "state");
	struct tl_err err = TL_ERR_INIT;
	struct tl_page page;
	json_t *list = NULL;
	int r = tl_page_read(call, &page, &err);

	if (r == 0 && state && !tl_streq(state, "open") && !tl_streq(state, "all"))
		r = tl_err_set(&err, TL_EINVAL, "state is \"open\" or \"all\"");
	if (r == 0)
		r = tl_page_query(tl_desk_store(call), &page,
				  "SELECT " TL_TICKET_COLUMNS TL_TICKET_FROM
				  "WHERE ($1 = '' OR t.id < $1) "
				  "AND ($2 = 'all' OR t.state NOT IN ('resolved', 'closed')) "
				  "ORDER BY t.id DESC LIMIT $3",
				  TL_ARGS(TL_ARG_TEXT(page.after),
					  TL_ARG_TEXT(state ? state : "open"),
					  TL_ARG_INT(page.limit + 1)),
				  tl_ticket_make, &list, &err);
	tl_reply_list(call, r, list, &err);
}

void tl_ticket_show(struct tl_http_call *call)
{
	struct tl_err err = TL_ERR_INIT;
	json_t *ticket = NULL;
	char etag[32];

	if (tl_ticket_load(tl_desk_store(call), tl_http_param(call, "number"), &ticket, &err)) {
		tl_reply_failure(call, NULL, &err);
		return;
	}
	snprintf(etag, sizeof etag, "\"%lld\"",
		 (long long)json_integer_value(json_object_get(ticket, "version")));
	tl_http_add_header(call, "ETag", etag);
	tl_http_reply(call, 200, ticket);
}
