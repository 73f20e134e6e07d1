#include "daemon/session.h"

#include <stdio.h>
#include <towline/log.h>

#include "daemon/session_child.h"
#include "daemon/session_report.h"
#include "daemon/sessions.h"

#define END_GRACE_MS 10000   /* from asking towline-session to end until it is killed */
#define RENEW_MS (4 * 60000) /* access tokens live ten minutes */

const char *tl_session_state_name(enum tl_session_state state)
{
	static const char *const names[] = {"asking", "deciding",  "starting", "running",
					    "ending", "reporting", "over"};

	return names[state];
}

static void on_timer(uv_timer_t *timer)
{
	tl_agent_session_step(timer->data, TL_SESSION_EV_TIMER);
}

/* ---- the helper -------------------------------------------------------------------------------- */

static void on_decision(void *arg, const json_t *result, const struct tl_err *err)
{
	struct tl_agent_session *session = arg;
	const char *decision = json_string_value(json_object_get(result, "decision"));
	const char *reason = json_string_value(json_object_get(result, "reason"));

	session->decision = json_deep_copy(result);
	session->allowed = tl_streq(decision, "yes");
	if (!session->allowed)
		snprintf(session->reason, sizeof(session->reason), "%s",
			 err	  ? tl_err_text(err)
			 : reason ? reason
				  : "refused");
	if (err && !session->decision)
		session->decision =
			json_pack("{s:s}", "decision", err->code == TL_EDENIED ? "policy" : "no");
	tl_agent_session_step(session,
			      session->allowed ? TL_SESSION_EV_ALLOWED : TL_SESSION_EV_REFUSED);
}

static void ask_helper(struct tl_agent_session *session)
{
	tl_link_call(session->agent->link, "session.request",
		     json_pack("{s:s}", "grant", session->grant), NULL, 0, on_decision, session);
}

static void ignore_answer(void *arg, const json_t *result, const struct tl_err *err)
{
	(void)arg;
	(void)result;
	(void)err;
}

static void end_at_helper(struct tl_agent_session *session)
{
	if (!session->allowed || !tl_link_is_up(session->agent->link))
		return;
	tl_link_call(session->agent->link, "session.end",
		     json_pack("{s:s, s:s}", "session", session->id, "reason",
			       session->reason[0] ? session->reason : "the session has ended"),
		     NULL, 0, ignore_answer, NULL);
}

/* ---- states ----------------------------------------------------------------------------------- */

static void session_enter(struct tl_agent_session *session, enum tl_session_state state)
{
	tl_log_debug("session", TL_S("session", session->id),
		     TL_S("state", tl_session_state_name(state)));
	uv_timer_stop(&session->timer);
	if (state != session->state) {
		session->tries = 0;
		tl_backoff_reset(&session->backoff);
	}
	session->state = state;
	switch (state) {
	case TL_SESSION_ASKING:
		ask_helper(session);
		break;
	case TL_SESSION_DECIDING:
		tl_session_report_decision(session);
		break;
	case TL_SESSION_STARTING:
		tl_session_child_supply(session);
		break;
	case TL_SESSION_RUNNING:
		uv_timer_start(&session->timer, on_timer, RENEW_MS, RENEW_MS);
		break;
	case TL_SESSION_ENDING:
		tl_session_child_stop(session);
		uv_timer_start(&session->timer, on_timer, END_GRACE_MS, 0);
		break;
	case TL_SESSION_REPORTING:
		end_at_helper(session);
		tl_session_report_end(session);
		break;
	case TL_SESSION_OVER:
		if (session->allowed)
			end_at_helper(session);
		tl_agent_session_leave(session);
		break;
	}
}

static void timer_event(struct tl_agent_session *session)
{
	switch (session->state) {
	case TL_SESSION_DECIDING:
		tl_session_report_decision(session);
		break;
	case TL_SESSION_REPORTING:
		tl_session_report_end(session);
		break;
	case TL_SESSION_RUNNING:
		tl_session_child_supply(session);
		break;
	case TL_SESSION_ENDING:
		tl_dialler_kill(&session->dialler);
		break;
	default:
		break;
	}
}

static void posted(struct tl_agent_session *session)
{
	if (session->state == TL_SESSION_REPORTING || !session->allowed)
		session_enter(session, TL_SESSION_OVER);
	else
		session_enter(session,
			      session->stopped ? TL_SESSION_REPORTING : TL_SESSION_STARTING);
}

static void stop(struct tl_agent_session *session)
{
	session->stopped = true;
	if (session->state == TL_SESSION_RUNNING)
		session_enter(session, TL_SESSION_ENDING);
	else if (session->state == TL_SESSION_STARTING)
		session_enter(session, TL_SESSION_REPORTING);
	else if (session->state == TL_SESSION_ASKING && tl_link_is_up(session->agent->link))
		tl_link_call(session->agent->link, "session.end",
			     json_pack("{s:s, s:s}", "session", session->id, "reason",
				       session->reason),
			     NULL, 0, ignore_answer, NULL);
}

void tl_agent_session_step(struct tl_agent_session *session, enum tl_session_event event)
{
	switch (event) {
	case TL_SESSION_EV_GRANTED:
		session_enter(session, TL_SESSION_ASKING);
		break;
	case TL_SESSION_EV_ALLOWED:
	case TL_SESSION_EV_REFUSED:
		session_enter(session, TL_SESSION_DECIDING);
		break;
	case TL_SESSION_EV_POSTED:
		posted(session);
		break;
	case TL_SESSION_EV_POST_FAILED:
		if (session->tries >= TL_SESSION_POST_TRIES)
			session_enter(session, TL_SESSION_OVER);
		else
			uv_timer_start(&session->timer, on_timer,
				       (uint64_t)tl_backoff_draw(&session->backoff), 0);
		break;
	case TL_SESSION_EV_TIMER:
		timer_event(session);
		break;
	case TL_SESSION_EV_STARTED:
		session_enter(session, TL_SESSION_RUNNING);
		break;
	case TL_SESSION_EV_STOP:
		stop(session);
		break;
	case TL_SESSION_EV_EXITED:
		session_enter(session, TL_SESSION_REPORTING);
		break;
	}
}

/* ---- life ------------------------------------------------------------------------------------- */

struct tl_agent_session *tl_agent_session_new(struct tl_agent *agent, const char *id,
					      const char *grant)
{
	struct tl_agent_session *session = calloc(1, sizeof(*session));

	if (!session || !(session->grant = strdup(grant))) {
		free(session);
		return NULL;
	}
	session->agent = agent;
	snprintf(session->id, sizeof(session->id), "%s", id);
	uv_timer_init(&agent->loop, &session->timer);
	session->timer.data = session;
	tl_session_child_init(session);
	return session;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct tl_agent_session *session = handle->data;

	json_decref(session->decision);
	json_decref(session->ended);
	free(session->grant);
	free(session);
}

void tl_agent_session_close(struct tl_agent_session *session)
{
	tl_call_cancel(tl_steal(&session->call));
	tl_link_cancel(session->agent->link, session);
	tl_dialler_close(&session->dialler);
	uv_close((uv_handle_t *)&session->timer, on_timer_closed);
}
