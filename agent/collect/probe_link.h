/* The connection of a probe: to one place, with a deadline, perhaps in TLS. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_PROBE_LINK_H
#define TOWLINE_COLLECT_PROBE_LINK_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <towline/attr.h>
#include <towline/clock.h>
#include <towline/err.h>
#include <towline/json.h>

struct probe_target {
	bool tls;
	char host[256], port[8];
	char path[2100]; /* and query; of a URL */
};
TL_MUST_CHECK int probe_url_read(const char *url, struct probe_target *ret_target,
				 struct tl_err *err);
TL_MUST_CHECK int probe_address_read(const char *address, struct probe_target *ret_target,
				     struct tl_err *err);

struct probe_link {
	const struct tl_clock *clock;
	int64_t deadline_ms;
	int fd; /* -1 before probe_open */
	SSL_CTX *context;
	SSL *ssl;
};
/* TL_EUNREACH, TL_ETIMEOUT, TL_EPROTO. Close it in any case. */
TL_MUST_CHECK int probe_open(struct probe_link *link, const struct probe_target *target,
			     struct tl_err *err);
/* Reads or writes some; 0 is the end. */
TL_MUST_CHECK ssize_t probe_move(struct probe_link *link, bool writing, void *bytes, size_t len,
				 struct tl_err *err);
int probe_left_ms(const struct probe_link *link);
void probe_close(struct probe_link *link);
TL_DEFINE_AUTO(probe_link, probe_close);

/* The certificates that the other side showed, as JSON; the caller owns it. */

json_t *probe_certificates(const struct probe_link *link);

#endif
