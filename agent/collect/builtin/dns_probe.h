/* One question to one name server over UDP, to see whether it answers and how fast: for the name servers
 * of the root, which every resolver knows. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_DNS_PROBE_H
#define TOWLINE_COLLECT_DNS_PROBE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <towline/clock.h>

struct dns_probe_result {
	int rcode;     /* RFC 1035 §4.1.1; -1: no answer */
	int sys_errno; /* of what failed, 0: nothing, or time was over */
	int64_t ms;
};

/* At most `timeout_ms`. */
void dns_probe(const struct sockaddr *server, socklen_t len, const struct tl_clock *clock,
	       int timeout_ms, struct dns_probe_result *ret_result);

/* The rcode of an answer to question `id`; -1 when it is none. */
int dns_probe_read(const uint8_t *answer, size_t len, uint16_t id);

#endif
