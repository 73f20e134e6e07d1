#include "desk/people.h"

#include <stdio.h>
#include <towline/sshkey.h>
#include <towline/str.h>

#include "desk/reply.h"
#include "desk/session_fact.h"

#define SECRET_LEN 32

static const struct {
	const char *name;
	unsigned role;
} role_names[] = {
	{"requester", TL_ROLE_REQUESTER},   {"engineer", TL_ROLE_ENGINEER},
	{"supervisor", TL_ROLE_SUPERVISOR}, {"auditor", TL_ROLE_AUDITOR},
	{"admin", TL_ROLE_ADMIN},
};

static unsigned role_of(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < TL_ARRAY_LEN(role_names); i++)
		if (strlen(role_names[i].name) == len && !memcmp(role_names[i].name, name, len))
			return role_names[i].role;
	return 0;
}

int tl_roles_parse(const char *text, unsigned *ret_roles, struct tl_err *err)
{
	unsigned roles = 0;

	do {
		size_t len = strcspn(text, ",");
		unsigned role = role_of(text, len);

		if (!role)
			return tl_err_set(
				err, TL_EINVAL,
				"role \"%.*s\" is none of requester, engineer, supervisor, "
				"auditor, admin",
				(int)(len < 40 ? len : 40), text);
		roles |= role;
		text += len;
	} while (*text++ == ',');
	*ret_roles = roles;
	return 0;
}

json_t *tl_roles_list(unsigned roles)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < TL_ARRAY_LEN(role_names); i++)
		if (roles & role_names[i].role)
			json_array_append_new(list, json_string(role_names[i].name));
	return list;
}

int tl_organisation_ensure(struct tl_change *change, const char *name, struct tl_err *err)
{
	struct tl_id id = tl_id_new(change->clock);

	return tl_store_exec(change->store,
			     "INSERT INTO organisation (id, name, created_ms) "
			     "SELECT $1, $2, CAST($3 AS BIGINT) "
			     "WHERE NOT EXISTS (SELECT 1 FROM organisation)",
			     TL_ARGS(TL_ARG_TEXT(id.text), TL_ARG_TEXT(name),
				     TL_ARG_INT(change->now_ms)),
			     NULL, err);
}

int tl_user_find(struct tl_store *store, const char *login, char ret_id[static TL_ID_LEN + 1],
		 struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(store, "SELECT id FROM app_user WHERE login = $1",
			     TL_ARGS(TL_ARG_TEXT(login)), &row, err);

	if (r == TL_ENOENT)
		return tl_err_set(err, r, "there is no user \"%s\"", login);
	if (r == 0)
		snprintf(ret_id, TL_ID_LEN + 1, "%s", tl_rows_text(row, 0));
	return r;
}

static int tell(struct tl_change *change, const char *action, const char *kind, const char *object,
		json_t *detail, struct tl_err *err)
{
	return tl_change_tell(change,
			      &(struct tl_fact){.action = action,
						.object_kind = kind,
						.object = object,
						.detail = detail},
			      err);
}

int tl_user_add(struct tl_change *change, const struct tl_user_new *user, struct tl_err *err)
{
	struct tl_id id = tl_id_new(change->clock);
	int r;

	if (!tl_str_is_name(user->login, 64))
		return tl_err_set(err, TL_EINVAL,
				  "a login is made of letters, digits, '.', '_' and '-'");
	if (!user->name[0] || strlen(user->name) > 128 ||
	    !tl_str_is_utf8(user->name, strlen(user->name)))
		return tl_err_set(err, TL_EINVAL, "a name has 1 to 128 bytes of UTF-8");
	r = tl_store_exec(
		change->store,
		"INSERT INTO app_user (id, organisation_id, login, name, roles, created_ms) "
		"SELECT $1, min(o.id), $2, $3, $4, $5 FROM organisation o",
		TL_ARGS(TL_ARG_TEXT(id.text), TL_ARG_TEXT(user->login), TL_ARG_TEXT(user->name),
			TL_ARG_INT(user->roles), TL_ARG_INT(change->now_ms)),
		NULL, err);
	if (r == TL_EEXIST)
		return tl_err_set(err, r, "there is a user \"%s\" already", user->login);
	if (r)
		return r;
	return tell(change, "user.add", "user", user->login,
		    json_pack("{s:s, s:o}", "name", user->name, "roles",
			      tl_roles_list(user->roles)),
		    err);
}

int tl_user_disable(struct tl_change *change, const char *login, struct tl_err *err)
{
	char id[TL_ID_LEN + 1];
	int r = tl_user_find(change->store, login, id, err);

	if (r || (r = tl_store_exec(change->store, "UPDATE app_user SET disabled = 1 WHERE id = $1",
				    TL_ARGS(TL_ARG_TEXT(id)), NULL, err)))
		return r;
	if ((r = tell(change, "user.disable", "user", login, NULL, err)))
		return r;
	return tl_session_stop_all(change, id, "the engineer was locked out", err);
}

/* ---- SSH keys --------------------------------------------------------------------------------- */

int tl_user_key_add(struct tl_change *change, const char *login, const char *line,
		    struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
	tl_auto(tl_buf) struct tl_buf base64 = TL_BUF_INIT(8192), plain = TL_BUF_INIT(8192);
	struct tl_id id = tl_id_new(change->clock);
	char user[TL_ID_LEN + 1], fingerprint[TL_SSH_FINGERPRINT_MAX];
	int r;

	if ((r = tl_sshkey_of_line(line, &blob, err)) ||
	    (r = tl_sshkey_check((struct tl_ssh_string){(const uint8_t *)blob.data, blob.len},
				 err)) ||
	    (r = tl_user_find(change->store, login, user, err)))
		return r;
	tl_base64_encode(&base64, blob.data, blob.len);
	tl_sshkey_fingerprint(blob.data, blob.len, fingerprint);
	/* Without the comment: grants carry it, and it is nobody's business. */
	tl_buf_printf(&plain, "%.*s %s", (int)strcspn(line, " "), line, tl_buf_str(&base64));
	r = tl_store_exec(
		change->store,
		"INSERT INTO ssh_key (id, user_id, key_base64, line, fingerprint, created_ms) "
		"VALUES ($1, $2, $3, $4, $5, $6)",
		TL_ARGS(TL_ARG_TEXT(id.text), TL_ARG_TEXT(user), TL_ARG_TEXT(tl_buf_str(&base64)),
			TL_ARG_TEXT(tl_buf_str(&plain)), TL_ARG_TEXT(fingerprint),
			TL_ARG_INT(change->now_ms)),
		NULL, err);
	if (r == TL_EEXIST)
		return tl_err_set(err, r, "key %s is registered already", fingerprint);
	if (r)
		return r;
	return tell(change, "user.key.add", "user", login,
		    json_pack("{s:s}", "fingerprint", fingerprint), err);
}

static int load_fingerprints(struct tl_store *store, json_t *users, struct tl_err *err)
{
	json_t *user;
	size_t i;

	json_array_foreach(users, i, user)
	{
		tl_auto(tl_rows) struct tl_rows *rows = NULL;
		json_t *keys = json_array();
		int r;

		tl_json_set(user, "keys", keys);
		r = tl_store_query(
			store, "SELECT fingerprint FROM ssh_key WHERE user_id = $1 ORDER BY id",
			TL_ARGS(TL_ARG_TEXT(json_string_value(json_object_get(user, "id")))), &rows,
			err);
		while (r == 0 && (r = tl_rows_next(rows, err)) > 0)
			r = json_array_append_new(keys, tl_row_text(rows, 0));
		if (r < 0)
			return r;
	}
	return 0;
}

int tl_user_list(struct tl_store *store, json_t **ret_list, struct tl_err *err)
{
	tl_auto(tl_rows) struct tl_rows *rows = NULL;
	tl_json *users = json_array();
	int r = tl_store_query(
		store, "SELECT id, login, name, roles, disabled FROM app_user ORDER BY login",
		TL_NO_ARGS, &rows, err);

	if (r)
		return r;
	while ((r = tl_rows_next(rows, err)) > 0)
		json_array_append_new(users,
				      json_pack("{s:s, s:s, s:s, s:o, s:b}", "id",
						tl_rows_text(rows, 0), "login",
						tl_rows_text(rows, 1), "name",
						tl_rows_text(rows, 2), "roles",
						tl_roles_list((unsigned)tl_rows_int(rows, 3)),
						"disabled", (int)tl_rows_int(rows, 4)));
	tl_rows_free(tl_steal(&rows));
	if (r || (r = load_fingerprints(store, users, err)))
		return r;
	*ret_list = tl_steal(&users);
	return 0;
}

int tl_user_key_remove(struct tl_change *change, const char *login, const char *fingerprint,
		       struct tl_err *err)
{
	char user[TL_ID_LEN + 1];
	int64_t changed = 0;
	int r = tl_user_find(change->store, login, user, err);

	if (r || (r = tl_store_exec(change->store,
				    "DELETE FROM ssh_key WHERE user_id = $1 AND fingerprint = $2",
				    TL_ARGS(TL_ARG_TEXT(user), TL_ARG_TEXT(fingerprint)), &changed,
				    err)))
		return r;
	if (!changed)
		return tl_err_set(err, TL_ENOENT, "%s has no key %s", login, fingerprint);
	if ((r = tell(change, "user.key.remove", "user", login,
		      json_pack("{s:s}", "fingerprint", fingerprint), err)))
		return r;
	return tl_session_stop_all(change, user, "a key of the engineer was taken away", err);
}

/* ---- tokens ----------------------------------------------------------------------------------- */

/* 43 characters of base64url: 256 bits. */
static void make_secret(struct tl_buf *out)
{
	uint8_t random[SECRET_LEN];

	tl_random(random, sizeof random);
	tl_base64url_encode(out, random, sizeof random);
	tl_wipe(random, sizeof random);
}

int tl_api_token_create(struct tl_change *change, const char *login, const char *name,
			int64_t expires_ms, char ret_id[static TL_ID_LEN + 1],
			char ret_token[static TL_TOKEN_TEXT_MAX], struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf token = TL_BUF_SECRET_INIT(TL_TOKEN_TEXT_MAX - 1);
	struct tl_id id = tl_id_new(change->clock);
	char user[TL_ID_LEN + 1], sha256[TL_SHA256_HEX];
	int r;

	if (strlen(name) > 128 || !tl_str_is_utf8(name, strlen(name)))
		return tl_err_set(err, TL_EINVAL, "a token's name has at most 128 bytes of UTF-8");
	if ((r = tl_user_find(change->store, login, user, err)))
		return r;
	tl_buf_puts(&token, "tlt_");
	make_secret(&token);
	tl_sha256_hex_of(token.data, token.len, sha256);
	r = tl_store_exec(
		change->store,
		"INSERT INTO api_token (id, user_id, name, sha256, created_ms, expires_ms) "
		"VALUES ($1, $2, $3, $4, $5, $6)",
		TL_ARGS(TL_ARG_TEXT(id.text), TL_ARG_TEXT(user), TL_ARG_TEXT(name),
			TL_ARG_TEXT(sha256), TL_ARG_INT(change->now_ms),
			expires_ms ? TL_ARG_INT(expires_ms) : TL_ARG_TEXT(NULL)),
		NULL, err);
	if (r || (r = tell(change, "token.create", "token", id.text,
			   json_pack("{s:s, s:s}", "login", login, "name", name), err)))
		return r;
	snprintf(ret_id, TL_ID_LEN + 1, "%s", id.text);
	snprintf(ret_token, TL_TOKEN_TEXT_MAX, "%s", tl_buf_str(&token));
	return 0;
}

int tl_api_token_revoke(struct tl_change *change, const char *id, const char *login,
			struct tl_err *err)
{
	int64_t changed = 0;
	int r = tl_store_exec(
		change->store,
		"UPDATE api_token SET revoked_ms = COALESCE(revoked_ms, $2) WHERE id = $1 "
		"AND ($3 = '' OR user_id = (SELECT id FROM app_user WHERE login = $3))",
		TL_ARGS(TL_ARG_TEXT(id), TL_ARG_INT(change->now_ms),
			TL_ARG_TEXT(login ? login : "")),
		&changed, err);

	if (r)
		return r;
	if (!changed)
		return tl_err_set(err, TL_ENOENT, "there is no such token");
	return tell(change, "token.revoke", "token", id, NULL, err);
}

/* "tl1." and the base64url of {"u","f","s"}. */
static int write_enrol_token(const struct tl_enrol_token_new *wanted, const char *secret,
			     struct tl_buf *out, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_SECRET_INIT(2048);
	tl_json *inner =
		json_pack("{s:s, s:s, s:s*, s:s}", "u", wanted->public_url, "f", wanted->ca_sha256,
			  "r",
			  wanted->roster_key && wanted->roster_key[0] ? wanted->roster_key : NULL,
			  "s", secret);

	tl_json_write(&text, inner);
	tl_buf_puts(out, "tl1.");
	tl_base64url_encode(out, tl_buf_str(&text), text.len);
	if (tl_buf_check(&text) || tl_buf_check(out))
		return tl_err_set(err, TL_ETOOBIG, "the public URL is too long for a token");
	return 0;
}

int tl_enrol_token_create(struct tl_change *change, const struct tl_enrol_token_new *wanted,
			  struct tl_buf *out, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf secret = TL_BUF_SECRET_INIT(64);
	struct tl_id id = tl_id_new(change->clock);
	char sha256[TL_SHA256_HEX];
	int r;

	if (wanted->life_ms < 1000 || wanted->life_ms > TL_ENROL_LIFE_MAX_MS)
		return tl_err_set(err, TL_EINVAL,
				  "an enrolment token lives for 1 second to 7 days");
	make_secret(&secret);
	tl_sha256_hex_of(secret.data, secret.len, sha256);
	r = tl_store_exec(change->store,
			  "INSERT INTO enrolment_token (id, secret_sha256, created_by, created_ms, "
			  "expires_ms) VALUES ($1, $2, $3, $4, $5)",
			  TL_ARGS(TL_ARG_TEXT(id.text), TL_ARG_TEXT(sha256),
				  TL_ARG_TEXT(change->actor), TL_ARG_INT(change->now_ms),
				  TL_ARG_INT(change->now_ms + wanted->life_ms)),
			  NULL, err);
	if (r ||
	    (r = tell(change, "enrolment-token.create", "enrolment-token", id.text, NULL, err)))
		return r;
	tl_buf_reset(out);
	return write_enrol_token(wanted, tl_buf_str(&secret), out, err);
}
