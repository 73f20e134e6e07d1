#include <towline/crypto.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/random.h>
#include <towline/str.h>

/* getrandom(2) with flags 0 blocks until the kernel's pool is ready and is then never short for
 * small requests; a kernel without it is none that Towline runs on. */
void tl_random(void *bytes, size_t len)
{
	uint8_t *at = bytes;

	while (len > 0) {
		size_t piece = len < 256 ? len : 256;

		if (getrandom(at, piece, 0) != (ssize_t)piece)
			abort();
		at += piece;
		len -= piece;
	}
}

void tl_wipe(void *bytes, size_t len)
{
	OPENSSL_cleanse(bytes, len);
}

struct tl_sha256 {
	EVP_MD_CTX *context;
};

/* Restarting or copying SHA-256 fails only when OpenSSL is broken or memory ran out; a hash that is
 * silently wrong would be worse than an end. */
static void must(int outcome)
{
	if (outcome != 1)
		abort();
}

struct tl_sha256 *tl_sha256_new(void)
{
	struct tl_sha256 *hash = calloc(1, sizeof *hash);

	must(hash != NULL);
	hash->context = EVP_MD_CTX_new();
	must(hash->context != NULL);
	must(EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL));
	return hash;
}

void tl_sha256_update(struct tl_sha256 *hash, const void *bytes, size_t len)
{
	must(EVP_DigestUpdate(hash->context, bytes, len));
}

void tl_sha256_final(struct tl_sha256 *hash, uint8_t digest[static TL_SHA256_LEN])
{
	must(EVP_DigestFinal_ex(hash->context, digest, NULL));
	must(EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL));
}

void tl_sha256_free(struct tl_sha256 *hash)
{
	if (!hash)
		return;
	EVP_MD_CTX_free(hash->context);
	free(hash);
}

void tl_sha256_of(const void *bytes, size_t len, uint8_t digest[static TL_SHA256_LEN])
{
	must(EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL));
}

void tl_sha256_hex_of(const void *bytes, size_t len, char hex[static TL_SHA256_HEX])
{
	uint8_t digest[TL_SHA256_LEN];

	tl_sha256_of(bytes, len, digest);
	tl_hex_encode(digest, sizeof digest, hex);
}
