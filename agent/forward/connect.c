#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <towline/clock.h>
#include <towline/forward.h>

#include "forward/forward.h"

/* Is it one of this machine's own? Then what listens on it may think that its caller is local. */
static bool is_same(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
	return a->sa_family == AF_INET6 &&
	       memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
		      &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr,
		      sizeof(struct in6_addr)) == 0;
}

static bool is_own(const struct ifaddrs *interfaces, const struct sockaddr *address)
{
	for (; interfaces; interfaces = interfaces->ifa_next)
		if (interfaces->ifa_addr && is_same(interfaces->ifa_addr, address))
			return true;
	return false;
}

static bool await_connected(int fd)
{
	int64_t until_ms = tl_clock_mono_ms(tl_clock_system()) + TL_FORWARD_CONNECT_MS;
	struct pollfd item = {.fd = fd, .events = POLLOUT};
	socklen_t size = sizeof(int);
	int problem = 0, ready;

	do {
		int64_t left_ms = until_ms - tl_clock_mono_ms(tl_clock_system());

		ready = poll(&item, 1, left_ms > 0 ? (int)left_ms : 0);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		errno = ETIMEDOUT;
	if (ready <= 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) != 0)
		return false;
	errno = problem;
	return problem == 0;
}

/* -1 with errno. */
static int connect_to(const struct addrinfo *to)
{
	tl_fd int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (connect(fd, to->ai_addr, to->ai_addrlen) != 0 &&
	    (errno != EINPROGRESS || !await_connected(fd)))
		return -1;
	return tl_steal_fd(&fd);
}

struct attempt {
	const char *host;
	unsigned port;
	const struct tl_strv *lists;
	const struct ifaddrs *interfaces;
	unsigned permitted;
	int problem; /* errno of the last */
};

/* The connected descriptor, or -1. */
static int try_address(struct attempt *attempt, const struct addrinfo *to)
{
	bool own = is_own(attempt->interfaces, to->ai_addr);
	int fd;

	for (size_t i = 0; i < 2; i++)
		if (!tl_forward_permits(&attempt->lists[i], attempt->host, attempt->port,
					to->ai_addr, own))
			return -1;
	attempt->permitted++;
	fd = connect_to(to);
	if (fd < 0)
		attempt->problem = errno;
	return fd;
}

static int explain(const struct attempt *attempt, struct tl_err *err)
{
	if (attempt->permitted == 0)
		return tl_err_set(
			err, TL_EDENIED,
			"%s leads to an address of this machine or its surroundings, which "
			"the list of places does not have",
			attempt->host);
	return tl_err_sys(err, TL_EUNREACH, attempt->problem, "%s:%u does not answer",
			  attempt->host, attempt->port);
}

int tl_forward_connect(const char *host, unsigned port, const struct tl_strv lists[static 2],
		       int *ret_fd, char ret_address[static INET6_ADDRSTRLEN], struct tl_err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct attempt attempt = {.host = host, .port = port, .lists = lists};
	struct addrinfo *found = NULL;
	struct ifaddrs *interfaces = NULL;
	char service[8];
	unsigned tried = 0;
	int fd = -1, rc;

	snprintf(service, sizeof(service), "%u", port);
	rc = getaddrinfo(host, service, &hints, &found);
	if (rc != 0)
		return tl_err_set(err, TL_EUNREACH, "%s has no address: %s", host,
				  gai_strerror(rc));
	/* Without knowing its own addresses it cannot tell what leads back here. */
	if (getifaddrs(&interfaces) != 0) {
		freeaddrinfo(found);
		return tl_err_sys(err, TL_EIO, errno, "this machine's addresses are not known");
	}
	attempt.interfaces = interfaces;
	for (const struct addrinfo *to = found; to && fd < 0 && tried < TL_FORWARD_ADDRESSES_MAX;
	     to = to->ai_next, tried++) {
		fd = try_address(&attempt, to);
		if (fd >= 0)
			(void)getnameinfo(to->ai_addr, to->ai_addrlen, ret_address,
					  INET6_ADDRSTRLEN, NULL, 0, NI_NUMERICHOST);
	}
	freeifaddrs(interfaces);
	freeaddrinfo(found);
	if (fd < 0)
		return explain(&attempt, err);
	*ret_fd = fd;
	return 0;
}
