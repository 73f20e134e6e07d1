/* Probes of services: what they answer, and for how long their certificates are good. Bounded, without
 * credentials, and where the row says only: no proxy, no redirection. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_PROBE_H
#define TOWLINE_COLLECT_PROBE_H

#include <towline/attr.h>
#include <towline/err.h>

#include "collect/collector.h"

/* http:// or https://, without user or password. TL_EINVAL says what is wrong. */
TL_MUST_CHECK int probe_url_check(const char *url, struct tl_err *err);
/* "host:port" or "[::1]:443". */
TL_MUST_CHECK int probe_address_check(const char *address, struct tl_err *err);

/* cmd/GROUP/NAME: the answer's body; NAME.meta.json: status, headers, times, and for https the
 * certificate. */
TL_MUST_CHECK int collect_http(struct collect_context *context, struct tl_err *err);
/* snapshot/tls/NAME.json: protocol, cipher, verification, and each certificate's names and dates. */
TL_MUST_CHECK int collect_tls(struct collect_context *context, struct tl_err *err);

#endif
