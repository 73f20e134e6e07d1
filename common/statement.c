#include <towline/statement.h>

#include <string.h>
#include <towline/json.h>

#define TIME_MAX_S (INT64_MAX / 2000)

void tl_statement_clear(struct tl_statement *statement)
{
	tl_strv_clear(&statement->keys);
	*statement = (struct tl_statement){.relay = ""};
}

/* ---- limits ------------------------------------------------------------------------------------ */

static int check_keys(const struct tl_statement *statement, struct tl_err *err)
{
	bool bastion = statement->lane == TL_LANE_BASTION;

	if (bastion != (statement->keys.count == 0) || statement->keys.count > TL_GRANT_KEYS_MAX)
		return tl_err_set(err, TL_EINVAL,
				  "the statement names 1 to %d keys end to end, and none in the "
				  "bastion lane",
				  TL_GRANT_KEYS_MAX);
	for (size_t i = 0; i < statement->keys.count; i++)
		if (!tl_sshkey_is_fingerprint(statement->keys.items[i]))
			return tl_err_set(err, TL_EINVAL,
					  "key %zu of the statement is no SHA256 fingerprint",
					  i + 1);
	return 0;
}

static int check_limits(const struct tl_statement *statement, struct tl_err *err)
{
	int64_t life_ms = statement->not_after_ms - statement->not_before_ms;

	if (!tl_id_is_valid(statement->relay) || !tl_id_is_valid(statement->host) ||
	    !tl_id_is_valid(statement->nonce))
		return tl_err_set(err, TL_EINVAL,
				  "the statement's relay, host or nonce is not an identifier");
	if (!tl_str_is_name(statement->host_name, sizeof statement->host_name - 1) ||
	    !tl_str_is_name(statement->engineer, sizeof statement->engineer - 1) ||
	    !tl_str_is_name(statement->ticket, sizeof statement->ticket - 1))
		return tl_err_set(err, TL_EINVAL,
				  "the statement's host name, engineer or ticket is no name");
	if (statement->user[0] && !tl_str_is_name(statement->user, sizeof statement->user - 1))
		return tl_err_set(err, TL_EINVAL, "the statement's user is no account's name");
	if (!tl_grant_is_sentence(statement->purpose))
		return tl_err_set(err, TL_EINVAL, "the statement has no purpose of one line");
	if (!statement->scopes || statement->scopes & ~TL_SCOPE_ALL)
		return tl_err_set(err, TL_EINVAL, "the statement has no valid scope");
	if (statement->max_s < 1 || statement->max_s > TL_GRANT_SESSION_MAX_S)
		return tl_err_set(err, TL_EINVAL,
				  "the statement's session may last 1 to %d seconds",
				  TL_GRANT_SESSION_MAX_S);
	if (life_ms <= 0 || life_ms > TL_STATEMENT_LIFE_MAX_MS)
		return tl_err_set(err, TL_EINVAL,
				  "the statement is valid for longer than %d minutes",
				  TL_STATEMENT_LIFE_MAX_MS / 60000);
	return check_keys(statement, err);
}

/* ---- text -------------------------------------------------------------------------------------- */

int tl_statement_write(const struct tl_statement *statement, struct tl_buf *out, struct tl_err *err)
{
	tl_json *json = NULL;
	int rc = check_limits(statement, err);

	if (rc != 0)
		return rc;
	json = json_pack(
		"{s:b, s:s, s:s, s:s, s:o, s:s, s:I, s:s, s:I, s:I, s:s, s:b, s:s, s:o, s:s, s:s}",
		"break_glass", (int)statement->break_glass, "engineer", statement->engineer, "host",
		statement->host, "host_name", statement->host_name, "keys",
		tl_grant_texts_json(&statement->keys), "lane", tl_lane_name(statement->lane),
		"max_s", (json_int_t)statement->max_s, "nonce", statement->nonce, "not_after",
		(json_int_t)(statement->not_after_ms / 1000), "not_before",
		(json_int_t)(statement->not_before_ms / 1000), "purpose", statement->purpose,
		"purpose_stated", (int)statement->purpose_stated, "relay", statement->relay,
		"scopes", tl_grant_scopes_json(statement->scopes), "ticket", statement->ticket,
		"user", statement->user);
	if (!json)
		return tl_err_set(err, TL_EINVAL, "a text of the statement is not UTF-8");
	tl_json_write(out, json);
	return tl_buf_check(out) ? tl_err_set(err, TL_ETOOBIG, "the statement is too long") : 0;
}

struct members {
	const char *engineer, *host, *host_name, *lane, *nonce, *purpose, *relay, *ticket, *user;
	json_t *keys, *scopes;
	int64_t max_s, not_after, not_before;
	bool break_glass, purpose_stated;
};

#define MEMBER(member, type, min, max) \
	{ \
#member, type, true, offsetof(struct members, member), min, max \
	}
#define ROOM(member) (sizeof(((struct tl_statement *)0)->member) - 1)

static const struct tl_json_member members[] = {
	MEMBER(break_glass, TL_JSON_BOOL, 0, 0),
	MEMBER(engineer, TL_JSON_NAME, 0, ROOM(engineer)),
	MEMBER(host, TL_JSON_ID, 0, ROOM(host)),
	MEMBER(host_name, TL_JSON_NAME, 0, ROOM(host_name)),
	MEMBER(keys, TL_JSON_ARRAY, 0, TL_GRANT_KEYS_MAX),
	MEMBER(lane, TL_JSON_TEXT, 0, 16),
	MEMBER(max_s, TL_JSON_INT, 1, TL_GRANT_SESSION_MAX_S),
	MEMBER(nonce, TL_JSON_ID, 0, ROOM(nonce)),
	MEMBER(not_after, TL_JSON_INT, 0, TIME_MAX_S),
	MEMBER(not_before, TL_JSON_INT, 0, TIME_MAX_S),
	MEMBER(purpose, TL_JSON_TEXT, 1, ROOM(purpose)),
	MEMBER(purpose_stated, TL_JSON_BOOL, 0, 0),
	MEMBER(relay, TL_JSON_ID, 0, ROOM(relay)),
	MEMBER(scopes, TL_JSON_ARRAY, 0, 16),
	MEMBER(ticket, TL_JSON_NAME, 0, ROOM(ticket)),
	MEMBER(user, TL_JSON_TEXT, 0, ROOM(user)),
};

/* Lengths were checked by the table. */
static void copy_texts(const struct members *from, struct tl_statement *statement)
{
	const struct {
		char *to;
		const char *from;
	} rows[] = {
		{statement->relay, from->relay},	 {statement->host, from->host},
		{statement->host_name, from->host_name}, {statement->engineer, from->engineer},
		{statement->ticket, from->ticket},	 {statement->purpose, from->purpose},
		{statement->user, from->user},		 {statement->nonce, from->nonce},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++)
		memcpy(rows[i].to, rows[i].from, strlen(rows[i].from) + 1);
}

static int take_members(const struct members *from, struct tl_statement *statement,
			struct tl_err *err)
{
	int rc;

	if (tl_lane_parse(from->lane, &statement->lane))
		return tl_err_set(err, TL_EINVAL, "the statement's lane \"%s\" is unknown",
				  from->lane);
	copy_texts(from, statement);
	statement->not_before_ms = from->not_before * 1000;
	statement->not_after_ms = from->not_after * 1000;
	statement->max_s = from->max_s;
	statement->break_glass = from->break_glass;
	statement->purpose_stated = from->purpose_stated;
	rc = tl_grant_scopes_of_json(from->scopes, &statement->scopes, err);
	if (rc == 0)
		rc = tl_grant_texts_of_json(from->keys, &statement->keys, err);
	return rc == 0 ? check_limits(statement, err) : rc;
}

int tl_statement_read(const char *text, size_t len, struct tl_statement *ret_statement,
		      struct tl_err *err)
{
	tl_auto(tl_statement) struct tl_statement statement = {.relay = ""};
	struct members read = {.engineer = NULL};
	tl_json *json = NULL;
	int rc = tl_json_parse(text, len, &json, err);

	if (rc == 0)
		rc = tl_json_read(json, members, TL_ARRAY_LEN(members), &read, err);
	if (rc != 0)
		return err ? tl_err_prefix(err, "the statement") : rc;
	rc = take_members(&read, &statement, err);
	if (rc != 0)
		return rc;
	*ret_statement = statement;
	statement = (struct tl_statement){.relay = ""};
	return 0;
}

/* ---- what a grant may make of it ---------------------------------------------------------------- */

static int changed(const char *what, struct tl_err *err)
{
	return tl_err_set(err, TL_EDENIED, "the grant's %s is not what the engineer signed", what);
}

static int check_texts(const struct tl_statement *statement, const struct tl_grant *grant,
		       struct tl_err *err)
{
	const struct {
		const char *what, *signed_text, *granted;
	} rows[] = {
		{"relay", statement->relay, grant->relay},
		{"host", statement->host, grant->host},
		{"engineer", statement->engineer, grant->engineer},
		{"ticket", statement->ticket, grant->ticket},
		{"purpose", statement->purpose, grant->purpose},
		{"user", statement->user, grant->user},
		{"lane", tl_lane_name(statement->lane), tl_lane_name(grant->lane)},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].signed_text, rows[i].granted) != 0)
			return changed(rows[i].what, err);
	return 0;
}

/* In the bastion lane the relay logs in, by a key that nobody else could name. */
static int check_granted_keys(const struct tl_statement *statement, const struct tl_grant *grant,
			      struct tl_err *err)
{
	for (size_t i = 0; i < grant->keys.count && statement->lane != TL_LANE_BASTION; i++) {
		tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_SSH_KEY_BLOB_MAX);
		char fingerprint[TL_SSH_FINGERPRINT_MAX];

		if (tl_sshkey_of_line(grant->keys.items[i], &blob, NULL) != 0)
			return changed("list of keys", err);
		tl_sshkey_fingerprint(blob.data, blob.len, fingerprint);
		if (!tl_strv_has(&statement->keys, fingerprint))
			return changed("list of keys", err);
	}
	return 0;
}

int tl_statement_covers(const struct tl_statement *statement, const struct tl_grant *grant,
			struct tl_err *err)
{
	int rc = check_texts(statement, grant, err);

	if (rc != 0)
		return rc;
	if (grant->scopes & ~statement->scopes)
		return changed("list of scopes", err);
	if (grant->break_glass != statement->break_glass)
		return changed("claim of an emergency", err);
	if (grant->purpose_stated != statement->purpose_stated)
		return changed("word on who stated the purpose", err);
	if (grant->max_s > statement->max_s)
		return changed("duration", err);
	if (grant->not_before_ms < statement->not_before_ms ||
	    grant->expires_ms > statement->not_after_ms)
		return changed("time", err);
	return check_granted_keys(statement, grant, err);
}
