/* A session's towline-session: what it is given on stdin, and what it says on stdout. */
#ifndef TOWLINE_AGENT_SESSION_CHILD_H
#define TOWLINE_AGENT_SESSION_CHILD_H

#include "daemon/session.h"

void tl_session_child_init(struct tl_agent_session *session);
/* Gets an access token: starts towline-session with it, or renews the running one's. A failed start is
 * TL_SESSION_EV_EXITED. */
void tl_session_child_supply(struct tl_agent_session *session);
/* Asks it to end. */
void tl_session_child_stop(struct tl_agent_session *session);

#endif
