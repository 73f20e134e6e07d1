/* The enrolment token: one line that a person can paste (docs/protocol.md, "Enrolment"). Any thread. */
#ifndef TOWLINE_AGENT_TOKEN_H
#define TOWLINE_AGENT_TOKEN_H

#include <towline/attr.h>
#include <towline/crypto.h>
#include <towline/err.h>
#include <towline/sshkey.h>

#define TL_ENROL_TOKEN_MAX 1024
#define TL_ENROL_URL_MAX 512
#define TL_ENROL_SECRET_LEN 43

struct tl_enrol_token {
	char url[TL_ENROL_URL_MAX + 1]; /* "https://relay:8443", without a path */
	char ca_sha256[TL_SHA256_HEX];
	char secret[TL_ENROL_SECRET_LEN + 1];
	char roster_key[TL_SSH_FINGERPRINT_MAX]; /* who signs the roster of engineers; "": nobody */
};

/* Blanks and newlines around the token are ignored. TL_EINVAL says what is wrong with it, never
 * showing it. */
TL_MUST_CHECK int tl_enrol_token_parse(const char *text, size_t len,
				       struct tl_enrol_token *ret_token, struct tl_err *err);
/* True for https://HOST[:PORT][/] without user, path, query or fragment. */
bool tl_relay_url_is_valid(const char *url);
/* Wipes the secret. */
void tl_enrol_token_clear(struct tl_enrol_token *token);
TL_DEFINE_AUTO(tl_enrol_token, tl_enrol_token_clear);

#endif
