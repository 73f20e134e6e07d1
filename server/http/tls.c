#include "http/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <towline/attr.h>
#include <towline/crypto.h>
#include <towline/fs.h>

#define TICKET_KEYS_MAX 128

struct tl_tls {
	pthread_mutex_t lock;
	SSL_CTX *context;
	char *certificate_file, *key_file;
};

static int report(struct tl_err *err, const char *what, const char *path)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);

	ERR_clear_error();
	return tl_err_set(err, TL_ECONFIG, "%s %s cannot be used: %s", what, path,
			  reason ? reason : "unknown reason");
}

/* Every client of ours offers http/1.1; one that offers only h2 is told so by a fatal alert. */
static int choose_alpn(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_len,
		       const unsigned char *offer, unsigned offer_len, void *arg)
{
	static const unsigned char names[] = "\x08http/1.1";
	unsigned char *chosen = NULL;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, ret_len, names, sizeof names - 1, offer, offer_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*ret_name = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static void set_policy(SSL_CTX *context)
{
	static const unsigned char id[] = "towline";

	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					     SSL_OP_CIPHER_SERVER_PREFERENCE |
					     SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
	/* One read per record instead of two: header and contents come together. */
	SSL_CTX_set_read_ahead(context, 1);
	/* Tickets carry the state: the server keeps none. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(context, id, sizeof id - 1);
	SSL_CTX_set_num_tickets(context, 1);
	SSL_CTX_set_alpn_select_cb(context, choose_alpn, NULL);
}

static int check_key_file(const char *path, struct tl_err *err)
{
	tl_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot open the key %s", path);
	return tl_fs_check_secret(fd, path, err);
}

static int load(const char *certificate_file, const char *key_file, SSL_CTX **ret_context,
		struct tl_err *err)
{
	SSL_CTX *context;
	int rc = check_key_file(key_file, err);

	if (rc < 0)
		return rc;
	context = SSL_CTX_new(TLS_server_method());
	if (!context)
		return tl_err_set(err, TL_ENOMEM, "out of memory for TLS");
	set_policy(context);
	if (SSL_CTX_use_certificate_chain_file(context, certificate_file) != 1)
		rc = report(err, "the certificate", certificate_file);
	else if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1 ||
		 SSL_CTX_check_private_key(context) != 1)
		rc = report(err, "the key", key_file);
	if (rc < 0)
		SSL_CTX_free(context);
	else
		*ret_context = context;
	return rc;
}

int tl_tls_new(const char *certificate_file, const char *key_file, struct tl_tls **ret_tls,
	       struct tl_err *err)
{
	SSL_CTX *context = NULL;
	struct tl_tls *tls;
	int rc;

	if (!certificate_file || !key_file)
		return tl_err_set(err, TL_ECONFIG, "a certificate and its key are needed");
	rc = load(certificate_file, key_file, &context, err);
	if (rc < 0)
		return rc;
	tls = calloc(1, sizeof *tls);
	if (!tls) {
		SSL_CTX_free(context);
		return tl_err_set(err, TL_ENOMEM, "out of memory for TLS");
	}
	tls->context = context;
	tls->certificate_file = strdup(certificate_file);
	tls->key_file = strdup(key_file);
	pthread_mutex_init(&tls->lock, NULL);
	*ret_tls = tls;
	return 0;
}

/* Clients keep their tickets across a reload. */
static void copy_ticket_keys(SSL_CTX *from, SSL_CTX *to)
{
	unsigned char keys[TICKET_KEYS_MAX];
	long len = SSL_CTX_get_tlsext_ticket_keys(from, NULL, 0);

	if (len <= 0 || len > TICKET_KEYS_MAX ||
	    SSL_CTX_get_tlsext_ticket_keys(from, keys, len) != 1)
		return;
	SSL_CTX_set_tlsext_ticket_keys(to, keys, len);
	tl_wipe(keys, sizeof keys);
}

int tl_tls_reload(struct tl_tls *tls, struct tl_err *err)
{
	SSL_CTX *context, *old;
	int rc = load(tls->certificate_file, tls->key_file, &context, err);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&tls->lock);
	old = tls->context;
	copy_ticket_keys(old, context);
	tls->context = context;
	pthread_mutex_unlock(&tls->lock);
	SSL_CTX_free(old);
	return 0;
}

SSL *tl_tls_accept(struct tl_tls *tls, int fd)
{
	SSL *ssl;

	pthread_mutex_lock(&tls->lock);
	ssl = SSL_new(tls->context);
	pthread_mutex_unlock(&tls->lock);
	if (!ssl)
		return NULL;
	if (SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_accept_state(ssl);
	return ssl;
}

void tl_tls_free(struct tl_tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->context);
	pthread_mutex_destroy(&tls->lock);
	free(tls->certificate_file);
	free(tls->key_file);
	free(tls);
}

/* A TCP connection that ends without close_notify counts as closed: HTTP frames its own messages. */
static int outcome_of(SSL *ssl, int rc)
{
	int code = SSL_get_error(ssl, rc);
	unsigned long reason = ERR_peek_error();

	ERR_clear_error();
	switch (code) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return TL_TLS_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return TL_TLS_CLOSED;
	default:
		return ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING ? TL_TLS_CLOSED
										    : TL_TLS_FAILED;
	}
}

int tl_tls_handshake(SSL *ssl)
{
	int rc = SSL_do_handshake(ssl);

	if (rc == 1)
		return 1;
	return outcome_of(ssl, rc) == TL_TLS_AGAIN ? TL_TLS_AGAIN : TL_TLS_FAILED;
}

static int clamp(size_t len)
{
	return len > INT_MAX ? INT_MAX : (int)len;
}

ssize_t tl_tls_read(SSL *ssl, void *bytes, size_t size)
{
	int rc = SSL_read(ssl, bytes, clamp(size));

	return rc > 0 ? rc : outcome_of(ssl, rc);
}

ssize_t tl_tls_write(SSL *ssl, const void *bytes, size_t len)
{
	int rc = SSL_write(ssl, bytes, clamp(len));

	if (rc > 0)
		return rc;
	return outcome_of(ssl, rc) == TL_TLS_AGAIN ? TL_TLS_AGAIN : TL_TLS_FAILED;
}

int tl_tls_end(SSL *ssl)
{
	int rc = SSL_shutdown(ssl);

	if (rc >= 0)
		return 0;
	return outcome_of(ssl, rc) == TL_TLS_AGAIN ? TL_TLS_AGAIN : TL_TLS_FAILED;
}
