/* Keys, signatures, hashes and randomness over OpenSSL 3. Any thread; an object belongs to one. */
#ifndef TOWLINE_CRYPTO_H
#define TOWLINE_CRYPTO_H

#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>

#define TL_ED25519_PUBLIC_LEN 32
#define TL_ED25519_SIGNATURE_LEN 64
#define TL_SHA256_LEN 32
#define TL_SHA256_HEX 65 /* with the terminator */

/* Fills from the kernel's generator. Never fails: aborts the program when the kernel cannot. */
void tl_random(void *bytes, size_t len);
/* Wipes, not optimised away. */
void tl_wipe(void *bytes, size_t len);

struct tl_sha256; /* a running hash */
struct tl_sha256 *tl_sha256_new(void);
void tl_sha256_update(struct tl_sha256 *hash, const void *bytes, size_t len);
/* Writes the digest and leaves the hash ready for a new message. */
void tl_sha256_final(struct tl_sha256 *hash, uint8_t digest[static TL_SHA256_LEN]);
void tl_sha256_free(struct tl_sha256 *hash);
TL_DEFINE_AUTO_PTR(tl_sha256, tl_sha256_free);
void tl_sha256_of(const void *bytes, size_t len, uint8_t digest[static TL_SHA256_LEN]);
void tl_sha256_hex_of(const void *bytes, size_t len, char hex[static TL_SHA256_HEX]);

/* An Ed25519 key (RFC 8032): a pair, or a public key only. */
struct tl_key;

TL_MUST_CHECK int tl_key_generate(struct tl_key **ret_key, struct tl_err *err);
/* PKCS#8 PEM, mode 0600; refused when others can read it. */
TL_MUST_CHECK int tl_key_load(int dir_fd, const char *path, struct tl_key **ret_key,
			      struct tl_err *err);
/* Durable; TL_EEXIST rather than replace. */
TL_MUST_CHECK int tl_key_save(const struct tl_key *key, int dir_fd, const char *path,
			      struct tl_err *err);
/* PKCS#8 PEM into a secret buffer: what libssh's importer reads. */
TL_MUST_CHECK int tl_key_pem(const struct tl_key *key, struct tl_buf *secret_out);
TL_MUST_CHECK int tl_key_from_public(const uint8_t public[static TL_ED25519_PUBLIC_LEN],
				     struct tl_key **ret_key, struct tl_err *err);
void tl_key_public(const struct tl_key *key, uint8_t public[static TL_ED25519_PUBLIC_LEN]);
/* RFC 7638 thumbprint of the OKP JWK, base64url (43 characters): the key id. */
#define TL_KEY_ID_LEN 43
void tl_key_id(const struct tl_key *key, char id[static TL_KEY_ID_LEN + 1]);
/* "ssh-ed25519 AAAA… comment", one line, no newline. */
void tl_key_ssh_line(const struct tl_key *key, const char *comment, struct tl_buf *out);

TL_MUST_CHECK int tl_key_sign(const struct tl_key *key, const void *bytes, size_t len,
			      uint8_t signature[static TL_ED25519_SIGNATURE_LEN]);
/* 0 or TL_ESIG. */
TL_MUST_CHECK int tl_key_verify(const struct tl_key *key, const void *bytes, size_t len,
				const uint8_t signature[static TL_ED25519_SIGNATURE_LEN]);
void tl_key_free(struct tl_key *key);
TL_DEFINE_AUTO_PTR(tl_key, tl_key_free);

#endif
