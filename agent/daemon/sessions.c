#include "daemon/sessions.h"

#include <stdio.h>
#include <towline/log.h>

#include "daemon/session.h"

struct tl_agent_session *tl_agent_session_find(const struct tl_agent *agent, const char *id)
{
	struct tl_agent_session *session = agent->sessions;

	while (session && !tl_streq(session->id, id))
		session = session->next;
	return session;
}

static void remember(struct tl_agent *agent, const char *id)
{
	snprintf(agent->done_sessions[agent->next_done], TL_ID_LEN + 1, "%s", id);
	agent->next_done = (agent->next_done + 1) % TL_AGENT_DONE_SESSIONS;
}

void tl_agent_session_leave(struct tl_agent_session *session)
{
	struct tl_agent_session **link = &session->agent->sessions;

	while (*link != session)
		link = &(*link)->next;
	*link = session->next;
	remember(session->agent, session->id);
	tl_agent_session_close(session);
}

static bool is_done(const struct tl_agent *agent, const char *id)
{
	for (size_t i = 0; i < TL_AGENT_DONE_SESSIONS; i++) {
		if (tl_streq(agent->done_sessions[i], id))
			return true;
	}
	return false;
}

static unsigned count_sessions(const struct tl_agent *agent)
{
	unsigned count = 0;

	for (const struct tl_agent_session *session = agent->sessions; session;
	     session = session->next)
		count++;
	return count;
}

/* Who asked for one too many hears why, instead of waiting until the grant expires. */
static void refuse(struct tl_agent_session *session)
{
	tl_log_warning("too many sessions at once: one is refused", TL_S("session", session->id));
	snprintf(session->reason, sizeof(session->reason), "%d sessions are open there already",
		 TL_AGENT_SESSIONS_MAX);
	session->decision = json_pack("{s:s}", "decision", "policy");
	tl_agent_session_step(session, TL_SESSION_EV_REFUSED);
}

void tl_agent_session_granted(struct tl_agent *agent, const char *id, const char *grant)
{
	unsigned count = count_sessions(agent);
	struct tl_agent_session *session;

	if (agent->stopping || tl_agent_session_find(agent, id) || is_done(agent, id))
		return;
	session = count < TL_AGENT_SESSIONS_MAX + TL_AGENT_REFUSALS_MAX
			  ? tl_agent_session_new(agent, id, grant)
			  : NULL;
	if (!session) {
		tl_log_error("too many sessions at once: a grant is ignored", TL_S("session", id));
		return;
	}
	session->next = agent->sessions;
	agent->sessions = session;
	if (count >= TL_AGENT_SESSIONS_MAX) {
		refuse(session);
		return;
	}
	tl_log_info("session asked for", TL_S("session", id));
	tl_agent_session_step(session, TL_SESSION_EV_GRANTED);
}

void tl_agent_session_stop(struct tl_agent *agent, const char *id, const char *reason)
{
	struct tl_agent_session *session = tl_agent_session_find(agent, id);

	if (!session || session->stopped)
		return;
	snprintf(session->reason, sizeof(session->reason), "%s", reason);
	tl_agent_session_step(session, TL_SESSION_EV_STOP);
}

void tl_agent_sessions_orphaned(struct tl_agent *agent)
{
	for (struct tl_agent_session *session = agent->sessions, *next; session; session = next) {
		next = session->next;
		if (session->state != TL_SESSION_ASKING) /* its call has failed already */
			tl_agent_session_stop(agent, session->id,
					      "the helper on this machine has ended");
	}
}

void tl_agent_sessions_reap(struct tl_agent *agent)
{
	for (struct tl_agent_session *session = agent->sessions, *next; session; session = next) {
		next = session->next;
		tl_dialler_reap(&session->dialler);
	}
}

json_t *tl_agent_sessions_json(const struct tl_agent *agent)
{
	json_t *list = json_array();

	for (const struct tl_agent_session *session = agent->sessions; session;
	     session = session->next)
		json_array_append_new(list, json_pack("{s:s, s:s}", "session", session->id, "state",
						      tl_session_state_name(session->state)));
	return list;
}

void tl_agent_sessions_close(struct tl_agent *agent)
{
	while (agent->sessions) {
		tl_dialler_kill(&agent->sessions->dialler);
		tl_agent_session_leave(agent->sessions);
	}
}
