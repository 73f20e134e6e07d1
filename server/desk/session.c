#include "desk/session.h"

#include <stdio.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/change.h"
#include "desk/desk.h"
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
