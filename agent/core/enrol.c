#include "core/enrol.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <towline/clock.h>
#include <towline/fs.h>
#include <towline/json.h>
#include <towline/jwt.h>
#include <towline/str.h>

#include "core/exchange.h"

#define TIMEOUT_MS 60000
#define PROOF_LIFE_S 300
#define URL_MAX 600

struct enrolment {
	const struct tl_enrol_options *options;
	const struct tl_enrol_token *token;
	char ca_file[4096];
	char relay_id[TL_ID_LEN + 1];
	int64_t offset_ms; /* the relay's clock minus ours */
	struct tl_key *key, *ssh_key;
};

static int request(const struct enrolment *enrolment, const char *method, const char *path,
		   const char *ca_file, const json_t *body, struct tl_exchange **ret_exchange,
		   const struct tl_reply **ret_reply, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_SECRET_INIT(16384);
	char url[URL_MAX];
	struct tl_exchange_spec spec = {
		.method = method,
		.url = url,
		.ca_file = ca_file,
		.proxy = enrolment->options->proxy,
		.timeout_ms = TIMEOUT_MS,
	};
	int rc;

	snprintf(url, sizeof(url), "%s%s", enrolment->token->url, path);
	if (body) {
		tl_json_write(&text, body);
		rc = tl_buf_check(&text);
		if (rc != 0)
			return tl_err_set(err, rc, "the enrolment request is too large");
		spec.body = text.data;
		spec.body_len = text.len;
		spec.content_type = "application/json";
	}
	rc = tl_exchange_new(&spec, ret_exchange, err);
	if (rc == 0)
		*ret_reply = tl_exchange_perform(*ret_exchange);
	return rc;
}

static int der_sha256_hex(X509 *certificate, char hex[static TL_SHA256_HEX])
{
	unsigned char *der = NULL;
	int len = i2d_X509(certificate, &der);

	if (len <= 0)
		return TL_EINVAL;
	tl_sha256_hex_of(der, (size_t)len, hex);
	OPENSSL_free(der);
	return 0;
}

static int write_pem(X509 *certificate, struct tl_buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	if (!bio || PEM_write_bio_X509(bio, certificate) != 1) {
		BIO_free(bio);
		return TL_ENOMEM;
	}
	len = BIO_get_mem_data(bio, &text);
	tl_buf_append(out, text, (size_t)len);
	BIO_free(bio);
	return tl_buf_check(out);
}

int tl_enrol_pin_ca(const char *pem, const char *sha256_hex, struct tl_buf *out, struct tl_err *err)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	char hex[TL_SHA256_HEX];
	int rc = certificate ? der_sha256_hex(certificate, hex) : TL_EINVAL;

	BIO_free(bio);
	if (rc != 0)
		tl_err_set(err, TL_EPROTO, "the relay gave no readable CA certificate");
	else if (strcasecmp(hex, sha256_hex) != 0)
		rc = tl_err_set(
			err, TL_EAUTH,
			"the relay shows another CA than the token names: somebody may stand "
			"between, or the token is for another relay; nothing was sent to it");
	else
		rc = write_pem(certificate, out);
	X509_free(certificate);
	return rc;
}

static int fetch_ca(struct enrolment *enrolment, struct tl_err *err)
{
	tl_auto(tl_exchange) struct tl_exchange *exchange = NULL;
	tl_auto(tl_buf) struct tl_buf pem = TL_BUF_INIT(65536);
	const struct tl_reply *reply = NULL;
	const char *given;
	int rc = request(enrolment, "GET", "/v1/relay", NULL, NULL, &exchange, &reply, err);

	if (rc != 0)
		return rc;
	given = json_string_value(json_object_get(reply->json, "ca_pem"));
	if (reply->status == 0)
		return tl_err_set(err, reply->err.code, "%s: %s", enrolment->token->url,
				  tl_err_text(&reply->err));
	if (reply->status != 200 || !given)
		return tl_err_set(err, TL_EPROTO, "%s does not answer like a Towline relay",
				  enrolment->token->url);
	rc = tl_enrol_pin_ca(given, enrolment->token->ca_sha256, &pem, err);
	if (rc == 0)
		rc = tl_fs_write_file(enrolment->options->state_fd, TL_IDENTITY_CA_FILE, 0644,
				      pem.data, pem.len, err);
	return rc;
}

static int fetch_relay(struct enrolment *enrolment, struct tl_err *err)
{
	tl_auto(tl_exchange) struct tl_exchange *exchange = NULL;
	const struct tl_reply *reply = NULL;
	const char *id;
	int rc = request(enrolment, "GET", "/v1/relay", enrolment->ca_file, NULL, &exchange, &reply,
			 err);

	if (rc != 0)
		return rc;
	if (reply->status != 200)
		return tl_err_set(err, reply->err.code ? reply->err.code : TL_EPROTO, "%s",
				  tl_err_text(&reply->err));
	id = json_string_value(json_object_get(reply->json, "id"));
	if (!id || !tl_id_is_valid(id))
		return tl_err_set(err, TL_EPROTO, "the relay gave no valid id of its own");
	snprintf(enrolment->relay_id, sizeof(enrolment->relay_id), "%s", id);
	return 0;
}

static int make_proof(const struct enrolment *enrolment, struct tl_buf *out, struct tl_err *err)
{
	char hex[TL_SHA256_HEX];
	int64_t now_s = (tl_clock_wall_ms(tl_clock_system()) + enrolment->offset_ms) / 1000;
	tl_json *claims = NULL;

	tl_sha256_hex_of(enrolment->token->secret, strlen(enrolment->token->secret), hex);
	claims = json_pack("{s:s, s:s, s:I, s:I}", "aud", enrolment->relay_id, "sha256", hex, "iat",
			   (json_int_t)now_s, "exp", (json_int_t)(now_s + PROOF_LIFE_S));
	if (!claims)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	return tl_jwt_sign(enrolment->key, TL_JWT_ASSERTION, claims, out, err);
}

static json_t *request_body(const struct enrolment *enrolment, const char *proof)
{
	tl_auto(tl_buf) struct tl_buf public = TL_BUF_INIT(64);
	tl_auto(tl_buf) struct tl_buf ssh_line = TL_BUF_INIT(512);
	json_t *body;

	tl_public_key_write(enrolment->key, &public);
	tl_key_ssh_line(enrolment->ssh_key, enrolment->options->name, &ssh_line);
	body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "secret", enrolment->token->secret,
			 "name", enrolment->options->name, "public_key", tl_buf_str(&public),
			 "ssh_host_key", tl_buf_str(&ssh_line), "agent_version", TOWLINE_VERSION,
			 "proof", proof);
	if (body && enrolment->options->consent_key)
		json_object_set_new(body, "consent_key",
				    json_string(enrolment->options->consent_key));
	return body;
}

static int take_identity(const struct enrolment *enrolment, const json_t *answer,
			 struct tl_identity *ret_identity, struct tl_err *err)
{
	tl_json *json = json_deep_copy(answer);

	if (!json_is_object(json))
		return tl_err_set(err, TL_EPROTO,
				  "the relay's answer to the enrolment is no object");
	json_object_set_new(json, "url", json_string(enrolment->token->url));
	/* Whose roster counts is not the relay's to say. */
	json_object_del(json, "roster_key");
	if (enrolment->token->roster_key[0])
		json_object_set_new(json, "roster_key", json_string(enrolment->token->roster_key));
	if (tl_identity_from_json(json, ret_identity, err) != 0)
		return tl_err_prefix(err, "the relay's answer to the enrolment");
	if (!tl_streq(ret_identity->relay_id, enrolment->relay_id))
		return tl_err_set(err, TL_EPROTO, "the relay changed its id during the enrolment");
	return 0;
}

static void note_clock(struct enrolment *enrolment, const json_t *problem)
{
	const char *text = json_string_value(json_object_get(problem, "relay_time"));
	int64_t wall_ms;

	if (text && tl_time_rfc3339_parse(text, &wall_ms) == 0)
		enrolment->offset_ms = wall_ms - tl_clock_wall_ms(tl_clock_system());
}

static int register_key(struct enrolment *enrolment, struct tl_identity *ret_identity,
			struct tl_err *err)
{
	for (int attempt = 0;; attempt++) {
		tl_auto(tl_buf) struct tl_buf proof = TL_BUF_INIT(TL_JWT_MAX);
		tl_auto(tl_exchange) struct tl_exchange *exchange = NULL;
		const struct tl_reply *reply = NULL;
		tl_json *body = NULL;
		int rc = make_proof(enrolment, &proof, err);

		if (rc != 0)
			return rc;
		body = request_body(enrolment, tl_buf_str(&proof));
		rc = request(enrolment, "POST", "/v1/enroll", enrolment->ca_file, body, &exchange,
			     &reply, err);
		if (rc != 0)
			return rc;
		if (reply->status == 200 || reply->status == 201)
			return take_identity(enrolment, reply->json, ret_identity, err);
		if (attempt == 0 && tl_streq(reply->problem, "clock-skew")) {
			note_clock(enrolment, reply->json);
			continue;
		}
		return tl_err_set(err, reply->err.code, "the relay refused the enrolment: %s",
				  tl_err_text(&reply->err));
	}
}

static int run(struct enrolment *enrolment, struct tl_identity *ret_identity, struct tl_err *err)
{
	int fd = enrolment->options->state_fd;
	int rc = fetch_ca(enrolment, err);

	if (rc == 0)
		rc = fetch_relay(enrolment, err);
	if (rc == 0)
		rc = tl_identity_key(fd, TL_IDENTITY_KEY_FILE, &enrolment->key, err);
	if (rc == 0)
		rc = tl_identity_key(fd, TL_IDENTITY_SSH_KEY_FILE, &enrolment->ssh_key, err);
	if (rc == 0)
		rc = register_key(enrolment, ret_identity, err);
	if (rc == 0)
		rc = tl_identity_save(fd, ret_identity, err);
	return rc;
}

int tl_enrol(const struct tl_enrol_options *options, const struct tl_enrol_token *token,
	     struct tl_identity *ret_identity, struct tl_err *err)
{
	struct enrolment enrolment = {.options = options, .token = token};
	struct tl_identity known;
	int rc;

	if (tl_identity_load(options->state_fd, &known, NULL) == 0)
		return tl_err_set(
			err, TL_EEXIST,
			"this host is enrolled at %s already; to enrol it anew, revoke it "
			"there and remove %s",
			known.url, options->state_dir);
	snprintf(enrolment.ca_file, sizeof(enrolment.ca_file), "%s/%s", options->state_dir,
		 TL_IDENTITY_CA_FILE);
	rc = run(&enrolment, ret_identity, err);
	tl_key_free(enrolment.key);
	tl_key_free(enrolment.ssh_key);
	return rc;
}
