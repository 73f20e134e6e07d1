#include "keys.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <towline/fs.h>

static EVP_PKEY *make_key(enum keys_kind kind)
{
	switch (kind) {
	case KEYS_RSA:
		return EVP_RSA_gen(2048);
	case KEYS_RSA_SHORT:
		return EVP_RSA_gen(1024);
	case KEYS_EC:
		return EVP_EC_gen("P-256");
	case KEYS_ED25519:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	}
	return NULL;
}

static X509 *make_cert(EVP_PKEY *key, enum keys_kind kind, const char *name)
{
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);

	ASN1_INTEGER_set(X509_get_serialNumber(cert), 4711);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
				   -1, 0);
	X509_set_issuer_name(cert, subject);
	X509_set_pubkey(cert, key);
	X509_sign(cert, key, kind == KEYS_ED25519 ? NULL : EVP_sha256());
	return cert;
}

static void store(BIO *bio, char *path)
{
	char *bytes;
	long len = BIO_get_mem_data(bio, &bytes);
	tl_fd int fd = mkstemp(strcpy(path, "/tmp/towline-keys-XXXXXX"));

	if (fd < 0 || tl_fs_write_all(fd, bytes, (size_t)len, NULL) < 0)
		abort();
}

void keys_make(enum keys_kind kind, const char *name, struct keys *ret_keys)
{
	EVP_PKEY *key = make_key(kind);
	X509 *cert = make_cert(key, kind, name);
	BIO *key_bio = BIO_new(BIO_s_mem()), *cert_bio = BIO_new(BIO_s_mem());
	char *bytes;
	long len;

	PEM_write_bio_PKCS8PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL);
	PEM_write_bio_X509(cert_bio, cert);
	store(key_bio, ret_keys->key_path);
	store(cert_bio, ret_keys->cert_path);
	len = BIO_get_mem_data(cert_bio, &bytes);
	tl_buf_init(&ret_keys->cert_pem, 16384);
	tl_buf_append(&ret_keys->cert_pem, bytes, (size_t)len);
	BIO_free(key_bio);
	BIO_free(cert_bio);
	X509_free(cert);
	EVP_PKEY_free(key);
}

void keys_clear(struct keys *keys)
{
	if (keys->cert_path[0]) {
		unlink(keys->key_path);
		unlink(keys->cert_path);
	}
	tl_buf_clear(&keys->cert_pem);
}
