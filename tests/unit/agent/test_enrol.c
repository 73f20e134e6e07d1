#include "../common/tests.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <towline/buf.h>
#include <towline/crypto.h>

#include "core/enrol.h"

/* A self-signed certificate as PEM, and its fingerprint. */
static void make_certificate(struct tl_buf *pem, char sha256[static TL_SHA256_HEX])
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	X509 *certificate = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	char *text;
	int len;

	X509_set_pubkey(certificate, key);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	assert_true(X509_sign(certificate, key, NULL) > 0);
	len = i2d_X509(certificate, &der);
	tl_sha256_hex_of(der, (size_t)len, sha256);
	OPENSSL_free(der);
	PEM_write_bio_X509(bio, certificate);
	len = (int)BIO_get_mem_data(bio, &text);
	tl_buf_append(pem, text, (size_t)len);
	BIO_free(bio);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static void the_ca_of_the_token_is_pinned(void **state)
{
	tl_auto(tl_buf) struct tl_buf pem = TL_BUF_INIT(8192);
	tl_auto(tl_buf) struct tl_buf pinned = TL_BUF_INIT(8192);
	char sha256[TL_SHA256_HEX];

	(void)state;
	make_certificate(&pem, sha256);
	assert_int_equal(tl_enrol_pin_ca(tl_buf_str(&pem), sha256, &pinned, NULL), 0);
	assert_string_equal(tl_buf_str(&pinned), tl_buf_str(&pem));
}

static void another_ca_is_refused(void **state)
{
	tl_auto(tl_buf) struct tl_buf pem = TL_BUF_INIT(8192);
	tl_auto(tl_buf) struct tl_buf pinned = TL_BUF_INIT(8192);
	char sha256[TL_SHA256_HEX];
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	make_certificate(&pem, sha256);
	sha256[0] = sha256[0] == '0' ? '1' : '0';
	assert_int_equal(tl_enrol_pin_ca(tl_buf_str(&pem), sha256, &pinned, &err), TL_EAUTH);
	assert_says(&err, "another CA than the token names");
	assert_int_equal(pinned.len, 0);
}

static void a_second_certificate_is_not_pinned_with_it(void **state)
{
	tl_auto(tl_buf) struct tl_buf pem = TL_BUF_INIT(8192);
	tl_auto(tl_buf) struct tl_buf pinned = TL_BUF_INIT(8192);
	char sha256[TL_SHA256_HEX], smuggled[TL_SHA256_HEX];
	size_t first_len;

	(void)state;
	make_certificate(&pem, sha256);
	first_len = pem.len;
	make_certificate(&pem, smuggled);
	assert_int_equal(tl_enrol_pin_ca(tl_buf_str(&pem), sha256, &pinned, NULL), 0);
	assert_int_equal(pinned.len, first_len);
}

static void what_is_no_certificate_is_refused(void **state)
{
	tl_auto(tl_buf) struct tl_buf pinned = TL_BUF_INIT(8192);
	struct tl_err err = TL_ERR_INIT;

	(void)state;
	assert_int_not_equal(tl_enrol_pin_ca("hello", "00", &pinned, &err), 0);
	assert_says(&err, "no readable CA certificate");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ca_of_the_token_is_pinned),
		cmocka_unit_test(another_ca_is_refused),
		cmocka_unit_test(a_second_certificate_is_not_pinned_with_it),
		cmocka_unit_test(what_is_no_certificate_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
