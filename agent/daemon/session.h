/* One session as the agent carries it: grant → the helper's decision → told to the relay → towline-session
 * runs → its end told to the relay. The agent decides nothing here. tl_agent_session_step is the only
 * switch; session.c alone assigns the state. Loop thread only. */
#ifndef TOWLINE_AGENT_SESSION_H
#define TOWLINE_AGENT_SESSION_H

#include "core/backoff.h"
#include "daemon/agent.h"
#include "daemon/dialler.h"

#define TL_SESSION_POST_TRIES 12 /* some five minutes: then the relay has given up by itself */

enum tl_session_state {
	TL_SESSION_ASKING,   /* the helper, and through it a person */
	TL_SESSION_DECIDING, /* the decision goes to the relay */
	TL_SESSION_STARTING, /* waits for an access token */
	TL_SESSION_RUNNING,
	TL_SESSION_ENDING,    /* towline-session was asked to end */
	TL_SESSION_REPORTING, /* the end goes to the relay */
	TL_SESSION_OVER
};

enum tl_session_event {
	TL_SESSION_EV_GRANTED,
	TL_SESSION_EV_ALLOWED,
	TL_SESSION_EV_REFUSED,
	TL_SESSION_EV_POSTED,
	TL_SESSION_EV_POST_FAILED,
	TL_SESSION_EV_TIMER,
	TL_SESSION_EV_STARTED,
	TL_SESSION_EV_STOP,
	TL_SESSION_EV_EXITED
};

struct tl_agent_session {
	struct tl_agent_session *next;
	struct tl_agent *agent;
	enum tl_session_state state;
	char id[TL_ID_LEN + 1];
	char *grant;
	bool allowed, stopped;
	json_t *decision; /* the helper's answer */
	json_t *ended;	  /* the body of /ended */
	char reason[TL_ERR_TEXT_MAX];
	struct tl_call *call;
	unsigned tries;
	struct tl_backoff backoff;
	uv_timer_t timer;
	struct tl_dialler dialler;
};

/* NULL when memory ran out. TL_SESSION_EV_GRANTED sets it going. */
struct tl_agent_session *tl_agent_session_new(struct tl_agent *agent, const char *id,
					      const char *grant);
void tl_agent_session_step(struct tl_agent_session *session, enum tl_session_event event);
/* No callback comes any more; frees once the loop has closed its handles. */
void tl_agent_session_close(struct tl_agent_session *session);
const char *tl_session_state_name(enum tl_session_state state);

#endif
