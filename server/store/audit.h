/* The audit trail: append-only, hash-chained, in the same transaction as what it tells of.
 *
 * hash(n) = SHA-256(hash(n-1) || canonical JSON of entry n). `tl_audit_verify` recomputes the chain. */
#ifndef TOWLINE_SERVER_AUDIT_H
#define TOWLINE_SERVER_AUDIT_H

#include <stdint.h>
#include <stdio.h>
#include <towline/clock.h>
#include <towline/json.h>

struct tl_store;

struct tl_audit_entry {
	const char *actor_kind; /* "user", "host", "system" */
	const char *actor;	/* login or id */
	const char *action;	/* "ticket.create", "session.request", "bundle.read" … */
	const char *object_kind, *object;
	const char *address;  /* of the peer, NULL when local */
	const json_t *detail; /* borrowed, may be NULL; never a secret */
};

/* Inside a transaction. */
TL_MUST_CHECK int tl_audit_append(struct tl_store *store, const struct tl_clock *clock,
				  const struct tl_audit_entry *entry, struct tl_err *err);

/* Recomputes the whole chain. TL_ESIG names the first entry that does not fit. */
TL_MUST_CHECK int tl_audit_verify(struct tl_store *store, int64_t *ret_entries, struct tl_err *err);
/* One JSON object a line. */
TL_MUST_CHECK int tl_audit_export(struct tl_store *store, FILE *out, struct tl_err *err);

/* Records an outgoing event in the same transaction; delivery is at least once, by sequence. */
TL_MUST_CHECK int tl_outbox_append(struct tl_store *store, const struct tl_clock *clock,
				   const char *topic, const char *type, const json_t *data,
				   struct tl_err *err);

#endif
