/* A request for help between "prepare" and the queue: collected, shown, submitted or discarded. Loop
 * thread only. */
#ifndef TOWLINE_AGENT_HELP_H
#define TOWLINE_AGENT_HELP_H

#include "daemon/agent.h"

#define TL_HELPS_MAX 8 /* prepared and not submitted */
#define TL_HELPS_OF_USER_MAX 2
#define TL_HELP_LIFE_MS (30 * 60 * 1000) /* then the bundle is thrown away */

/* Handlers of agent.sock (daemon/verbs.c). */
/* `request` has been checked: "summary", and what of collect.run a person may choose. */
TL_MUST_CHECK int tl_help_prepare(struct tl_agent *agent, struct tl_ask *ask, const json_t *request,
				  struct tl_err *err);
TL_MUST_CHECK int tl_help_submit(struct tl_agent *agent, struct tl_ask *ask, const char *help_id,
				 struct tl_err *err);
/* Answers with the prepared bundle as a descriptor: only to whom it is about to leave for. */
TL_MUST_CHECK int tl_help_show(struct tl_agent *agent, struct tl_ask *ask, const char *help_id,
			       struct tl_err *err);
TL_MUST_CHECK int tl_help_discard(struct tl_agent *agent, struct tl_ask *ask, const char *help_id,
				  struct tl_err *err);
TL_MUST_CHECK int tl_help_status(struct tl_agent *agent, struct tl_ask *ask, const char *help_id,
				 struct tl_err *err);

/* Removes spooled bundles that nothing refers to: at the start. */
void tl_help_sweep(const struct tl_agent *agent);
/* Throws away what was not submitted. */
void tl_help_close_all(struct tl_agent *agent);

#endif
