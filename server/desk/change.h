/* A change: what a handler does to the store, told to the audit trail, the ticket's timeline, the
 * outbox and, after the commit, to open streams, in one place so that none can be forgotten.
 * Workers only (own store). */
#ifndef TOWLINE_SERVER_CHANGE_H
#define TOWLINE_SERVER_CHANGE_H

#include <towline/clock.h>
#include <towline/json.h>

#include "http/http.h"
#include "store/store.h"

#define TL_TOPIC_ENGINEERS "engineers" /* what /v1/events subscribes to */
#define TL_TOPIC_MAX 40		       /* "host:" and an id */

struct tl_desk;

struct tl_change {
	struct tl_store *store;
	const struct tl_clock *clock;
	struct tl_http *http;			  /* NULL: no streams (commands) */
	const char *actor_kind, *actor, *address; /* address NULL: local */
	int64_t now_ms;				  /* one time for all of it */
	/* Called inside the transaction, again when it lost to another one: no other effects. */
	int (*body)(struct tl_change *change, void *arg, struct tl_err *err);
	void *arg;
	json_t *hints; /* what to publish after the commit; private */
};

/* A change by the one who makes the call. */
void tl_change_init(struct tl_change *change, const struct tl_http_call *call,
		    int (*body)(struct tl_change *, void *, struct tl_err *), void *arg);
/* A change by the relay itself: a command or something that happened. */
void tl_change_init_system(struct tl_change *change, struct tl_store *store,
			   const struct tl_clock *clock, struct tl_http *http,
			   int (*body)(struct tl_change *, void *, struct tl_err *), void *arg);
/* Runs it in one transaction and publishes what it told. */
TL_MUST_CHECK int tl_change_run(struct tl_change *change, struct tl_err *err);

struct tl_fact {
	const char *action; /* of the audit entry and the event: "ticket.create" */
	const char *object_kind, *object;
	const char *ticket; /* ticket id: also an entry of its timeline; NULL: none */
	const char *kind;   /* of the timeline entry: "created", "note", … */
	json_t *detail;	    /* taken; may be NULL; never a secret */
};
/* Inside body: writes audit entry, timeline entry and outgoing event. */
TL_MUST_CHECK int tl_change_tell(struct tl_change *change, const struct tl_fact *fact,
				 struct tl_err *err);
/* Inside body: an event for a host's push stream, sent after the commit. Takes `data`. */
TL_MUST_CHECK int tl_change_push(struct tl_change *change, const char *host, const char *event,
				 json_t *data, struct tl_err *err);

/* Inside body: an event for those who watch a session, sent after the commit. Takes `data`. */
TL_MUST_CHECK int tl_change_show(struct tl_change *change, const char *session, const char *event,
				 json_t *data, struct tl_err *err);

/* "host:<id>": the topic of a host's push stream. */
void tl_topic_of_host(const char *host, char topic[static TL_TOPIC_MAX]);
/* "session:<id>": what those who watch a session hear. */
void tl_topic_of_session(const char *session, char topic[static TL_TOPIC_MAX]);

#endif
