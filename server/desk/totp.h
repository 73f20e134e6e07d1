/* Time-based one-time passwords (RFC 6238: HMAC-SHA-1, six digits, steps of 30 seconds) and the
 * otpauth:// URI that phones read. Pure; any thread. */
#ifndef TOWLINE_SERVER_TOTP_H
#define TOWLINE_SERVER_TOTP_H

#include <stdint.h>
#include <towline/attr.h>
#include <towline/buf.h>

#define TL_TOTP_SECRET_LEN 20 /* RFC 4226 §4 recommends 160 bits */
#define TL_TOTP_STEP_S 30
#define TL_TOTP_DIGITS 6

/* The code of one step, which is Unix time / 30. */
void tl_totp_code(const uint8_t secret[static TL_TOTP_SECRET_LEN], int64_t step,
		  char code[static TL_TOTP_DIGITS + 1]);
/* The step for which `code` is right at `now_s`: this one, the one before or the next, and none up to
 * `spent`, which was used. -1: none. Takes the same time whichever it is. */
int64_t tl_totp_find(const uint8_t secret[static TL_TOTP_SECRET_LEN], const char *code,
		     int64_t now_s, int64_t spent);
/* Appends RFC 4648 §6 without padding. */
void tl_base32_encode(struct tl_buf *out, const void *bytes, size_t len);
/* Appends "otpauth://totp/ISSUER:LOGIN?secret=…"; what a URI cannot hold is percent-encoded. */
void tl_totp_uri(struct tl_buf *out, const uint8_t secret[static TL_TOTP_SECRET_LEN],
		 const char *issuer, const char *login);

#endif
