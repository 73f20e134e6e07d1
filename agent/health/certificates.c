/* When certificates expire: the agent's CA, those that web servers are configured with, the usual places of
 * ACME clients, and what the owner names. Never a key. */
#include <ctype.h>
#include <openssl/asn1.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <time.h>

#include "health/run.h"

#define CERTIFICATES_MAX 48
#define CERTIFICATE_BYTES_MAX (128 * 1024)
#define CONFIGURATIONS_MAX 64

struct certificates {
	struct tl_strv files;
	size_t named; /* the first so many: whoever named them wants to hear when they are missing */
};

static void add_file(struct certificates *list, const char *path)
{
	if (list->files.count < CERTIFICATES_MAX && !tl_strv_has(&list->files, path) &&
	    tl_strv_push(&list->files, path) != 0)
		return;
}

static void add_glob(const struct health_run *run, struct certificates *list, const char *pattern)
{
	tl_auto(tl_strv) struct tl_strv found = TL_STRV_INIT;

	health_glob(run, pattern, CERTIFICATES_MAX, &found);
	for (size_t i = 0; i < found.count; i++)
		add_file(list, found.items[i]);
}

/* The word behind `directive` at the beginning of a line, without quotes. */
static bool directive_value(char *line, const char *directive, char **ret_value)
{
	size_t len = strlen(directive);
	char *end;

	while (isspace((unsigned char)*line))
		line++;
	if (strncmp(line, directive, len) != 0 || !isspace((unsigned char)line[len]))
		return false;
	line += len;
	while (isspace((unsigned char)*line) || *line == '"' || *line == '\'')
		line++;
	end = line + strcspn(line, " \t\r;\"'");
	*end = '\0';
	*ret_value = line;
	return line[0] == '/';
}

static void scan_configuration(const struct health_run *run, struct certificates *list,
			       const char *path, const char *directive)
{
	static char text[64 * 1024];
	char *save = NULL;

	health_read(run, path, text, sizeof text);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *value;

		if (directive_value(line, directive, &value))
			add_file(list, value);
	}
}

static void add_configured(const struct health_run *run, struct certificates *list)
{
	static const struct {
		const char *pattern, *directive;
	} places[] = {
		{"/etc/nginx/nginx.conf", "ssl_certificate"},
		{"/etc/nginx/conf.d/*.conf", "ssl_certificate"},
		{"/etc/nginx/sites-enabled/*", "ssl_certificate"},
		{"/etc/apache2/sites-enabled/*.conf", "SSLCertificateFile"},
		{"/etc/httpd/conf.d/*.conf", "SSLCertificateFile"},
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(places); i++) {
		tl_auto(tl_strv) struct tl_strv found = TL_STRV_INIT;

		health_glob(run, places[i].pattern, CONFIGURATIONS_MAX, &found);
		for (size_t j = 0; j < found.count; j++)
			scan_configuration(run, list, found.items[j], places[i].directive);
	}
}

static void add_named(const struct health_run *run, struct certificates *list)
{
	const struct tl_yaml_node *named = thresholds_certificates(run->thresholds);

	for (const struct tl_yaml_node *node = named ? named->first : NULL; node;
	     node = node->next) {
		if (strpbrk(node->text, "*?["))
			add_glob(run, list, node->text);
		else
			add_file(list, node->text);
	}
	list->named = list->files.count;
}

/* A bundle of authorities is no certificate of this host. */
static X509 *read_certificate(const struct health_run *run, const char *path)
{
	static char text[CERTIFICATE_BYTES_MAX];
	size_t len = health_read(run, path, text, sizeof text);
	BIO *bio = len > 0 ? BIO_new_mem_buf(text, (int)len) : NULL;
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return certificate;
}

static bool expiry_of(const X509 *certificate, time_t *ret_expiry)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
		return false;
	*ret_expiry = timegm(&tm);
	return true;
}

static void tell_certificate(struct health_run *run, const char *path, bool named)
{
	time_t now = (time_t)(tl_clock_wall_ms(run->clock) / 1000);
	X509 *certificate = read_certificate(run, path);
	char when[TL_TIME_TEXT], text[96];
	time_t expiry;

	if (certificate && expiry_of(certificate, &expiry)) {
		tl_time_rfc3339((int64_t)expiry * 1000, when);
		snprintf(text, sizeof text, "%s on %.10s", expiry < now ? "Expired" : "Expires",
			 when);
		health_number(run, "certificate_expires", path, difftime(expiry, now), text);
	} else if (named) {
		health_unknown(run, "certificate_expires", path,
			       "There is no certificate that could be read");
	}
	X509_free(certificate);
}

static void look(struct health_run *run, const char *arg)
{
	const struct tl_health_agent *agent = run->options->agent;
	struct certificates list = {.files = TL_STRV_INIT};

	(void)arg;
	add_named(run, &list);
	if (agent && agent->ca_file)
		add_file(&list, agent->ca_file);
	add_configured(run, &list);
	add_glob(run, &list, "/etc/letsencrypt/live/*/cert.pem");
	add_glob(run, &list, "/etc/pki/tls/certs/localhost.crt");
	add_glob(run, &list, "/etc/towline/*.pem");
	for (size_t i = 0; i < list.files.count; i++)
		tell_certificate(run, list.files.items[i], i < list.named);
	tl_strv_clear(&list.files);
}

static void look_is_late(struct health_run *run, const char *arg)
{
	(void)arg;
	health_unknown(run, "certificate_expires", NULL, "A file could not be read in time");
}

/* In a child process: a file that somebody names may lie on a file system that hangs. */
void health_probe_certificates(struct health_run *run)
{
	health_task_start(run, look, look_is_late, "");
}
