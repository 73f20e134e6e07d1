/* Sessions on the desk: asking for one, and writing down how it went. Workers only (own store). */
#ifndef TOWLINE_SERVER_SESSION_H
#define TOWLINE_SERVER_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <towline/crypto.h>
#include <towline/grant.h>

struct tl_desk; /* server/desk/desk.h: keys, blobs, broker, http server, clock */
struct tl_store;

struct tl_engineer {
	char id[27];
	char login[65];
	char name[129];
};

/* The engineer who registered the SSH public key (base64 of the wire blob, RFC 4253 §6.6).
 * TL_EAUTH for an unknown key or a disabled engineer. */
TL_MUST_CHECK int tl_session_engineer(struct tl_store *store, const char *key_base64,
				      struct tl_engineer *ret_engineer, struct tl_err *err);
/* The one engineer whose login is among the principals of a certificate; TL_EAUTH for none, for several
 * and for one who was disabled. */
TL_MUST_CHECK int tl_session_principal(struct tl_store *store, const struct tl_strv *principals,
				       struct tl_engineer *ret_engineer, struct tl_err *err);
/* Adds the engineer's registered keys ("type base64", oldest first) to `keys`, which stays within
 * TL_GRANT_KEYS_MAX and names each once: what it holds already comes first. */
TL_MUST_CHECK int tl_session_keys(struct tl_store *store, const char *engineer_id,
				  struct tl_strv *keys, struct tl_err *err);

struct tl_session_target {
	char host[27];
	char host_name[256];
	char ticket[33];
	char ssh_host_key
		[1024]; /* the endpoint's, as an ssh-ed25519 line: registered at enrolment */
};
/* Resolves what an engineer typed: a host name, a host id, or a ticket ("T-1042", any case). A host
 * needs an open ticket (the newest one counts): TL_EDENIED says how to get one. */
TL_MUST_CHECK int tl_session_resolve(struct tl_store *store, const char *target,
				     struct tl_session_target *ret_target, struct tl_err *err);

struct tl_session_ask {
	const struct tl_engineer *engineer;
	const struct tl_session_target *target;
	enum tl_lane lane;
	unsigned scopes;
	const char *purpose; /* the engineer's own words; NULL: the ticket's summary */
	const char *user;    /* account that is asked for; NULL: the host's policy says */
	int64_t max_s;	     /* 0: as long as this relay allows */
	bool break_glass;    /* an emergency: nobody is to be asked */
	bool by_api; /* no SSH connection waits yet: one claims it (tl_session_claim). In the bastion lane the
			grant is made then, since its key is that connection's. */
	const char *statement, *signature; /* the engineer's own request; NULL: none */
	const char *const *keys; /* authorized_keys lines for the grant, NULL-terminated */
	const char *address;	 /* the engineer's */
};
/* Writes session, timeline and audit, signs the grant and pushes it. ret_session receives the id. */
TL_MUST_CHECK int tl_session_request(struct tl_desk *desk, struct tl_store *store,
				     const struct tl_session_ask *ask, char ret_session[static 27],
				     struct tl_err *err);

struct tl_session_claim {
	const struct tl_engineer *engineer;
	const char *target; /* as typed, or the session's id */
	enum tl_lane lane;
	const char *key_line; /* bastion lane: what the grant is to carry */
};
/* Takes up what the engineer asked for by the API and nobody has taken up yet. TL_ENOENT: there is none, ask anew;
 * TL_EDENIED with the reason for a session that was named and is over. */
TL_MUST_CHECK int tl_session_claim(struct tl_desk *desk, struct tl_store *store,
				   const struct tl_session_claim *claim,
				   char ret_session[static 27],
				   struct tl_session_target *ret_target, struct tl_err *err);

/* Facts, each written to session row, timeline and audit in one transaction. */
TL_MUST_CHECK int tl_session_opened(struct tl_desk *desk, struct tl_store *store,
				    const char *session, struct tl_err *err);
struct tl_session_end {
	const char *reason; /* one sentence */
	uint64_t bytes_in, bytes_out;
	bool has_recording; /* the blob "rec-<session>" is sealed */
};
TL_MUST_CHECK int tl_session_ended(struct tl_desk *desk, struct tl_store *store,
				   const char *session, const struct tl_session_end *end,
				   struct tl_err *err);

#endif
