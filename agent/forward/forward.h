/* What towline-forward does for a session: one connection, one listening socket, or the socket of an
 * ssh-agent, made with the rights of the account that it runs as. One thread, blocking. */
#ifndef TOWLINE_FORWARD_FORWARD_H
#define TOWLINE_FORWARD_FORWARD_H

#include <netinet/in.h>
#include <stdint.h>
#include <towline/err.h>
#include <towline/str.h>

#define TL_FORWARD_CONNECT_MS 10000 /* for each address of a name */
#define TL_FORWARD_ADDRESSES_MAX 8  /* of a name that are tried */
#define TL_FORWARD_BACKLOG 16

/* Resolves `host` once and connects to the first of its addresses that answers, among those that each list
 * permits (tl_forward_permits). TL_EDENIED when none is permitted, TL_EUNREACH when none answers. */
TL_MUST_CHECK int tl_forward_connect(const char *host, unsigned port,
				     const struct tl_strv lists[static 2], int *ret_fd,
				     char ret_address[static INET6_ADDRSTRLEN], struct tl_err *err);

/* Listens at `address`, as an SSH client says it. *ret_port is the port, also where 0 was asked for. */
TL_MUST_CHECK int tl_forward_listen(const char *address, unsigned port, int *ret_fd,
				    unsigned *ret_port, struct tl_err *err);

/* A socket in a new directory that nobody else may enter. */
struct tl_forward_agent {
	char directory[64], path[80];
	int fd;
};
TL_MUST_CHECK int tl_forward_agent_open(struct tl_forward_agent *ret_agent, struct tl_err *err);
/* Removes socket and directory, and closes. */
void tl_forward_agent_close(struct tl_forward_agent *agent);

#endif
