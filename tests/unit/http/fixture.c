#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <towline/str.h>
#include <cmocka.h>

#include "routes.h"

#define PATIENCE_MS 10000

static void write_certificate(struct fixture *fixture, EVP_PKEY *key, const char *common_name)
{
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);
	FILE *out;

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1,
				   -1, 0);
	X509_set_issuer_name(certificate, name);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	out = fopen(fixture->certificate_file, "w");
	assert_non_null(out);
	assert_int_equal(PEM_write_X509(out, certificate), 1);
	fclose(out);
	X509_free(certificate);
}

void fixture_make_certificate(struct fixture *fixture, const char *common_name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	int fd = open(fixture->key_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *out = fdopen(fd, "w");

	assert_non_null(key);
	assert_non_null(out);
	assert_int_equal(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(out);
	write_certificate(fixture, key, common_name);
	EVP_PKEY_free(key);
}

void fixture_init(struct fixture *fixture)
{
	const char *tmp = getenv("TMPDIR");

	memset(fixture, 0, sizeof *fixture);
	fixture->upgraded_fd = -1;
	snprintf(fixture->dir, sizeof fixture->dir, "%.40s/tl-http-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->certificate_file, sizeof fixture->certificate_file, "%s/cert.pem",
		 fixture->dir);
	snprintf(fixture->key_file, sizeof fixture->key_file, "%s/key.pem", fixture->dir);
	fixture_make_certificate(fixture, "localhost");
	tl_http_config_init(&fixture->config);
	fixture->config.certificate_file = fixture->certificate_file;
	fixture->config.key_file = fixture->key_file;
	fixture->config.loops = 2;
	fixture->config.workers = 4;
	fixture->config.user = fixture;
	routes_install(&fixture->config);
}

void fixture_start(struct fixture *fixture)
{
	struct tl_err err = TL_ERR_INIT;

	if (tl_http_start(&fixture->config, &fixture->http, &err) < 0)
		fail_msg("%s", tl_err_text(&err));
}

void fixture_end(struct fixture *fixture)
{
	tl_http_stop(fixture->http, 0);
	tl_http_free(fixture->http);
	if (fixture->upgraded_fd >= 0)
		close(fixture->upgraded_fd);
	unlink(fixture->certificate_file);
	unlink(fixture->key_file);
	rmdir(fixture->dir);
}

void fixture_wait(const atomic_ulong *value, unsigned long least)
{
	for (int tries = 0; tries < PATIENCE_MS; tries++) {
		if (atomic_load(value) >= least)
			return;
		poll(NULL, 0, 1);
	}
	fail_msg("waited for %lu, there is %lu", least, (unsigned long)atomic_load(value));
}

int client_connect_tcp(struct fixture *fixture)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((in_port_t)tl_http_port(fixture->http)),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	return fd;
}

void client_open_on(struct client *client, int fd)
{
	memset(client, 0, sizeof *client);
	client->fd = fd;
	client->context = SSL_CTX_new(TLS_client_method());
	client->ssl = SSL_new(client->context);
	tl_buf_init(&client->in, (size_t)512 * 1024 * 1024);
	SSL_set_fd(client->ssl, client->fd);
	SSL_set_mode(client->ssl, SSL_MODE_AUTO_RETRY);
	assert_int_equal(SSL_connect(client->ssl), 1);
}

void client_open(struct client *client, struct fixture *fixture)
{
	client_open_on(client, client_connect_tcp(fixture));
}

void client_close(struct client *client)
{
	SSL_free(client->ssl);
	SSL_CTX_free(client->context);
	close(client->fd);
	tl_buf_clear(&client->in);
}

void client_send_bytes(struct client *client, const void *bytes, size_t len)
{
	if (len > 0)
		assert_int_equal(SSL_write(client->ssl, bytes, (int)len), (int)len);
}

void client_send(struct client *client, const char *text)
{
	client_send_bytes(client, text, strlen(text));
}

int client_read(struct client *client)
{
	char bytes[16384];
	int got = SSL_read(client->ssl, bytes, sizeof bytes);

	if (got > 0)
		tl_buf_append(&client->in, bytes, (size_t)got);
	else if (SSL_get_error(client->ssl, got) == SSL_ERROR_WANT_READ)
		return -1;
	return got > 0 ? got : 0;
}

bool client_await(struct client *client, const char *text)
{
	while (!client->in.len || !memmem(client->in.data, client->in.len, text, strlen(text)))
		if (client_read(client) <= 0)
			return false;
	return true;
}

static size_t head_len(const struct client *client)
{
	const char *end = memmem(client->in.data, client->in.len, "\r\n\r\n", 4);

	return (size_t)(end - client->in.data) + 4;
}

int client_reply(struct client *client, struct tl_buf *ret_body)
{
	size_t head, length = 0;
	const char *field;
	int status;

	if (!client_await(client, "\r\n\r\n"))
		return 0;
	head = head_len(client);
	client->in.data[head - 1] = '\0';
	status = atoi(client->in.data + 9);
	field = strcasestr(client->in.data, "\r\ncontent-length:");
	if (field)
		length = strtoul(field + 17, NULL, 10);
	while (client->in.len < head + length)
		if (client_read(client) <= 0)
			return 0;
	if (ret_body) {
		tl_buf_reset(ret_body);
		tl_buf_append(ret_body, client->in.data + head, length);
	}
	tl_buf_consume(&client->in, head + length);
	return status;
}

int client_ask(struct client *client, const char *request, struct tl_buf *ret_body)
{
	client_send(client, request);
	return client_reply(client, ret_body);
}

bool client_sees_end(struct client *client)
{
	int got;

	while ((got = client_read(client)) > 0)
		;
	return got == 0;
}
