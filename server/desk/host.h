/* Hosts: what the API and the commands share. Workers only (own store). */
#ifndef TOWLINE_SERVER_HOST_H
#define TOWLINE_SERVER_HOST_H

#include <towline/crypto.h>

#include "desk/change.h"
#include "store/store.h"

/* The columns that tl_host_make reads, of host h. */
#define TL_HOST_COLUMNS \
	"h.id, h.name, h.state, h.last_seen_ms, h.agent_version, h.ssh_host_key, h.enrolled_ms, " \
	"h.clock_offset_ms, (SELECT verdict FROM host_health WHERE host_id = h.id)"
/* A host is online when it was heard of in the last ONLINE_MS. */
#define TL_HOST_ONLINE_MS 150000

json_t *tl_host_make(const struct tl_rows *row, int64_t now_ms);

/* Inside a change: takes the host's rights away. `host` is an id or a name; TL_ENOENT. */
TL_MUST_CHECK int tl_host_revoke(struct tl_change *change, const char *host, struct tl_err *err);

/* The host's keys for verifying what it and its helper signed; TL_ENOENT when it has none. */
TL_MUST_CHECK int tl_host_key(struct tl_store *store, const char *host, struct tl_key **ret_key,
			      struct tl_err *err);
TL_MUST_CHECK int tl_host_consent_key(struct tl_store *store, const char *host,
				      struct tl_key **ret_key, struct tl_err *err);

#endif
