/* What the relay takes of this host (GET /v1/agent/limits), kept in agent->bundle_room and in the state
 * directory: the relay may be away when help is needed. Loop thread only. */
#ifndef TOWLINE_AGENT_LIMITS_H
#define TOWLINE_AGENT_LIMITS_H

#include "daemon/agent.h"

/* What was last known, after a start. */
void tl_limits_recall(struct tl_agent *agent);
/* The relay's answer; one that makes no sense changes nothing. */
void tl_limits_note(struct tl_agent *agent, const struct tl_reply *reply);

#endif
