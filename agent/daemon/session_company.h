/* Who else is at a session: from the relay to the helper, and back what came of it. Loop thread only. */
#ifndef TOWLINE_AGENT_SESSION_COMPANY_H
#define TOWLINE_AGENT_SESSION_COMPANY_H

#include "daemon/agent.h"

/* The relay's event "company", "pause" or "resume": the helper judges it. False for any other. */
bool tl_session_company_event(struct tl_agent *agent, const char *event, const json_t *data);
/* The helper's event "company": told to the relay, once; the recording has it too. */
void tl_session_company_report(struct tl_agent *agent, const json_t *args);

#endif
