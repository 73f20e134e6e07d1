/* Asking for a session: the row, the grant, and what an engineer signed; and taking it up by SSH. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <towline/log.h>
#include <towline/statement.h>
#include <towline/str.h>

#include "desk/change.h"
#include "desk/desk.h"
#include "desk/forward.h"
#include "desk/reply.h"
#include "desk/session.h"

#define GRANT_MAX (64 * 1024)

struct request {
	struct tl_desk *desk;
	const struct tl_session_ask *ask;
	char session[TL_ID_LEN + 1];
	int64_t expires_ms; /* 0: by the limits */
	struct tl_forward_wish wish;
	unsigned scopes; /* with what the engineer wants to forward */
};

/* Forwarding is never asked for by itself: an engineer has said what for. */
static int load_wish(struct request *request, struct tl_store *store, int64_t now_ms,
		     struct tl_err *err)
{
	const struct tl_session_ask *ask = request->ask;
	unsigned forwarding = TL_SCOPE_FORWARDING | TL_SCOPE_AGENT;
	int r;

	tl_forward_wish_clear(&request->wish);
	r = tl_forward_wish_load(store, ask->engineer->id, ask->target->host, now_ms,
				 &request->wish, err);
	request->scopes = ask->scopes & (request->wish.scopes | ~forwarding);
	return r;
}

/* Whether the grant is made when an SSH connection takes the session up. */
static bool is_deferred(const struct tl_session_ask *ask)
{
	return ask->by_api && ask->lane == TL_LANE_BASTION;
}

/* ---- the grant --------------------------------------------------------------------------------- */

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

/* Whether the relay's configuration wants four eyes. */
static bool needs_second(const struct tl_desk *desk, const struct tl_session_target *target)
{
	for (size_t i = 0; desk->second_for && i < desk->second_for->count; i++)
		if (fnmatch(desk->second_for->items[i], target->host_name, FNM_CASEFOLD) == 0 ||
		    fnmatch(desk->second_for->items[i], target->ticket, FNM_CASEFOLD) == 0)
			return true;
	return false;
}

static int fill_grant(const struct request *request, const char *purpose, int64_t now_ms,
		      struct tl_grant *grant, struct tl_err *err)
{
	const struct tl_session_ask *ask = request->ask;
	const struct tl_desk *desk = request->desk;

	copy(grant->session, sizeof grant->session, request->session);
	copy(grant->relay, sizeof grant->relay, desk->relay_id);
	copy(grant->host, sizeof grant->host, ask->target->host);
	copy(grant->engineer, sizeof grant->engineer, ask->engineer->login);
	copy(grant->name, sizeof grant->name, ask->engineer->name);
	copy(grant->ticket, sizeof grant->ticket, ask->target->ticket);
	copy(grant->purpose, sizeof grant->purpose, purpose);
	copy(grant->user, sizeof grant->user, ask->user);
	grant->purpose_stated = ask->purpose && *ask->purpose;
	grant->break_glass = ask->break_glass;
	grant->lane = ask->lane;
	grant->scopes = request->scopes;
	grant->issued_ms = grant->not_before_ms = now_ms;
	grant->expires_ms =
		request->expires_ms ? request->expires_ms : now_ms + desk->grant_life_ms;
	grant->max_s =
		ask->max_s && ask->max_s < desk->session_max_s ? ask->max_s : desk->session_max_s;
	if (needs_second(desk, ask->target)) {
		grant->second = desk->second_leaves;
		grant->second_away_s = desk->second_away_s;
	}
	for (size_t i = 0;
	     (request->scopes & TL_SCOPE_FORWARDING) && i < request->wish.forwards.count; i++)
		if (tl_strv_push(&grant->forwards, request->wish.forwards.items[i]))
			return tl_err_set(err, TL_ENOMEM, "out of memory");
	if (!ask->statement)
		return 0;
	grant->statement = strdup(ask->statement);
	grant->signature = strdup(ask->signature);
	return grant->statement && grant->signature ? 0
						    : tl_err_set(err, TL_ENOMEM, "out of memory");
}

/* Of the engineer's keys those that the statement names: the endpoint refuses a grant with another. */
static int fill_keys(const struct tl_session_ask *ask, const struct tl_statement *statement,
		     struct tl_grant *grant, struct tl_err *err)
{
	/* In the bastion lane the connection that claims the session brings the key. */
	for (const char *const *key = is_deferred(ask) ? NULL : ask->keys; key && *key; key++) {
		tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
		char fingerprint[TL_SSH_FINGERPRINT_MAX] = "";

		if (statement && tl_sshkey_of_line(*key, &blob, NULL) == 0)
			tl_sshkey_fingerprint(blob.data, blob.len, fingerprint);
		if (statement && statement->lane != TL_LANE_BASTION &&
		    !tl_strv_has(&statement->keys, fingerprint))
			continue;
		if (tl_strv_push(&grant->keys, *key))
			return tl_err_set(err, TL_ENOMEM, "out of memory");
	}
	if (statement && grant->keys.count == 0 && !is_deferred(ask))
		return tl_err_set(
			err, TL_EINVAL,
			"none of the keys in the statement is registered to the engineer");
	return 0;
}

/* The statement bounds the grant, as the endpoint will see to; said here first, where it can be mended. */
static int narrow(struct tl_grant *grant, struct tl_statement *ret_statement, struct tl_err *err)
{
	int rc = tl_statement_read(grant->statement, strlen(grant->statement), ret_statement, err);

	if (rc != 0)
		return rc;
	if (grant->expires_ms > ret_statement->not_after_ms)
		grant->expires_ms = ret_statement->not_after_ms;
	if (grant->not_before_ms < ret_statement->not_before_ms)
		grant->not_before_ms = ret_statement->not_before_ms;
	if (grant->max_s > ret_statement->max_s)
		grant->max_s = ret_statement->max_s;
	return 0;
}

static int make_grant(const struct request *request, const char *purpose, int64_t now_ms,
		      struct tl_grant *grant, struct tl_err *err)
{
	tl_auto(tl_statement) struct tl_statement statement = {.relay = ""};
	int rc = fill_grant(request, purpose, now_ms, grant, err);

	if (rc == 0 && grant->statement)
		rc = narrow(grant, &statement, err);
	if (rc == 0)
		rc = fill_keys(request->ask, grant->statement ? &statement : NULL, grant, err);
	if (rc == 0 && grant->statement)
		rc = tl_statement_covers(&statement, grant, err);
	return rc;
}

/* ---- asking ------------------------------------------------------------------------------------ */

static int tell_request(struct tl_change *change, const struct request *request, const char *ticket,
			const struct tl_grant *grant, struct tl_err *err)
{
	const struct tl_session_ask *ask = request->ask;
	tl_auto(tl_buf) struct tl_buf scopes = TL_BUF_INIT(128);
	json_t *detail;

	tl_scopes_write(request->scopes, &scopes);
	detail = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s*, s:b, s:b}", "session",
			   request->session, "engineer", ask->engineer->login, "host",
			   ask->target->host_name, "lane", tl_lane_name(ask->lane), "scopes",
			   tl_buf_str(&scopes), "purpose", grant->purpose, "user", ask->user,
			   "stated", (int)grant->purpose_stated, "signed", ask->statement != NULL);
	return tl_change_tell(change,
			      &(struct tl_fact){.action = "session.request",
						.object_kind = "session",
						.object = request->session,
						.ticket = ticket,
						.kind = "session-requested",
						.detail = detail},
			      err);
}

/* Loud: an event of its own for supervisors' consoles and what listens to them. */
static int tell_emergency(struct tl_change *change, const struct request *request,
			  const char *ticket, const struct tl_grant *grant, struct tl_err *err)
{
	const struct tl_session_ask *ask = request->ask;

	tl_log_warning("an engineer breaks the glass", TL_S("session", request->session),
		       TL_S("engineer", ask->engineer->login), TL_S("host", ask->target->host_name),
		       TL_S("reason", grant->purpose));
	return tl_change_tell(change,
			      &(struct tl_fact){.action = "session.break_glass",
						.object_kind = "session",
						.object = request->session,
						.ticket = ticket,
						.kind = "session-break-glass",
						.detail =
							json_pack("{s:s, s:s, s:s, s:s}", "session",
								  request->session, "engineer",
								  ask->engineer->login, "host",
								  ask->target->host_name, "reason",
								  grant->purpose)},
			      err);
}

static int insert(struct tl_change *change, const struct request *request, const char *ticket,
		  const struct tl_grant *grant, const char *jws, struct tl_err *err)
{
	const struct tl_session_ask *ask = request->ask;
	tl_auto(tl_buf) struct tl_buf scopes = TL_BUF_INIT(128);

	tl_scopes_write(request->scopes, &scopes);
	return tl_store_exec(
		change->store,
		"INSERT INTO session (id, ticket_id, host_id, user_id, lane, scopes, "
		"purpose, state, grant_jws, requested_ms, expires_ms, address, node, account, "
		"max_s, purpose_stated, break_glass, statement, signature, claimed_ms, "
		"four_eyes) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, 'requested', $8, $9, $10, $11, $12, $13, "
		"$14, $15, $16, $17, $18, $19, $20)",
		TL_ARGS(TL_ARG_TEXT(request->session), TL_ARG_TEXT(ticket),
			TL_ARG_TEXT(ask->target->host), TL_ARG_TEXT(ask->engineer->id),
			TL_ARG_TEXT(tl_lane_name(ask->lane)), TL_ARG_TEXT(tl_buf_str(&scopes)),
			TL_ARG_TEXT(grant->purpose), TL_ARG_TEXT(jws), TL_ARG_INT(change->now_ms),
			TL_ARG_INT(grant->expires_ms), TL_ARG_TEXT(ask->address),
			TL_ARG_TEXT(request->desk->node), TL_ARG_TEXT(ask->user),
			TL_ARG_INT(grant->max_s), TL_ARG_INT(grant->purpose_stated),
			TL_ARG_INT(grant->break_glass), TL_ARG_TEXT(ask->statement),
			TL_ARG_TEXT(ask->signature),
			ask->by_api ? TL_ARG_TEXT(NULL) : TL_ARG_INT(change->now_ms),
			TL_ARG_INT(grant->second != TL_SECOND_NONE)),
		NULL, err);
}

static int push_grant(struct tl_change *change, const char *host, const char *session,
		      const char *jws, struct tl_err *err)
{
	return tl_change_push(change, host, "grant",
			      json_pack("{s:s, s:s}", "session", session, "grant", jws), err);
}

static int request_session(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct request *request = arg;
	const struct tl_session_ask *ask = request->ask;
	tl_auto(tl_grant) struct tl_grant grant = {.session = ""};
	tl_auto(tl_buf) struct tl_buf jws = TL_BUF_INIT(GRANT_MAX);
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	char ticket[TL_ID_LEN + 1], purpose[513];
	/* The connection may be older than the engineer's rights are. */
	int r = tl_store_row(change->store,
			     "SELECT t.id, t.summary, u.disabled FROM ticket t, app_user u "
			     "WHERE t.number = $1 AND u.id = $2",
			     TL_ARGS(TL_ARG_TEXT(ask->target->ticket),
				     TL_ARG_TEXT(ask->engineer->id)),
			     &row, err);

	if (r)
		return r;
	if (tl_rows_int(row, 2))
		return tl_err_set(err, TL_EAUTH, "%s is locked out", ask->engineer->login);
	copy(ticket, sizeof ticket, tl_rows_text(row, 0));
	copy(purpose, sizeof purpose,
	     ask->purpose && *ask->purpose ? ask->purpose : tl_rows_text(row, 1));
	tl_rows_free(tl_steal(&row));
	if ((r = load_wish(request, change->store, change->now_ms, err)) ||
	    (r = make_grant(request, purpose, change->now_ms, &grant, err)) ||
	    (!is_deferred(ask) &&
	     (r = tl_grant_sign(&grant, request->desk->authority, &jws, err))) ||
	    (r = insert(change, request, ticket, &grant, tl_buf_str(&jws), err)) ||
	    (r = tell_request(change, request, ticket, &grant, err)) ||
	    (ask->break_glass && (r = tell_emergency(change, request, ticket, &grant, err))))
		return r;
	return is_deferred(ask) ? 0
				: push_grant(change, ask->target->host, request->session,
					     tl_buf_str(&jws), err);
}

int tl_session_request(struct tl_desk *desk, struct tl_store *store,
		       const struct tl_session_ask *ask, char ret_session[static 27],
		       struct tl_err *err)
{
	struct request request = {.desk = desk, .ask = ask};
	struct tl_id id = tl_id_new(desk->clock);
	struct tl_change change;
	int r;

	copy(request.session, sizeof request.session, id.text);
	tl_change_init_system(&change, store, desk->clock, desk->http, request_session, &request);
	change.actor_kind = "user";
	change.actor = ask->engineer->login;
	change.address = ask->address;
	if (!is_deferred(ask))
		tl_broker_expect(desk->broker, request.session);
	r = tl_change_run(&change, err);
	tl_forward_wish_clear(&request.wish);
	if (r) {
		tl_broker_cancel(desk->broker, request.session);
		return r;
	}
	tl_log_info("session requested", TL_S("session", request.session),
		    TL_S("engineer", ask->engineer->login), TL_S("host", ask->target->host_name),
		    TL_S("ticket", ask->target->ticket));
	memcpy(ret_session, request.session, sizeof request.session);
	return 0;
}

/* ---- taking up --------------------------------------------------------------------------------- */

/* What find_claimed asks for. */
#define CLAIM_SQL \
	"SELECT s.id, s.state, s.host_id, h.name, t.number, h.ssh_host_key, s.decision_reason, " \
	"s.end_reason FROM session s JOIN host h ON h.id = s.host_id " \
	"JOIN ticket t ON t.id = s.ticket_id WHERE s.user_id = $1 AND s.lane = $2 " \
	"AND s.node = $3 AND s.claimed_ms IS NULL AND s.expires_ms > $4 "

struct claiming {
	struct tl_desk *desk;
	const struct tl_session_claim *claim;
	char session[TL_ID_LEN + 1];
};

/* The session by its id, or the newest that waits for its host. */
static int find_claimed(struct tl_desk *desk, struct tl_store *store,
			const struct tl_session_claim *claim, struct tl_rows **ret_row,
			struct tl_err *err)
{
	int64_t now_ms = tl_clock_wall_ms(desk->clock);
	int r = tl_store_row(store, CLAIM_SQL "AND s.id = lower(CAST($5 AS TEXT))",
			     TL_ARGS(TL_ARG_TEXT(claim->engineer->id),
				     TL_ARG_TEXT(tl_lane_name(claim->lane)),
				     TL_ARG_TEXT(desk->node), TL_ARG_INT(now_ms),
				     TL_ARG_TEXT(claim->target)),
			     ret_row, err);

	if (r != TL_ENOENT)
		return r;
	if (err)
		*err = (struct tl_err)TL_ERR_INIT;
	return tl_store_row(store,
			    CLAIM_SQL
			    "AND s.state IN ('requested', 'consented', 'open') AND (s.host_id = "
			    "lower(CAST($5 AS TEXT)) OR lower(h.name) = lower(CAST($5 AS TEXT)) OR "
			    "t.number = upper(CAST($5 AS TEXT))) ORDER BY s.id DESC LIMIT 1",
			    TL_ARGS(TL_ARG_TEXT(claim->engineer->id),
				    TL_ARG_TEXT(tl_lane_name(claim->lane)), TL_ARG_TEXT(desk->node),
				    TL_ARG_INT(now_ms), TL_ARG_TEXT(claim->target)),
			    ret_row, err);
}

static int explain_over(const struct tl_rows *row, struct tl_err *err)
{
	const char *state = tl_rows_text(row, 1);
	const char *why = tl_rows_text(row, tl_streq(state, "refused") ? 6 : 7);

	return tl_err_set(err, TL_EDENIED, "the session is %s%s%s", state, why && *why ? ": " : "",
			  why ? why : "");
}

/* Makes the deferred grant of a request in the bastion lane, with the key that logs in. */
static int grant_now(struct tl_change *change, const struct claiming *claiming, struct tl_err *err)
{
	const struct tl_session_claim *claim = claiming->claim;
	const char *const keys[] = {claim->key_line, NULL};
	tl_auto(tl_grant) struct tl_grant grant = {.session = ""};
	tl_auto(tl_buf) struct tl_buf jws = TL_BUF_INIT(GRANT_MAX);
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	struct tl_session_target target = {.host = ""};
	struct tl_session_ask ask = {.engineer = claim->engineer,
				     .target = &target,
				     .lane = claim->lane,
				     .keys = keys};
	struct request request = {.desk = claiming->desk, .ask = &ask};
	int r = tl_store_row(change->store,
			     "SELECT s.host_id, t.number, s.scopes, s.purpose, s.purpose_stated, "
			     "s.account, s.max_s, s.break_glass, s.statement, s.signature, "
			     "s.expires_ms, h.name FROM session s JOIN ticket t ON t.id = "
			     "s.ticket_id JOIN host h ON h.id = s.host_id WHERE s.id = $1",
			     TL_ARGS(TL_ARG_TEXT(claiming->session)), &row, err);

	if (r || (r = tl_scopes_parse(tl_rows_text(row, 2), &ask.scopes, err)))
		return r;
	copy(request.session, sizeof request.session, claiming->session);
	copy(target.host, sizeof target.host, tl_rows_text(row, 0));
	copy(target.ticket, sizeof target.ticket, tl_rows_text(row, 1));
	copy(target.host_name, sizeof target.host_name, tl_rows_text(row, 11));
	ask.purpose = tl_rows_int(row, 4) ? tl_rows_text(row, 3) : NULL;
	ask.user = tl_rows_text(row, 5);
	ask.max_s = tl_rows_int(row, 6);
	ask.break_glass = tl_rows_int(row, 7) != 0;
	ask.statement = tl_rows_is_null(row, 8) ? NULL : tl_rows_text(row, 8);
	ask.signature = tl_rows_is_null(row, 9) ? NULL : tl_rows_text(row, 9);
	request.expires_ms = tl_rows_int(row, 10);
	r = load_wish(&request, change->store, change->now_ms, err);
	if (r == 0)
		r = make_grant(&request, tl_rows_text(row, 3), change->now_ms, &grant, err);
	tl_forward_wish_clear(&request.wish);
	if (r || (r = tl_grant_sign(&grant, claiming->desk->authority, &jws, err)))
		return r;
	tl_rows_free(tl_steal(&row));
	if ((r = tl_store_exec(change->store, "UPDATE session SET grant_jws = $2 WHERE id = $1",
			       TL_ARGS(TL_ARG_TEXT(claiming->session),
				       TL_ARG_TEXT(tl_buf_str(&jws))),
			       NULL, err)))
		return r;
	return push_grant(change, target.host, claiming->session, tl_buf_str(&jws), err);
}

static int take_up(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct claiming *claiming = arg;
	int64_t changed = 0;
	int r = tl_store_exec(change->store,
			      "UPDATE session SET claimed_ms = $2 WHERE id = $1 AND claimed_ms IS "
			      "NULL",
			      TL_ARGS(TL_ARG_TEXT(claiming->session), TL_ARG_INT(change->now_ms)),
			      &changed, err);

	if (r || !changed)
		return r ? r : tl_err_set(err, TL_ENOENT, "another connection was quicker");
	return claiming->claim->lane == TL_LANE_BASTION ? grant_now(change, claiming, err) : 0;
}

int tl_session_claim(struct tl_desk *desk, struct tl_store *store,
		     const struct tl_session_claim *claim, char ret_session[static 27],
		     struct tl_session_target *ret_target, struct tl_err *err)
{
	struct claiming claiming = {.desk = desk, .claim = claim};
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	struct tl_change change;
	int r = find_claimed(desk, store, claim, &row, err);

	if (r)
		return r;
	if (tl_streq(tl_rows_text(row, 1), "refused") || tl_streq(tl_rows_text(row, 1), "ended"))
		return explain_over(row, err);
	copy(claiming.session, sizeof claiming.session, tl_rows_text(row, 0));
	copy(ret_target->host, sizeof ret_target->host, tl_rows_text(row, 2));
	copy(ret_target->host_name, sizeof ret_target->host_name, tl_rows_text(row, 3));
	copy(ret_target->ticket, sizeof ret_target->ticket, tl_rows_text(row, 4));
	copy(ret_target->ssh_host_key, sizeof ret_target->ssh_host_key, tl_rows_text(row, 5));
	tl_rows_free(tl_steal(&row));
	tl_change_init_system(&change, store, desk->clock, desk->http, take_up, &claiming);
	if (claim->lane == TL_LANE_BASTION)
		tl_broker_expect(desk->broker, claiming.session);
	if ((r = tl_change_run(&change, err)))
		return r;
	memcpy(ret_session, claiming.session, sizeof claiming.session);
	return 0;
}
