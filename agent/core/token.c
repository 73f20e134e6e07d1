#include "core/token.h"

#include <ctype.h>
#include <stdio.h>
#include <towline/json.h>
#include <towline/str.h>

#define PREFIX "tl1."

bool tl_relay_url_is_valid(const char *url)
{
	static const char scheme[] = "https://";
	size_t host_len;
	const char *at;

	if (!tl_str_starts(url, scheme) || strlen(url) > TL_ENROL_URL_MAX)
		return false;
	at = url + sizeof(scheme) - 1;
	host_len =
		strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]");
	if (host_len == 0 || at[0] == ':')
		return false;
	at += host_len;
	return at[0] == '\0' || (at[0] == '/' && at[1] == '\0');
}

static bool is_hex_digest(const char *text)
{
	uint8_t digest[TL_SHA256_LEN];

	return tl_hex_decode(text, digest, sizeof(digest)) == 0;
}

static bool is_secret(const char *text)
{
	tl_auto(tl_buf) struct tl_buf bytes = TL_BUF_SECRET_INIT(64);

	return strlen(text) == TL_ENROL_SECRET_LEN &&
	       tl_base64url_decode(&bytes, text, TL_ENROL_SECRET_LEN) == 0;
}

struct token_text {
	const char *url, *ca_sha256, *secret, *roster_key;
};

static int read_members(const char *bytes, size_t len, json_t **ret_json,
			struct token_text *ret_text)
{
	static const struct tl_json_member members[] = {
		{"f", TL_JSON_TEXT, true, offsetof(struct token_text, ca_sha256)},
		{"r", TL_JSON_TEXT, false, offsetof(struct token_text, roster_key)},
		{"s", TL_JSON_TEXT, true, offsetof(struct token_text, secret)},
		{"u", TL_JSON_TEXT, true, offsetof(struct token_text, url), 0, TL_ENROL_URL_MAX},
	};
	int rc = tl_json_parse(bytes, len, ret_json, NULL);

	if (rc == 0)
		rc = tl_json_read(*ret_json, members, TL_ARRAY_LEN(members), ret_text, NULL);
	return rc;
}

int tl_enrol_token_parse(const char *text, size_t len, struct tl_enrol_token *ret_token,
			 struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf bytes = TL_BUF_SECRET_INIT(TL_ENROL_TOKEN_MAX);
	tl_json *json = NULL;
	struct token_text members = {.roster_key = ""};

	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	while (len > 0 && isspace((unsigned char)text[0])) {
		text++;
		len--;
	}
	if (len < sizeof(PREFIX) || len > TL_ENROL_TOKEN_MAX ||
	    memcmp(text, PREFIX, sizeof(PREFIX) - 1) != 0)
		return tl_err_set(
			err, TL_EINVAL,
			"this is no enrolment token: one is a single line that starts with "
			"\"" PREFIX "\"");
	text += sizeof(PREFIX) - 1;
	len -= sizeof(PREFIX) - 1;
	if (tl_base64url_decode(&bytes, text, len) != 0 ||
	    read_members(tl_buf_str(&bytes), bytes.len, &json, &members) != 0)
		return tl_err_set(err, TL_EINVAL,
				  "the enrolment token is damaged: paste all of it, as one line");
	if (!tl_relay_url_is_valid(members.url))
		return tl_err_set(err, TL_EINVAL,
				  "the enrolment token names no https address of a relay");
	if (!is_hex_digest(members.ca_sha256) || !is_secret(members.secret))
		return tl_err_set(err, TL_EINVAL,
				  "the enrolment token's fingerprint or secret has a wrong form");
	if (members.roster_key[0] && !tl_sshkey_is_fingerprint(members.roster_key))
		return tl_err_set(err, TL_EINVAL,
				  "the enrolment token's key of the roster is no fingerprint");
	snprintf(ret_token->url, sizeof(ret_token->url), "%s", members.url);
	if (tl_str_ends(ret_token->url, "/"))
		ret_token->url[strlen(ret_token->url) - 1] = '\0';
	snprintf(ret_token->ca_sha256, sizeof(ret_token->ca_sha256), "%s", members.ca_sha256);
	snprintf(ret_token->roster_key, sizeof(ret_token->roster_key), "%s", members.roster_key);
	snprintf(ret_token->secret, sizeof(ret_token->secret), "%s", members.secret);
	return 0;
}

void tl_enrol_token_clear(struct tl_enrol_token *token)
{
	tl_wipe(token, sizeof(*token));
}
