#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server.h"

#define BACKLOG 4096

/* "ADDRESS:PORT" or "[v6]:PORT". */
static int parse_listen(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len,
			struct tl_err *err)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				       .ai_socktype = SOCK_STREAM};
	const char *colon = text ? strrchr(text, ':') : NULL;
	struct addrinfo *found = NULL;
	char host[128];
	size_t len = colon ? (size_t)(colon - text) : 0;

	if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (!colon || len == 0 || len >= sizeof host)
		return tl_err_set(err, TL_ECONFIG, "listen address \"%s\" is not ADDRESS:PORT",
				  text ? text : "");
	memcpy(host, text, len);
	host[len] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return tl_err_set(err, TL_ECONFIG,
				  "listen address \"%s\" is not a number and a port", host);
	memcpy(ret_address, found->ai_addr, found->ai_addrlen);
	*ret_len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static int open_listener(const struct sockaddr_storage *address, socklen_t len, int *ret_fd,
			 struct tl_err *err)
{
	const int on = 1;
	tl_fd int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot make a socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)address, len) < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot listen there");
	if (listen(fd, BACKLOG) < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot listen");
	*ret_fd = tl_steal_fd(&fd);
	return 0;
}

static void set_port(struct sockaddr_storage *address, in_port_t port)
{
	if (address->ss_family == AF_INET6)
		((struct sockaddr_in6 *)address)->sin6_port = port;
	else
		((struct sockaddr_in *)address)->sin_port = port;
}

static in_port_t bound_port(int fd)
{
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof address;

	getsockname(fd, (struct sockaddr *)&address, &len);
	if (address.ss_family == AF_INET6)
		return ((struct sockaddr_in6 *)&address)->sin6_port;
	return address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port : 0;
}

/* A socket handed over is one: every loop accepts from a duplicate of it. */
static int share_listener(int listen_fd, unsigned count, int *fds, struct tl_err *err)
{
	int flags = fcntl(listen_fd, F_GETFL);

	if (flags < 0 || fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return tl_err_sys(err, TL_EIO, errno, "the socket handed over cannot be used");
	for (unsigned i = 0; i < count; i++) {
		fds[i] = fcntl(listen_fd, F_DUPFD_CLOEXEC, 3);
		if (fds[i] < 0)
			return tl_err_sys(err, TL_EIO, errno, "cannot share the listening socket");
	}
	return 0;
}

int tl_listen(const struct tl_http_config *config, unsigned count, int *fds, unsigned *ret_port,
	      struct tl_err *err)
{
	struct sockaddr_storage address;
	socklen_t len = 0;
	int rc;

	if (config->listen_fd >= 0) {
		rc = share_listener(config->listen_fd, count, fds, err);
		*ret_port = ntohs(bound_port(config->listen_fd));
		return rc;
	}
	rc = parse_listen(config->listen, &address, &len, err);
	for (unsigned i = 0; rc == 0 && i < count; i++) {
		rc = open_listener(&address, len, &fds[i], err);
		if (rc < 0)
			return tl_err_prefix(err, "%s", config->listen);
		set_port(&address, bound_port(fds[i]));
	}
	if (rc == 0)
		*ret_port = ntohs(bound_port(fds[0]));
	return rc;
}
