/* /v1/sessions, for engineers. */
#include <stddef.h>
#include <stdio.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/session_fact.h"
#include "desk/session_row.h"

/* "terminal,exec" → ["terminal","exec"] */
static json_t *scopes_list(const char *scopes)
{
	json_t *list = json_array();

	while (*scopes) {
		size_t len = strcspn(scopes, ",");

		json_array_append_new(list, json_stringn(scopes, len));
		scopes += len + (scopes[len] == ',');
	}
	return list;
}

json_t *tl_session_make(const struct tl_rows *row)
{
	json_t *session = json_object();
	bool refused = tl_streq(tl_rows_text(row, 8), "refused");

	tl_json_set(session, "id", tl_row_text(row, 0));
	tl_json_set(session, "ticket", tl_row_text(row, 1));
	tl_json_set(session, "host", tl_row_named(row, 2, 3));
	tl_json_set(session, "engineer", tl_row_text(row, 4));
	tl_json_set(session, "lane", tl_row_text(row, 5));
	tl_json_set(session, "scopes", scopes_list(tl_rows_text(row, 6)));
	tl_json_set(session, "purpose", tl_row_text(row, 7));
	tl_json_set(session, "state", tl_row_text(row, 8));
	tl_json_set(session, "decision", tl_row_text(row, 9));
	tl_json_set(session, "reason", tl_row_text(row, refused ? 10 : 11));
	tl_json_set(session, "requested", tl_row_time(row, 12));
	tl_json_set(session, "expires", tl_row_time(row, 18));
	tl_json_set(session, "opened", tl_row_time(row, 13));
	tl_json_set(session, "ended", tl_row_time(row, 14));
	tl_json_set(session, "bytes_in", json_integer(tl_rows_int(row, 15)));
	tl_json_set(session, "bytes_out", json_integer(tl_rows_int(row, 16)));
	tl_json_set(session, "recording", json_boolean(!tl_rows_is_null(row, 17)));
	tl_json_set(session, "note", tl_row_text(row, 19));
	tl_json_set(session, "user", tl_row_text(row, 20));
	tl_json_set(session, "break_glass", json_boolean(tl_rows_int(row, 21)));
	tl_json_set(session, "signed", json_boolean(tl_rows_int(row, 22)));
	tl_json_set(session, "paused", tl_row_text(row, 23));
	tl_json_set(session, "four_eyes", json_boolean(tl_rows_int(row, 24)));
	return session;
}

void tl_session_list(struct tl_http_call *call)
{
	const char *ticket = tl_http_query(call, "ticket");
	struct tl_err err = TL_ERR_INIT;
	struct tl_page page;
	json_t *list = NULL;
	int r = tl_page_read(call, &page, &err);

	if (r == 0)
		r = tl_page_query(tl_desk_store(call), &page,
				  "SELECT " TL_SESSION_COLUMNS TL_SESSION_FROM
				  "WHERE ($1 = '' OR s.id < $1) AND ($2 = '' OR t.number = "
				  "upper(CAST($2 AS TEXT))) ORDER BY s.id DESC LIMIT $3",
				  TL_ARGS(TL_ARG_TEXT(page.after),
					  TL_ARG_TEXT(ticket ? ticket : ""),
					  TL_ARG_INT(page.limit + 1)),
				  tl_session_make, &list, &err);
	tl_reply_list(call, r, list, &err);
}

int tl_session_shown(struct tl_store *store, const char *id, json_t **ret_session,
		     struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(store,
			     "SELECT " TL_SESSION_COLUMNS ", s.recording_facts" TL_SESSION_FROM
			     "WHERE s.id = $1",
			     TL_ARGS(TL_ARG_TEXT(id)), &row, err);

	if (r == TL_ENOENT)
		return tl_err_set(err, r, "there is no session %s", id);
	if (r)
		return r;
	*ret_session = tl_session_make(row);
	tl_json_set(*ret_session, "recording_facts", tl_row_json(row, 25));
	return 0;
}

void tl_session_show(struct tl_http_call *call)
{
	struct tl_err err = TL_ERR_INIT;
	json_t *session;

	if (tl_session_shown(tl_desk_store(call), tl_http_param(call, "id"), &session, &err))
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply(call, 200, session);
}

/* ---- stopping --------------------------------------------------------------------------------- */

struct stopping {
	const char *reason;
	const char *session;
	char sentence[640];
	struct tl_problem problem;
};

static const struct tl_json_member stopping_members[] = {
	{"reason", TL_JSON_TEXT, false, offsetof(struct stopping, reason), 0, 512},
};

/* One that nobody has agreed to yet simply ends; one that runs is asked to stop, and ends when its
 * ends say so. */
static int stop(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct stopping *s = arg;
	const struct tl_session_end end = {.reason = s->sentence};
	struct tl_session_row row;
	int r = tl_session_load(change->store, s->session, &row, err);

	if (r)
		return r;
	if (tl_streq(row.state, "ended") || tl_streq(row.state, "refused"))
		return tl_problem_set(&s->problem, err, 409, "session-over",
				      "the session is %s already", row.state);
	snprintf(s->sentence, sizeof s->sentence, "stopped by %s%s%s", change->actor,
		 s->reason ? ": " : "", s->reason ? s->reason : "");
	if ((r = tl_session_ask_stop(change, &row, s->sentence, err)))
		return r;
	return tl_streq(row.state, "requested") ? tl_session_end(change, &row, &end, err) : 0;
}

void tl_session_stop(struct tl_http_call *call)
{
	struct stopping s = {.session = tl_http_param(call, "id")};
	struct tl_broker *broker = tl_desk_of(call)->broker;
	struct tl_err err = TL_ERR_INIT;
	struct tl_change change;
	int r = tl_json_read(tl_http_json(call), stopping_members, TL_ARRAY_LEN(stopping_members),
			     &s, &err);

	if (r == 0) {
		tl_change_init(&change, call, stop, &s);
		r = tl_change_run(&change, &err);
	}
	if (r) {
		tl_reply_failure(call, &s.problem, &err);
		return;
	}
	tl_broker_refuse(broker, s.session, s.sentence);
	if (tl_broker_stop_session(broker, s.session, s.sentence))
		tl_log_info("session to be stopped at the endpoint only",
			    TL_S("session", s.session));
	tl_http_reply(call, 202, NULL);
}

/* ---- recording -------------------------------------------------------------------------------- */

struct replay {
	struct tl_session_row row;
};

static int note_replay(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct replay *replay = arg;

	return tl_change_tell(change,
			      &(struct tl_fact){.action = "recording.read",
						.object_kind = "session",
						.object = replay->row.id,
						.ticket = replay->row.ticket,
						.kind = "recording-read",
						.detail = json_pack("{s:s}", "session",
								    replay->row.id)},
			      err);
}

void tl_session_recording(struct tl_http_call *call)
{
	struct tl_err err = TL_ERR_INIT;
	struct replay replay;
	struct tl_change change;
	char blob[TL_ID_LEN + 5], etag[TL_ID_LEN + 16];
	uint64_t size;
	int fd, r = tl_session_load(tl_desk_store(call), tl_http_param(call, "id"), &replay.row,
				    &err);

	if (r == 0 && !replay.row.has_recording)
		r = tl_err_set(&err, TL_ENOENT, "session %s has no recording yet", replay.row.id);
	if (r == 0) {
		tl_change_init(&change, call, note_replay, &replay);
		r = tl_change_run(&change, &err);
	}
	if (r == 0) {
		snprintf(blob, sizeof blob, "rec-%s", replay.row.id);
		snprintf(etag, sizeof etag, "\"%s\"", blob);
		r = tl_blob_read(tl_desk_of(call)->blobs, blob, &fd, &size, &err);
	}
	if (r)
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply_file(call, "application/x-ndjson", fd, size, etag);
}
