/* Filing and changing tickets. */
#include <stddef.h>
#include <stdio.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/change.h"
#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/idempotency.h"
#include "desk/priority.h"
#include "desk/quota.h"
#include "desk/reply.h"
#include "desk/ticket.h"

#define SUMMARY_MAX 300
#define DESCRIPTION_MAX 32768

struct filing {
	const char *summary, *description, *host_id, *kind;
	json_t *requester;
	int64_t impact, urgency;
	const struct tl_desk *desk;
	const struct tl_principal *principal;
	struct tl_idempotency idempotency;
	struct tl_problem problem;
	char requester_name[130];
	json_t *ticket; /* the outcome, owned */
};

static const struct tl_json_member filing_members[] = {
	{"summary", TL_JSON_TEXT, true, offsetof(struct filing, summary), 0, SUMMARY_MAX},
	{"description", TL_JSON_TEXT, false, offsetof(struct filing, description), 0,
	 DESCRIPTION_MAX},
	{"host_id", TL_JSON_ID, false, offsetof(struct filing, host_id), 0, 0},
	{"kind", TL_JSON_NAME, false, offsetof(struct filing, kind), 0, 16},
	{"requester", TL_JSON_OBJECT, false, offsetof(struct filing, requester), 0, 0},
	{"impact", TL_JSON_INT, false, offsetof(struct filing, impact), 1, TL_IMPACT_LEVELS},
	{"urgency", TL_JSON_INT, false, offsetof(struct filing, urgency), 1, TL_IMPACT_LEVELS},
};

struct requester {
	const char *name;
};
static const struct tl_json_member requester_members[] = {
	{"name", TL_JSON_TEXT, true, offsetof(struct requester, name), 0, 128},
};

/* Who the ticket is for: named in the request, else the person who files it. A host's word is good for
 * its own users, and only an engineer files for another one. */
static int check_requester(struct filing *filing, struct tl_err *err)
{
	const struct tl_principal *principal = filing->principal;
	struct requester requester = {.name = NULL};
	int r;

	if (filing->requester &&
	    (r = tl_json_read(filing->requester, requester_members, TL_ARRAY_LEN(requester_members),
			      &requester, err)))
		return tl_err_prefix(err, "member \"requester\"");
	if (!requester.name || principal->role == TL_ROLE_REQUESTER)
		requester.name = principal->role & TL_ROLE_HOST ? "" : principal->login;
	snprintf(filing->requester_name, sizeof filing->requester_name, "%s", requester.name);
	return 0;
}

static int check_filing(struct filing *filing, struct tl_err *err)
{
	if (!filing->summary[0])
		return tl_err_set(err, TL_EINVAL, "member \"summary\" must not be empty");
	if (filing->kind && !tl_streq(filing->kind, "incident") &&
	    !tl_streq(filing->kind, "request"))
		return tl_err_set(err, TL_EINVAL, "member \"kind\" is \"incident\" or \"request\"");
	if (filing->principal->role & TL_ROLE_HOST) {
		if (filing->host_id && !tl_streq(filing->host_id, filing->principal->id))
			return tl_problem_set(&filing->problem, err, 403, "other-host",
					      "a host files tickets for itself only");
		filing->host_id = filing->principal->id;
	}
	return check_requester(filing, err);
}

static int next_number(struct tl_change *change, char number[static TL_TICKET_NUMBER_MAX],
		       struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(
		change->store,
		"UPDATE counter SET value = value + 1 WHERE name = 'ticket' RETURNING value",
		TL_NO_ARGS, &row, err);

	if (r == 0)
		snprintf(number, TL_TICKET_NUMBER_MAX, "T-%lld", (long long)tl_rows_int(row, 0));
	return r;
}

static int insert_ticket(struct tl_change *change, const struct filing *filing, const char *id,
			 const char *number, struct tl_err *err)
{
	int r = tl_store_exec(change->store,
			      "INSERT INTO ticket (id, organisation_id, number, kind, summary, "
			      "description, impact, "
			      "urgency, priority, host_id, requester, created_ms, updated_ms) "
			      "SELECT $1, min(o.id), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11 "
			      "FROM organisation o",
			      TL_ARGS(TL_ARG_TEXT(id), TL_ARG_TEXT(number),
				      TL_ARG_TEXT(filing->kind ? filing->kind : "incident"),
				      TL_ARG_TEXT(filing->summary),
				      TL_ARG_TEXT(filing->description ? filing->description : ""),
				      TL_ARG_INT(filing->impact), TL_ARG_INT(filing->urgency),
				      TL_ARG_INT(tl_priority(filing->impact, filing->urgency)),
				      TL_ARG_TEXT(filing->host_id),
				      TL_ARG_TEXT(filing->requester_name),
				      TL_ARG_INT(change->now_ms)),
			      NULL, err);

	/* The only reference that comes from outside. */
	if (r == TL_EINVAL && filing->host_id)
		return tl_err_set(err, r, "there is no host %s", filing->host_id);
	return r;
}

static int file_ticket(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct filing *filing = arg;
	struct tl_id id = tl_id_new(change->clock);
	char number[TL_TICKET_NUMBER_MAX];
	int r;

	json_decref(tl_steal(&filing->ticket));
	r = tl_idempotency_find(change, &filing->idempotency, &filing->ticket, &filing->problem,
				err);
	if (r)
		return r < 0 ? r : 0;
	if (filing->principal->role & TL_ROLE_HOST)
		r = tl_quota_check_tickets(filing->desk, change->store, filing->host_id,
					   &filing->problem, err);
	if (r || (r = next_number(change, number, err)) ||
	    (r = insert_ticket(change, filing, id.text, number, err)) ||
	    (r = tl_change_tell(change,
				&(struct tl_fact){.action = "ticket.create",
						  .object_kind = "ticket",
						  .object = number,
						  .ticket = id.text,
						  .kind = "created",
						  .detail = json_pack("{s:s}", "summary",
								      filing->summary)},
				err)) ||
	    (r = tl_ticket_load(change->store, number, &filing->ticket, err)))
		return r;
	return tl_idempotency_keep(change, &filing->idempotency, 201, filing->ticket, err);
}

static void reply_created(struct tl_http_call *call, json_t *ticket)
{
	const char *number = json_string_value(json_object_get(ticket, "number"));
	char location[64];

	snprintf(location, sizeof location, "/v1/tickets/%s", number ? number : "");
	tl_http_add_header(call, "Location", location);
	tl_http_reply(call, 201, ticket);
}

void tl_ticket_create(struct tl_http_call *call)
{
	struct filing filing = {
		.impact = TL_IMPACT_DEFAULT,
		.urgency = TL_IMPACT_DEFAULT,
		.desk = tl_desk_of(call),
		.principal = tl_http_principal(call),
	};
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	int r;

	if ((r = tl_json_read(tl_http_json(call), filing_members, TL_ARRAY_LEN(filing_members),
			      &filing, &err)) == 0 &&
	    (r = check_filing(&filing, &err)) == 0 &&
	    (r = tl_idempotency_read(call, "POST", "/v1/tickets", &filing.idempotency, &err)) ==
		    0) {
		tl_change_init(&change, call, file_ticket, &filing);
		r = tl_change_run(&change, &err);
	}
	if (r == 0)
		reply_created(call, tl_steal(&filing.ticket));
	else
		tl_reply_failure(call, &filing.problem, &err);
	json_decref(filing.ticket);
}

/* ---- changing --------------------------------------------------------------------------------- */

struct edit {
	const char *number;
	const char *summary, *description, *state;
	int64_t impact, urgency;
	int64_t if_match;
	struct tl_problem problem;
	const json_t *body;
};

static const struct tl_json_member edit_members[] = {
	{"summary", TL_JSON_TEXT, false, offsetof(struct edit, summary), 0, SUMMARY_MAX},
	{"description", TL_JSON_TEXT, false, offsetof(struct edit, description), 0,
	 DESCRIPTION_MAX},
	{"state", TL_JSON_NAME, false, offsetof(struct edit, state), 0, 16},
	{"impact", TL_JSON_INT, false, offsetof(struct edit, impact), 1, TL_IMPACT_LEVELS},
	{"urgency", TL_JSON_INT, false, offsetof(struct edit, urgency), 1, TL_IMPACT_LEVELS},
};

/* From each state where to; "closed" is final. */
static const struct {
	const char *from, *to;
} moves[] = {
	{"new", "open"},	 {"new", "pending"},	 {"new", "resolved"},
	{"open", "pending"},	 {"open", "resolved"},	 {"pending", "open"},
	{"pending", "resolved"}, {"resolved", "closed"}, {"resolved", "open"},
};

static int check_move(struct edit *edit, const char *from, struct tl_err *err)
{
	size_t i;

	if (!edit->state || tl_streq(edit->state, from))
		return 0;
	for (i = 0; i < TL_ARRAY_LEN(moves); i++)
		if (tl_streq(moves[i].from, from) && tl_streq(moves[i].to, edit->state))
			return 0;
	return tl_problem_set(&edit->problem, err, 409, "state-not-reachable",
			      "a ticket that is %s cannot become %s", from, edit->state);
}

static int write_edit(struct tl_change *change, struct edit *edit, const char *id,
		      struct tl_err *err)
{
	return tl_store_exec(
		change->store,
		"UPDATE ticket SET summary = COALESCE($2, summary), "
		"description = COALESCE($3, description), state = COALESCE($4, state), "
		"impact = $5, urgency = $6, priority = $7 WHERE id = $1",
		TL_ARGS(TL_ARG_TEXT(id), TL_ARG_TEXT(edit->summary), TL_ARG_TEXT(edit->description),
			TL_ARG_TEXT(edit->state), TL_ARG_INT(edit->impact),
			TL_ARG_INT(edit->urgency),
			TL_ARG_INT(tl_priority(edit->impact, edit->urgency))),
		NULL, err);
}

static int edit_ticket(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct edit edit = *(struct edit *)arg;
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	char id[TL_ID_LEN + 1];
	int r = tl_store_row(change->store,
			     "SELECT id, state, version, impact, urgency FROM ticket "
			     "WHERE number = upper(CAST($1 AS TEXT))",
			     TL_ARGS(TL_ARG_TEXT(edit.number)), &row, err);

	if (r)
		return r == TL_ENOENT ? tl_err_set(err, r, "there is no ticket %s", edit.number)
				      : r;
	if (tl_rows_int(row, 2) != edit.if_match)
		return tl_err_set(err, TL_ECONFLICT,
				  "the ticket is at version %lld now; read it again",
				  (long long)tl_rows_int(row, 2));
	edit.impact = edit.impact ? edit.impact : tl_rows_int(row, 3);
	edit.urgency = edit.urgency ? edit.urgency : tl_rows_int(row, 4);
	r = check_move(&edit, tl_rows_text(row, 1), err);
	((struct edit *)arg)->problem = edit.problem;
	snprintf(id, sizeof id, "%s", tl_rows_text(row, 0));
	tl_rows_free(tl_steal(&row));
	if (r || (r = write_edit(change, &edit, id, err)))
		return r;
	return tl_change_tell(change,
			      &(struct tl_fact){.action = "ticket.update",
						.object_kind = "ticket",
						.object = edit.number,
						.ticket = id,
						.kind = "changed",
						.detail = json_deep_copy(edit.body)},
			      err);
}

/* If-Match: "<version>" */
static int read_if_match(const struct tl_http_call *call, struct edit *edit, struct tl_err *err)
{
	const char *header = tl_http_header(call, "if-match");
	char number[24];
	size_t len = header ? strlen(header) : 0;

	if (!header)
		return tl_problem_set(
			&edit->problem, err, 428, "if-match-required",
			"changing a ticket needs If-Match with the ETag that was read");
	if (len < 3 || len > sizeof number || header[0] != '"' || header[len - 1] != '"')
		return tl_err_set(err, TL_EINVAL, "If-Match must be one ETag in quotes");
	snprintf(number, sizeof number, "%.*s", (int)(len - 2), header + 1);
	if (tl_str_i64(number, 0, INT64_MAX, &edit->if_match))
		return tl_err_set(err, TL_ECONFLICT, "the ticket never had this ETag");
	return 0;
}

void tl_ticket_update(struct tl_http_call *call)
{
	struct edit edit = {.number = tl_http_param(call, "number"), .body = tl_http_json(call)};
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	int r;

	if ((r = tl_json_read(edit.body, edit_members, TL_ARRAY_LEN(edit_members), &edit, &err)) ==
		    0 &&
	    (r = read_if_match(call, &edit, &err)) == 0) {
		tl_change_init(&change, call, edit_ticket, &edit);
		r = tl_change_run(&change, &err);
	}
	if (r)
		tl_reply_failure(call, &edit.problem, &err);
	else
		tl_ticket_show(call);
}
