/* How hosts are, as their agents tell it with heartbeats (docs/protocol.md). What an agent tells is hostile until
 * it is read here: members, types, sizes and number are checked. Workers only (own store). */
#ifndef TOWLINE_SERVER_HEALTH_H
#define TOWLINE_SERVER_HEALTH_H

#include <towline/json.h>

#include "store/store.h"

#define TL_HOST_FACTS_MAX 400
#define TL_HOST_FACT_TEXT_MAX 256

struct tl_host_health {
	int64_t seq;
	bool full;
	json_t *facts, *gone; /* borrowed from the message */
};

/* Checks the heartbeat's member "health". TL_EINVAL names the fact that is at fault. */
TL_MUST_CHECK int tl_host_health_read(const json_t *health, struct tl_host_health *ret_health,
				      struct tl_err *err);
/* What is known after `told`: an array of facts. One with a verdict has "since", when it got it (RFC 3339).
 * TL_ETOOBIG when they have become too many. The caller owns *ret_facts. */
TL_MUST_CHECK int tl_host_health_merge(const json_t *known, const struct tl_host_health *told,
				       const char *now, json_t **ret_facts, struct tl_err *err);
/* "critical", "warning", "unknown" or "ok": the worst. */
const char *tl_host_health_worst(const json_t *facts);

/* Takes what was told, in a transaction of its own. *ret_is_gap: it does not follow on what was told before, and
 * nothing was taken. */
TL_MUST_CHECK int tl_host_health_take(struct tl_store *store, const char *host,
				      const struct tl_host_health *told, int64_t now_ms,
				      bool *ret_is_gap, struct tl_err *err);

#endif
