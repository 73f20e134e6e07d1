/* The sessions that the agent carries (daemon/session.h), and those that it carried lately. Loop thread
 * only. */
#ifndef TOWLINE_AGENT_SESSIONS_H
#define TOWLINE_AGENT_SESSIONS_H

#include "daemon/agent.h"

#define TL_AGENT_SESSIONS_MAX 8
#define TL_AGENT_REFUSALS_MAX 8 /* beyond those: being told that there are too many */

/* A grant came. One for a session that is known already is ignored. */
void tl_agent_session_granted(struct tl_agent *agent, const char *id, const char *grant);
/* The relay, the helper or the agent's end stops it. Unknown sessions are ignored. */
void tl_agent_session_stop(struct tl_agent *agent, const char *id, const char *reason);
/* NULL when there is none of this id. */
struct tl_agent_session *tl_agent_session_find(const struct tl_agent *agent, const char *id);
/* It is over: closed, and remembered, so that its grant sent again is not asked again. */
void tl_agent_session_leave(struct tl_agent_session *session);
/* After SIGCHLD. */
void tl_agent_sessions_reap(struct tl_agent *agent);
/* The helper has gone: no session can go on. */
void tl_agent_sessions_orphaned(struct tl_agent *agent);
/* [{"session","state"}]; the caller owns it. */
json_t *tl_agent_sessions_json(const struct tl_agent *agent);
void tl_agent_sessions_close(struct tl_agent *agent);

#endif
