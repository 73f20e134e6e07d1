#include "desk/vault.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <towline/fs.h>
#include <towline/str.h>

#define NONCE_LEN 12
#define TAG_LEN 16
#define FILE_MAX 256

static int make_key(const char *path, struct tl_err *err)
{
	uint8_t key[TL_VAULT_KEY_LEN];
	char hex[2 * TL_VAULT_KEY_LEN + 2];
	int r;

	tl_random(key, sizeof key);
	tl_hex_encode(key, sizeof key, hex);
	strcat(hex, "\n");
	r = tl_fs_create_file(AT_FDCWD, path, 0600, hex, strlen(hex), err);
	tl_wipe(key, sizeof key);
	tl_wipe(hex, sizeof hex);
	return r == TL_EEXIST ? 0 : r; /* another process was quicker */
}

int tl_vault_open(const char *path, struct tl_vault *ret_vault, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_SECRET_INIT(FILE_MAX);
	int r = 0;

	if (access(path, F_OK) != 0)
		r = make_key(path, err);
	if (r == 0)
		r = tl_fs_read_secret(AT_FDCWD, path, &text, err);
	if (r)
		return r;
	while (text.len > 0 && strchr(" \r\n", text.data[text.len - 1]))
		text.data[--text.len] = '\0';
	if (text.len != 2 * sizeof ret_vault->key ||
	    tl_hex_decode(tl_buf_str(&text), ret_vault->key, sizeof ret_vault->key))
		return tl_err_set(err, TL_ECONFIG, "%s must hold 64 hexadecimal digits", path);
	return 0;
}

/* One message through AES-256-GCM; `tag` is written or checked. False: it failed. */
static bool run_gcm(const struct tl_vault *vault, const char *context, bool sealing,
		    const uint8_t *nonce, const uint8_t *in, size_t len, uint8_t *out, uint8_t *tag)
{
	EVP_CIPHER_CTX *gcm = EVP_CIPHER_CTX_new();
	int done = 0, last = 0;
	bool good =
		gcm &&
		EVP_CipherInit_ex(gcm, EVP_aes_256_gcm(), NULL, vault->key, nonce, sealing) == 1 &&
		EVP_CipherUpdate(gcm, NULL, &done, (const uint8_t *)context,
				 (int)strlen(context)) == 1 &&
		EVP_CipherUpdate(gcm, out, &done, in, (int)len) == 1 &&
		(sealing || EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) == 1) &&
		EVP_CipherFinal_ex(gcm, out + done, &last) == 1 &&
		(!sealing || EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_GET_TAG, TAG_LEN, tag) == 1);

	EVP_CIPHER_CTX_free(gcm);
	return good && (size_t)(done + last) == len;
}

int tl_vault_seal(const struct tl_vault *vault, const char *context, const void *secret, size_t len,
		  struct tl_buf *out)
{
	uint8_t sealed[NONCE_LEN + TL_VAULT_MAX + TAG_LEN];

	if (len > TL_VAULT_MAX)
		return TL_ETOOBIG;
	tl_random(sealed, NONCE_LEN);
	if (!run_gcm(vault, context, true, sealed, secret, len, sealed + NONCE_LEN,
		     sealed + NONCE_LEN + len))
		return TL_EINTERNAL;
	tl_base64url_encode(out, sealed, NONCE_LEN + len + TAG_LEN);
	return tl_buf_check(out);
}

int tl_vault_unseal(const struct tl_vault *vault, const char *context, const char *sealed,
		    void *ret_secret, size_t len, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf bytes = TL_BUF_INIT(NONCE_LEN + TL_VAULT_MAX + TAG_LEN);
	uint8_t open[TL_VAULT_MAX], *at;

	if (tl_base64url_decode(&bytes, sealed, strlen(sealed)) || len > TL_VAULT_MAX ||
	    bytes.len != NONCE_LEN + len + TAG_LEN)
		return tl_err_set(err, TL_ESIG, "a sealed secret of the store is damaged");
	at = (uint8_t *)bytes.data;
	if (!run_gcm(vault, context, false, at, at + NONCE_LEN, len, open, at + NONCE_LEN + len))
		return tl_err_set(err, TL_ESIG,
				  "a secret of the store was not sealed by this relay's key "
				  "(keys.secrets)");
	memcpy(ret_secret, open, len);
	tl_wipe(open, sizeof open);
	return 0;
}

void tl_vault_digest(const struct tl_vault *vault, const char *context, const char *text,
		     char hex[static TL_SHA256_HEX])
{
	tl_auto(tl_buf) struct tl_buf message = TL_BUF_SECRET_INIT(1024);
	uint8_t mac[TL_SHA256_LEN];
	unsigned len = sizeof mac;

	tl_buf_append(&message, context,
		      strlen(context) + 1); /* with its end: no two run together */
	tl_buf_puts(&message, text);
	if (tl_buf_check(&message) || !HMAC(EVP_sha256(), vault->key, sizeof vault->key,
					    (const uint8_t *)message.data, message.len, mac, &len))
		abort();
	tl_hex_encode(mac, sizeof mac, hex);
}
