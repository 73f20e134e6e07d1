#include "desk/upload_checksum.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

struct tl_upload_checksum {
	EVP_MD_CTX *context;
	struct tl_buf expected;
};

static const struct {
	const char *name;
	const EVP_MD *(*make)(void);
} algorithms[] = {{"sha256", EVP_sha256}, {"sha1", EVP_sha1}};

static const EVP_MD *find(const char *name, size_t len)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(algorithms); i++)
		if (strlen(algorithms[i].name) == len && !memcmp(algorithms[i].name, name, len))
			return algorithms[i].make();
	return NULL;
}

int tl_upload_checksum_new(const char *header, struct tl_upload_checksum **ret_checksum,
			   struct tl_err *err)
{
	tl_auto(tl_upload_checksum) struct tl_upload_checksum *checksum =
		calloc(1, sizeof *checksum);
	size_t len = strcspn(header, " ");
	const EVP_MD *algorithm = find(header, len);

	if (!checksum || !(checksum->context = EVP_MD_CTX_new()))
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	if (!algorithm)
		return tl_err_set(err, TL_EPROTO,
				  "Upload-Checksum knows " TL_TUS_CHECKSUMS ", not \"%.20s\"",
				  header);
	tl_buf_init(&checksum->expected, EVP_MAX_MD_SIZE);
	if (header[len] != ' ' ||
	    tl_base64_decode(&checksum->expected, header + len + 1, strlen(header + len + 1)) ||
	    tl_buf_check(&checksum->expected) ||
	    checksum->expected.len != (size_t)EVP_MD_get_size(algorithm))
		return tl_err_set(err, TL_EPROTO,
				  "Upload-Checksum must be an algorithm and a hash in base64");
	if (EVP_DigestInit_ex(checksum->context, algorithm, NULL) != 1)
		return tl_err_set(err, TL_EINTERNAL, "OpenSSL cannot hash");
	*ret_checksum = tl_steal(&checksum);
	return 0;
}

void tl_upload_checksum_update(struct tl_upload_checksum *checksum, const void *bytes, size_t len)
{
	if (EVP_DigestUpdate(checksum->context, bytes, len) != 1)
		tl_buf_reset(&checksum->expected); /* then nothing fits */
}

bool tl_upload_checksum_fits(struct tl_upload_checksum *checksum)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	return EVP_DigestFinal_ex(checksum->context, digest, &len) == 1 &&
	       len == checksum->expected.len &&
	       CRYPTO_memcmp(digest, checksum->expected.data, len) == 0;
}

void tl_upload_checksum_free(struct tl_upload_checksum *checksum)
{
	if (!checksum)
		return;
	EVP_MD_CTX_free(checksum->context);
	tl_buf_clear(&checksum->expected);
	free(checksum);
}
