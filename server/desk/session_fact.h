/* What happens to a session after it was asked for: one function a fact, each inside a change and each
 * idempotent. Only session_fact.c assigns a session's state. Workers only. */
#ifndef TOWLINE_SERVER_SESSION_FACT_H
#define TOWLINE_SERVER_SESSION_FACT_H

#include <towline/id.h>

#include "desk/change.h"
#include "desk/reply.h"
#include "desk/session.h"

struct tl_session_row {
	char id[TL_ID_LEN + 1], ticket[TL_ID_LEN + 1], host[TL_ID_LEN + 1];
	char state[16], decision[16], lane[16], scopes[64];
	int64_t expires_ms;
	bool has_recording;
};
/* TL_ENOENT says which. */
TL_MUST_CHECK int tl_session_load(struct tl_store *store, const char *session,
				  struct tl_session_row *ret_row, struct tl_err *err);

/* The session, if it is the calling host's; otherwise there is none for it. */
TL_MUST_CHECK int tl_session_load_own(const struct tl_http_call *call, struct tl_store *store,
				      const char *session, struct tl_session_row *ret_row,
				      struct tl_err *err);

struct tl_session_decision {
	const char *decision; /* "yes", "no", "timeout", "policy" */
	const char *reason;   /* may be NULL */
	const char *consent;  /* JWS, verified by the caller; may be NULL unless "yes" */
	const char *scopes;   /* what was agreed to, NULL: as asked */
};
TL_MUST_CHECK int tl_session_decide(struct tl_change *change, const struct tl_session_row *row,
				    const struct tl_session_decision *decision,
				    struct tl_problem *problem, struct tl_err *err);
/* consented → open, once: the endpoint has called home. */
TL_MUST_CHECK int tl_session_call_home(struct tl_change *change, const struct tl_session_row *row,
				       struct tl_problem *problem, struct tl_err *err);
/* The endpoint has called again, and the broken stream goes on. TL_EDENIED with a problem of 410 when the
 * session has ended. */
TL_MUST_CHECK int tl_session_resume(struct tl_change *change, const struct tl_session_row *row,
				    int64_t away_ms, struct tl_problem *problem,
				    struct tl_err *err);
TL_MUST_CHECK int tl_session_open(struct tl_change *change, const struct tl_session_row *row,
				  struct tl_err *err);
TL_MUST_CHECK int tl_session_end(struct tl_change *change, const struct tl_session_row *row,
				 const struct tl_session_end *end, struct tl_err *err);
/* What was done in it, in a person's words. The newest counts, the timeline keeps them all. */
TL_MUST_CHECK int tl_session_note(struct tl_change *change, const struct tl_session_row *row,
				  const char *text, struct tl_err *err);
/* Nothing shall pass in a running session, or again. `by` names who and why; NULL: resumed. TL_EDENIED with
 * a problem when it does not run. */
TL_MUST_CHECK int tl_session_hold(struct tl_change *change, const struct tl_session_row *row,
				  const char *by, struct tl_problem *problem, struct tl_err *err);
/* Any other fact about a session, for audit and timeline: `detail` is taken and gets "session". */
TL_MUST_CHECK int tl_session_tell(struct tl_change *change, const struct tl_session_row *row,
				  const char *action, const char *kind, json_t *detail,
				  struct tl_err *err);
/* Somebody wants it stopped: noted, and pushed to the host. */
TL_MUST_CHECK int tl_session_ask_stop(struct tl_change *change, const struct tl_session_row *row,
				      const char *reason, struct tl_err *err);
/* The same for all that an engineer has open or asks for: the engineer's rights are gone. */
TL_MUST_CHECK int tl_session_stop_all(struct tl_change *change, const char *user,
				      const char *reason, struct tl_err *err);

#endif
