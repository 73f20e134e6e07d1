/* Whose word a grant is. The relay's signature is always needed; where policy says `sessions.engineer_signed`, it
 * is not enough: the engineer's own statement must be in the grant, signed by a key of the roster, and cover it. */
#ifndef TOWLINE_HELPER_AUTHORITY_H
#define TOWLINE_HELPER_AUTHORITY_H

#include "helper/policy.h"
#include "helper/roster.h"
#include "helper/trust.h"

struct tl_authority {
	const struct tl_policy *policy;
	const struct tl_trust *trust;
	struct tl_roster_book *book;
	const struct tl_clock *clock;
};

/* The fingerprint that a roster must be signed by: policy's, else the enrolment's; "": none. */
const char *tl_authority_pin(const struct tl_authority *authority);
struct tl_authority_use {
	char nonce[TL_ID_LEN + 1]; /* of the statement, to be accepted once; "": none was wanted */
	int64_t expires_ms;	   /* when it need not be remembered any longer */
};
/* Checks the engineer's statement where policy wants one. The engineer's name as people read it is then the
 * roster's. TL_EDENIED, TL_EINVAL, TL_ESIG, TL_EEXPIRED with the
 * sentence. */
TL_MUST_CHECK int tl_authority_check(const struct tl_authority *authority, struct tl_grant *grant,
				     struct tl_authority_use *ret_use, struct tl_err *err);

#endif
