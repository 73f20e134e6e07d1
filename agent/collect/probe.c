#include "collect/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <towline/str.h>

#include "collect/probe_link.h"

#define URL_MAX 2000

static int fail_url(const char *url, const char *why, struct tl_err *err)
{
	return tl_err_set(err, TL_EINVAL, "\"%.80s\" %s", url, why);
}

/* "host", "host:port", "[::1]:port" into a target. */
static int read_authority(const char *text, size_t len, struct probe_target *target)
{
	const char *end = text + len, *port = NULL;
	size_t host_len;

	if (len > 0 && text[0] == '[') {
		const char *close = memchr(text, ']', len);

		if (!close)
			return TL_EINVAL;
		host_len = (size_t)(close - text) - 1;
		text++;
		if (close + 1 < end && close[1] != ':')
			return TL_EINVAL;
		port = close + 1 < end ? close + 2 : NULL;
	} else {
		const char *colon = memchr(text, ':', len);

		host_len = colon ? (size_t)(colon - text) : len;
		port = colon ? colon + 1 : NULL;
	}
	if (host_len == 0 || host_len >= sizeof target->host ||
	    (port && (size_t)(end - port) >= sizeof target->port))
		return TL_EINVAL;
	snprintf(target->host, sizeof target->host, "%.*s", (int)host_len, text);
	if (port)
		snprintf(target->port, sizeof target->port, "%.*s", (int)(end - port), port);
	for (const char *c = target->host; *c; c++)
		if ((unsigned char)*c <= ' ' || strchr("@/\\\"<>{}|^`%", *c))
			return TL_EINVAL;
	return 0;
}

static int check_port(const struct probe_target *target)
{
	uint64_t port = 0;

	return tl_str_u64(target->port, 65535, &port) == 0 && port > 0 ? 0 : TL_EINVAL;
}

int probe_url_read(const char *url, struct probe_target *ret_target, struct tl_err *err)
{
	struct probe_target target = {.tls = tl_str_starts(url, "https://")};
	const char *authority, *path;

	if (!target.tls && !tl_str_starts(url, "http://"))
		return fail_url(url, "is no http:// or https:// address", err);
	authority = strstr(url, "://") + 3;
	path = authority + strcspn(authority, "/?#");
	if (memchr(authority, '@', (size_t)(path - authority)))
		return fail_url(url, "holds a user or password, which a probe never sends", err);
	snprintf(target.port, sizeof target.port, "%s", target.tls ? "443" : "80");
	if (strlen(url) > URL_MAX || strchr(url, '#') ||
	    read_authority(authority, (size_t)(path - authority), &target) < 0 ||
	    check_port(&target) < 0)
		return fail_url(url, "is no address that can be asked", err);
	for (const char *c = path; *c; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c > 0x7e)
			return fail_url(url, "has a blank or a letter that must be written %XX",
					err);
	snprintf(target.path, sizeof target.path, "%s%s", *path == '/' ? "" : "/", path);
	*ret_target = target;
	return 0;
}

int probe_url_check(const char *url, struct tl_err *err)
{
	struct probe_target target;

	return probe_url_read(url, &target, err);
}

int probe_address_read(const char *address, struct probe_target *ret_target, struct tl_err *err)
{
	struct probe_target target = {.tls = true};

	if (read_authority(address, strlen(address), &target) < 0 || check_port(&target) < 0)
		return fail_url(address, "is no address: write host:port", err);
	*ret_target = target;
	return 0;
}

int probe_address_check(const char *address, struct tl_err *err)
{
	struct probe_target target;

	return probe_address_read(address, &target, err);
}

/* ---- the connection --------------------------------------------------------------------------- */

int probe_left_ms(const struct probe_link *link)
{
	int64_t left = link->deadline_ms - tl_clock_mono_ms(link->clock);

	return left > 0 ? (int)left : 0;
}

static bool wait_for(const struct probe_link *link, short events)
{
	struct pollfd polled = {.fd = link->fd, .events = events};
	int ready;

	do
		ready = poll(&polled, 1, probe_left_ms(link));
	while (ready < 0 && errno == EINTR);
	return ready > 0;
}

static int connect_to(struct probe_link *link, const struct addrinfo *address, struct tl_err *err)
{
	int number = 0;
	socklen_t len = sizeof number;

	link->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (link->fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "no socket can be opened");
	if (connect(link->fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)
		return tl_err_sys(err, TL_EUNREACH, errno, "it cannot be reached");
	if (!wait_for(link, POLLOUT))
		return tl_err_set(err, TL_ETIMEOUT, "it does not answer");
	if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &number, &len) < 0 || number != 0)
		return tl_err_sys(err, TL_EUNREACH, number, "it cannot be reached");
	return 0;
}

/* The library's macro for it casts the const away. */
static bool name_server(SSL *ssl, const char *host)
{
	return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
			(void *)(uintptr_t)host) == 1;
}

static int start_tls(struct probe_link *link, const struct probe_target *target, struct tl_err *err)
{
	unsigned char binary[16];
	bool is_number = inet_pton(AF_INET, target->host, binary) == 1 ||
			 inet_pton(AF_INET6, target->host, binary) == 1;

	link->context = SSL_CTX_new(TLS_client_method());
	/* a broken chain is what the probe is there to tell of */
	if (link->context) {
		SSL_CTX_set_verify(link->context, SSL_VERIFY_NONE, NULL);
		SSL_CTX_set_default_verify_paths(link->context);
		link->ssl = SSL_new(link->context);
	}
	if (!link->ssl || SSL_set_fd(link->ssl, link->fd) != 1 ||
	    (!is_number && !name_server(link->ssl, target->host)))
		return tl_err_set(err, TL_ENOMEM, "out of memory for TLS");
	if (is_number)
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(link->ssl), target->host);
	else
		SSL_set1_host(link->ssl, target->host);
	for (;;) {
		int r = SSL_connect(link->ssl), why;

		if (r == 1)
			return 0;
		why = SSL_get_error(link->ssl, r);
		if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
			return tl_err_set(err, TL_EPROTO, "no TLS connection comes about");
		if (!wait_for(link, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT))
			return tl_err_set(err, TL_ETIMEOUT, "it does not answer in TLS");
	}
}

int probe_open(struct probe_link *link, const struct probe_target *target, struct tl_err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	int r = getaddrinfo(target->host, target->port, &hints, &found);

	if (r != 0)
		return tl_err_set(err, TL_EUNREACH, "the name is not found: %s", gai_strerror(r));
	r = TL_EUNREACH;
	for (const struct addrinfo *at = found; r < 0 && at && probe_left_ms(link) > 0;
	     at = at->ai_next) {
		if (link->fd >= 0)
			close(tl_steal_fd(&link->fd));
		r = connect_to(link, at, err);
	}
	freeaddrinfo(found);
	return r < 0 || !target->tls ? r : start_tls(link, target, err);
}

void probe_close(struct probe_link *link)
{
	SSL_free(link->ssl);
	SSL_CTX_free(link->context);
	if (link->fd >= 0)
		close(link->fd);
}

ssize_t probe_move(struct probe_link *link, bool writing, void *bytes, size_t len,
		   struct tl_err *err)
{
	for (;;) {
		bool wants_write = writing, again;
		ssize_t n;

		if (link->ssl) {
			int why;

			n = writing ? SSL_write(link->ssl, bytes, (int)len)
				    : SSL_read(link->ssl, bytes, (int)len);
			why = n > 0 ? SSL_ERROR_NONE : SSL_get_error(link->ssl, (int)n);
			again = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
			wants_write = why == SSL_ERROR_WANT_WRITE;
			if (n <= 0 && !again)
				n = writing ? -1 : 0; /* many servers just hang up */
		} else {
			n = writing ? send(link->fd, bytes, len, MSG_NOSIGNAL)
				    : recv(link->fd, bytes, len, 0);
			again = n < 0 && (errno == EAGAIN || errno == EINTR);
		}
		if (n >= 0 && !again)
			return n;
		if (!again)
			return tl_err_sys(err, TL_EIO, errno, "the connection broke");
		if (!wait_for(link, wants_write ? POLLOUT : POLLIN))
			return tl_err_set(err, TL_ETIMEOUT, "it does not answer");
	}
}
