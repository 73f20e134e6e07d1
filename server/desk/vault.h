/* Secrets that the store keeps and the relay has to read again, sealed under a key that is not in the
 * store (AES-256-GCM), and digests that nobody can guess against without it (HMAC-SHA-256). Any thread. */
#ifndef TOWLINE_SERVER_VAULT_H
#define TOWLINE_SERVER_VAULT_H

#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/crypto.h>
#include <towline/err.h>

#define TL_VAULT_KEY_LEN 32
#define TL_VAULT_MAX 512 /* bytes of a secret */

struct tl_vault {
	uint8_t key[TL_VAULT_KEY_LEN];
};

/* Reads the key file (64 hexadecimal digits, 0600), making it when there is none. */
TL_MUST_CHECK int tl_vault_open(const char *path, struct tl_vault *ret_vault, struct tl_err *err);

/* Appends the sealed secret as base64url. It opens again only under the same `context`: whose it is. */
TL_MUST_CHECK int tl_vault_seal(const struct tl_vault *vault, const char *context,
				const void *secret, size_t len, struct tl_buf *out);
/* Exactly `len` bytes; TL_ESIG for what was not sealed by this key for this context. */
TL_MUST_CHECK int tl_vault_unseal(const struct tl_vault *vault, const char *context,
				  const char *sealed, void *ret_secret, size_t len,
				  struct tl_err *err);
/* The digest of `text` under the vault's key and `context`, in hexadecimal. */
void tl_vault_digest(const struct tl_vault *vault, const char *context, const char *text,
		     char hex[static TL_SHA256_HEX]);

#endif
