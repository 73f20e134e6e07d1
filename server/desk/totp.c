#include "desk/totp.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/crypto.h>

#define SHA1_LEN 20

void tl_totp_code(const uint8_t secret[static TL_TOTP_SECRET_LEN], int64_t step,
		  char code[static TL_TOTP_DIGITS + 1])
{
	uint8_t counter[8], mac[SHA1_LEN];
	unsigned len = sizeof mac;
	uint32_t number;
	size_t at;

	for (int i = 0; i < 8; i++)
		counter[i] = (uint8_t)((uint64_t)step >> (56 - 8 * i));
	/* Without SHA-1 in the library there is no second factor, nor anything to fall back to. */
	if (!HMAC(EVP_sha1(), secret, TL_TOTP_SECRET_LEN, counter, sizeof counter, mac, &len))
		abort();
	at = mac[SHA1_LEN - 1] & 0x0f; /* RFC 4226 §5.3 */
	number = ((uint32_t)mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 |
		 (uint32_t)mac[at + 2] << 8 | mac[at + 3];
	snprintf(code, TL_TOTP_DIGITS + 1, "%06u", number % 1000000);
	tl_wipe(mac, sizeof mac);
}

int64_t tl_totp_find(const uint8_t secret[static TL_TOTP_SECRET_LEN], const char *code,
		     int64_t now_s, int64_t spent)
{
	int64_t now = now_s / TL_TOTP_STEP_S, found = -1;

	if (strlen(code) != TL_TOTP_DIGITS)
		return -1;
	for (int64_t step = now - 1; step <= now + 1; step++) {
		char right[TL_TOTP_DIGITS + 1];

		tl_totp_code(secret, step, right);
		if (CRYPTO_memcmp(right, code, TL_TOTP_DIGITS) == 0 && step > spent && found < 0)
			found = step;
		tl_wipe(right, sizeof right);
	}
	return found;
}

void tl_base32_encode(struct tl_buf *out, const void *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	const uint8_t *at = bytes;
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | at[i];
		for (have += 8; have >= 5; have -= 5)
			tl_buf_putc(out, digits[bits >> (have - 5) & 31]);
		bits &= (1u << have) - 1;
	}
	if (have > 0)
		tl_buf_putc(out, digits[bits << (5 - have) & 31]);
}

static void put_encoded(struct tl_buf *out, const char *text)
{
	for (; *text; text++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~",
			   *text))
			tl_buf_putc(out, *text);
		else
			tl_buf_printf(out, "%%%02X", (unsigned char)*text);
}

void tl_totp_uri(struct tl_buf *out, const uint8_t secret[static TL_TOTP_SECRET_LEN],
		 const char *issuer, const char *login)
{
	tl_buf_puts(out, "otpauth://totp/");
	put_encoded(out, issuer);
	tl_buf_putc(out, ':');
	put_encoded(out, login);
	tl_buf_puts(out, "?secret=");
	tl_base32_encode(out, secret, TL_TOTP_SECRET_LEN);
	tl_buf_puts(out, "&issuer=");
	put_encoded(out, issuer);
}
