/* Host authentication (RFC 7523): a signed assertion, accepted once, for a short-lived access token. */
#include <stddef.h>
#include <stdio.h>
#include <towline/jwt.h>
#include <towline/log.h>
#include <towline/str.h>

#include "desk/desk.h"
#include "desk/handlers.h"
#include "desk/reply.h"

#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define JTI_MAX 128
#define WHO_MAX 128

struct token_form {
	const char *grant_type, *client_assertion_type, *client_assertion, *client_id, *scope;
};

#define MEMBER(field, needed, longest) \
	{ \
		.name = #field, .type = TL_JSON_TEXT, .required = needed, \
		.offset = offsetof(struct token_form, field), .max = longest \
	}

static const struct tl_json_member members[] = {
	MEMBER(grant_type, true, 64),
	MEMBER(client_assertion_type, true, 128),
	MEMBER(client_assertion, true, 4096),
	MEMBER(client_id, false, 64),
	MEMBER(scope, false, 64),
};

struct claims {
	const char *iss, *sub, *aud, *jti;
	int64_t iat, exp, nbf;
};

#define CLAIM(field, claim_type, needed) \
	{ \
		.name = #field, .type = claim_type, .required = needed, \
		.offset = offsetof(struct claims, field), \
		.max = (claim_type) == TL_JSON_INT ? INT64_MAX : JTI_MAX \
	}

static const struct tl_json_member claim_members[] = {
	CLAIM(iss, TL_JSON_ID, true),	CLAIM(sub, TL_JSON_ID, true),
	CLAIM(aud, TL_JSON_ID, true),	CLAIM(jti, TL_JSON_TEXT, true),
	CLAIM(iat, TL_JSON_INT, true),	CLAIM(exp, TL_JSON_INT, true),
	CLAIM(nbf, TL_JSON_INT, false),
};

static int invalid(struct tl_problem *problem, struct tl_err *err, const char *sentence)
{
	return tl_problem_set(problem, err, 401, "assertion-invalid", "%s", sentence);
}

/* The key of the host that the assertion names (still unverified). */
static int find_host_key(struct tl_store *store, const char *host, struct tl_key **ret_key,
			 struct tl_problem *problem, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf raw = TL_BUF_INIT(TL_ED25519_PUBLIC_LEN);
	tl_auto(tl_rows) struct tl_rows *row = NULL;
	int r = tl_store_row(store, "SELECT public_key, state FROM host WHERE id = $1",
			     TL_ARGS(TL_ARG_TEXT(host)), &row, err);

	if (r == TL_ENOENT)
		return tl_problem_set(problem, err, 401, "host-unknown",
				      "host %s is not enrolled here", host);
	if (r)
		return r;
	if (!tl_streq(tl_rows_text(row, 1), "active"))
		return tl_problem_set(problem, err, 401, "host-revoked",
				      "host %s was revoked; enrol it again", host);
	if (tl_base64url_decode(&raw, tl_rows_text(row, 0), strlen(tl_rows_text(row, 0))) ||
	    raw.len != TL_ED25519_PUBLIC_LEN)
		return tl_err_set(err, TL_EINTERNAL, "the stored key of host %s is damaged", host);
	return tl_key_from_public((const uint8_t *)raw.data, ret_key, err);
}

static int check_claims(const struct tl_desk *desk, const json_t *json, struct claims *claims,
			struct tl_problem *problem, struct tl_err *err)
{
	if (tl_json_read(json, claim_members, TL_ARRAY_LEN(claim_members), claims, err))
		return invalid(problem, err, tl_err_text(err));
	if (!tl_streq(claims->iss, claims->sub))
		return invalid(problem, err, "iss and sub of the assertion must both be the host");
	if (!tl_streq(claims->aud, desk->relay_id))
		return invalid(problem, err, "the assertion is meant for another relay");
	if (claims->exp < claims->iat || claims->exp - claims->iat > TL_DESK_ASSERTION_LIFE_S)
		return invalid(problem, err, "the assertion lives too long");
	return tl_jwt_check_times(json, desk->clock, err);
}

/* Each jti is accepted once, in a single statement: a thousand hosts that come at once need no more than
 * a thousand commits. What has expired is forgotten by tl_desk_sweep. */
static int spend(struct tl_store *store, const struct claims *claims, struct tl_problem *problem,
		 struct tl_err *err)
{
	char jti[JTI_MAX + TL_ID_LEN + 2];
	int64_t inserted = 0;
	int r;

	snprintf(jti, sizeof jti, "%s/%s", claims->sub, claims->jti);
	r = tl_store_exec(store,
			  "INSERT INTO assertion_jti (jti, expires_ms) VALUES ($1, $2) "
			  "ON CONFLICT (jti) DO NOTHING",
			  TL_ARGS(TL_ARG_TEXT(jti),
				  TL_ARG_INT(claims->exp * 1000 + 2 * TL_JWT_SKEW_MS)),
			  &inserted, err);
	if (r)
		return r;
	return inserted ? 0 : invalid(problem, err, "this assertion was used before");
}

static int check_assertion(struct tl_http_call *call, const char *token,
			   char host[static TL_ID_LEN + 1], struct tl_problem *problem,
			   struct tl_err *err)
{
	const struct tl_desk *desk = tl_desk_of(call);
	tl_auto(tl_key) struct tl_key *key = NULL;
	tl_json *header = NULL, *peeked = NULL, *verified = NULL;
	struct claims claims = {.iss = NULL};
	const char *issuer;
	int r;

	if (tl_jwt_peek(token, strlen(token), &header, &peeked, NULL))
		return invalid(problem, err, "client_assertion is not a signed JWT");
	issuer = json_string_value(json_object_get(peeked, "iss"));
	if (!issuer || !tl_id_is_valid(issuer))
		return invalid(problem, err, "the assertion does not name its host");
	if ((r = find_host_key(tl_desk_store(call), issuer, &key, problem, err)))
		return r;
	if (tl_jwt_verify(key, TL_JWT_ASSERTION, token, strlen(token), &verified, NULL))
		return invalid(problem, err, "the assertion is not signed by the host's key");
	if ((r = check_claims(desk, verified, &claims, problem, err)) ||
	    (r = spend(tl_desk_store(call), &claims, problem, err)))
		return r;
	snprintf(host, TL_ID_LEN + 1, "%s", claims.sub);
	return 0;
}

static void reply(struct tl_http_call *call, const char *host)
{
	const struct tl_desk *desk = tl_desk_of(call);
	int64_t now_s = tl_clock_wall_ms(desk->clock) / 1000;
	tl_auto(tl_buf) struct tl_buf token = TL_BUF_SECRET_INIT(TL_JWT_MAX);
	struct tl_err err = TL_ERR_INIT;
	tl_json *claims =
		json_pack("{s:s, s:s, s:I, s:I}", "iss", desk->relay_id, "sub", host, "iat",
			  (json_int_t)now_s, "exp", (json_int_t)(now_s + TL_DESK_TOKEN_LIFE_S));

	if (tl_jwt_sign(desk->token_key, TL_JWT_ACCESS, claims, &token, &err)) {
		tl_reply_failure(call, NULL, &err);
		return;
	}
	tl_http_add_header(call, "Cache-Control", "no-store"); /* RFC 6749 §5.1 */
	tl_http_reply(call, 200,
		      json_pack("{s:s, s:s, s:i}", "access_token", tl_buf_str(&token), "token_type",
				"Bearer", "expires_in", TL_DESK_TOKEN_LIFE_S));
}

static int read_form(const struct tl_http_call *call, struct token_form *form, struct tl_err *err)
{
	int r = tl_json_read(tl_http_json(call), members, TL_ARRAY_LEN(members), form, err);

	if (r)
		return r;
	if (!tl_streq(form->grant_type, "client_credentials"))
		return tl_err_set(err, TL_EINVAL, "grant_type must be client_credentials");
	if (!tl_streq(form->client_assertion_type, ASSERTION_TYPE))
		return tl_err_set(err, TL_EINVAL, "client_assertion_type must be %s",
				  ASSERTION_TYPE);
	return 0;
}

/* Whose failures count together: of the named host from this address. Many hosts may share an address,
 * and a revoked one that goes on asking must not shut the others out. */
static void who_asks(const struct tl_http_call *call, const char *token, char who[static WHO_MAX])
{
	tl_json *header = NULL, *claims = NULL;
	const char *issuer = NULL;

	if (tl_jwt_peek(token, strlen(token), &header, &claims, NULL) == 0)
		issuer = json_string_value(json_object_get(claims, "iss"));
	if (issuer && tl_id_is_valid(issuer))
		snprintf(who, WHO_MAX, "%s@%s", issuer, tl_http_peer(call));
	else
		snprintf(who, WHO_MAX, "%s", tl_http_peer(call));
}

void tl_token_issue(struct tl_http_call *call)
{
	struct token_form form = {.grant_type = NULL};
	struct tl_problem problem = TL_PROBLEM_INIT;
	struct tl_err err = TL_ERR_INIT;
	char host[TL_ID_LEN + 1], who[WHO_MAX] = "";
	int r = read_form(call, &form, &err);

	if (r == 0) {
		who_asks(call, form.client_assertion, who);
		if (tl_reply_throttled(call, who))
			return;
	}
	if (r == 0)
		r = check_assertion(call, form.client_assertion, host, &problem, &err);
	if (r == 0) {
		reply(call, host);
	} else if (r == TL_EEXPIRED) {
		tl_reply_clock_skew(call, tl_err_text(&err));
	} else {
		if (r == TL_EDENIED)
			tl_throttle_failed(tl_desk_of(call)->throttle, who);
		tl_log_warning("token refused", TL_S("peer", tl_http_peer(call)), TL_ERR(&err));
		tl_reply_failure(call, &problem, &err);
	}
}
