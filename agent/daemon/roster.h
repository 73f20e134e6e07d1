/* The roster of engineers on its way from the relay to the helper, which alone judges it. Loop thread only. */
#ifndef TOWLINE_AGENT_ROSTER_H
#define TOWLINE_AGENT_ROSTER_H

struct tl_agent;

/* Asks the relay for it and hands it on. What fails is tried again with the next heartbeat. */
void tl_agent_roster_fetch(struct tl_agent *agent);
/* With each heartbeat: whether something is left to do. */
void tl_agent_roster_retry(struct tl_agent *agent);
/* The agent ends. */
void tl_agent_roster_close(struct tl_agent *agent);

#endif
