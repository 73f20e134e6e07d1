#include "desk/roster.h"

#include <stdio.h>
#include <towline/roster.h>
#include <towline/sshkey.h>
#include <towline/str.h>

#include "desk/reply.h"

static int verify(const struct tl_change *change, const char *pinned,
		  const struct tl_roster_text *text, struct tl_roster *ret_roster,
		  struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
	char fingerprint[TL_SSH_FINGERPRINT_MAX];
	size_t len = strlen(text->roster);
	int r;

	if (!pinned || !*pinned) {
		if ((r = tl_sshsig_verify(text->signature, TL_SSHSIG_ROSTER, text->roster, len,
					  &key, err)))
			return r;
		tl_sshkey_fingerprint(key.data, key.len, fingerprint);
		pinned = fingerprint;
	}
	r = tl_roster_verify(text->roster, len, text->signature, pinned, ret_roster, err);
	return r ? r : tl_roster_check_time(ret_roster, change->clock, err);
}

/* 0: newer; TL_EEXIST: the very one. */
static int compare(struct tl_store *store, const struct tl_roster *roster, const char *text,
		   struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(store,
			     "SELECT version, body FROM roster ORDER BY version DESC LIMIT 1",
			     TL_NO_ARGS, &row, err);

	if (r == TL_ENOENT || (r == 0 && tl_rows_int(row, 0) < roster->version))
		return 0;
	if (r)
		return r;
	if (tl_rows_int(row, 0) == roster->version && tl_streq(tl_rows_text(row, 1), text))
		return TL_EEXIST;
	return tl_err_set(err, TL_ECONFLICT,
			  "version %lld of the roster is published already: sign a newer one than "
			  "%lld",
			  (long long)tl_rows_int(row, 0), (long long)tl_rows_int(row, 0));
}

int tl_roster_publish(struct tl_change *change, const char *pinned,
		      const struct tl_roster_text *text, struct tl_err *err)
{
	tl_auto(tl_roster) struct tl_roster roster = {.version = 0};
	int r = verify(change, pinned, text, &roster, err);

	if (r || (r = compare(change->store, &roster, text->roster, err)))
		return r == TL_EEXIST ? 0 : r;
	if ((r = tl_store_exec(change->store,
			       "INSERT INTO roster (version, body, signature, published_ms) "
			       "VALUES ($1, $2, $3, $4)",
			       TL_ARGS(TL_ARG_INT(roster.version), TL_ARG_TEXT(text->roster),
				       TL_ARG_TEXT(text->signature), TL_ARG_INT(change->now_ms)),
			       NULL, err)) ||
	    (r = tl_change_tell(change,
				&(struct tl_fact){.action = "roster.publish",
						  .object_kind = "roster",
						  .object = "engineers",
						  .detail = json_pack("{s:I, s:I}", "version",
								      (json_int_t)roster.version,
								      "engineers",
								      (json_int_t)roster.count)},
				err)))
		return r;
	return 0;
}

int tl_roster_newest(struct tl_store *store, json_t **ret_document, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(store,
			     "SELECT version, body, signature FROM roster ORDER BY version DESC "
			     "LIMIT 1",
			     TL_NO_ARGS, &row, err);

	if (r == TL_ENOENT)
		return tl_err_set(err, r, "no roster of engineers was published here");
	if (r)
		return r;
	*ret_document =
		json_pack("{s:I, s:s, s:s}", "version", (json_int_t)tl_rows_int(row, 0), "roster",
			  tl_rows_text(row, 1), "signature", tl_rows_text(row, 2));
	return *ret_document ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory");
}

int tl_roster_tell(struct tl_desk *desk, struct tl_store *store, int64_t *seen_version,
		   struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL, *hosts = NULL;
	char data[64], topic[TL_TOPIC_MAX];
	int64_t version;
	int r = tl_store_row(store, "SELECT COALESCE(MAX(version), 0) FROM roster", TL_NO_ARGS,
			     &row, err);

	if (r)
		return r;
	version = tl_rows_int(row, 0);
	tl_rows_free(tl_steal(&row));
	if (version == *seen_version)
		return 0;
	*seen_version = version;
	snprintf(data, sizeof data, "{\"version\":%lld}", (long long)version);
	r = tl_store_query(store, "SELECT id FROM host WHERE state = 'active'", TL_NO_ARGS, &hosts,
			   err);
	while (r == 0 && (r = tl_rows_next(hosts, err)) > 0) {
		tl_topic_of_host(tl_rows_text(hosts, 0), topic);
		tl_http_publish(desk->http, topic, NULL, "roster", data);
		r = 0;
	}
	return r;
}
