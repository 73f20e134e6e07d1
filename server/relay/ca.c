#include "relay/ca.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct tl_ca {
	X509 *certificate;
	EVP_PKEY *key;
};

struct extension {
	int nid;
	const char *value;
};

static void free_bio(BIO **bio)
{
	BIO_free(*bio);
}
#define auto_bio tl_cleanup(free_bio) BIO

static void free_x509(X509 **certificate)
{
	X509_free(*certificate);
}
#define auto_x509 tl_cleanup(free_x509) X509

static void free_pkey(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}
#define auto_pkey tl_cleanup(free_pkey) EVP_PKEY

static int openssl_failed(struct tl_err *err, const char *what)
{
	char text[160] = "unknown error";
	unsigned long code = ERR_get_error();

	if (code)
		ERR_error_string_n(code, text, sizeof text);
	ERR_clear_error();
	return tl_err_set(err, TL_EINTERNAL, "cannot %s: %s", what, text);
}

/* An empty certificate for `key` with what all of ours share. Backdated by an hour, for clocks that
 * are behind. */
static X509 *new_certificate(EVP_PKEY *key, const char *common_name, long days)
{
	auto_x509 *certificate = X509_new();
	uint8_t serial[16];
	BIGNUM *number;
	X509_NAME *subject;

	if (!certificate)
		return NULL;
	tl_random(serial, sizeof serial);
	serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, never short */
	number = BN_bin2bn(serial, sizeof serial, NULL);
	if (!number || !BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate))) {
		BN_free(number);
		return NULL;
	}
	BN_free(number);
	subject = X509_get_subject_name(certificate);
	if (!X509_set_version(certificate, X509_VERSION_3) ||
	    !X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) ||
	    !X509_gmtime_adj(X509_getm_notAfter(certificate), days * 86400) ||
	    !X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
					(const unsigned char *)common_name, -1, -1, 0) ||
	    !X509_set_pubkey(certificate, key))
		return NULL;
	return tl_steal(&certificate);
}

/* Adds the extensions and signs by `issuer` (itself for a root). */
static int finish(X509 *certificate, X509 *issuer, EVP_PKEY *issuer_key,
		  const struct extension *extensions, size_t count)
{
	X509V3_CTX context;
	size_t i;

	if (!X509_set_issuer_name(certificate, X509_get_subject_name(issuer)))
		return -1;
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	for (i = 0; i < count; i++) {
		X509_EXTENSION *extension =
			X509V3_EXT_conf_nid(NULL, &context, extensions[i].nid, extensions[i].value);
		int added = extension && X509_add_ext(certificate, extension, -1);

		X509_EXTENSION_free(extension);
		if (!added)
			return -1;
	}
	return X509_sign(certificate, issuer_key, EVP_sha256()) > 0 ? 0 : -1;
}

int tl_ca_new(const char *name, struct tl_ca **ret_ca, struct tl_err *err)
{
	static const struct extension extensions[] = {
		{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
		{NID_key_usage, "critical,keyCertSign,cRLSign"},
		{NID_subject_key_identifier, "hash"},
	};
	tl_auto(tl_ca) struct tl_ca *ca = calloc(1, sizeof *ca);
	char common_name[65];

	if (!ca)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	/* X.509 allows 64 characters in a common name. */
	snprintf(common_name, sizeof common_name, "%.60s CA", name);
	ca->key = EVP_EC_gen("P-256");
	if (ca->key)
		ca->certificate = new_certificate(ca->key, common_name, TL_CA_DAYS);
	if (!ca->certificate ||
	    finish(ca->certificate, ca->certificate, ca->key, extensions, TL_ARRAY_LEN(extensions)))
		return openssl_failed(err, "make the certificate authority");
	*ret_ca = tl_steal(&ca);
	return 0;
}

int tl_ca_load(const struct tl_buf *certificate_pem, const struct tl_buf *key_pem,
	       struct tl_ca **ret_ca, struct tl_err *err)
{
	tl_auto(tl_ca) struct tl_ca *ca = calloc(1, sizeof *ca);
	auto_bio *certificate =
		BIO_new_mem_buf(tl_buf_str(certificate_pem), (int)certificate_pem->len);
	auto_bio *key = BIO_new_mem_buf(tl_buf_str(key_pem), (int)key_pem->len);

	if (!ca || !certificate || !key)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	ca->certificate = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
	ca->key = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
	if (!ca->certificate || !ca->key || X509_check_private_key(ca->certificate, ca->key) != 1)
		return openssl_failed(err, "read the certificate authority");
	*ret_ca = tl_steal(&ca);
	return 0;
}

static int write_pem(X509 *certificate, EVP_PKEY *key, struct tl_buf *certificate_pem,
		     struct tl_buf *key_pem)
{
	auto_bio *certificate_out = BIO_new(BIO_s_mem());
	auto_bio *key_out = BIO_new(BIO_s_secmem());
	char *bytes;
	long len;

	if (!certificate_out || !key_out || !PEM_write_bio_X509(certificate_out, certificate) ||
	    !PEM_write_bio_PKCS8PrivateKey(key_out, key, NULL, NULL, 0, NULL, NULL))
		return -1;
	len = BIO_get_mem_data(certificate_out, &bytes);
	tl_buf_append(certificate_pem, bytes, (size_t)len);
	len = BIO_get_mem_data(key_out, &bytes);
	tl_buf_append(key_pem, bytes, (size_t)len);
	return tl_buf_check(certificate_pem) || tl_buf_check(key_pem) ? -1 : 0;
}

int tl_ca_write(const struct tl_ca *ca, struct tl_buf *certificate_pem,
		struct tl_buf *secret_key_pem, struct tl_err *err)
{
	if (write_pem(ca->certificate, ca->key, certificate_pem, secret_key_pem))
		return openssl_failed(err, "write the certificate authority");
	return 0;
}

/* "DNS:relay.example,IP:127.0.0.1": names were checked to hold neither commas nor colons, but for
 * addresses, which inet_pton accepted. */
static int write_names(const struct tl_strv *names, struct tl_buf *out, struct tl_err *err)
{
	size_t i;

	for (i = 0; i < names->count; i++) {
		const char *name = names->items[i];
		struct in6_addr address;
		bool is_address = inet_pton(AF_INET, name, &address) == 1 ||
				  inet_pton(AF_INET6, name, &address) == 1;

		if (!is_address && !tl_str_is_name(name, 253))
			return tl_err_set(err, TL_EINVAL,
					  "\"%s\" is neither a host name nor an address", name);
		tl_buf_printf(out, "%s%s:%s", i ? "," : "", is_address ? "IP" : "DNS", name);
	}
	return tl_buf_check(out);
}

int tl_ca_issue(const struct tl_ca *ca, const struct tl_strv *names, struct tl_buf *certificate_pem,
		struct tl_buf *secret_key_pem, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf alternatives = TL_BUF_INIT(16384);
	auto_pkey *key = EVP_EC_gen("P-256");
	auto_x509 *certificate = NULL;
	char common_name[65];
	int r;

	if (names->count == 0)
		return tl_err_set(err, TL_EINVAL, "a certificate needs at least one name");
	if ((r = write_names(names, &alternatives, err)))
		return r;
	snprintf(common_name, sizeof common_name, "%.64s", names->items[0]);

	const struct extension extensions[] = {
		{NID_basic_constraints, "critical,CA:FALSE"},
		{NID_key_usage, "critical,digitalSignature"},
		{NID_ext_key_usage, "serverAuth"},
		{NID_subject_key_identifier, "hash"},
		{NID_authority_key_identifier, "keyid:always"},
		{NID_subject_alt_name, tl_buf_str(&alternatives)},
	};

	if (key)
		certificate = new_certificate(key, common_name, TL_CA_SERVER_DAYS);
	if (!certificate ||
	    finish(certificate, ca->certificate, ca->key, extensions, TL_ARRAY_LEN(extensions)) ||
	    write_pem(certificate, key, certificate_pem, secret_key_pem))
		return openssl_failed(err, "issue the server certificate");
	return 0;
}

void tl_ca_free(struct tl_ca *ca)
{
	if (!ca)
		return;
	X509_free(ca->certificate);
	EVP_PKEY_free(ca->key);
	free(ca);
}

int tl_ca_fingerprint(const char *pem, size_t len, char hex[static TL_SHA256_HEX],
		      struct tl_err *err)
{
	auto_bio *in = BIO_new_mem_buf(pem, (int)len);
	auto_x509 *certificate = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned digest_len;

	if (!certificate || !X509_digest(certificate, EVP_sha256(), digest, &digest_len))
		return openssl_failed(err, "read the CA certificate");
	tl_hex_encode(digest, digest_len, hex);
	return 0;
}
