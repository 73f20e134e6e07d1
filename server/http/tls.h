/* TLS by OpenSSL on non-blocking sockets: TLS 1.2 and 1.3, ALPN http/1.1, session tickets, memory given
 * back while a connection is idle, and a certificate that can be replaced while serving. */
#ifndef TOWLINE_SERVER_HTTP_TLS_H
#define TOWLINE_SERVER_HTTP_TLS_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <sys/types.h>
#include <towline/err.h>

struct tl_tls;

/* Results of reading and writing beside a count of bytes. */
#define TL_TLS_AGAIN (-1)  /* wait for the socket (SSL_want_write tells for which way) */
#define TL_TLS_CLOSED 0	   /* the peer will send nothing more */
#define TL_TLS_FAILED (-2) /* the connection is broken */

TL_MUST_CHECK int tl_tls_new(const char *certificate_file, const char *key_file,
			     struct tl_tls **ret_tls, struct tl_err *err);
/* Reads both files again; on failure the old ones stay in force. Any thread. */
TL_MUST_CHECK int tl_tls_reload(struct tl_tls *tls, struct tl_err *err);
/* A server-side connection on `fd` (not taken over); NULL when memory ran out. Any thread. */
SSL *tl_tls_accept(struct tl_tls *tls, int fd);
void tl_tls_free(struct tl_tls *tls);

/* 1 when the handshake is complete, TL_TLS_AGAIN or TL_TLS_FAILED. */
int tl_tls_handshake(SSL *ssl);
ssize_t tl_tls_read(SSL *ssl, void *bytes, size_t size);
ssize_t tl_tls_write(SSL *ssl, const void *bytes, size_t len);
/* Says that we send nothing more. Reading goes on. */
int tl_tls_end(SSL *ssl);

#endif
