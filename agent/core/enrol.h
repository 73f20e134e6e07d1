/* Enrolment: from a pasted token to an identity in the state directory (docs/protocol.md). Blocking.
 *
 * The relay's CA is taken unverified once and must match the token's fingerprint; everything after that
 * is verified against it alone. Repeating after a lost reply gives the same host. */
#ifndef TOWLINE_AGENT_ENROL_H
#define TOWLINE_AGENT_ENROL_H

#include "core/identity.h"
#include "core/token.h"

struct tl_enrol_options {
	int state_fd;
	const char *state_dir; /* its path, for libcurl */
	const char *proxy;
	const char *name;	 /* as the host will be known */
	const char *consent_key; /* the helper's public key, base64url; NULL when no helper runs */
};

/* TL_EEXIST when the host is enrolled already; TL_EAUTH for another CA than the token's; TL_EDENIED
 * with the relay's sentence for a token that is unknown, used or expired; TL_EUNREACH. */
TL_MUST_CHECK int tl_enrol(const struct tl_enrol_options *options,
			   const struct tl_enrol_token *token, struct tl_identity *ret_identity,
			   struct tl_err *err);

/* Appends, as PEM, the one certificate of `pem` whose DER has the given SHA-256. TL_EAUTH when the
 * first certificate is another. */
TL_MUST_CHECK int tl_enrol_pin_ca(const char *pem, const char *sha256_hex, struct tl_buf *out,
				  struct tl_err *err);

#endif
