/* What the relay is told of a session: the decision, and the end. Each goes on until the relay has taken
 * it; the session hears of it by TL_SESSION_EV_POSTED and TL_SESSION_EV_POST_FAILED. */
#ifndef TOWLINE_AGENT_SESSION_REPORT_H
#define TOWLINE_AGENT_SESSION_REPORT_H

#include "daemon/session.h"

void tl_session_report_decision(struct tl_agent_session *session);
void tl_session_report_end(struct tl_agent_session *session);

#endif
