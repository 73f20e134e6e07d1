/* The desk: what the relay's routes work on. One object per relay process; filled by `serve`, shared
 * by all workers, constant while they run (except `http` and `ssh_port`, set before the first call
 * that needs them). Each worker's own context is its store connection. */
#ifndef TOWLINE_SERVER_DESK_H
#define TOWLINE_SERVER_DESK_H

#include <stdint.h>
#include <towline/clock.h>
#include <towline/crypto.h>
#include <towline/grant.h>
#include <towline/id.h>

#include "desk/broker.h"
#include "desk/factor.h"
#include "desk/presence.h"
#include "desk/terminals.h"
#include "desk/throttle.h"
#include "http/http.h"
#include "store/blob.h"
#include "store/store.h"

#define TL_DESK_HEARTBEAT_S 60
#define TL_DESK_TOKEN_LIFE_S 600
#define TL_DESK_ASSERTION_LIFE_S 300
#define TL_DESK_NODE_MAX 512

struct tl_desk {
	char relay_id[TL_ID_LEN + 1];
	/* This process among those that share a store: a session is recovered by the node that
	 * carried it. Host name and directory. */
	char node[TL_DESK_NODE_MAX];
	const char *name, *public_url, *store_url; /* borrowed from the configuration */
	char *ca_pem;				   /* owned */
	char ca_sha256[TL_SHA256_HEX];		   /* of the certificate's DER */
	char *ssh_host_key;			   /* owned; one line */
	_Atomic unsigned ssh_port;		   /* 0 until the front door is open */
	/* Files, read at each login; "" for none (server/ssh/certificate.h). Borrowed. */
	const char *ssh_authorities, *ssh_revoked;
	const char
		*roster_key; /* fingerprint of the key that signs rosters; "" for none. Borrowed. */
	struct tl_vault vault; /* seals secrets of the store */
	enum tl_factor_rule factor_rule;
	struct tl_key *authority; /* signs grants */
	struct tl_key *token_key; /* signs access tokens */
	struct tl_key *ssh_ca;	  /* signs SSH certificates of engineers; NULL: there is none */
	int64_t ssh_certificate_s;
	const struct tl_clock *clock;
	struct tl_blobs *blobs;
	struct tl_broker *broker;
	struct tl_presence *presence;
	struct tl_terminals *terminals;
	struct tl_throttle *throttle;
	_Atomic(struct tl_http *) http; /* not owned; set once it runs */
	uint64_t max_bundle_bytes, max_recording_bytes;
	uint64_t host_quota_bytes; /* of one host's bundles */
	int64_t host_tickets_max;  /* open ones of a host */
	int64_t grant_life_ms, session_max_s;
	/* Four eyes: hosts and tickets (patterns; borrowed), and what happens without the second. */
	const struct tl_strv *second_for;
	enum tl_second second_leaves;
	int64_t second_away_s;
	int64_t resume_ms;    /* how long a session waits for an endpoint whose connection broke */
	char *intake_program; /* owned; path of towline-intake */
	_Atomic unsigned intakes; /* that run now */
};

/* Frees what the desk owns. */
void tl_desk_clear(struct tl_desk *desk);
TL_DEFINE_AUTO(tl_desk, tl_desk_clear);

/* All rows of /v1, sorted as http.h asks. */
const struct tl_http_route *tl_desk_routes(size_t *ret_count);

/* The `authenticate` of tl_http_config: an API token or a host's access token. */
int tl_desk_authenticate(struct tl_http_call *call, struct tl_principal *ret_principal,
			 struct tl_err *err);

/* After a start: this node's sessions that a crash left open are closed with the truth. */
TL_MUST_CHECK int tl_desk_recover(struct tl_desk *desk, struct tl_store *store, struct tl_err *err);
/* Now and then: sessions whose time has passed, on whatever node, are closed with the truth; spent
 * assertions that have expired, and uploads that nobody goes on with, are forgotten. Several nodes may do so at once. */
TL_MUST_CHECK int tl_desk_sweep(struct tl_desk *desk, struct tl_store *store, struct tl_err *err);

/* Every second: sessions of this node that were stopped past it, by a command or another node, end here. */
TL_MUST_CHECK int tl_desk_attend(struct tl_desk *desk, struct tl_store *store, struct tl_err *err);

static inline struct tl_desk *tl_desk_of(const struct tl_http_call *call)
{
	return tl_http_user(call);
}

static inline struct tl_store *tl_desk_store(const struct tl_http_call *call)
{
	return tl_http_worker(call);
}

#endif
