#include <arpa/inet.h>
#include <errno.h>
#include <strings.h>
#include <sys/socket.h>
#include <towline/forward.h>

#include "forward/forward.h"

/* "" and "*": every address of both families, by one socket where the kernel has IPv6. */
static bool read_place(const char *address, struct sockaddr_storage *place, socklen_t *ret_len)
{
	struct sockaddr_in6 *v6 = (void *)place;
	struct sockaddr_in *v4 = (void *)place;

	*place = (struct sockaddr_storage){.ss_family = AF_INET6};
	*ret_len = sizeof(*v6);
	if (address[0] == '\0' || tl_streq(address, "*") ||
	    inet_pton(AF_INET6, address, &v6->sin6_addr) == 1)
		return true;
	*place = (struct sockaddr_storage){.ss_family = AF_INET};
	*ret_len = sizeof(*v4);
	return inet_pton(AF_INET, strcasecmp(address, "localhost") == 0 ? "127.0.0.1" : address,
			 &v4->sin_addr) == 1;
}

static unsigned port_of(int fd)
{
	/* Either family: an IPv4 address is shorter, and its port is at the same place. */
	struct sockaddr_in6 place = {.sin6_family = AF_UNSPEC};
	socklen_t len = sizeof(place);

	if (getsockname(fd, (struct sockaddr *)&place, &len) != 0)
		return 0;
	return ntohs(place.sin6_port);
}

static int open_at(struct sockaddr_storage *place, socklen_t len, unsigned port)
{
	tl_fd int fd = socket(place->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, off = 0;

	if (fd < 0)
		return -1;
	((struct sockaddr_in *)(void *)place)->sin_port = htons((uint16_t)port);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (place->ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (const struct sockaddr *)place, len) != 0 ||
	    listen(fd, TL_FORWARD_BACKLOG) != 0)
		return -1;
	return tl_steal_fd(&fd);
}

int tl_forward_listen(const char *address, unsigned port, int *ret_fd, unsigned *ret_port,
		      struct tl_err *err)
{
	struct sockaddr_storage place;
	socklen_t len;
	int fd;

	if (port > 65535 || !read_place(address, &place, &len))
		return tl_err_set(err, TL_EINVAL, "%s:%u is no place to listen at", address, port);
	fd = open_at(&place, len, port);
	if (fd < 0 && errno == EAFNOSUPPORT && tl_forward_is_everywhere(address) &&
	    read_place("0.0.0.0", &place, &len))
		fd = open_at(&place, len, port);
	if (fd < 0)
		return tl_err_sys(err, TL_EUNREACH, errno, "this machine cannot listen at %s:%u",
				  address, port);
	*ret_port = port_of(fd);
	*ret_fd = fd;
	return 0;
}
