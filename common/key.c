/* Ed25519 keys. Part of towline/crypto.h. */
#include <towline/crypto.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <towline/fs.h>
#include <towline/str.h>

#define KEY_FILE_MAX 4096

struct tl_key {
	EVP_PKEY *pkey;
	bool is_pair;
};

static int wrap(EVP_PKEY *pkey, bool is_pair, struct tl_key **ret_key, struct tl_err *err)
{
	struct tl_key *key = pkey ? malloc(sizeof *key) : NULL;

	if (!key) {
		EVP_PKEY_free(pkey);
		return tl_err_set(err, TL_ENOMEM, "OpenSSL could not make the key");
	}
	*key = (struct tl_key){pkey, is_pair};
	*ret_key = key;
	return 0;
}

int tl_key_generate(struct tl_key **ret_key, struct tl_err *err)
{
	return wrap(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), true, ret_key, err);
}

int tl_key_from_public(const uint8_t public[static TL_ED25519_PUBLIC_LEN], struct tl_key **ret_key,
		       struct tl_err *err)
{
	return wrap(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public,
						TL_ED25519_PUBLIC_LEN),
		    false, ret_key, err);
}

/* A passphrase prompt on the terminal of a daemon would hang it. */
static int no_passphrase(char *text TL_UNUSED, int size TL_UNUSED, int writing TL_UNUSED,
			 void *arg TL_UNUSED)
{
	return -1;
}

static EVP_PKEY *parse_pem(const struct tl_buf *pem)
{
	BIO *bio = BIO_new_mem_buf(tl_buf_str(pem), (int)pem->len);
	EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	return pkey;
}

int tl_key_load(int dir_fd, const char *path, struct tl_key **ret_key, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf pem = TL_BUF_SECRET_INIT(KEY_FILE_MAX);
	EVP_PKEY *pkey;
	int outcome = tl_fs_read_secret(dir_fd, path, &pem, err);

	if (outcome)
		return outcome;
	pkey = parse_pem(&pem);
	if (!pkey || EVP_PKEY_get_id(pkey) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(pkey);
		return tl_err_set(err, TL_EINVAL,
				  "%s is not an unencrypted Ed25519 private key in PKCS#8 PEM",
				  path);
	}
	return wrap(pkey, true, ret_key, err);
}

int tl_key_pem(const struct tl_key *key, struct tl_buf *secret_out)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *text;
	long len;
	int outcome = TL_EINVAL;

	if (bio && key->is_pair &&
	    PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1) {
		len = BIO_get_mem_data(bio, &text);
		tl_buf_append(secret_out, text, (size_t)len);
		tl_wipe(text, (size_t)len);
		outcome = tl_buf_check(secret_out);
	}
	BIO_free(bio);
	return outcome;
}

int tl_key_save(const struct tl_key *key, int dir_fd, const char *path, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf pem = TL_BUF_SECRET_INIT(KEY_FILE_MAX);
	int outcome = tl_key_pem(key, &pem);

	if (outcome)
		return tl_err_set(err, outcome, "cannot write %s: the key has no private half",
				  path);
	return tl_fs_create_file(dir_fd, path, 0600, pem.data, pem.len, err);
}

void tl_key_public(const struct tl_key *key, uint8_t public[static TL_ED25519_PUBLIC_LEN])
{
	size_t len = TL_ED25519_PUBLIC_LEN;

	if (EVP_PKEY_get_raw_public_key(key->pkey, public, &len) != 1 ||
	    len != TL_ED25519_PUBLIC_LEN)
		abort();
}

void tl_key_id(const struct tl_key *key, char id[static TL_KEY_ID_LEN + 1])
{
	tl_auto(tl_buf) struct tl_buf jwk = TL_BUF_INIT(256), text = TL_BUF_INIT(TL_KEY_ID_LEN);
	uint8_t public[TL_ED25519_PUBLIC_LEN], digest[TL_SHA256_LEN];

	tl_key_public(key, public);
	tl_buf_puts(&jwk, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"");
	tl_base64url_encode(&jwk, public, sizeof public);
	tl_buf_puts(&jwk, "\"}");
	tl_sha256_of(jwk.data, jwk.len, digest);
	tl_base64url_encode(&text, digest, sizeof digest);
	if (tl_buf_check(&jwk) || tl_buf_check(&text))
		abort();
	memcpy(id, text.data, TL_KEY_ID_LEN + 1);
}

/* RFC 8709 §4: string "ssh-ed25519", string of the 32 bytes; lengths are big-endian words. */
void tl_key_ssh_line(const struct tl_key *key, const char *comment, struct tl_buf *out)
{
	static const char type[] = "\0\0\0\x0bssh-ed25519\0\0\0\x20";
	uint8_t blob[sizeof type - 1 + TL_ED25519_PUBLIC_LEN];

	memcpy(blob, type, sizeof type - 1);
	tl_key_public(key, blob + sizeof type - 1);
	tl_buf_puts(out, "ssh-ed25519 ");
	tl_base64_encode(out, blob, sizeof blob);
	if (comment && *comment)
		tl_buf_printf(out, " %s", comment);
}

int tl_key_sign(const struct tl_key *key, const void *bytes, size_t len,
		uint8_t signature[static TL_ED25519_SIGNATURE_LEN])
{
	EVP_MD_CTX *context = key->is_pair ? EVP_MD_CTX_new() : NULL;
	size_t signature_len = TL_ED25519_SIGNATURE_LEN;
	bool signed_ = context && EVP_DigestSignInit(context, NULL, NULL, NULL, key->pkey) == 1 &&
		       EVP_DigestSign(context, signature, &signature_len, bytes, len) == 1;

	EVP_MD_CTX_free(context);
	return signed_ ? 0 : TL_EINVAL;
}

int tl_key_verify(const struct tl_key *key, const void *bytes, size_t len,
		  const uint8_t signature[static TL_ED25519_SIGNATURE_LEN])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool verified =
		context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key->pkey) == 1 &&
		EVP_DigestVerify(context, signature, TL_ED25519_SIGNATURE_LEN, bytes, len) == 1;

	EVP_MD_CTX_free(context);
	return verified ? 0 : TL_ESIG;
}

void tl_key_free(struct tl_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}
