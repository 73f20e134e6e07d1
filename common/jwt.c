#include <towline/jwt.h>

#include <inttypes.h>
#include <string.h>
#include <towline/str.h>

/* The three parts of header.claims.signature, pointing into the token. */
struct parts {
	const char *header, *claims, *signature;
	size_t header_len, claims_len, signature_len;
	size_t signed_len; /* header, dot and claims */
};

static int split(const char *token, size_t len, struct parts *ret, struct tl_err *err)
{
	const char *first, *second;

	if (len > TL_JWT_MAX)
		return tl_err_set(err, TL_ETOOBIG, "the token is longer than %d bytes", TL_JWT_MAX);
	first = memchr(token, '.', len);
	second = first ? memchr(first + 1, '.', len - (size_t)(first + 1 - token)) : NULL;
	if (!second || memchr(second + 1, '.', len - (size_t)(second + 1 - token)))
		return tl_err_set(err, TL_EINVAL,
				  "the token is not of the form header.claims.signature");
	*ret = (struct parts){
		.header = token,
		.header_len = (size_t)(first - token),
		.claims = first + 1,
		.claims_len = (size_t)(second - first - 1),
		.signature = second + 1,
		.signature_len = len - (size_t)(second + 1 - token),
		.signed_len = (size_t)(second - token),
	};
	return 0;
}

static int decode_object(const char *what, const char *text, size_t len, json_t **ret_json,
			 struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf bytes = TL_BUF_INIT(TL_JWT_MAX);
	tl_json *json = NULL;
	int outcome = tl_base64url_decode(&bytes, text, len);

	if (outcome)
		return tl_err_set(err, outcome, "the token's %s is not base64url", what);
	outcome = tl_json_parse(tl_buf_str(&bytes), bytes.len, &json, err);
	if (outcome) {
		if (err)
			tl_err_prefix(err, "the token's %s", what);
		return outcome;
	}
	if (!json_is_object(json))
		return tl_err_set(err, TL_EINVAL, "the token's %s is not an object", what);
	*ret_json = tl_steal(&json);
	return 0;
}

struct header {
	const char *alg, *typ, *kid;
};

static const struct tl_json_member header_members[] = {
	{"alg", TL_JSON_TEXT, true, offsetof(struct header, alg), 0, 16},
	{"kid", TL_JSON_TEXT, false, offsetof(struct header, kid), 0, 128},
	{"typ", TL_JSON_TEXT, true, offsetof(struct header, typ), 0, 64},
};

static int check_header(const json_t *json, const char *typ, struct tl_err *err)
{
	struct header header = {NULL, NULL, NULL};
	int outcome =
		tl_json_read(json, header_members, TL_ARRAY_LEN(header_members), &header, err);

	if (outcome) {
		if (err)
			tl_err_prefix(err, "the token's header");
		return outcome;
	}
	if (!tl_streq(header.alg, "EdDSA"))
		return tl_err_set(err, TL_EINVAL,
				  "the token is signed with \"%s\": only EdDSA is accepted",
				  header.alg);
	if (typ && !tl_streq(header.typ, typ))
		return tl_err_set(err, TL_EINVAL, "the token is a \"%s\", not a \"%s\"", header.typ,
				  typ);
	return 0;
}

static int check_signature(const struct tl_key *key, const struct parts *parts, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf signature = TL_BUF_INIT(TL_ED25519_SIGNATURE_LEN);

	if (tl_base64url_decode(&signature, parts->signature, parts->signature_len) ||
	    signature.len != TL_ED25519_SIGNATURE_LEN)
		return tl_err_set(err, TL_EINVAL,
				  "the token's signature is not %d bytes of base64url",
				  TL_ED25519_SIGNATURE_LEN);
	if (tl_key_verify(key, parts->header, parts->signed_len, (const uint8_t *)signature.data))
		return tl_err_set(err, TL_ESIG, "the token's signature does not verify");
	return 0;
}

int tl_jwt_verify(const struct tl_key *key, const char *typ, const char *token, size_t len,
		  json_t **ret_claims, struct tl_err *err)
{
	tl_json *header = NULL;
	struct parts parts = {.header = NULL};
	int outcome = split(token, len, &parts, err);

	if (!outcome)
		outcome = decode_object("header", parts.header, parts.header_len, &header, err);
	if (!outcome)
		outcome = check_header(header, typ, err);
	if (!outcome)
		outcome = check_signature(key, &parts, err);
	if (!outcome)
		outcome = decode_object("claims", parts.claims, parts.claims_len, ret_claims, err);
	return outcome;
}

int tl_jwt_peek(const char *token, size_t len, json_t **ret_header, json_t **ret_claims,
		struct tl_err *err)
{
	tl_json *header = NULL, *claims = NULL;
	struct parts parts = {.header = NULL};
	int outcome = split(token, len, &parts, err);

	if (!outcome)
		outcome = decode_object("header", parts.header, parts.header_len, &header, err);
	if (!outcome)
		outcome = check_header(header, NULL, err);
	if (!outcome)
		outcome = decode_object("claims", parts.claims, parts.claims_len, &claims, err);
	if (outcome)
		return outcome;
	*ret_header = tl_steal(&header);
	*ret_claims = tl_steal(&claims);
	return 0;
}

static void put_encoded(struct tl_buf *out, const json_t *json)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_JWT_MAX);

	tl_json_write(&text, json);
	if (tl_buf_check(&text))
		out->failed = true;
	else
		tl_base64url_encode(out, text.data, text.len);
}

int tl_jwt_sign(const struct tl_key *key, const char *typ, const json_t *claims, struct tl_buf *out,
		struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf token = TL_BUF_INIT(TL_JWT_MAX);
	uint8_t signature[TL_ED25519_SIGNATURE_LEN];
	char kid[TL_KEY_ID_LEN + 1];
	tl_json *header = NULL;

	tl_key_id(key, kid);
	header = json_pack("{s:s, s:s, s:s}", "alg", "EdDSA", "kid", kid, "typ", typ);
	if (!header)
		return tl_err_set(err, TL_ENOMEM, "no memory to sign a token");
	put_encoded(&token, header);
	tl_buf_putc(&token, '.');
	put_encoded(&token, claims);
	if (tl_buf_check(&token))
		return tl_err_set(err, TL_ETOOBIG, "the claims do not fit a token of %d bytes",
				  TL_JWT_MAX);
	if (tl_key_sign(key, token.data, token.len, signature))
		return tl_err_set(err, TL_EINVAL, "the key has no private half to sign with");
	tl_buf_putc(&token, '.');
	tl_base64url_encode(&token, signature, sizeof signature);
	tl_buf_append(out, tl_buf_str(&token), token.len);
	if (tl_buf_check(&token) || tl_buf_check(out))
		return tl_err_set(err, TL_ETOOBIG, "the signed token does not fit");
	return 0;
}

struct times {
	int64_t nbf_s, iat_s, exp_s; /* -1: absent */
};

static int read_time(const json_t *claims, const char *name, int64_t *ret_s, struct tl_err *err)
{
	const json_t *value = json_object_get(claims, name);

	*ret_s = -1;
	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > INT64_MAX / 2000)
		return tl_err_set(err, TL_EINVAL, "claim \"%s\" is not a time in seconds", name);
	*ret_s = json_integer_value(value);
	return 0;
}

static int out_of_time(struct tl_err *err, const char *what, int64_t claim_s, int64_t now_ms)
{
	char then[TL_TIME_TEXT], now[TL_TIME_TEXT];

	tl_time_rfc3339(claim_s * 1000, then);
	tl_time_rfc3339(now_ms, now);
	return tl_err_set(err, TL_EEXPIRED, "%s %s; this machine's clock says %s", what, then, now);
}

int tl_jwt_check_times(const json_t *claims, const struct tl_clock *clock, struct tl_err *err)
{
	int64_t now_ms = tl_clock_wall_ms(clock);
	struct times times;

	if (read_time(claims, "nbf", &times.nbf_s, err) ||
	    read_time(claims, "iat", &times.iat_s, err) ||
	    read_time(claims, "exp", &times.exp_s, err))
		return TL_EINVAL;
	if (times.exp_s < 0)
		return tl_err_set(err, TL_EINVAL, "claim \"exp\" is missing");
	if (times.exp_s * 1000 + TL_JWT_SKEW_MS <= now_ms)
		return out_of_time(err, "the token expired at", times.exp_s, now_ms);
	if (times.nbf_s * 1000 - TL_JWT_SKEW_MS > now_ms)
		return out_of_time(err, "the token is not valid before", times.nbf_s, now_ms);
	if (times.iat_s * 1000 - TL_JWT_SKEW_MS > now_ms)
		return out_of_time(err, "the token was issued in the future, at", times.iat_s,
				   now_ms);
	return 0;
}
