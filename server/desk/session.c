#include "desk/session.h"

#include <stdio.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/change.h"
#include "desk/desk.h"
#include "desk/forward.h"
#include "desk/reply.h"
#include "desk/session_row.h"

/* ---- who and where ---------------------------------------------------------------------------- */

/* `row`: id, login, name, disabled, roles. */
static int read_engineer(struct tl_rows *row, struct tl_engineer *ret_engineer, struct tl_err *err)
{
	if (!((unsigned)tl_rows_int(row, 4) &
	      (TL_ROLE_ENGINEER | TL_ROLE_SUPERVISOR | TL_ROLE_ADMIN)))
		return tl_err_set(err, TL_EAUTH, "%s has no role that opens sessions",
				  tl_rows_text(row, 1));
	snprintf(ret_engineer->id, sizeof ret_engineer->id, "%s", tl_rows_text(row, 0));
	snprintf(ret_engineer->login, sizeof ret_engineer->login, "%s", tl_rows_text(row, 1));
	snprintf(ret_engineer->name, sizeof ret_engineer->name, "%s", tl_rows_text(row, 2));
	return 0;
}

int tl_session_engineer(struct tl_store *store, const char *key_base64,
			struct tl_engineer *ret_engineer, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(store,
			     "SELECT u.id, u.login, u.name, u.disabled, u.roles FROM ssh_key k "
			     "JOIN app_user u ON u.id = k.user_id WHERE k.key_base64 = $1",
			     TL_ARGS(TL_ARG_TEXT(key_base64)), &row, err);

	if (r && r != TL_ENOENT)
		return r;
	if (r || tl_rows_int(row, 3))
		return tl_err_set(err, TL_EAUTH, "the key is not registered to an active engineer");
	return read_engineer(row, ret_engineer, err);
}

int tl_session_principal(struct tl_store *store, const struct tl_strv *principals,
			 struct tl_engineer *ret_engineer, struct tl_err *err)
{
	struct tl_engineer found = {.id = ""};

	for (size_t i = 0; i < principals->count; i++) {
		tl_auto(tl_rows) struct tl_rows *row = NULL;
		int r = tl_store_row(store,
				     "SELECT id, login, name, disabled, roles FROM app_user "
				     "WHERE login = $1",
				     TL_ARGS(TL_ARG_TEXT(principals->items[i])), &row, err);

		if (r == TL_ENOENT)
			continue;
		if (r == 0 && (found.id[0] || tl_rows_int(row, 3)))
			r = tl_err_set(err, TL_EAUTH,
				       "the certificate's principals name no single active "
				       "engineer");
		if (r == 0)
			r = read_engineer(row, &found, err);
		if (r)
			return r;
	}
	if (!found.id[0])
		return tl_err_set(err, TL_EAUTH,
				  "no engineer has a login that the certificate names");
	*ret_engineer = found;
	return 0;
}

int tl_session_keys(struct tl_store *store, const char *engineer_id, struct tl_strv *keys,
		    struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	int r = tl_store_query(store,
			       "SELECT line FROM ssh_key WHERE user_id = $1 ORDER BY id LIMIT $2",
			       TL_ARGS(TL_ARG_TEXT(engineer_id), TL_ARG_INT(TL_GRANT_KEYS_MAX)),
			       &rows, err);

	while (r == 0 && (r = tl_rows_next(rows, err)) > 0) {
		bool full = keys->count >= TL_GRANT_KEYS_MAX;

		r = 0;
		if (!full && !tl_strv_has(keys, tl_rows_text(rows, 0)) &&
		    (r = tl_strv_push(keys, tl_rows_text(rows, 0))))
			tl_err_set(err, r, "out of memory");
	}
	return r;
}

static bool looks_like_ticket(const char *target)
{
	return (target[0] == 'T' || target[0] == 't') && target[1] == '-' && target[2] &&
	       strspn(target + 2, "0123456789") == strlen(target + 2);
}

#define TARGET_SQL \
	"SELECT h.id, h.name, t.number, h.ssh_host_key, h.state, t.state FROM ticket t " \
	"JOIN host h ON h.id = t.host_id "
#define IS_OPEN "t.state IN ('new', 'open', 'pending')"

/* Why nothing was found: so that the engineer knows what to do. */
static int explain_missing(struct tl_store *store, const char *target, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r;

	if (looks_like_ticket(target))
		return tl_err_set(err, TL_EDENIED,
				  "there is no open ticket %s with a host; file one or reopen it",
				  target);
	r = tl_store_row(store,
			 "SELECT 1 FROM host WHERE lower(name) = lower(CAST($1 AS TEXT)) OR id = "
			 "lower(CAST($1 AS TEXT))",
			 TL_ARGS(TL_ARG_TEXT(target)), &row, err);
	if (r == TL_ENOENT)
		return tl_err_set(err, r, "there is no host or ticket \"%s\"", target);
	if (r)
		return r;
	return tl_err_set(err, TL_EDENIED, "host %s has no open ticket; file one for it first",
			  target);
}

int tl_session_resolve(struct tl_store *store, const char *target,
		       struct tl_session_target *ret_target, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(store,
			     looks_like_ticket(target) ? TARGET_SQL
				     "WHERE t.number = upper(CAST($1 AS TEXT)) AND " IS_OPEN
						       : TARGET_SQL
				     "WHERE (lower(h.name) = lower(CAST($1 AS TEXT)) OR h.id = "
				     "lower(CAST($1 AS TEXT))) AND " IS_OPEN
				     " ORDER BY t.id DESC LIMIT 1",
			     TL_ARGS(TL_ARG_TEXT(target)), &row, err);

	if (r == TL_ENOENT)
		return explain_missing(store, target, err);
	if (r)
		return r;
	if (!tl_streq(tl_rows_text(row, 4), "active"))
		return tl_err_set(err, TL_EDENIED, "host %s was revoked", tl_rows_text(row, 1));
	snprintf(ret_target->host, sizeof ret_target->host, "%s", tl_rows_text(row, 0));
	snprintf(ret_target->host_name, sizeof ret_target->host_name, "%s", tl_rows_text(row, 1));
	snprintf(ret_target->ticket, sizeof ret_target->ticket, "%s", tl_rows_text(row, 2));
	snprintf(ret_target->ssh_host_key, sizeof ret_target->ssh_host_key, "%s",
		 tl_rows_text(row, 3));
	return 0;
}

/* ---- asking ----------------------------------------------------------------------------------- */

struct request {
	struct tl_desk *desk;
	const struct tl_session_ask *ask;
	char session[TL_ID_LEN + 1];
	struct tl_forward_wish wish; /* of what the session may forward */
	unsigned scopes;
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
	request->scopes =
		(ask->scopes & ~forwarding) | (ask->scopes & request->wish.scopes & forwarding);
	return r;
}

static int fill_grant(const struct request *request, const char *purpose, int64_t now_ms,
		      struct tl_grant *grant, struct tl_err *err)
{
	const struct tl_session_ask *ask = request->ask;
	const struct tl_desk *desk = request->desk;
	const char *const *key;
	int r;

	snprintf(grant->session, sizeof grant->session, "%s", request->session);
	snprintf(grant->relay, sizeof grant->relay, "%s", desk->relay_id);
	snprintf(grant->host, sizeof grant->host, "%s", ask->target->host);
	snprintf(grant->engineer, sizeof grant->engineer, "%s", ask->engineer->login);
	snprintf(grant->name, sizeof grant->name, "%s", ask->engineer->name);
	snprintf(grant->ticket, sizeof grant->ticket, "%s", ask->target->ticket);
	snprintf(grant->purpose, sizeof grant->purpose, "%s", purpose);
	grant->lane = ask->lane;
	grant->scopes = request->scopes;
	grant->issued_ms = grant->not_before_ms = now_ms;
	grant->expires_ms = now_ms + desk->grant_life_ms;
	grant->max_s = desk->session_max_s;
	for (key = ask->keys; *key; key++)
		if ((r = tl_strv_push(&grant->keys, *key)))
			return tl_err_set(err, r, "out of memory");
	for (size_t i = 0;
	     (request->scopes & TL_SCOPE_FORWARDING) && i < request->wish.forwards.count; i++)
		if ((r = tl_strv_push(&grant->forwards, request->wish.forwards.items[i])))
			return tl_err_set(err, r, "out of memory");
	return 0;
}

static int tell_request(struct tl_change *change, const struct request *request, const char *ticket,
			const char *purpose, const char *scopes, const char *jws,
			struct tl_err *err)
{
	const struct tl_session_ask *ask = request->ask;
	int r = tl_change_tell(
		change,
		&(struct tl_fact){.action = "session.request",
				  .object_kind = "session",
				  .object = request->session,
				  .ticket = ticket,
				  .kind = "session-requested",
				  .detail = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "session",
						      request->session, "engineer",
						      ask->engineer->login, "host",
						      ask->target->host_name, "lane",
						      tl_lane_name(ask->lane), "scopes", scopes,
						      "purpose", purpose)},
		err);

	if (r)
		return r;
	return tl_change_push(change, ask->target->host, "grant",
			      json_pack("{s:s, s:s}", "session", request->session, "grant", jws),
			      err);
}

static int request_session(struct tl_change *change, void *arg, struct tl_err *err)
{
	struct request *request = arg;
	const struct tl_session_ask *ask = request->ask;
	tl_auto(tl_grant) struct tl_grant grant = {.session = ""};
	tl_auto(tl_buf) struct tl_buf jws = TL_BUF_INIT(64 * 1024);
	tl_auto(tl_buf) struct tl_buf scopes = TL_BUF_INIT(128);
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	char ticket[TL_ID_LEN + 1], purpose[513];
	int r = tl_store_row(change->store, "SELECT id, summary FROM ticket WHERE number = $1",
			     TL_ARGS(TL_ARG_TEXT(ask->target->ticket)), &row, err);

	if (r)
		return r;
	snprintf(ticket, sizeof ticket, "%s", tl_rows_text(row, 0));
	snprintf(purpose, sizeof purpose, "%s",
		 ask->purpose && *ask->purpose ? ask->purpose : tl_rows_text(row, 1));
	tl_rows_free(tl_steal(&row));
	if ((r = load_wish(request, change->store, change->now_ms, err)))
		return r;
	tl_scopes_write(request->scopes, &scopes);
	if ((r = fill_grant(request, purpose, change->now_ms, &grant, err)) ||
	    (r = tl_grant_sign(&grant, request->desk->authority, &jws, err)) ||
	    (r = tl_store_exec(
		     change->store,
		     "INSERT INTO session (id, ticket_id, host_id, user_id, lane, scopes, "
		     "purpose, state, grant_jws, requested_ms, expires_ms, address, node) "
		     "VALUES ($1, $2, $3, $4, $5, $6, $7, 'requested', $8, $9, $10, $11, $12)",
		     TL_ARGS(TL_ARG_TEXT(request->session), TL_ARG_TEXT(ticket),
			     TL_ARG_TEXT(ask->target->host), TL_ARG_TEXT(ask->engineer->id),
			     TL_ARG_TEXT(tl_lane_name(ask->lane)), TL_ARG_TEXT(tl_buf_str(&scopes)),
			     TL_ARG_TEXT(purpose), TL_ARG_TEXT(tl_buf_str(&jws)),
			     TL_ARG_INT(change->now_ms), TL_ARG_INT(grant.expires_ms),
			     TL_ARG_TEXT(ask->address), TL_ARG_TEXT(request->desk->node)),
		     NULL, err)))
		return r;
	return tell_request(change, request, ticket, purpose, tl_buf_str(&scopes), tl_buf_str(&jws),
			    err);
}

int tl_session_request(struct tl_desk *desk, struct tl_store *store,
		       const struct tl_session_ask *ask, char ret_session[static 27],
		       struct tl_err *err)
{
	struct request request = {.desk = desk, .ask = ask};
	struct tl_id id = tl_id_new(desk->clock);
	struct tl_change change;
	int r;

	snprintf(request.session, sizeof request.session, "%s", id.text);
	tl_change_init_system(&change, store, desk->clock, desk->http, request_session, &request);
	change.actor_kind = "user";
	change.actor = ask->engineer->login;
	change.address = ask->address;
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
