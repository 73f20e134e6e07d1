#include "desk/session_fact.h"

#include <stdio.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/desk.h"

static void copy(char *to, size_t size, const struct tl_rows *row, int column)
{
	snprintf(to, size, "%s", tl_rows_text(row, column));
}

int tl_session_load(struct tl_store *store, const char *session, struct tl_session_row *ret_row,
		    struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(
		store,
		"SELECT id, ticket_id, host_id, state, decision, lane, scopes, expires_ms, "
		"recording_blob FROM session WHERE id = $1",
		TL_ARGS(TL_ARG_TEXT(session)), &row, err);

	if (r == TL_ENOENT)
		return tl_err_set(err, r, "there is no session %s", session);
	if (r)
		return r;
	copy(ret_row->id, sizeof ret_row->id, row, 0);
	copy(ret_row->ticket, sizeof ret_row->ticket, row, 1);
	copy(ret_row->host, sizeof ret_row->host, row, 2);
	copy(ret_row->state, sizeof ret_row->state, row, 3);
	copy(ret_row->decision, sizeof ret_row->decision, row, 4);
	copy(ret_row->lane, sizeof ret_row->lane, row, 5);
	copy(ret_row->scopes, sizeof ret_row->scopes, row, 6);
	ret_row->expires_ms = tl_rows_int(row, 7);
	ret_row->has_recording = !tl_rows_is_null(row, 8);
	return 0;
}

int tl_session_load_own(const struct tl_http_call *call, struct tl_store *store,
			const char *session, struct tl_session_row *ret_row, struct tl_err *err)
{
	int r = tl_session_load(store, session, ret_row, err);

	if (r == 0 && !tl_streq(ret_row->host, tl_http_principal(call)->id))
		return tl_err_set(err, TL_ENOENT, "this host has no session %s", session);
	return r;
}

int tl_session_tell(struct tl_change *change, const struct tl_session_row *row, const char *action,
		    const char *kind, json_t *detail, struct tl_err *err)
{
	tl_json_set(detail, "session", json_string(row->id));
	return tl_change_tell(change,
			      &(struct tl_fact){.action = action,
						.object_kind = "session",
						.object = row->id,
						.ticket = row->ticket,
						.kind = kind,
						.detail = detail},
			      err);
}

int tl_session_decide(struct tl_change *change, const struct tl_session_row *row,
		      const struct tl_session_decision *decision, struct tl_problem *problem,
		      struct tl_err *err)
{
	bool yes = tl_streq(decision->decision, "yes");
	json_t *detail;
	int r;

	if (tl_streq(row->decision, decision->decision))
		return 0; /* the first reply was lost */
	if (!tl_streq(row->state, "requested"))
		return tl_problem_set(problem, err, 409, "session-decided",
				      "the session is %s already", row->state);
	r = tl_store_exec(change->store,
			  "UPDATE session SET state = $2, decision = $3, decision_reason = $4, "
			  "consent = $5, scopes = COALESCE($6, scopes) WHERE id = $1",
			  TL_ARGS(TL_ARG_TEXT(row->id), TL_ARG_TEXT(yes ? "consented" : "refused"),
				  TL_ARG_TEXT(decision->decision), TL_ARG_TEXT(decision->reason),
				  TL_ARG_TEXT(decision->consent), TL_ARG_TEXT(decision->scopes)),
			  NULL, err);
	if (r)
		return r;
	detail = json_pack("{s:s, s:s?, s:s}", "decision", decision->decision, "reason",
			   decision->reason, "scopes",
			   decision->scopes ? decision->scopes : row->scopes);
	return tl_session_tell(change, row, "session.decide", "session-decided", detail, err);
}

int tl_session_call_home(struct tl_change *change, const struct tl_session_row *row,
			 struct tl_problem *problem, struct tl_err *err)
{
	int64_t changed = 0;
	int r = tl_store_exec(
		change->store,
		"UPDATE session SET state = 'open' WHERE id = $1 AND state = 'consented' "
		"AND expires_ms > $2",
		TL_ARGS(TL_ARG_TEXT(row->id), TL_ARG_INT(change->now_ms)), &changed, err);

	if (r)
		return r;
	if (!changed)
		return tl_problem_set(problem, err, 409, "session-not-waiting",
				      "the session is %s: it does not wait for a call home",
				      row->expires_ms > change->now_ms ? row->state : "expired");
	return tl_change_tell(change,
			      &(struct tl_fact){.action = "session.callhome",
						.object_kind = "session",
						.object = row->id},
			      err);
}

int tl_session_resume(struct tl_change *change, const struct tl_session_row *row, int64_t away_ms,
		      struct tl_problem *problem, struct tl_err *err)
{
	if (!tl_streq(row->state, "open"))
		return tl_problem_set(problem, err, 410, "session-over", "the session is %s",
				      row->state);
	return tl_session_tell(change, row, "session.resume", "session-resumed",
			       json_pack("{s:I}", "away_ms", (json_int_t)away_ms), err);
}

int tl_session_open(struct tl_change *change, const struct tl_session_row *row, struct tl_err *err)
{
	int64_t changed = 0;
	int r = tl_store_exec(change->store,
			      "UPDATE session SET state = 'open', opened_ms = $2 WHERE id = $1 "
			      "AND state IN ('consented', 'open') AND opened_ms IS NULL",
			      TL_ARGS(TL_ARG_TEXT(row->id), TL_ARG_INT(change->now_ms)), &changed,
			      err);

	if (r || !changed)
		return r;
	return tl_session_tell(change, row, "session.open", "session-opened",
			       json_pack("{s:s}", "lane", row->lane), err);
}

/* A recording that the relay made itself (bastion lane). */
static int note_recording(struct tl_change *change, const struct tl_session_row *row,
			  struct tl_err *err)
{
	char blob[TL_ID_LEN + 5];
	int r;

	snprintf(blob, sizeof blob, "rec-%s", row->id);
	r = tl_store_exec(
		change->store,
		"UPDATE session SET recording_blob = $2, recording_facts = $3 WHERE id = $1",
		TL_ARGS(TL_ARG_TEXT(row->id), TL_ARG_TEXT(blob),
			TL_ARG_TEXT("{\"recorder\":\"relay\"}")),
		NULL, err);
	if (r)
		return r;
	return tl_session_tell(change, row, "recording.store", "recording",
			       json_pack("{s:s}", "recorder", "relay"), err);
}

/* What the front door says of a stream that broke (common/ssh/link.c): the host may know better. */
#define CONNECTION_LOST "the connection ended"

/* The relay told it first: the host's own words stand beside it, and instead of that it stopped hearing. */
static int add_reason(struct tl_change *change, const struct tl_session_row *row,
		      const char *reason, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *other = NULL;
	int r = 0;

	if (!tl_streq(change->actor_kind, "host") || tl_streq(reason, CONNECTION_LOST))
		return 0;
	r = tl_store_row(change->store, "SELECT 1 FROM session WHERE id = $1 AND end_reason <> $2",
			 TL_ARGS(TL_ARG_TEXT(row->id), TL_ARG_TEXT(reason)), &other, err);
	if (r)
		return r == TL_ENOENT ? 0 : r;
	tl_rows_free(tl_steal(&other));
	r = tl_store_exec(change->store,
			  "UPDATE session SET end_reason = $2 WHERE id = $1 AND end_reason = $3",
			  TL_ARGS(TL_ARG_TEXT(row->id), TL_ARG_TEXT(reason),
				  TL_ARG_TEXT(CONNECTION_LOST)),
			  NULL, err);
	return r ? r
		 : tl_session_tell(change, row, "session.reason", "session-reason",
				   json_pack("{s:s}", "reason", reason), err);
}

int tl_session_end(struct tl_change *change, const struct tl_session_row *row,
		   const struct tl_session_end *end, struct tl_err *err)
{
	bool running = !tl_streq(row->state, "ended") && !tl_streq(row->state, "refused");
	json_int_t in = (json_int_t)end->bytes_in, out = (json_int_t)end->bytes_out;
	int r = 0;

	if (end->has_recording && !row->has_recording && (r = note_recording(change, row, err)))
		return r;
	if (!running)
		return add_reason(change, row, end->reason, err);
	if ((r = tl_change_show(change, row->id, "ended", json_pack("{s:s}", "reason", end->reason),
				err)))
		return r;
	r = tl_store_exec(change->store,
			  "UPDATE session SET state = 'ended', ended_ms = $2, end_reason = $3, "
			  "bytes_in = $4, bytes_out = $5 WHERE id = $1",
			  TL_ARGS(TL_ARG_TEXT(row->id), TL_ARG_INT(change->now_ms),
				  TL_ARG_TEXT(end->reason), TL_ARG_INT(in), TL_ARG_INT(out)),
			  NULL, err);
	if (r)
		return r;
	return tl_session_tell(change, row, "session.end", "session-ended",
			       json_pack("{s:s, s:I, s:I}", "reason", end->reason, "bytes_in", in,
					 "bytes_out", out),
			       err);
}

int tl_session_hold(struct tl_change *change, const struct tl_session_row *row, const char *by,
		    struct tl_problem *problem, struct tl_err *err)
{
	int64_t changed = 0;
	int r = tl_store_exec(change->store,
			      "UPDATE session SET paused = $2 WHERE id = $1 AND state IN "
			      "('consented', 'open') AND end_reason IS NULL",
			      TL_ARGS(TL_ARG_TEXT(row->id), TL_ARG_TEXT(by)), &changed, err);

	if (r == 0 && !changed)
		r = tl_problem_set(problem, err, 409, "session-not-running",
				   "the session does not run: it is %s", row->state);
	if (r == 0)
		r = tl_change_push(change, row->host, by ? "pause" : "resume",
				   json_pack("{s:s, s:s*}", "session", row->id, "by", by), err);
	return r ? r
		 : tl_session_tell(change, row, by ? "session.pause" : "session.resume",
				   by ? "session-paused" : "session-resumed",
				   json_pack("{s:s*}", "by", by), err);
}

int tl_session_note(struct tl_change *change, const struct tl_session_row *row, const char *text,
		    struct tl_err *err)
{
	int r = tl_store_exec(change->store, "UPDATE session SET note = $2 WHERE id = $1",
			      TL_ARGS(TL_ARG_TEXT(row->id), TL_ARG_TEXT(text)), NULL, err);

	return r ? r
		 : tl_session_tell(change, row, "session.note", "session-note",
				   json_pack("{s:s}", "text", text), err);
}

int tl_session_ask_stop(struct tl_change *change, const struct tl_session_row *row,
			const char *reason, struct tl_err *err)
{
	int r = tl_store_exec(change->store, "UPDATE session SET end_reason = $2 WHERE id = $1",
			      TL_ARGS(TL_ARG_TEXT(row->id), TL_ARG_TEXT(reason)), NULL, err);

	if (r || (r = tl_session_tell(change, row, "session.stop", "session-stopped",
				      json_pack("{s:s}", "reason", reason), err)))
		return r;
	return tl_change_push(change, row->host, "stop",
			      json_pack("{s:s, s:s}", "session", row->id, "reason", reason), err);
}

#define IS_LIVE "state IN ('requested', 'consented', 'open')"

int tl_session_stop_all(struct tl_change *change, const char *user, const char *reason,
			struct tl_err *err)
{
	for (;;) {
		tl_auto(tl_rows) struct tl_rows *found = NULL;
		struct tl_session_row row;
		int r = tl_store_row(change->store,
				     "SELECT id FROM session WHERE user_id = $1 AND " IS_LIVE
				     " AND end_reason IS NULL ORDER BY id LIMIT 1",
				     TL_ARGS(TL_ARG_TEXT(user)), &found, err);

		if (r)
			return r == TL_ENOENT ? 0 : r;
		r = tl_session_load(change->store, tl_rows_text(found, 0), &row, err);
		tl_rows_free(tl_steal(&found));
		if (r || (r = tl_session_ask_stop(change, &row, reason, err)))
			return r;
	}
}

/* ---- stops that came by another way -------------------------------------------------------------
 * A command of this relay, or another node, has marked a session: this process carries it and ends it. */

static void stop_here(struct tl_desk *desk, struct tl_store *store, const struct tl_rows *row)
{
	const char *session = tl_rows_text(row, 0), *reason = tl_rows_text(row, 3);
	const struct tl_session_end end = {.reason = reason};
	struct tl_err err = TL_ERR_INIT;
	char topic[TL_TOPIC_MAX];
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(2048);
	tl_json *data = json_pack("{s:s, s:s}", "session", session, "reason", reason);

	if (tl_streq(tl_rows_text(row, 1), "requested") &&
	    tl_session_ended(desk, store, session, &end, &err))
		tl_log_error("a session could not be ended", TL_S("session", session),
			     TL_ERR(&err));
	tl_broker_refuse(desk->broker, session, reason);
	if (tl_broker_stop_session(desk->broker, session, reason) == 0)
		tl_log_info("session stopped", TL_S("session", session), TL_S("reason", reason));
	tl_topic_of_host(tl_rows_text(row, 2), topic);
	tl_json_write(&text, data);
	if (desk->http && tl_buf_check(&text) == 0)
		tl_http_publish(desk->http, topic, NULL, "stop", tl_buf_str(&text));
}

int tl_desk_attend(struct tl_desk *desk, struct tl_store *store, struct tl_err *err)
{
	char last[TL_ID_LEN + 1] = "";

	for (;;) {
		tl_auto(tl_rows) struct tl_rows *row = NULL;
		int r = tl_store_row(store,
				     "SELECT id, state, host_id, end_reason FROM session "
				     "WHERE node = $1 AND id > $2 AND " IS_LIVE
				     " AND end_reason IS NOT NULL ORDER BY id LIMIT 1",
				     TL_ARGS(TL_ARG_TEXT(desk->node), TL_ARG_TEXT(last)), &row,
				     err);

		if (r)
			return r == TL_ENOENT ? 0 : r;
		copy(last, sizeof last, row, 0);
		stop_here(desk, store, row);
	}
}

/* ---- what the front door tells (desk/session.h) ------------------------------------------------ */

struct told {
	const char *session;
	const struct tl_session_end *end; /* NULL: opened */
};

/* The relay's side has ended; the endpoint is told too, so that a question still open there is
 * withdrawn and its recording is sealed. */
static int end_everywhere(struct tl_change *change, const struct tl_session_row *row,
			  const struct tl_session_end *end, struct tl_err *err)
{
	bool running = !tl_streq(row->state, "ended") && !tl_streq(row->state, "refused");
	int r = tl_session_end(change, row, end, err);

	if (r || !running)
		return r;
	return tl_change_push(change, row->host, "stop",
			      json_pack("{s:s, s:s}", "session", row->id, "reason", end->reason),
			      err);
}

static int note_told(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct told *told = arg;
	struct tl_session_row row = {.id = ""};
	int r = tl_session_load(change->store, told->session, &row, err);

	if (r)
		return r;
	return told->end ? end_everywhere(change, &row, told->end, err)
			 : tl_session_open(change, &row, err);
}

int tl_session_opened(struct tl_desk *desk, struct tl_store *store, const char *session,
		      struct tl_err *err)
{
	struct told told = {.session = session};
	struct tl_change change;

	tl_change_init_system(&change, store, desk->clock, desk->http, note_told, &told);
	return tl_change_run(&change, err);
}

int tl_session_ended(struct tl_desk *desk, struct tl_store *store, const char *session,
		     const struct tl_session_end *end, struct tl_err *err)
{
	struct told told = {.session = session, .end = end};
	struct tl_change change;

	tl_change_init_system(&change, store, desk->clock, desk->http, note_told, &told);
	return tl_change_run(&change, err);
}
