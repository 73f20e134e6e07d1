#include "desk/revocation.h"

#include <towline/id.h>
#include <towline/sshkey.h>
#include <towline/str.h>

#include "desk/reply.h"

#define VALUE_MAX 255
#define REASON_MAX 255

static int check_value(const struct tl_revocation *what, struct tl_err *err)
{
	uint64_t serial;

	if (tl_streq(what->kind, "serial") && tl_str_u64(what->value, INT64_MAX, &serial))
		return tl_err_set(err, TL_EINVAL, "\"%.40s\" is no serial number", what->value);
	if (tl_streq(what->kind, "key") && !tl_sshkey_is_fingerprint(what->value))
		return tl_err_set(err, TL_EINVAL, "\"%.60s\" is no fingerprint (SHA256:…)",
				  what->value);
	if (!*what->value || strlen(what->value) > VALUE_MAX || strlen(what->reason) > REASON_MAX ||
	    !tl_str_is_utf8(what->value, strlen(what->value)) ||
	    !tl_str_is_utf8(what->reason, strlen(what->reason)))
		return tl_err_set(err, TL_EINVAL,
				  "what is revoked, and why, has 1 to 255 bytes each");
	return 0;
}

int tl_revocation_add(struct tl_change *change, const struct tl_revocation *what,
		      struct tl_err *err)
{
	struct tl_id id = tl_id_new(change->clock);
	int64_t added = 0;
	int r;

	if ((r = check_value(what, err)) ||
	    (r = tl_store_exec(
		     change->store,
		     "INSERT INTO ssh_revocation (id, kind, value, reason, actor, at_ms) "
		     "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, value) DO NOTHING",
		     TL_ARGS(TL_ARG_TEXT(id.text), TL_ARG_TEXT(what->kind),
			     TL_ARG_TEXT(what->value), TL_ARG_TEXT(what->reason),
			     TL_ARG_TEXT(change->actor), TL_ARG_INT(change->now_ms)),
		     &added, err)))
		return r;
	if (!added)
		return tl_err_set(err, TL_EEXIST, "%s %s was revoked before", what->kind,
				  what->value);
	return tl_change_tell(change,
			      &(struct tl_fact){.action = "ssh.revoke",
						.object_kind = what->kind,
						.object = what->value,
						.detail =
							json_pack("{s:s}", "reason", what->reason)},
			      err);
}

int tl_revocation_list(struct tl_store *store, json_t **ret_list, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	tl_json *list = json_array();
	int r = tl_store_query(store,
			       "SELECT kind, value, reason, actor, at_ms FROM ssh_revocation "
			       "ORDER BY id",
			       TL_NO_ARGS, &rows, err);

	if (r)
		return r;
	while ((r = tl_rows_next(rows, err)) > 0)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:s, s:o}", "kind",
						tl_rows_text(rows, 0), "value",
						tl_rows_text(rows, 1), "reason",
						tl_rows_text(rows, 2), "actor",
						tl_rows_text(rows, 3), "at", tl_row_time(rows, 4)));
	if (r == 0)
		*ret_list = tl_steal(&list);
	return r;
}

static const char *or_none(const char *text)
{
	return text ? text : "";
}

int tl_revocation_check(struct tl_store *store, const struct tl_revocation_query *query,
			struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	int r = tl_store_query(
		store,
		"SELECT kind, reason FROM ssh_revocation WHERE "
		"(kind = 'serial' AND value = $1) OR (kind = 'id' AND value = $2) OR "
		"(kind = 'key' AND value IN ($3, $4)) ORDER BY id LIMIT 1",
		TL_ARGS(TL_ARG_TEXT(or_none(query->serial)), TL_ARG_TEXT(or_none(query->key_id)),
			TL_ARG_TEXT(or_none(query->fingerprint)),
			TL_ARG_TEXT(or_none(query->authority))),
		&rows, err);

	if (r == 0)
		r = tl_rows_next(rows, err);
	if (r <= 0)
		return r;
	return tl_err_set(err, TL_EAUTH, "it was revoked by its %s: %s",
			  tl_streq(tl_rows_text(rows, 0), "id") ? "key id" : tl_rows_text(rows, 0),
			  *tl_rows_text(rows, 1) ? tl_rows_text(rows, 1) : "no reason was given");
}
