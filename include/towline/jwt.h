/* Compact JWS (RFC 7515) with EdDSA over Ed25519 (RFC 8037) and the JWT claims we use (RFC 7519).
 *
 * One algorithm: a header other than {"alg":"EdDSA","typ":<expected>[,"kid":…]} is refused, so that no
 * "none" or key confusion can arise. Grants, client assertions, access tokens, consent receipts and
 * bundle signatures are all of this form and differ in `typ`. Any thread. */
#ifndef TOWLINE_JWT_H
#define TOWLINE_JWT_H

#include <towline/clock.h>
#include <towline/crypto.h>
#include <towline/json.h>

#define TL_JWT_MAX (64 * 1024)
#define TL_JWT_SKEW_MS 60000 /* tolerated between two clocks */

/* typ values, one a use: a token of one kind never passes for another. */
#define TL_JWT_ASSERTION "client-authentication+jwt" /* agent → relay, RFC 7523 */
#define TL_JWT_ACCESS "at+jwt"			     /* relay → agent, RFC 9068 */
#define TL_JWT_GRANT "towline-grant+jwt"	     /* relay's session authority → helper */
#define TL_JWT_BUNDLE "towline-bundle+jwt"	     /* agent → relay, signs a bundle */
#define TL_JWT_CONSENT "towline-consent+jwt"	     /* helper → relay, a person's decision */
#define TL_JWT_RECORDING "towline-recording+jwt"     /* recorder → relay, seals a recording */
#define TL_JWT_SECOND "towline-second+jwt"	     /* session authority → helper: who joined */

/* Appends the compact form of `claims`. */
TL_MUST_CHECK int tl_jwt_sign(const struct tl_key *key, const char *typ, const json_t *claims,
			      struct tl_buf *out, struct tl_err *err);

/* Verifies form, typ and signature (TL_EINVAL, TL_ESIG), not times. The caller owns *ret_claims. */
TL_MUST_CHECK int tl_jwt_verify(const struct tl_key *key, const char *typ, const char *token,
				size_t len, json_t **ret_claims, struct tl_err *err);

/* Decodes without verifying, for choosing the key (kid, iss): never trust what it returns. */
TL_MUST_CHECK int tl_jwt_peek(const char *token, size_t len, json_t **ret_header,
			      json_t **ret_claims, struct tl_err *err);

/* Checks `nbf`, `iat` and `exp` (seconds; exp required) with TL_JWT_SKEW_MS: TL_EEXPIRED with both
 * times in the sentence. */
TL_MUST_CHECK int tl_jwt_check_times(const json_t *claims, const struct tl_clock *clock,
				     struct tl_err *err);

#endif
