/* Encrypting to recipients. Part of towline/sealed.h. */
#include <towline/sealed.h>

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#define OUTPUT_BUFFER (64 * 1024)
#define RSA_BITS_MIN 2048

struct tl_recipients {
	X509 *certs[TL_RECIPIENTS_MAX];
	size_t count;
};

int tl_recipients_new(struct tl_recipients **ret_recipients, struct tl_err *err)
{
	struct tl_recipients *recipients = calloc(1, sizeof *recipients);

	if (!recipients)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the recipients");
	*ret_recipients = recipients;
	return 0;
}

size_t tl_recipients_count(const struct tl_recipients *recipients)
{
	return recipients->count;
}

void tl_recipients_free(struct tl_recipients *recipients)
{
	if (!recipients)
		return;
	for (size_t i = 0; i < recipients->count; i++)
		X509_free(recipients->certs[i]);
	free(recipients);
}

static int check_key(X509 *cert, const char *name, struct tl_err *err)
{
	const EVP_PKEY *key = X509_get0_pubkey(cert);
	int kind = key ? EVP_PKEY_get_base_id(key) : 0;
	uint32_t usage = X509_get_key_usage(cert); /* all bits where it says nothing */

	if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_EC)
		return tl_err_set(err, TL_EINVAL,
				  "%s: nothing can be encrypted to this certificate's key: "
				  "take an RSA or an EC key",
				  name);
	if (kind == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) < RSA_BITS_MIN)
		return tl_err_set(err, TL_EINVAL, "%s: an RSA key needs at least %d bits", name,
				  RSA_BITS_MIN);
	if (!(usage & (kind == EVP_PKEY_RSA ? KU_KEY_ENCIPHERMENT : KU_KEY_AGREEMENT)))
		return tl_err_set(err, TL_EINVAL,
				  "%s: the certificate's key usage does not allow %s", name,
				  kind == EVP_PKEY_RSA ? "keyEncipherment" : "keyAgreement");
	return 0;
}

int tl_recipients_add(struct tl_recipients *recipients, const char *pem, const char *name,
		      struct tl_err *err)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	size_t before = recipients->count;
	int r = bio ? 0 : tl_err_set(err, TL_ENOMEM, "out of memory for the recipients");

	while (r == 0) {
		X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

		if (!cert)
			break;
		if (recipients->count == TL_RECIPIENTS_MAX)
			r = tl_err_set(err, TL_ETOOBIG, "a bundle has at most %d recipients",
				       TL_RECIPIENTS_MAX);
		else
			r = check_key(cert, name, err);
		if (r == 0)
			recipients->certs[recipients->count++] = cert;
		else
			X509_free(cert);
	}
	ERR_clear_error(); /* the end of the text is one */
	BIO_free(bio);
	if (r == 0 && recipients->count == before)
		r = tl_err_set(err, TL_EINVAL, "%s holds no certificate in PEM", name);
	return r;
}

struct tl_sealer {
	CMS_ContentInfo *cms;
	BIO_METHOD *method;
	BIO *out;  /* where the sealed bytes leave */
	BIO *head; /* of the chain that encrypts and encodes; NULL once finished */
	tl_sealer_output *output;
	void *arg;
	struct tl_err fault; /* of the output */
	size_t held;
	uint8_t buffer[OUTPUT_BUFFER]; /* encoding comes in small pieces */
};

static int put_out(struct tl_sealer *sealer, const void *bytes, size_t len)
{
	if (sealer->fault.code || len == 0)
		return sealer->fault.code;
	return sealer->output(sealer->arg, bytes, len, &sealer->fault);
}

static int empty(struct tl_sealer *sealer)
{
	int r = put_out(sealer, sealer->buffer, sealer->held);

	sealer->held = 0;
	return r;
}

static int on_write(BIO *bio, const char *bytes, int len)
{
	struct tl_sealer *sealer = BIO_get_data(bio);

	if (len <= 0)
		return 0;
	if (sealer->held + (size_t)len > OUTPUT_BUFFER && empty(sealer) < 0)
		return -1;
	if ((size_t)len > OUTPUT_BUFFER)
		return put_out(sealer, bytes, (size_t)len) < 0 ? -1 : len;
	memcpy(sealer->buffer + sealer->held, bytes, (size_t)len);
	sealer->held += (size_t)len;
	return len;
}

static long on_control(BIO *bio, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_FLUSH)
		return empty(BIO_get_data(bio)) < 0 ? -1 : 1;
	return 0;
}

static int on_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static BIO *make_output(struct tl_sealer *sealer)
{
	sealer->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "towline");
	if (!sealer->method || !BIO_meth_set_write(sealer->method, on_write) ||
	    !BIO_meth_set_ctrl(sealer->method, on_control) ||
	    !BIO_meth_set_create(sealer->method, on_create))
		return NULL;
	sealer->out = BIO_new(sealer->method);
	if (sealer->out)
		BIO_set_data(sealer->out, sealer);
	return sealer->out;
}

static bool add_recipient(CMS_ContentInfo *cms, X509 *cert)
{
	CMS_RecipientInfo *info = CMS_add1_recipient_cert(cms, cert, CMS_KEY_PARAM);
	EVP_PKEY_CTX *context = info ? CMS_RecipientInfo_get0_pkey_ctx(info) : NULL;

	if (!context)
		return false;
	if (EVP_PKEY_get_base_id(X509_get0_pubkey(cert)) == EVP_PKEY_EC)
		return EVP_PKEY_CTX_set_ecdh_kdf_md(context, EVP_sha256()) > 0;
	return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) > 0 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) > 0;
}

static int openssl_fault(const struct tl_sealer *sealer, struct tl_err *err)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	if (sealer && sealer->fault.code)
		return tl_err_set(err, sealer->fault.code, "%s", tl_err_text(&sealer->fault));
	return tl_err_set(err, TL_EINTERNAL, "the bundle cannot be encrypted: %s",
			  reason ? reason : "OpenSSL gives no reason");
}

int tl_sealer_new(const struct tl_recipients *recipients, tl_sealer_output *output, void *arg,
		  struct tl_sealer **ret_sealer, struct tl_err *err)
{
	tl_auto(tl_sealer) struct tl_sealer *sealer = calloc(1, sizeof *sealer);

	if (!sealer)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the encryption");
	if (recipients->count == 0)
		return tl_err_set(err, TL_EINVAL, "a sealed bundle needs a recipient");
	sealer->output = output;
	sealer->arg = arg;
	sealer->cms =
		CMS_encrypt(NULL, NULL, EVP_aes_256_gcm(), CMS_BINARY | CMS_PARTIAL | CMS_STREAM);
	if (!sealer->cms)
		return openssl_fault(NULL, err);
	for (size_t i = 0; i < recipients->count; i++)
		if (!add_recipient(sealer->cms, recipients->certs[i]))
			return openssl_fault(NULL, err);
	if (make_output(sealer))
		sealer->head = BIO_new_CMS(sealer->out, sealer->cms);
	if (!sealer->head)
		return openssl_fault(sealer, err);
	*ret_sealer = tl_steal(&sealer);
	return 0;
}

int tl_sealer_write(struct tl_sealer *sealer, const void *bytes, size_t len, struct tl_err *err)
{
	const uint8_t *at = bytes;

	while (len > 0) {
		int part = len < INT32_MAX ? (int)len : INT32_MAX;
		int n = BIO_write(sealer->head, at, part);

		if (n <= 0 || sealer->fault.code)
			return openssl_fault(sealer, err);
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static void free_chain(struct tl_sealer *sealer)
{
	while (sealer->head && sealer->head != sealer->out) {
		BIO *next = BIO_pop(sealer->head);

		BIO_free(sealer->head);
		sealer->head = next;
	}
	sealer->head = NULL;
}

int tl_sealer_finish(struct tl_sealer *sealer, struct tl_err *err)
{
	int flushed = BIO_flush(sealer->head);

	free_chain(sealer);
	if (flushed <= 0 || empty(sealer) < 0)
		return openssl_fault(sealer, err);
	return 0;
}

void tl_sealer_free(struct tl_sealer *sealer)
{
	if (!sealer)
		return;
	if (sealer->head)
		sealer->fault.code = TL_ECANCELED; /* what it holds back is not for the reader */
	free_chain(sealer);
	BIO_free(sealer->out);
	BIO_meth_free(sealer->method);
	CMS_ContentInfo_free(sealer->cms);
	free(sealer);
}
