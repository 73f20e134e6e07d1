/* A server on a loopback port with a certificate of its own, the routes that the tests speak to, and a
 * raw TLS client that sees every byte. */
#ifndef TOWLINE_TESTS_HTTP_FIXTURE_H
#define TOWLINE_TESTS_HTTP_FIXTURE_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <towline/buf.h>

#include "http/http.h"

struct fixture {
	char dir[64];
	char certificate_file[96], key_file[96];
	struct tl_http_config config;
	struct tl_http *http;
	/* What the handlers saw. */
	atomic_ulong upload_bytes, upload_pieces, uploads_ended, uploads_broken;
	atomic_ulong calls, opened, closed, lost, freed;
	atomic_int upgraded_fd;
	int64_t gap_ms;	  /* of lines */
	atomic_bool hold; /* the upload sink waits while it is set */
};

/* Makes the directory and the certificate, and fills the configuration. */
void fixture_init(struct fixture *fixture);
/* Starts the server: the configuration may be changed before. */
void fixture_start(struct fixture *fixture);
void fixture_end(struct fixture *fixture);
/* Writes a fresh self-signed certificate and its key over the old ones. */
void fixture_make_certificate(struct fixture *fixture, const char *common_name);

/* Waits until *value is at least `least`; fails the test after ten seconds. */
void fixture_wait(const atomic_ulong *value, unsigned long least);

struct client {
	int fd;
	SSL_CTX *context;
	SSL *ssl;
	struct tl_buf in; /* received, not taken */
};

/* A TCP connection. */
int client_connect_tcp(struct fixture *fixture);
void client_open(struct client *client, struct fixture *fixture);
void client_open_on(struct client *client, int fd);
void client_close(struct client *client);
void client_send(struct client *client, const char *text);
void client_send_bytes(struct client *client, const void *bytes, size_t len);
/* Reads once. The number of bytes, 0 at the end, -1 after ten seconds of silence. */
int client_read(struct client *client);
/* Reads until `text` has come. False when the connection ended before. */
bool client_await(struct client *client, const char *text);
/* Reads one reply with Content-Length; returns its status (0: the connection ended) and its body. */
int client_reply(struct client *client, struct tl_buf *ret_body);
/* Sends and reads one reply. */
int client_ask(struct client *client, const char *request, struct tl_buf *ret_body);
/* True when the server ends the connection (within ten seconds). */
bool client_sees_end(struct client *client);

#endif
