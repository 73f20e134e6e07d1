/* What the helper believes in: the enrolment that it saw first, and its own consent key.
 *
 * Trust on first enrolment: the identity that the agent shows first is kept in the helper's own state
 * directory; a later one that differs is refused until the machine's owner removes the file. */
#ifndef TOWLINE_HELPER_TRUST_H
#define TOWLINE_HELPER_TRUST_H

#include <towline/grant.h>

#include "core/identity.h"

struct tl_trust {
	int state_fd; /* borrowed */
	const char *state_dir;
	struct tl_key *consent_key;
	bool pinned;
	struct tl_identity identity;
	struct tl_key *authority; /* NULL until pinned */
};

/* Loads what is there; makes the consent key at the first start. */
TL_MUST_CHECK int tl_trust_open(int state_fd, const char *state_dir, struct tl_trust *ret_trust,
				struct tl_err *err);
/* Keeps `identity` when none was kept before. TL_ECONFLICT for another one, with what to do. */
TL_MUST_CHECK int tl_trust_pin(struct tl_trust *trust, const struct tl_identity *identity,
			       struct tl_err *err);
/* Verifies a grant for this host. TL_EAUTH before the first enrolment. */
TL_MUST_CHECK int tl_trust_verify(const struct tl_trust *trust, const char *token,
				  const struct tl_clock *clock, struct tl_grant *ret_grant,
				  struct tl_err *err);

struct tl_receipt {
	const char *what;    /* "bundle" or "session" */
	const char *subject; /* SHA-256 of the bundle, or session id */
	const char *ticket;  /* NULL: none yet */
	const char *help_id; /* of a bundle: the request that it belongs to; NULL: none */
	uid_t uid;
	const char *decision; /* "yes", "no", "timeout" */
	const char *by;	      /* "person"; "policy" or "break-glass" where nobody was asked */
	unsigned scopes;      /* 0: none named */
};
/* Appends a signed consent receipt. */
TL_MUST_CHECK int tl_trust_receipt(const struct tl_trust *trust, const struct tl_clock *clock,
				   const struct tl_receipt *receipt, struct tl_buf *out,
				   struct tl_err *err);
/* Appends the same receipt with the ticket that came of it: the number is known only when what was agreed to
 * is on its way. TL_ESIG for a receipt that is not this helper's, TL_ECONFLICT for one that names another
 * ticket or says no. */
TL_MUST_CHECK int tl_trust_name_ticket(const struct tl_trust *trust, const char *receipt,
				       const char *ticket, struct tl_buf *out, struct tl_err *err);
void tl_trust_clear(struct tl_trust *trust);
TL_DEFINE_AUTO(tl_trust, tl_trust_clear);

/* The login name of `uid`, or its number. */
void tl_user_name(uid_t uid, char *name, size_t capacity);

#endif
