/* Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header): a repeated request gets the reply
 * of the first one. Workers only; inside the change that the request makes. */
#ifndef TOWLINE_SERVER_IDEMPOTENCY_H
#define TOWLINE_SERVER_IDEMPOTENCY_H

#include <towline/crypto.h>
#include <towline/json.h>

#include "desk/change.h"
#include "desk/reply.h"

#define TL_IDEMPOTENCY_KEY_MAX 128
/* An endpoint may be offline for weeks with a request in its queue. */
#define TL_IDEMPOTENCY_LIFE_MS ((int64_t)60 * 86400 * 1000)

struct tl_idempotency {
	const char *key; /* NULL: the request has none, and everything below does nothing */
	const char *method, *path;
	char principal[80];
	char request_sha256[TL_SHA256_HEX];
};

/* Reads the header. TL_EINVAL for one that is too long or not printable. */
TL_MUST_CHECK int tl_idempotency_read(const struct tl_http_call *call, const char *method,
				      const char *path, struct tl_idempotency *ret_idempotency,
				      struct tl_err *err);
/* 1: the request was answered before, *ret_response (owned by the caller) is what was said; 0: it is
 * new; TL_EDENIED with the problem: another request had this key. */
TL_MUST_CHECK int tl_idempotency_find(struct tl_change *change,
				      const struct tl_idempotency *idempotency,
				      json_t **ret_response, struct tl_problem *problem,
				      struct tl_err *err);
TL_MUST_CHECK int tl_idempotency_keep(struct tl_change *change,
				      const struct tl_idempotency *idempotency, int status,
				      const json_t *response, struct tl_err *err);

#endif
