#include "relay/ca.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cmocka.h>

struct pems {
	struct tl_buf ca, ca_key, server, server_key;
};

static void issue(struct pems *pems, const char *const *names)
{
	tl_auto(tl_strv) struct tl_strv list = TL_STRV_INIT;
	tl_auto(tl_ca) struct tl_ca *ca = NULL;
	struct tl_err err = TL_ERR_INIT;

	for (; *names; names++)
		assert_int_equal(tl_strv_push(&list, *names), 0);
	assert_int_equal(tl_ca_new("Relay", &ca, &err), 0);
	assert_int_equal(tl_ca_write(ca, &pems->ca, &pems->ca_key, &err), 0);
	assert_int_equal(tl_ca_issue(ca, &list, &pems->server, &pems->server_key, &err), 0);
}

static int setup(void **state)
{
	static const char *const names[] = {"relay.example", "127.0.0.1", "::1", NULL};
	struct pems *pems = calloc(1, sizeof *pems);

	if (!pems)
		return -1;
	tl_buf_init(&pems->ca, 16384);
	tl_buf_init(&pems->ca_key, 16384);
	tl_buf_init(&pems->server, 16384);
	tl_buf_init(&pems->server_key, 16384);
	issue(pems, names);
	*state = pems;
	return 0;
}

static int teardown(void **state)
{
	struct pems *pems = *state;

	tl_buf_clear(&pems->ca);
	tl_buf_clear(&pems->ca_key);
	tl_buf_clear(&pems->server);
	tl_buf_clear(&pems->server_key);
	free(pems);
	return 0;
}

static X509 *read_certificate(const struct tl_buf *pem)
{
	BIO *in = BIO_new_mem_buf(pem->data, (int)pem->len);
	X509 *certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);

	BIO_free(in);
	assert_non_null(certificate);
	return certificate;
}

/* X509_V_OK or the reason why not. */
static int verify(X509 *root, X509 *certificate)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	int result;

	assert_int_equal(X509_STORE_add_cert(store, root), 1);
	assert_int_equal(X509_STORE_CTX_init(context, store, certificate, NULL), 1);
	X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
	X509_verify_cert(context);
	result = X509_STORE_CTX_get_error(context);
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	return result;
}

static void the_server_certificate_verifies_for_its_names_only(void **state)
{
	const struct pems *pems = *state;
	X509 *root = read_certificate(&pems->ca), *server = read_certificate(&pems->server);

	assert_int_equal(verify(root, server), X509_V_OK);
	assert_int_equal(X509_check_host(server, "relay.example", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(server, "other.example", 0, 0, NULL), 0);
	assert_int_equal(X509_check_ip_asc(server, "127.0.0.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(server, "::1", 0), 1);
	assert_int_equal(X509_check_ip_asc(server, "192.0.2.1", 0), 0);
	X509_free(root);
	X509_free(server);
}

static void another_authority_does_not_vouch_for_it(void **state)
{
	static const char *const names[] = {"relay.example", NULL};
	tl_auto(tl_buf) struct tl_buf a = TL_BUF_INIT(16384), b = TL_BUF_INIT(16384);
	tl_auto(tl_buf) struct tl_buf c = TL_BUF_INIT(16384), d = TL_BUF_INIT(16384);
	struct pems other = {a, b, c, d};
	X509 *root, *server;

	issue(&other, names);
	root = read_certificate(&other.ca);
	server = read_certificate(&((struct pems *)*state)->server);
	assert_int_not_equal(verify(root, server), X509_V_OK);
	X509_free(root);
	X509_free(server);
	tl_buf_clear(&other.ca);
	tl_buf_clear(&other.ca_key);
	tl_buf_clear(&other.server);
	tl_buf_clear(&other.server_key);
}

static void an_authority_that_was_written_issues_again(void **state)
{
	const struct pems *pems = *state;
	tl_auto(tl_buf) struct tl_buf server = TL_BUF_INIT(16384), key = TL_BUF_INIT(16384);
	tl_auto(tl_strv) struct tl_strv names = TL_STRV_INIT;
	tl_auto(tl_ca) struct tl_ca *ca = NULL;
	X509 *root, *certificate;

	assert_int_equal(tl_ca_load(&pems->ca, &pems->ca_key, &ca, NULL), 0);
	assert_int_equal(tl_strv_push(&names, "new.example"), 0);
	assert_int_equal(tl_ca_issue(ca, &names, &server, &key, NULL), 0);
	root = read_certificate(&pems->ca);
	certificate = read_certificate(&server);
	assert_int_equal(verify(root, certificate), X509_V_OK);
	X509_free(root);
	X509_free(certificate);
}

static void a_name_that_would_smuggle_another_is_refused(void **state)
{
	const struct pems *pems = *state;
	tl_auto(tl_buf) struct tl_buf server = TL_BUF_INIT(16384), key = TL_BUF_INIT(16384);
	tl_auto(tl_strv) struct tl_strv names = TL_STRV_INIT;
	tl_auto(tl_ca) struct tl_ca *ca = NULL;

	assert_int_equal(tl_ca_load(&pems->ca, &pems->ca_key, &ca, NULL), 0);
	assert_int_equal(tl_strv_push(&names, "a.example,DNS:bank.example"), 0);
	assert_int_equal(tl_ca_issue(ca, &names, &server, &key, NULL), TL_EINVAL);
}

static void the_fingerprint_is_of_the_der(void **state)
{
	const struct pems *pems = *state;
	X509 *root = read_certificate(&pems->ca);
	unsigned char *der = NULL;
	int len = i2d_X509(root, &der);
	char hex[TL_SHA256_HEX], expected[TL_SHA256_HEX];

	tl_sha256_hex_of(der, (size_t)len, expected);
	assert_int_equal(tl_ca_fingerprint(pems->ca.data, pems->ca.len, hex, NULL), 0);
	assert_string_equal(hex, expected);
	assert_int_equal(tl_ca_fingerprint("junk", 4, hex, NULL), TL_EINTERNAL);
	OPENSSL_free(der);
	X509_free(root);
}

#define CA_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CA_TEST(the_server_certificate_verifies_for_its_names_only),
		CA_TEST(another_authority_does_not_vouch_for_it),
		CA_TEST(an_authority_that_was_written_issues_again),
		CA_TEST(a_name_that_would_smuggle_another_is_refused),
		CA_TEST(the_fingerprint_is_of_the_der),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
