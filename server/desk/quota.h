/* What one host may take of the relay: bytes of bundles, stored and under way, and open tickets. A host that is in
 * another's hands fills its own share only. Workers only. */
#ifndef TOWLINE_SERVER_QUOTA_H
#define TOWLINE_SERVER_QUOTA_H

#include "desk/desk.h"
#include "desk/reply.h"

/* Bytes that further bundles of the host may have. */
TL_MUST_CHECK int tl_quota_left(const struct tl_desk *desk, struct tl_store *store,
				const char *host, uint64_t *ret_bytes, struct tl_err *err);
/* TL_EDENIED with a problem (413 "host-quota") when `bytes` more are too many. */
TL_MUST_CHECK int tl_quota_check_bytes(const struct tl_desk *desk, struct tl_store *store,
				       const char *host, uint64_t bytes, struct tl_problem *problem,
				       struct tl_err *err);
/* TL_EDENIED with a problem (429 "too-many-tickets") when the host has too many open ones. */
TL_MUST_CHECK int tl_quota_check_tickets(const struct tl_desk *desk, struct tl_store *store,
					 const char *host, struct tl_problem *problem,
					 struct tl_err *err);

#endif
