/* What an engineer wants to forward through a host: kept for a while, and part of every session that the
 * engineer opens there meanwhile, by whichever client. Workers only (own store). */
#ifndef TOWLINE_SERVER_FORWARD_H
#define TOWLINE_SERVER_FORWARD_H

#include <towline/grant.h>

#include "store/store.h"

#define TL_FORWARD_WISH_MAX_MINUTES 720

struct tl_forward_wish {
	unsigned scopes; /* TL_SCOPE_FORWARDING, TL_SCOPE_AGENT */
	struct tl_strv forwards;
};
void tl_forward_wish_clear(struct tl_forward_wish *wish);
TL_DEFINE_AUTO(tl_forward_wish, tl_forward_wish_clear);

/* None is no error: nothing is wished for then. */
TL_MUST_CHECK int tl_forward_wish_load(struct tl_store *store, const char *engineer_id,
				       const char *host, int64_t now_ms,
				       struct tl_forward_wish *ret_wish, struct tl_err *err);

#endif
