/* What a trusted proxy may say about its client: the PROXY protocol, versions 1 and 2
 * (haproxy.org/download/2.9/doc/proxy-protocol.txt), and X-Forwarded-For. Only from listed addresses. */
#ifndef TOWLINE_SERVER_HTTP_PROXY_H
#define TOWLINE_SERVER_HTTP_PROXY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <towline/err.h>

#define TL_PROXY_HEADER_MAX 536 /* the specification's bound for version 2; version 1 needs 107 */

/* An address; IPv4 as ::ffff:a.b.c.d, so that one comparison serves both. */
struct tl_address {
	struct in6_addr in6;
};

struct tl_address tl_address_of(const struct sockaddr *from);
/* "10.0.0.1" or "2001:db8::1", with or without port and brackets. False when it is none. */
bool tl_address_parse(const char *text, size_t len, struct tl_address *ret_address);
void tl_address_format(const struct tl_address *address, char text[static INET6_ADDRSTRLEN]);

struct tl_trust; /* the list of trusted addresses */

/* `texts`: addresses or CIDR, NULL-terminated; NULL trusts nobody. TL_ECONFIG names a bad one. */
TL_MUST_CHECK int tl_trust_new(const char *const *texts, struct tl_trust **ret_trust,
			       struct tl_err *err);
bool tl_trust_has(const struct tl_trust *trust, const struct tl_address *address);
void tl_trust_free(struct tl_trust *trust);

/* The client behind `peer`: the right-most address of X-Forwarded-For that is not trusted itself. */
struct tl_address tl_proxy_client(const struct tl_trust *trust, const struct tl_address *peer,
				  const char *forwarded_for);

/* Reads a PROXY header at `bytes`. Returns its length and sets *ret_client (left alone for LOCAL and
 * UNKNOWN), 0 when there is none (TLS follows at once), -1 when more bytes are needed, -2 when it
 * is malformed. */
ssize_t tl_proxy_header(const void *bytes, size_t len, struct tl_address *ret_client);

#endif
