#include "desk/host.h"

#include <stdio.h>
#include <towline/id.h>
#include <towline/str.h>

#include "desk/desk.h"
#include "desk/reply.h"

json_t *tl_host_make(const struct tl_rows *row, int64_t now_ms)
{
	json_t *host = json_object();
	bool online = !tl_rows_is_null(row, 3) &&
		      tl_rows_int(row, 3) > now_ms - TL_HOST_ONLINE_MS &&
		      tl_streq(tl_rows_text(row, 2), "active");

	tl_json_set(host, "id", tl_row_text(row, 0));
	tl_json_set(host, "name", tl_row_text(row, 1));
	tl_json_set(host, "state", tl_row_text(row, 2));
	tl_json_set(host, "online", json_boolean(online));
	tl_json_set(host, "last_seen", tl_row_time(row, 3));
	tl_json_set(host, "agent_version", tl_row_text(row, 4));
	tl_json_set(host, "ssh_host_key", tl_row_text(row, 5));
	tl_json_set(host, "enrolled", tl_row_time(row, 6));
	tl_json_set(host, "clock_offset_ms", json_integer(tl_rows_int(row, 7)));
	tl_json_set(host, "health", tl_row_text(row, 8));
	return host;
}

int tl_host_revoke(struct tl_change *change, const char *host, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	char id[TL_ID_LEN + 1];
	int64_t changed = 0;
	int r = tl_store_row(change->store, "SELECT id FROM host WHERE id = $1 OR name = $1",
			     TL_ARGS(TL_ARG_TEXT(host)), &row, err);

	if (r == TL_ENOENT)
		return tl_err_set(err, r, "there is no host \"%s\"", host);
	if (r)
		return r;
	snprintf(id, sizeof id, "%s", tl_rows_text(row, 0));
	tl_rows_free(tl_steal(&row));
	r = tl_store_exec(change->store,
			  "UPDATE host SET state = 'revoked' WHERE id = $1 AND state = 'active'",
			  TL_ARGS(TL_ARG_TEXT(id)), &changed, err);
	if (r || !changed)
		return r;
	return tl_change_tell(change,
			      &(struct tl_fact){.action = "host.revoke",
						.object_kind = "host",
						.object = id},
			      err);
}

/* `sql` selects one base64url key of the host $1. */
static int load_key(struct tl_store *store, const char *sql, const char *host, const char *what,
		    struct tl_key **ret_key, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf raw = TL_BUF_INIT(TL_ED25519_PUBLIC_LEN);
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(store, sql, TL_ARGS(TL_ARG_TEXT(host)), &row, err);

	if (r == TL_ENOENT || (r == 0 && tl_rows_is_null(row, 0)))
		return tl_err_set(err, TL_ENOENT, "host %s has no %s", host, what);
	if (r)
		return r;
	if (tl_base64url_decode(&raw, tl_rows_text(row, 0), strlen(tl_rows_text(row, 0))) ||
	    raw.len != TL_ED25519_PUBLIC_LEN)
		return tl_err_set(err, TL_EINTERNAL, "the stored %s of host %s is damaged", what,
				  host);
	return tl_key_from_public((const uint8_t *)raw.data, ret_key, err);
}

int tl_host_key(struct tl_store *store, const char *host, struct tl_key **ret_key,
		struct tl_err *err)
{
	return load_key(store, "SELECT public_key FROM host WHERE id = $1", host, "identity key",
			ret_key, err);
}

int tl_host_consent_key(struct tl_store *store, const char *host, struct tl_key **ret_key,
			struct tl_err *err)
{
	return load_key(store, "SELECT consent_key FROM host WHERE id = $1", host, "consent key",
			ret_key, err);
}
