/* Where forwarded connections may go: lists of patterns, as grants carry them and policy.yaml has them.
 *
 *   HOST:PORT          a name ("db-1.internal"), "*.internal" for all names below, an address
 *                      ("10.1.2.3", "[fd00::1]"), a network ("10.0.0.0/8", "[fd00::/8]"), or "*"
 *   listen:HOST:PORT   where the endpoint may listen (ssh -R): an address, "localhost", or "*"
 *
 * PORT is a number or "*". A name decides nothing by itself: what it resolves to is looked at too.
 * Addresses that mean this machine or its surroundings (loopback, its own, link-local with the clouds'
 * metadata services, multicast) are reached only where a list has the address itself; "*" and names do
 * not cover them, except "localhost". Any thread. */
#ifndef TOWLINE_FORWARD_H
#define TOWLINE_FORWARD_H

#include <sys/socket.h>
#include <towline/err.h>
#include <towline/str.h>

#define TL_FORWARDS_MAX 32	   /* patterns in a list */
#define TL_FORWARD_PATTERN_MAX 288 /* bytes of one */
#define TL_FORWARD_HOST_MAX 253	   /* bytes of a host's name: RFC 1035 §2.3.4 */
#define TL_FORWARD_ORIGIN_MAX 64   /* "[address]:port" of who connects */

/* TL_EINVAL with a sentence that names the pattern and what would be accepted. */
TL_MUST_CHECK int tl_forward_check(const char *pattern, struct tl_err *err);
/* The same of a whole list, which has at most TL_FORWARDS_MAX. */
TL_MUST_CHECK int tl_forward_check_all(const struct tl_strv *list, struct tl_err *err);

/* May `host` (a name, or an address without brackets) be asked for at all? Nothing that is not listed is
 * looked up. */
bool tl_forward_lists(const struct tl_strv *list, const char *host, unsigned port);
/* May `address`, which `host` resolved to, be connected to? `own`: it is one of this machine's. */
bool tl_forward_permits(const struct tl_strv *list, const char *host, unsigned port,
			const struct sockaddr *address, bool own);
/* May the endpoint listen there? `address` as SSH clients send it: "" is every address, "localhost" the
 * loopback; port 0 lets the system choose. */
bool tl_forward_may_listen(const struct tl_strv *list, const char *address, unsigned port);
/* True for the addresses that a client means by "everywhere". */
bool tl_forward_is_everywhere(const char *address);

#endif
