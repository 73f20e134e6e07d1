/* Which certificates a service shows, and for how long they are good. */
#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <towline/str.h>

#include "collect/probe.h"
#include "collect/probe_link.h"

#define CERTIFICATES_MAX 16
#define NAMES_MAX 100

static json_t *printable(const char *text, size_t len)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(64 * 1024);

	tl_str_printable(&out, text, len);
	return json_string(tl_buf_str(&out));
}

static json_t *name_text(const X509_NAME *name)
{
	char text[1024] = "";

	X509_NAME_oneline(name, text, sizeof text);
	return printable(text, strlen(text));
}

/* Unix time, seconds; 0 for what is no time. */
static int64_t seconds_of(const ASN1_TIME *time)
{
	struct tm tm;

	return time && ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static json_t *time_text(int64_t seconds)
{
	char text[TL_TIME_TEXT];

	tl_time_rfc3339(seconds * 1000, text);
	return json_string(text);
}

static json_t *alternative_names(const X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	json_t *list = json_array();

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && i < NAMES_MAX; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			json_array_append_new(
				list,
				printable((const char *)ASN1_STRING_get0_data(name->d.dNSName),
					  (size_t)ASN1_STRING_length(name->d.dNSName)));
	}
	GENERAL_NAMES_free(names);
	return list;
}

static json_t *fingerprint(const X509 *certificate)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	char hex[EVP_MAX_MD_SIZE * 2 + 1] = "";

	if (X509_digest(certificate, EVP_sha256(), digest, &len) == 1)
		tl_hex_encode(digest, len, hex);
	return json_string(hex);
}

static json_t *describe(const X509 *certificate, int64_t now_s)
{
	int64_t from = seconds_of(X509_get0_notBefore(certificate));
	int64_t until = seconds_of(X509_get0_notAfter(certificate));

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:b, s:o}", "subject",
			 name_text(X509_get_subject_name(certificate)), "issuer",
			 name_text(X509_get_issuer_name(certificate)), "names",
			 alternative_names(certificate), "not_before", time_text(from), "not_after",
			 time_text(until), "days_left", (json_int_t)((until - now_s) / 86400),
			 "expired", until < now_s || from > now_s, "sha256",
			 fingerprint(certificate));
}

json_t *probe_certificates(const struct probe_link *link)
{
	const STACK_OF(X509) *chain = SSL_get_peer_cert_chain(link->ssl);
	int64_t now_s = tl_clock_wall_ms(link->clock) / 1000;
	long verdict = SSL_get_verify_result(link->ssl);
	json_t *list = json_array();

	for (int i = 0; i < sk_X509_num(chain) && i < CERTIFICATES_MAX; i++)
		json_array_append_new(list, describe(sk_X509_value(chain, i), now_s));
	return json_pack("{s:s, s:s, s:b, s:s, s:o}", "protocol", SSL_get_version(link->ssl),
			 "cipher", SSL_get_cipher_name(link->ssl), "verified", verdict == X509_V_OK,
			 "verification", X509_verify_cert_error_string(verdict), "certificates",
			 list);
}

int collect_tls(struct collect_context *context, struct tl_err *err)
{
	const struct collector *row = context->row;
	tl_auto(probe_link) struct probe_link link = {.clock = context->clock,
						      .deadline_ms = context->deadline_ms,
						      .fd = -1};
	struct tl_err fault = TL_ERR_INIT;
	struct probe_target target;
	tl_json *facts = NULL;
	char path[256];
	int r = probe_address_read(row->sources[0], &target, &fault);

	if (r == 0)
		r = probe_open(&link, &target, &fault);
	if (r < 0) {
		collect_note(context, row->sources[0], r == TL_ETIMEOUT ? "timeout" : "failed",
			     tl_err_text(&fault));
		return 0;
	}
	facts = probe_certificates(&link);
	json_object_set_new(facts, "schema", json_integer(1));
	json_object_set_new(facts, "address", json_string(row->sources[0]));
	snprintf(path, sizeof path, "snapshot/tls/%s.json", row->name);
	return collect_member_json(context, path, facts, err);
}
