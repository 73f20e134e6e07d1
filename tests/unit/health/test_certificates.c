#include "stage.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define DAY_S 86400

/* A self-signed certificate that expires `days` after the stage's now. */
static void certificate(const struct stage *stage, const char *path, int days)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	X509 *certificate = X509_new();
	FILE *file;

	stage_file(stage, path, "%s", "");
	ASN1_TIME_set(X509_getm_notBefore(certificate), STAGE_NOW_MS / 1000 - 400L * DAY_S);
	ASN1_TIME_set(X509_getm_notAfter(certificate), STAGE_NOW_MS / 1000 + (long)days * DAY_S);
	X509_set_pubkey(certificate, key);
	X509_sign(certificate, key, NULL);
	file = fopen(stage_path(stage, path), "we");
	PEM_write_X509(file, certificate);
	fclose(file);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static void a_certificate_is_bad_two_weeks_before_its_end(void **state)
{
	struct stage *stage = *state;

	certificate(stage, "/etc/letsencrypt/live/a/cert.pem", 15);
	certificate(stage, "/etc/letsencrypt/live/b/cert.pem", 14);
	certificate(stage, "/etc/letsencrypt/live/c/cert.pem", 3);
	certificate(stage, "/etc/letsencrypt/live/d/cert.pem", -1);
	stage_take(stage);
	assert_verdict(stage, "certificate_expires", "/etc/letsencrypt/live/a/cert.pem", "ok");
	assert_verdict(stage, "certificate_expires", "/etc/letsencrypt/live/b/cert.pem", "warning");
	assert_verdict(stage, "certificate_expires", "/etc/letsencrypt/live/c/cert.pem",
		       "critical");
	assert_text(stage, "certificate_expires", "/etc/letsencrypt/live/d/cert.pem",
		    "Expired on 2026-11-");
	assert_float_equal(stage_number(stage, "certificate_expires",
					"/etc/letsencrypt/live/d/cert.pem"),
			   -DAY_S, 0);
}

static void certificates_of_web_servers_are_found_in_their_configuration(void **state)
{
	struct stage *stage = *state;

	certificate(stage, "/srv/site.pem", 100);
	certificate(stage, "/srv/other.pem", 100);
	stage_file(stage, "/srv/site.key", "-----BEGIN PRIVATE KEY-----\n");
	stage_file(stage, "/etc/nginx/sites-enabled/site",
		   "server {\n  ssl_certificate \"/srv/site.pem\";\n"
		   "  ssl_certificate_key /srv/site.key;\n  # ssl_certificate /srv/no.pem;\n}\n");
	stage_file(stage, "/etc/apache2/sites-enabled/other.conf",
		   "\tSSLCertificateFile\t/srv/other.pem\n");
	stage_take(stage);
	assert_verdict(stage, "certificate_expires", "/srv/site.pem", "ok");
	assert_verdict(stage, "certificate_expires", "/srv/other.pem", "ok");
	assert_null(stage_find(stage, "certificate_expires", "/srv/site.key"));
}

static void one_that_the_owner_names_and_nobody_can_read_is_unknown(void **state)
{
	struct stage *stage = *state;

	certificate(stage, "/etc/site/a.pem", 100);
	stage_file(stage, "/etc/site/b.pem", "no certificate\n");
	stage_file(stage, "/etc/towline/health.yaml",
		   "certificates: [/etc/site/*.pem, /etc/site/missing.crt]\n");
	stage_take(stage);
	assert_verdict(stage, "certificate_expires", "/etc/site/a.pem", "ok");
	assert_verdict(stage, "certificate_expires", "/etc/site/b.pem", "unknown");
	assert_verdict(stage, "certificate_expires", "/etc/site/missing.crt", "unknown");
}

static void the_agents_own_authority_is_told(void **state)
{
	struct stage *stage = *state;

	certificate(stage, "/var/ca.pem", 1);
	stage->agent.ca_file = "/var/ca.pem";
	stage_take(stage);
	assert_verdict(stage, "certificate_expires", "/var/ca.pem", "critical");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(a_certificate_is_bad_two_weeks_before_its_end),
		STAGE_TEST(certificates_of_web_servers_are_found_in_their_configuration),
		STAGE_TEST(one_that_the_owner_names_and_nobody_can_read_is_unknown),
		STAGE_TEST(the_agents_own_authority_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
