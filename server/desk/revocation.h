/* What no longer lets anybody in by SSH: certificates by serial (of the relay's own authority) or key id,
 * keys by fingerprint (engineers' and authorities'). Asked at each login. Workers only. */
#ifndef TOWLINE_SERVER_REVOCATION_H
#define TOWLINE_SERVER_REVOCATION_H

#include "desk/change.h"

struct tl_revocation {
	const char *kind;  /* "serial", "id", "key" */
	const char *value; /* number, key id, "SHA256:…" */
	const char *reason;
};

/* Inside a change. TL_EEXIST when it was revoked before; TL_EINVAL for what is no serial or fingerprint. */
TL_MUST_CHECK int tl_revocation_add(struct tl_change *change, const struct tl_revocation *what,
				    struct tl_err *err);
TL_MUST_CHECK int tl_revocation_list(struct tl_store *store, json_t **ret_list, struct tl_err *err);

/* What shows up at a login; NULL where there is none. */
struct tl_revocation_query {
	const char *serial, *key_id;
	const char *fingerprint,
		*authority; /* of the plain key, and of who signed its certificate */
};
/* 0, or TL_EAUTH: revoked, and why. */
TL_MUST_CHECK int tl_revocation_check(struct tl_store *store,
				      const struct tl_revocation_query *query, struct tl_err *err);

#endif
