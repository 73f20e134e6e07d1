/* A ticket's timeline: written by every change (desk/change.c), read here, and noted on by people. */
#include <stddef.h>
#include <stdio.h>

#include "desk/change.h"
#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/reply.h"
#include "desk/ticket.h"

#define NOTE_MAX 32768

static json_t *make(const struct tl_rows *row)
{
	json_t *entry = json_object();

	tl_json_set(entry, "id", tl_row_text(row, 0));
	tl_json_set(entry, "at", tl_row_time(row, 1));
	tl_json_set(entry, "actor_kind", tl_row_text(row, 2));
	tl_json_set(entry, "actor", tl_row_text(row, 3));
	tl_json_set(entry, "actor_name", tl_row_text(row, 4));
	tl_json_set(entry, "kind", tl_row_text(row, 5));
	tl_json_set(entry, "body", tl_row_json(row, 6));
	return entry;
}

void tl_timeline_list(struct tl_http_call *call)
{
	struct tl_store *store = tl_desk_store(call);
	struct tl_err err = TL_ERR_INIT;
	struct tl_page page;
	char ticket[TL_ID_LEN + 1];
	json_t *list = NULL;
	int r = tl_page_read(call, &page, &err);

	if (r == 0)
		r = tl_ticket_find(store, tl_http_param(call, "number"), ticket, &err);
	if (r == 0)
		r = tl_page_query(
			store, &page,
			"SELECT t.id, t.at_ms, t.actor_kind, t.actor, "
			"COALESCE(h.name, u.name, t.actor), t.kind, t.body "
			"FROM timeline t "
			"LEFT JOIN host h ON t.actor_kind = 'host' AND h.id = t.actor "
			"LEFT JOIN app_user u ON t.actor_kind = 'user' AND u.login = t.actor "
			"WHERE t.ticket_id = $1 AND t.id > $2 ORDER BY t.id LIMIT $3",
			TL_ARGS(TL_ARG_TEXT(ticket), TL_ARG_TEXT(page.after),
				TL_ARG_INT(page.limit + 1)),
			make, &list, &err);
	tl_reply_list(call, r, list, &err);
}

struct note {
	const char *number, *text;
};

static const struct tl_json_member members[] = {
	{"text", TL_JSON_TEXT, true, offsetof(struct note, text), 0, NOTE_MAX},
};

static int add_note(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct note *note = arg;
	char ticket[TL_ID_LEN + 1];
	int r = tl_ticket_find(change->store, note->number, ticket, err);

	if (r)
		return r;
	return tl_change_tell(change,
			      &(struct tl_fact){.action = "ticket.note",
						.object_kind = "ticket",
						.object = note->number,
						.ticket = ticket,
						.kind = "note",
						.detail = json_pack("{s:s}", "text", note->text)},
			      err);
}

void tl_timeline_add(struct tl_http_call *call)
{
	struct note note = {.number = tl_http_param(call, "number")};
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	int r = tl_json_read(tl_http_json(call), members, TL_ARRAY_LEN(members), &note, &err);

	if (r == 0 && !note.text[0])
		r = tl_err_set(&err, TL_EINVAL, "member \"text\" must not be empty");
	if (r == 0) {
		tl_change_init(&change, call, add_note, &note);
		r = tl_change_run(&change, &err);
	}
	if (r)
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply(call, 201, json_pack("{s:s}", "text", note.text));
}
