#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "scene.h"

#define DAY 86400
#define NOW 1767225600 /* where the stage's clock stands */

struct made {
	char pem[4096];
	char key[4096];
	unsigned char der[4096];
	int der_len;
};

static void text_of(BIO *bio, char *text, size_t room)
{
	int len = BIO_read(bio, text, (int)room - 1);

	assert_true(len > 0);
	text[len] = '\0';
	BIO_free(bio);
}

/* A certificate of its own that ends `days` after the stage's now. */
static struct made make(const char *name, int days)
{
	struct made made = {.der_len = 0};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	X509_NAME *subject = X509_get_subject_name(certificate);
	X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name,
						    "DNS:a.example,DNS:b.example");
	unsigned char *at = made.der;
	BIO *bio;

	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 0x1234);
	ASN1_TIME_set(X509_getm_notBefore(certificate), NOW - 400 * DAY);
	ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)(NOW + (int64_t)days * DAY));
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
				   -1, 0);
	X509_set_issuer_name(certificate, subject);
	X509_set_pubkey(certificate, key);
	X509_add_ext(certificate, names, -1);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	made.der_len = i2d_X509(certificate, &at);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, certificate);
	text_of(bio, made.pem, sizeof made.pem);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	text_of(bio, made.key, sizeof made.key);
	X509_EXTENSION_free(names);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return made;
}

static json_int_t days_of(const json_t *item)
{
	return json_integer_value(json_object_get(item, "days_left"));
}

static void certificate_says_who_and_how_long(void **state)
{
	struct stage *stage = *state;
	struct made made = make("server", 12);
	tl_json *item = NULL;

	stage_file(stage, "/etc/ssl/server.pem", made.pem);
	scene_play(stage, collect_certificates, S("/etc/ssl"));
	item = scene_item(stage, "certificates", "/etc/ssl/server.pem");
	assert_int_equal(days_of(item), 12);
	assert_string_equal(json_string_value(json_object_get(item, "subject")), "CN=server");
	assert_string_equal(json_string_value(json_object_get(item, "issuer")), "CN=server");
	assert_string_equal(json_string_value(json_object_get(item, "serial")), "1234");
	assert_string_equal(json_string_value(json_object_get(item, "not_after")),
			    "2026-01-13T00:00:00Z");
	assert_string_equal(json_string_value(json_object_get(item, "dns_names")),
			    "a.example b.example");
}

static void certificate_that_has_ended_has_days_below_nought(void **state)
{
	struct stage *stage = *state;
	struct made made = make("server", -3);
	tl_json *item = NULL;

	stage_file(stage, "/etc/ssl/deep/er/server.crt", made.pem);
	scene_play(stage, collect_certificates, S("/etc/ssl"));
	item = scene_item(stage, "certificates", "/etc/ssl/deep/er/server.crt");
	assert_int_equal(days_of(item), -3);
}

static void each_certificate_of_a_chain_is_listed_and_no_key(void **state)
{
	struct stage *stage = *state;
	struct made one = make("one", 100), other = make("other", 200);
	char text[16384];
	tl_json *second = NULL;

	snprintf(text, sizeof text, "%s%s%s", one.key, one.pem, other.pem);
	stage_file(stage, "/etc/ssl/chain.pem", text);
	stage_file(stage, "/etc/ssl/private.key.pem", one.key);
	scene_play(stage, collect_certificates, S("/etc/ssl"));
	second = scene_item(stage, "certificates", "/etc/ssl/chain.pem#2");
	assert_int_equal(days_of(second), 200);
	assert_null(strstr(stage_member(stage, "snapshot/certificates.json"), "PRIVATE"));
	assert_null(scene_item(stage, "certificates", "/etc/ssl/private.key.pem"));
}

static void certificate_in_der_is_read(void **state)
{
	struct stage *stage = *state;
	struct made made = make("der", 5);
	tl_json *item = NULL;
	FILE *file;

	stage_file(stage, "/etc/pki/x.der", "");
	file = fopen(stage_path(stage, "/etc/pki/x.der"), "w");
	assert_non_null(file);
	assert_int_equal(fwrite(made.der, 1, (size_t)made.der_len, file), made.der_len);
	fclose(file);
	scene_play(stage, collect_certificates, S("/etc/pki"));
	item = scene_item(stage, "certificates", "/etc/pki/x.der");
	assert_int_equal(days_of(item), 5);
}

static void authorities_of_a_store_are_marked_and_listed_in_short(void **state)
{
	struct stage *stage = *state;
	struct made far = make("far", 900), soon = make("soon", 2);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(1 << 20);
	tl_json *store = NULL, *item = NULL;

	for (int i = 0; i < 29; i++)
		tl_buf_puts(&text, far.pem);
	tl_buf_puts(&text, soon.pem);
	stage_file(stage, "/etc/ssl/certs/bundle.crt", tl_buf_str(&text));
	scene_play(stage, collect_certificates, S("/etc/ssl"));
	store = scene_item(stage, "certificates", "/etc/ssl/certs/bundle.crt");
	item = scene_item(stage, "certificates", "/etc/ssl/certs/bundle.crt#30");
	assert_int_equal(json_integer_value(json_object_get(store, "certificates")), 30);
	assert_true(json_is_true(json_object_get(item, "store")));
	assert_int_equal(days_of(item), 2);
	assert_null(json_object_get(item, "issuer"));
}

static void what_is_no_certificate_is_passed_over(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/etc/ssl/broken.pem",
		   "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	stage_file(stage, "/etc/ssl/text.crt", "hello\n");
	stage_file(stage, "/etc/ssl/empty.pem", "");
	scene_link(stage, "/etc/ssl/loop", ".");
	scene_play(stage, collect_certificates, S("/etc/ssl", "/etc/pki"));
	assert_string_equal(stage_member(stage, "snapshot/certificates.json"),
			    "{\"items\":[],\"schema\":1}\n");
}

int main(void)
{
#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_set_up, stage_tear_down)
	const struct CMUnitTest tests[] = {
		STAGED(certificate_says_who_and_how_long),
		STAGED(certificate_that_has_ended_has_days_below_nought),
		STAGED(each_certificate_of_a_chain_is_listed_and_no_key),
		STAGED(certificate_in_der_is_read),
		STAGED(authorities_of_a_store_are_marked_and_listed_in_short),
		STAGED(what_is_no_certificate_is_passed_over),
	};

	return cmocka_run_group_tests_name("collect/certificates", tests, NULL, NULL);
}
