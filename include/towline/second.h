/* The relay's signed statement that a second engineer is at a session: what a session under four eyes waits
 * for. It names one session and one person and lives for minutes; while the person stays, the relay signs a
 * new one each minute, so that one that was kept proves nothing later. A compact JWS (typ TL_JWT_SECOND) by
 * the session authority. Any thread. */
#ifndef TOWLINE_SECOND_H
#define TOWLINE_SECOND_H

#include <towline/clock.h>
#include <towline/crypto.h>
#include <towline/id.h>

#define TL_SECOND_LIFE_MS 180000 /* of a statement */
#define TL_SECOND_RENEW_MS 60000

struct tl_second_statement {
	char session[TL_ID_LEN + 1];
	char engineer[65]; /* login */
	char name[129];	   /* as people know the engineer */
	int64_t expires_ms;
};

/* Signs for TL_SECOND_LIFE_MS from now (`expires_ms` is not read). Appends to `out`. */
TL_MUST_CHECK int tl_second_sign(const struct tl_second_statement *statement,
				 const struct tl_key *authority, const struct tl_clock *clock,
				 struct tl_buf *out, struct tl_err *err);
/* TL_ESIG, TL_EINVAL, TL_EDENIED (another session), TL_EEXPIRED. */
TL_MUST_CHECK int tl_second_verify(const char *token, const struct tl_key *authority,
				   const char *session, const struct tl_clock *clock,
				   struct tl_second_statement *ret_statement, struct tl_err *err);

#endif
