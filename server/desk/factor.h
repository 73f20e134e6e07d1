/* The second factor: a TOTP secret a user, sealed in the store, and recovery codes. Each code counts once,
 * and too many wrong ones make the user wait. Workers only. */
#ifndef TOWLINE_SERVER_FACTOR_H
#define TOWLINE_SERVER_FACTOR_H

#include <stdbool.h>
#include <towline/str.h>

#include "desk/change.h"
#include "desk/vault.h"

#define TL_FACTOR_RECOVERY_CODES 10
#define TL_FACTOR_WRONG_MAX 5 /* in TL_FACTOR_WRONG_MS */
#define TL_FACTOR_WRONG_MS (15 * 60000)

/* ssh.second_factor of relay.yaml. */
enum tl_factor_rule { TL_FACTOR_OFF, TL_FACTOR_ENROLLED, TL_FACTOR_REQUIRED };

/* Inside a change: draws a secret and appends its otpauth:// URI to `uri` (empty it before: the change may
 * run twice). It counts once a code of it was shown, until then an older one does. */
TL_MUST_CHECK int tl_factor_begin(struct tl_change *change, const struct tl_vault *vault,
				  const char *login, const char *issuer, struct tl_buf *uri,
				  struct tl_err *err);
/* Inside a change: the drawn secret counts from now on, and so do these recovery codes, which replace older
 * ones. `code` NULL: an administrator hands the secret over. TL_EAUTH: the code is not of that secret. */
TL_MUST_CHECK int tl_factor_confirm(struct tl_change *change, const struct tl_vault *vault,
				    const char *login, const char *code,
				    struct tl_strv *recovery_codes, struct tl_err *err);
/* Inside a change: no second factor any more. TL_ENOENT. */
TL_MUST_CHECK int tl_factor_remove(struct tl_change *change, const char *login, struct tl_err *err);

/* Whether `user` has to show a code under `rule`. TL_EAUTH when one is required and none enrolled. */
TL_MUST_CHECK int tl_factor_needed(struct tl_store *store, enum tl_factor_rule rule,
				   const char *user, bool *ret_needed, struct tl_err *err);

struct tl_factor_try {
	const char *user, *login, *code, *address;
};
/* Spends a code or a recovery code, in a transaction of its own. TL_EAUTH: wrong, or spent before, or too
 * many were wrong. */
TL_MUST_CHECK int tl_factor_check(struct tl_store *store, const struct tl_clock *clock,
				  const struct tl_vault *vault, const struct tl_factor_try *asked,
				  struct tl_err *err);

#endif
