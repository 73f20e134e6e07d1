/* Asking for a session by the API: what a request has to name, and the request, signed or not. */
#include <stddef.h>
#include <stdio.h>
#include <towline/sshkey.h>
#include <towline/sshsig.h>
#include <towline/str.h>

#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/reply.h"
#include "desk/session.h"
#include "desk/session_row.h"

#define MINUTES_MAX (TL_GRANT_SESSION_MAX_S / 60)

static json_t *keys_list(const struct tl_strv *keys)
{
	json_t *list = json_array();

	for (size_t i = 0; i < keys->count; i++)
		json_array_append_new(list, json_string(keys->items[i]));
	return list;
}

void tl_target_show(struct tl_http_call *call)
{
	struct tl_store *store = tl_desk_store(call);
	const struct tl_desk *desk = tl_desk_of(call);
	tl_auto(tl_strv) struct tl_strv keys = TL_STRV_INIT;
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	struct tl_session_target target;
	struct tl_err err = TL_ERR_INIT;

	if (tl_session_resolve(store, tl_http_param(call, "target"), &target, &err) ||
	    tl_session_keys(store, tl_http_principal(call)->id, &keys, &err) ||
	    tl_store_row(store, "SELECT summary FROM ticket WHERE number = $1",
			 TL_ARGS(TL_ARG_TEXT(target.ticket)), &row, &err)) {
		tl_reply_failure(call, NULL, &err);
		return;
	}
	tl_http_reply(call, 200,
		      json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s}, s:o, s:I}", "relay",
				desk->relay_id, "engineer", tl_http_principal(call)->login, "host",
				"id", target.host, "name", target.host_name, "ticket", "number",
				target.ticket, "summary", tl_rows_text(row, 0), "keys",
				keys_list(&keys), "max_s", (json_int_t)desk->session_max_s));
}

/* ---- asking ------------------------------------------------------------------------------------ */

struct asking {
	const char *target, *lane, *scopes, *purpose, *user, *statement, *signature; /* as sent */
	int64_t minutes;
	bool break_glass;
	struct tl_problem problem;
};

static const struct tl_json_member asking_members[] = {
	{"break_glass", TL_JSON_BOOL, false, offsetof(struct asking, break_glass)},
	{"lane", TL_JSON_NAME, false, offsetof(struct asking, lane), 0, 16},
	{"minutes", TL_JSON_INT, false, offsetof(struct asking, minutes), 1, MINUTES_MAX},
	{"purpose", TL_JSON_TEXT, false, offsetof(struct asking, purpose), 0, 512},
	{"scopes", TL_JSON_TEXT, false, offsetof(struct asking, scopes), 0, 64},
	{"signature", TL_JSON_TEXT, false, offsetof(struct asking, signature), 1,
	 TL_GRANT_SIGNATURE_MAX},
	{"statement", TL_JSON_TEXT, false, offsetof(struct asking, statement), 1,
	 TL_GRANT_STATEMENT_MAX},
	{"target", TL_JSON_NAME, true, offsetof(struct asking, target), 0, 255},
	{"user", TL_JSON_NAME, false, offsetof(struct asking, user), 0, 64},
};

static int load_engineer(const struct tl_http_call *call, struct tl_engineer *engineer,
			 struct tl_strv *keys, struct tl_err *err)
{
	const struct tl_principal *principal = tl_http_principal(call);
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(tl_desk_store(call),
			     "SELECT id, login, name FROM app_user WHERE id = $1",
			     TL_ARGS(TL_ARG_TEXT(principal->id)), &row, err);

	if (r)
		return r;
	snprintf(engineer->id, sizeof engineer->id, "%s", tl_rows_text(row, 0));
	snprintf(engineer->login, sizeof engineer->login, "%s", tl_rows_text(row, 1));
	snprintf(engineer->name, sizeof engineer->name, "%s", tl_rows_text(row, 2));
	tl_rows_free(tl_steal(&row));
	return tl_session_keys(tl_desk_store(call), engineer->id, keys, err);
}

static bool has_key(const struct tl_strv *lines, const struct tl_buf *wanted)
{
	for (size_t i = 0; i < lines->count; i++) {
		tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);

		if (tl_sshkey_of_line(lines->items[i], &blob, NULL) == 0 &&
		    blob.len == wanted->len && memcmp(blob.data, wanted->data, blob.len) == 0)
			return true;
	}
	return false;
}

/* The endpoint judges it; what cannot pass there is better refused here. */
static int check_signature(struct asking *asking, const struct tl_strv *keys, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);

	if (!asking->statement != !asking->signature)
		return tl_err_set(err, TL_EINVAL, "a statement and its signature go together");
	if (!asking->statement)
		return 0;
	if (tl_sshsig_verify(asking->signature, TL_SSHSIG_SESSION, asking->statement,
			     strlen(asking->statement), &key, err))
		return tl_problem_set(&asking->problem, err, 422, "signature-invalid",
				      "the statement's signature does not verify");
	if (!has_key(keys, &key))
		return tl_problem_set(&asking->problem, err, 422, "signature-invalid",
				      "the statement is signed by a key that is not registered to "
				      "you");
	return 0;
}

static int check_emergency(const struct tl_http_call *call, struct asking *asking,
			   struct tl_err *err)
{
	if (!asking->break_glass)
		return 0;
	if (!(tl_http_principal(call)->role & (TL_ROLE_SUPERVISOR | TL_ROLE_ADMIN)))
		return tl_problem_set(&asking->problem, err, 403, "break-glass-denied",
				      "only supervisors and admins break the glass");
	if (!asking->purpose || !*asking->purpose)
		return tl_err_set(err, TL_EINVAL,
				  "an emergency needs a purpose: say what happened");
	return 0;
}

static int ask(struct tl_http_call *call, struct asking *asking, char session[static TL_ID_LEN + 1],
	       struct tl_err *err)
{
	tl_auto(tl_strv) struct tl_strv keys = TL_STRV_INIT;
	struct tl_session_target target;
	struct tl_engineer engineer;
	struct tl_session_ask wanted = {.engineer = &engineer, .target = &target, .by_api = true};
	int r;

	if ((r = tl_json_read(tl_http_json(call), asking_members, TL_ARRAY_LEN(asking_members),
			      asking, err)) ||
	    (r = tl_scopes_parse(asking->scopes, &wanted.scopes, err)))
		return r;
	if (tl_lane_parse(asking->lane, &wanted.lane))
		return tl_err_set(err, TL_EINVAL, "lane is \"end-to-end\" or \"bastion\"");
	if ((r = check_emergency(call, asking, err)) ||
	    (r = load_engineer(call, &engineer, &keys, err)) ||
	    (r = check_signature(asking, &keys, err)) ||
	    (r = tl_session_resolve(tl_desk_store(call), asking->target, &target, err)))
		return r;
	/* In the bastion lane a browser may take it up, which has none. */
	if (keys.count == 0 && wanted.lane == TL_LANE_END_TO_END)
		return tl_err_set(err, TL_EDENIED, "%s has no SSH key registered", engineer.login);
	wanted.purpose = asking->purpose;
	wanted.user = asking->user;
	wanted.max_s = asking->minutes * 60;
	wanted.break_glass = asking->break_glass;
	wanted.statement = asking->statement;
	wanted.signature = asking->signature;
	wanted.keys = (const char *const *)keys.items;
	wanted.address = tl_http_peer(call);
	return tl_session_request(tl_desk_of(call), tl_desk_store(call), &wanted, session, err);
}

void tl_session_create(struct tl_http_call *call)
{
	struct asking asking = {.lane = "end-to-end", .scopes = "terminal,exec"};
	struct tl_err err = TL_ERR_INIT;
	char session[TL_ID_LEN + 1], location[64];
	json_t *shown;

	if (ask(call, &asking, session, &err) ||
	    tl_session_shown(tl_desk_store(call), session, &shown, &err)) {
		tl_reply_failure(call, &asking.problem, &err);
		return;
	}
	snprintf(location, sizeof location, "/v1/sessions/%s", session);
	tl_http_add_header(call, "Location", location);
	tl_http_reply(call, 201, shown);
}

/* ---- what was signed --------------------------------------------------------------------------- */

void tl_session_statement(struct tl_http_call *call)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	struct tl_err err = TL_ERR_INIT;
	int r = tl_store_row(tl_desk_store(call),
			     "SELECT statement, signature FROM session WHERE id = $1 AND "
			     "statement IS NOT NULL",
			     TL_ARGS(TL_ARG_TEXT(tl_http_param(call, "id"))), &row, &err);

	if (r == TL_ENOENT)
		tl_err_set(&err, r, "there is no such session with a signed request");
	if (r)
		tl_reply_failure(call, NULL, &err);
	else
		tl_http_reply(call, 200,
			      json_pack("{s:s, s:s}", "statement", tl_rows_text(row, 0),
					"signature", tl_rows_text(row, 1)));
}
