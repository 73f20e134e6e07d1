/* The grants that were used: each session id is accepted once, whatever crashes in between.
 *
 * Kept in one file until the grant has expired anyway; written durably before anybody is asked. */
#ifndef TOWLINE_HELPER_SPENT_H
#define TOWLINE_HELPER_SPENT_H

#include <jansson.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/clock.h>
#include <towline/err.h>

#define TL_SPENT_MAX 1024 /* grants live 15 minutes: more than one a second is refused */

struct tl_spent;

/* Reads what `state_fd`'s directory remembers. A damaged file is TL_EINVAL: failing closed. */
TL_MUST_CHECK int tl_spent_open(int state_fd, const struct tl_clock *clock,
				struct tl_spent **ret_spent, struct tl_err *err);
/* Notes `session`, and with it the `nonce` of the engineer's statement (NULL: none), until `expires_ms`.
 * TL_EDENIED when either was used before; TL_EBUSY beyond
 * TL_SPENT_MAX; TL_EIO or TL_ENOSPC when it cannot be made durable (it is then not accepted). */
TL_MUST_CHECK int tl_spent_use(struct tl_spent *spent, const char *session, const char *nonce,
			       int64_t expires_ms, struct tl_err *err);
void tl_spent_free(struct tl_spent *spent);
TL_DEFINE_AUTO_PTR(tl_spent, tl_spent_free);

#endif
