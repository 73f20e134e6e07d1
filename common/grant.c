#include <towline/grant.h>

#include <stdlib.h>
#include <string.h>
#include <towline/forward.h>
#include <towline/jwt.h>

#define KEY_LINE_MAX 2048 /* an RSA key of 8192 bits with its comment */

static const char *const lane_names[] = {
	[TL_LANE_BASTION] = "bastion",
	[TL_LANE_END_TO_END] = "end-to-end",
};

const char *tl_lane_name(enum tl_lane lane)
{
	return lane_names[lane];
}

int tl_lane_parse(const char *name, enum tl_lane *ret_lane)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(lane_names); i++)
		if (strcmp(lane_names[i], name) == 0) {
			*ret_lane = (enum tl_lane)i;
			return 0;
		}
	return TL_EINVAL;
}

/* In the order of the bits. */
static const char *const scope_names[] = {"terminal", "exec", "files", "forwarding", "agent"};

static unsigned scope_of(const char *name, size_t len)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(scope_names); i++)
		if (strlen(scope_names[i]) == len && memcmp(scope_names[i], name, len) == 0)
			return 1u << i;
	return 0;
}

void tl_scopes_write(unsigned scopes, struct tl_buf *out)
{
	const char *comma = "";

	for (size_t i = 0; i < TL_ARRAY_LEN(scope_names); i++) {
		if (!(scopes & 1u << i))
			continue;
		tl_buf_printf(out, "%s%s", comma, scope_names[i]);
		comma = ",";
	}
}

int tl_scopes_parse(const char *text, unsigned *ret_scopes, struct tl_err *err)
{
	unsigned scopes = 0;

	for (const char *at = text;; at++) {
		size_t len = strcspn(at, ",");
		unsigned scope = scope_of(at, len);

		if (!scope)
			return tl_err_set(err, TL_EINVAL,
					  "scope \"%.*s\" is none of terminal, exec, files, "
					  "forwarding, agent",
					  (int)(len < 32 ? len : 32), at);
		scopes |= scope;
		at += len;
		if (*at == '\0')
			break;
	}
	*ret_scopes = scopes;
	return 0;
}

void tl_grant_clear(struct tl_grant *grant)
{
	tl_strv_clear(&grant->keys);
	free(grant->statement);
	free(grant->signature);
	tl_strv_clear(&grant->forwards);
	*grant = (struct tl_grant){.session = ""};
}

json_t *tl_grant_scopes_json(unsigned scopes)
{
	json_t *array = json_array();

	for (size_t i = 0; i < TL_ARRAY_LEN(scope_names); i++)
		if (scopes & 1u << i)
			json_array_append_new(array, json_string(scope_names[i]));
	return array;
}

json_t *tl_grant_texts_json(const struct tl_strv *texts)
{
	json_t *array = json_array();

	for (size_t i = 0; i < texts->count; i++)
		json_array_append_new(array, json_string(texts->items[i]));
	return array;
}

/* The types that sshd(8) lists for plain public keys: a certificate would let its issuer, not this
 * grant, name who comes in. */
static bool is_plain_key(const char *line)
{
	static const char *const types[] = {
		"ecdsa-sha2-nistp256 ",
		"ecdsa-sha2-nistp384 ",
		"ecdsa-sha2-nistp521 ",
		"sk-ecdsa-sha2-nistp256@openssh.com ",
		"sk-ssh-ed25519@openssh.com ",
		"ssh-ed25519 ",
		"ssh-rsa ",
	};

	if (strlen(line) > KEY_LINE_MAX || strpbrk(line, "\r\n"))
		return false;
	for (size_t i = 0; i < TL_ARRAY_LEN(types); i++)
		if (tl_str_starts(line, types[i]))
			return line[strlen(types[i])] != '\0' && line[strlen(types[i])] != ' ';
	return false;
}

bool tl_grant_is_sentence(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static int check_forwards(const struct tl_grant *grant, struct tl_err *err)
{
	bool asked = grant->scopes & TL_SCOPE_FORWARDING;

	if (asked != (grant->forwards.count > 0))
		return tl_err_set(
			err, TL_EINVAL,
			"the grant's scope forwarding and its list of places go together");
	return tl_forward_check_all(&grant->forwards, err);
}

static int check_request(const struct tl_grant *grant, struct tl_err *err)
{
	if (grant->user[0] && !tl_str_is_name(grant->user, sizeof grant->user - 1))
		return tl_err_set(err, TL_EINVAL, "the grant's user is no account's name");
	if (!grant->statement != !grant->signature)
		return tl_err_set(err, TL_EINVAL,
				  "the grant's statement and its signature go together");
	if (grant->break_glass && !grant->purpose_stated)
		return tl_err_set(err, TL_EINVAL,
				  "the grant claims an emergency without the engineer's reason");
	return 0;
}

static const char *const second_names[] = {
	[TL_SECOND_NONE] = NULL,
	[TL_SECOND_PAUSE] = "pause",
	[TL_SECOND_END] = "end",
};

static int check_second(const struct tl_grant *grant, struct tl_err *err)
{
	bool wanted = grant->second != TL_SECOND_NONE;

	if (wanted != (grant->second_away_s > 0) || grant->second_away_s > TL_SECOND_AWAY_MAX_S)
		return tl_err_set(err, TL_EINVAL,
				  "the grant's second engineer may be away 1 to %d seconds",
				  TL_SECOND_AWAY_MAX_S);
	return 0;
}

/* What holds for every grant, signed or read. */
static int check_limits(const struct tl_grant *grant, struct tl_err *err)
{
	int outcome;

	if (!tl_id_is_valid(grant->session) || !tl_id_is_valid(grant->relay) ||
	    !tl_id_is_valid(grant->host))
		return tl_err_set(err, TL_EINVAL,
				  "the grant's session, relay or host is not an identifier");
	if (!tl_str_is_name(grant->engineer, sizeof grant->engineer - 1))
		return tl_err_set(err, TL_EINVAL, "the grant's engineer is not a login name");
	if (!tl_str_is_name(grant->ticket, sizeof grant->ticket - 1))
		return tl_err_set(err, TL_EINVAL, "the grant names no ticket");
	if (!tl_grant_is_sentence(grant->name))
		return tl_err_set(err, TL_EINVAL, "the grant names no person");
	if (!tl_grant_is_sentence(grant->purpose))
		return tl_err_set(err, TL_EINVAL, "the grant states no purpose");
	if (!grant->scopes || grant->scopes & ~TL_SCOPE_ALL)
		return tl_err_set(err, TL_EINVAL, "the grant has no valid scope");
	if (grant->keys.count == 0 || grant->keys.count > TL_GRANT_KEYS_MAX)
		return tl_err_set(err, TL_EINVAL, "the grant must carry 1 to %d keys",
				  TL_GRANT_KEYS_MAX);
	for (size_t i = 0; i < grant->keys.count; i++)
		if (!is_plain_key(grant->keys.items[i]))
			return tl_err_set(err, TL_EINVAL,
					  "key %zu of the grant is not a plain public key: "
					  "certificates and options are not accepted",
					  i + 1);
	if (grant->max_s < 1 || grant->max_s > TL_GRANT_SESSION_MAX_S)
		return tl_err_set(err, TL_EINVAL, "the grant's session may last 1 to %d seconds",
				  TL_GRANT_SESSION_MAX_S);
	if (grant->expires_ms <= grant->not_before_ms || grant->expires_ms <= grant->issued_ms ||
	    grant->expires_ms - grant->issued_ms > TL_GRANT_LIFE_MAX_MS)
		return tl_err_set(err, TL_EINVAL, "the grant is valid for longer than %d minutes",
				  TL_GRANT_LIFE_MAX_MS / 60000);
	outcome = check_forwards(grant, err);
	if (!outcome)
		outcome = check_request(grant, err);
	return outcome ? outcome : check_second(grant, err);
}

/* Claims that are there only where they say something. */
static int add_optional(const struct tl_grant *grant, json_t *claims)
{
	const struct {
		const char *name, *text;
	} rows[] = {
		{"user", grant->user[0] ? grant->user : NULL},
		{"statement", grant->statement},
		{"signature", grant->signature},
	};
	int failed = 0;

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++)
		if (rows[i].text)
			failed |= json_object_set_new(claims, rows[i].name,
						      json_string(rows[i].text));
	if (grant->forwards.count > 0)
		failed |= json_object_set_new(claims, "forwards",
					      tl_grant_texts_json(&grant->forwards));
	if (grant->purpose_stated)
		failed |= json_object_set_new(claims, "stated", json_true());
	if (grant->break_glass)
		failed |= json_object_set_new(claims, "break_glass", json_true());
	if (grant->second != TL_SECOND_NONE) {
		failed |= json_object_set_new(claims, "second",
					      json_string(second_names[grant->second]));
		failed |= json_object_set_new(claims, "second_away_s",
					      json_integer(grant->second_away_s));
	}
	return failed;
}

int tl_grant_sign(const struct tl_grant *grant, const struct tl_key *authority, struct tl_buf *out,
		  struct tl_err *err)
{
	tl_json *claims = NULL;
	int outcome = check_limits(grant, err);

	if (outcome)
		return outcome;
	claims = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I}",
			   "iss", grant->relay, "aud", grant->host, "jti", grant->session, "sub",
			   grant->engineer, "name", grant->name, "ticket", grant->ticket, "purpose",
			   grant->purpose, "lane", tl_lane_name(grant->lane), "scopes",
			   tl_grant_scopes_json(grant->scopes), "keys",
			   tl_grant_texts_json(&grant->keys), "iat",
			   (json_int_t)(grant->issued_ms / 1000), "nbf",
			   (json_int_t)(grant->not_before_ms / 1000), "exp",
			   (json_int_t)(grant->expires_ms / 1000), "max_s",
			   (json_int_t)grant->max_s);
	if (!claims || add_optional(grant, claims) != 0)
		return tl_err_set(err, TL_EINVAL, "a text of the grant is not UTF-8");
	return tl_jwt_sign(authority, TL_JWT_GRANT, claims, out, err);
}

struct claims {
	const char *iss, *aud, *jti, *sub, *name, *ticket, *purpose, *lane;
	const char *user, *statement, *signature;
	const char *second;
	json_t *scopes, *keys, *forwards;
	int64_t second_away_s;
	int64_t iat, nbf, exp, max_s;
	bool break_glass, stated;
};

#define MEMBER(member, type, min, max) \
	{ \
#member, type, true, offsetof(struct claims, member), min, max \
	}
#define OPTIONAL(member, type, max) \
	{ \
#member, type, false, offsetof(struct claims, member), 0, max \
	}
#define TIME_MAX_S (INT64_MAX / 2000)

static const struct tl_json_member claim_members[] = {
	MEMBER(aud, TL_JSON_ID, 0, TL_ID_LEN),
	OPTIONAL(break_glass, TL_JSON_BOOL, 0),
	MEMBER(exp, TL_JSON_INT, 0, TIME_MAX_S),
	{"forwards", TL_JSON_ARRAY, false, offsetof(struct claims, forwards), 0, TL_FORWARDS_MAX},
	MEMBER(iat, TL_JSON_INT, 0, TIME_MAX_S),
	MEMBER(iss, TL_JSON_ID, 0, TL_ID_LEN),
	MEMBER(jti, TL_JSON_ID, 0, TL_ID_LEN),
	MEMBER(keys, TL_JSON_ARRAY, 0, TL_GRANT_KEYS_MAX),
	MEMBER(lane, TL_JSON_TEXT, 0, 16),
	MEMBER(max_s, TL_JSON_INT, 1, TL_GRANT_SESSION_MAX_S),
	MEMBER(name, TL_JSON_TEXT, 1, sizeof(((struct tl_grant *)0)->name) - 1),
	MEMBER(nbf, TL_JSON_INT, 0, TIME_MAX_S),
	MEMBER(purpose, TL_JSON_TEXT, 1, sizeof(((struct tl_grant *)0)->purpose) - 1),
	MEMBER(scopes, TL_JSON_ARRAY, 0, TL_ARRAY_LEN(scope_names)),
	{"second", TL_JSON_NAME, false, offsetof(struct claims, second), 0, 8},
	{"second_away_s", TL_JSON_INT, false, offsetof(struct claims, second_away_s), 0,
	 TL_SECOND_AWAY_MAX_S},
	OPTIONAL(signature, TL_JSON_TEXT, TL_GRANT_SIGNATURE_MAX),
	OPTIONAL(stated, TL_JSON_BOOL, 0),
	OPTIONAL(statement, TL_JSON_TEXT, TL_GRANT_STATEMENT_MAX),
	MEMBER(sub, TL_JSON_NAME, 0, sizeof(((struct tl_grant *)0)->engineer) - 1),
	MEMBER(ticket, TL_JSON_NAME, 0, sizeof(((struct tl_grant *)0)->ticket) - 1),
	OPTIONAL(user, TL_JSON_NAME, sizeof(((struct tl_grant *)0)->user) - 1),
};

int tl_grant_scopes_of_json(const json_t *array, unsigned *ret_scopes, struct tl_err *err)
{
	unsigned scopes = 0;

	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *name = json_string_value(json_array_get(array, i));
		unsigned scope = name ? scope_of(name, strlen(name)) : 0;

		if (!scope || scopes & scope)
			return tl_err_set(err, TL_EINVAL, "scope %zu of the list is not valid",
					  i + 1);
		scopes |= scope;
	}
	*ret_scopes = scopes;
	return 0;
}

int tl_grant_texts_of_json(const json_t *array, struct tl_strv *texts, struct tl_err *err)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *text = json_string_value(json_array_get(array, i));

		if (!text)
			return tl_err_set(err, TL_EINVAL, "element %zu of the list is not a string",
					  i + 1);
		if (tl_strv_push(texts, text))
			return tl_err_set(err, TL_ENOMEM, "out of memory");
	}
	return 0;
}

/* Lengths were checked by the table. */
static void copy_texts(const struct claims *claims, struct tl_grant *grant)
{
	const struct {
		char *to;
		const char *from;
	} rows[] = {
		{grant->session, claims->jti},	   {grant->relay, claims->iss},
		{grant->host, claims->aud},	   {grant->engineer, claims->sub},
		{grant->name, claims->name},	   {grant->ticket, claims->ticket},
		{grant->purpose, claims->purpose},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(rows); i++)
		memcpy(rows[i].to, rows[i].from, strlen(rows[i].from) + 1);
}

static int copy_optional(const struct claims *claims, struct tl_grant *grant, struct tl_err *err)
{
	if (claims->user)
		memcpy(grant->user, claims->user, strlen(claims->user) + 1);
	grant->purpose_stated = claims->stated;
	grant->break_glass = claims->break_glass;
	grant->statement = claims->statement ? strdup(claims->statement) : NULL;
	grant->signature = claims->signature ? strdup(claims->signature) : NULL;
	if ((claims->statement && !grant->statement) || (claims->signature && !grant->signature))
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	return 0;
}

static int read_second(const char *name, enum tl_second *ret_second, struct tl_err *err)
{
	for (size_t i = 1; name && i < TL_ARRAY_LEN(second_names); i++)
		if (strcmp(second_names[i], name) == 0) {
			*ret_second = (enum tl_second)i;
			return 0;
		}
	return name ? tl_err_set(err, TL_EINVAL, "the grant's \"second\" is not valid") : 0;
}

static int read_claims(const json_t *json, struct tl_grant *grant, struct tl_err *err)
{
	struct claims claims = {.iss = NULL};
	int outcome = tl_json_read(json, claim_members, TL_ARRAY_LEN(claim_members), &claims, err);

	if (outcome) {
		if (err)
			tl_err_prefix(err, "the grant");
		return outcome;
	}
	if (tl_lane_parse(claims.lane, &grant->lane))
		return tl_err_set(err, TL_EINVAL, "the grant's lane \"%s\" is unknown",
				  claims.lane);
	copy_texts(&claims, grant);
	grant->issued_ms = claims.iat * 1000;
	grant->not_before_ms = claims.nbf * 1000;
	grant->expires_ms = claims.exp * 1000;
	grant->max_s = claims.max_s;
	grant->second_away_s = claims.second_away_s;
	outcome = copy_optional(&claims, grant, err);
	if (!outcome)
		outcome = read_second(claims.second, &grant->second, err);
	if (!outcome)
		outcome = tl_grant_scopes_of_json(claims.scopes, &grant->scopes, err);
	if (!outcome)
		outcome = tl_grant_texts_of_json(claims.keys, &grant->keys, err);
	return outcome ? outcome : tl_grant_texts_of_json(claims.forwards, &grant->forwards, err);
}

int tl_grant_verify(const char *token, size_t len, const struct tl_key *authority, const char *host,
		    const struct tl_clock *clock, struct tl_grant *ret_grant, struct tl_err *err)
{
	tl_auto(tl_grant) struct tl_grant grant = {.session = ""};
	tl_json *claims = NULL;
	int outcome = tl_jwt_verify(authority, TL_JWT_GRANT, token, len, &claims, err);

	if (!outcome)
		outcome = read_claims(claims, &grant, err);
	if (!outcome)
		outcome = check_limits(&grant, err);
	if (outcome)
		return outcome;
	if (strcmp(grant.host, host) != 0)
		return tl_err_set(err, TL_EDENIED, "the grant is for host %s, and this is %s",
				  grant.host, host);
	outcome = tl_jwt_check_times(claims, clock, err);
	if (outcome)
		return outcome;
	*ret_grant = grant;
	grant = (struct tl_grant){.session = ""};
	return 0;
}
