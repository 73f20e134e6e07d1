#include "daemon/session.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <towline/log.h>

#include "core/backoff.h"
#include "daemon/dialler.h"

#define POST_TIMEOUT_MS 30000
#define POST_TRIES 12	     /* some five minutes: then the relay has given up by itself */
#define END_GRACE_MS 10000   /* from asking towline-session to end until it is killed */
#define RENEW_MS (4 * 60000) /* access tokens live ten minutes */

enum session_state {
	SESSION_ASKING,	  /* the helper, and through it a person */
	SESSION_DECIDING, /* the decision goes to the relay */
	SESSION_STARTING, /* waits for an access token */
	SESSION_RUNNING,
	SESSION_ENDING,	   /* towline-session was asked to end */
	SESSION_REPORTING, /* the end goes to the relay */
	SESSION_OVER
};

enum session_event {
	SESSION_EV_ALLOWED,
	SESSION_EV_REFUSED,
	SESSION_EV_POSTED,
	SESSION_EV_POST_FAILED,
	SESSION_EV_TIMER,
	SESSION_EV_STARTED,
	SESSION_EV_STOP,
	SESSION_EV_EXITED
};

struct tl_agent_session {
	struct tl_agent_session *next;
	struct tl_agent *agent;
	enum session_state state;
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

static void session_step(struct tl_agent_session *session, enum session_event event);

static const char *state_name(enum session_state state)
{
	static const char *const names[] = {"asking", "deciding",  "starting", "running",
					    "ending", "reporting", "over"};

	return names[state];
}

static struct tl_agent_session *find(const struct tl_agent *agent, const char *id)
{
	struct tl_agent_session *session = agent->sessions;

	while (session && !tl_streq(session->id, id))
		session = session->next;
	return session;
}

static void on_timer(uv_timer_t *timer)
{
	session_step(timer->data, SESSION_EV_TIMER);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct tl_agent_session *session = handle->data;

	json_decref(session->decision);
	json_decref(session->ended);
	free(session->grant);
	free(session);
}

static void remember(struct tl_agent *agent, const char *id)
{
	snprintf(agent->done_sessions[agent->next_done], TL_ID_LEN + 1, "%s", id);
	agent->next_done = (agent->next_done + 1) % TL_AGENT_DONE_SESSIONS;
}

static void leave(struct tl_agent_session *session)
{
	struct tl_agent_session **link = &session->agent->sessions;

	while (*link != session)
		link = &(*link)->next;
	*link = session->next;
	remember(session->agent, session->id);
	tl_call_cancel(tl_steal(&session->call));
	tl_link_cancel(session->agent->link, session);
	tl_dialler_close(&session->dialler);
	uv_close((uv_handle_t *)&session->timer, on_timer_closed);
}

/* ---- the helper's decision -------------------------------------------------------------------- */

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
	session_step(session, session->allowed ? SESSION_EV_ALLOWED : SESSION_EV_REFUSED);
}

static void ask_helper(struct tl_agent_session *session)
{
	tl_link_call(session->agent->link, "session.request",
		     json_pack("{s:s}", "grant", session->grant), NULL, 0, on_decision, session);
}

/* ---- what the relay is told ------------------------------------------------------------------- */

static void on_posted(void *arg, const struct tl_reply *reply)
{
	struct tl_agent_session *session = arg;

	session->call = NULL;
	tl_backoff_ask(&session->backoff, reply->retry_after_ms);
	if (reply->status >= 200 && reply->status <= 299) {
		session_step(session, SESSION_EV_POSTED);
	} else if (tl_reply_is_transient(reply) || reply->status == 401) {
		session_step(session, SESSION_EV_POST_FAILED);
	} else {
		tl_log_error("the relay does not take what it is told of a session",
			     TL_S("session", session->id), TL_ERR(&reply->err));
		session->tries = POST_TRIES;
		session_step(session, SESSION_EV_POST_FAILED);
	}
}

static void post(struct tl_agent_session *session, const char *what, const json_t *body)
{
	char path[96];

	session->tries++;
	snprintf(path, sizeof(path), "/v1/agent/sessions/%s/%s", session->id, what);
	session->call = tl_relay_call(session->agent->relay,
				      &(struct tl_call_spec){.method = "POST",
							     .path = path,
							     .json = body,
							     .timeout_ms = POST_TIMEOUT_MS,
							     .on_done = on_posted,
							     .arg = session});
	if (!session->call)
		session_step(session, SESSION_EV_POST_FAILED);
}

static void post_decision(struct tl_agent_session *session)
{
	const json_t *consent = json_object_get(session->decision, "consent");
	tl_json *body =
		json_pack("{s:O}", "decision", json_object_get(session->decision, "decision"));

	if (session->reason[0])
		json_object_set_new(body, "reason", json_string(session->reason));
	if (json_is_string(consent))
		json_object_set_new(body, "consent", json_string(json_string_value(consent)));
	post(session, "decision", body);
}

static void post_ended(struct tl_agent_session *session)
{
	if (!session->ended)
		session->ended =
			json_pack("{s:s, s:I, s:I}", "reason",
				  session->reason[0] ? session->reason
						     : "towline-session ended without a word",
				  "bytes_in", (json_int_t)0, "bytes_out", (json_int_t)0);
	post(session, "ended", session->ended);
}

/* ---- towline-session -------------------------------------------------------------------------- */

static void on_dialler_line(void *arg, const json_t *line)
{
	struct tl_agent_session *session = arg;
	const char *reason = json_string_value(json_object_get(line, "reason"));

	if (!reason)
		return;
	json_decref(session->ended);
	session->ended =
		json_pack("{s:s, s:I, s:I}", "reason", reason, "bytes_in",
			  json_integer_value(json_object_get(line, "bytes_in")), "bytes_out",
			  json_integer_value(json_object_get(line, "bytes_out")));
}

static void on_dialler_exit(void *arg)
{
	session_step(arg, SESSION_EV_EXITED);
}

static json_t *request_json(const struct tl_agent_session *session, const char *token)
{
	const struct tl_agent *agent = session->agent;
	char key_file[4200], ssh_key_file[4200];
	json_t *json;

	snprintf(key_file, sizeof(key_file), "%s/" TL_IDENTITY_KEY_FILE, agent->config.state_dir);
	snprintf(ssh_key_file, sizeof(ssh_key_file), "%s/" TL_IDENTITY_SSH_KEY_FILE,
		 agent->config.state_dir);
	json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:O, s:O}", "session",
			 session->id, "relay_url", agent->identity.url, "ca_file", agent->ca_file,
			 "access_token", token, "grant", session->grant, "ssh_host_key_file",
			 ssh_key_file, "helper_socket", agent->helper_socket, "state_dir",
			 agent->config.state_dir, "agent_key_file", key_file, "lane",
			 json_object_get(session->decision, "lane"), "scopes",
			 json_object_get(session->decision, "scopes"));
	if (json && agent->config.proxy[0])
		json_object_set_new(json, "proxy", json_string(agent->config.proxy));
	return json;
}

static void start_with(struct tl_agent_session *session, const char *token)
{
	tl_json *request = request_json(session, token);
	struct tl_err err = TL_ERR_INIT;

	if (!request)
		tl_err_set(&err, TL_EPROTO, "the helper's answer lacks the lane or the scopes");
	else if (tl_dialler_start(&session->dialler, &session->agent->loop, request, &err) == 0) {
		session_step(session, SESSION_EV_STARTED);
		return;
	}
	tl_log_error("the session cannot be started", TL_S("session", session->id), TL_ERR(&err));
	snprintf(session->reason, sizeof(session->reason), "%s", tl_err_text(&err));
	session_step(session, SESSION_EV_EXITED);
}

/* The answer may come when the session has gone: it is looked up by its id. */
struct token_wish {
	struct tl_agent *agent;
	char id[TL_ID_LEN + 1];
};

static void on_token(void *arg, const char *token, const struct tl_err *err)
{
	tl_free struct token_wish *wish = arg;
	struct tl_agent_session *session = find(wish->agent, wish->id);

	if (!session)
		return;
	if (session->state == SESSION_STARTING && token) {
		start_with(session, token);
	} else if (session->state == SESSION_STARTING) {
		snprintf(session->reason, sizeof(session->reason), "%s", tl_err_text(err));
		session_step(session, SESSION_EV_EXITED);
	} else if (session->state == SESSION_RUNNING && token) {
		tl_json *line = json_pack("{s:s}", "access_token", token);

		tl_dialler_tell(&session->dialler, line);
	}
}

static void want_token(struct tl_agent_session *session)
{
	struct token_wish *wish = calloc(1, sizeof(*wish));

	if (!wish)
		return;
	wish->agent = session->agent;
	snprintf(wish->id, sizeof(wish->id), "%s", session->id);
	tl_relay_get_token(session->agent->relay, on_token, wish);
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

static void session_enter(struct tl_agent_session *session, enum session_state state)
{
	tl_log_debug("session", TL_S("session", session->id), TL_S("state", state_name(state)));
	uv_timer_stop(&session->timer);
	if (state != session->state) {
		session->tries = 0;
		tl_backoff_reset(&session->backoff);
	}
	session->state = state;
	switch (state) {
	case SESSION_ASKING:
		ask_helper(session);
		break;
	case SESSION_DECIDING:
		post_decision(session);
		break;
	case SESSION_STARTING:
		want_token(session);
		break;
	case SESSION_RUNNING:
		uv_timer_start(&session->timer, on_timer, RENEW_MS, RENEW_MS);
		break;
	case SESSION_ENDING: {
		tl_json *line = json_pack("{s:s}", "stop", session->reason);

		tl_dialler_tell(&session->dialler, line);
		uv_timer_start(&session->timer, on_timer, END_GRACE_MS, 0);
		break;
	}
	case SESSION_REPORTING:
		end_at_helper(session);
		post_ended(session);
		break;
	case SESSION_OVER:
		if (session->allowed)
			end_at_helper(session);
		leave(session);
		break;
	}
}

static void timer_event(struct tl_agent_session *session)
{
	switch (session->state) {
	case SESSION_DECIDING:
		post_decision(session);
		break;
	case SESSION_REPORTING:
		post_ended(session);
		break;
	case SESSION_RUNNING:
		want_token(session);
		break;
	case SESSION_ENDING:
		tl_dialler_kill(&session->dialler);
		break;
	default:
		break;
	}
}

static void posted(struct tl_agent_session *session)
{
	if (session->state == SESSION_REPORTING || !session->allowed)
		session_enter(session, SESSION_OVER);
	else
		session_enter(session, session->stopped ? SESSION_REPORTING : SESSION_STARTING);
}

static void stop(struct tl_agent_session *session)
{
	session->stopped = true;
	if (session->state == SESSION_RUNNING)
		session_enter(session, SESSION_ENDING);
	else if (session->state == SESSION_STARTING)
		session_enter(session, SESSION_REPORTING);
	else if (session->state == SESSION_ASKING && tl_link_is_up(session->agent->link))
		tl_link_call(session->agent->link, "session.end",
			     json_pack("{s:s, s:s}", "session", session->id, "reason",
				       session->reason),
			     NULL, 0, ignore_answer, NULL);
}

static void session_step(struct tl_agent_session *session, enum session_event event)
{
	switch (event) {
	case SESSION_EV_ALLOWED:
	case SESSION_EV_REFUSED:
		session_enter(session, SESSION_DECIDING);
		break;
	case SESSION_EV_POSTED:
		posted(session);
		break;
	case SESSION_EV_POST_FAILED:
		if (session->tries >= POST_TRIES)
			session_enter(session, SESSION_OVER);
		else
			uv_timer_start(&session->timer, on_timer,
				       (uint64_t)tl_backoff_draw(&session->backoff), 0);
		break;
	case SESSION_EV_TIMER:
		timer_event(session);
		break;
	case SESSION_EV_STARTED:
		session_enter(session, SESSION_RUNNING);
		break;
	case SESSION_EV_STOP:
		stop(session);
		break;
	case SESSION_EV_EXITED:
		session_enter(session, SESSION_REPORTING);
		break;
	}
}

/* ---- the outside ------------------------------------------------------------------------------ */

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

void tl_agent_session_granted(struct tl_agent *agent, const char *id, const char *grant)
{
	struct tl_agent_session *session;

	if (agent->stopping || find(agent, id) || is_done(agent, id))
		return;
	session =
		count_sessions(agent) < TL_AGENT_SESSIONS_MAX ? calloc(1, sizeof(*session)) : NULL;
	if (!session || !(session->grant = strdup(grant))) {
		tl_log_error("too many sessions at once: a grant is ignored", TL_S("session", id));
		free(session);
		return;
	}
	tl_log_info("session asked for", TL_S("session", id));
	session->agent = agent;
	snprintf(session->id, sizeof(session->id), "%s", id);
	uv_timer_init(&agent->loop, &session->timer);
	session->timer.data = session;
	tl_dialler_init(&session->dialler, on_dialler_line, on_dialler_exit, session);
	session->next = agent->sessions;
	agent->sessions = session;
	session_enter(session, SESSION_ASKING);
}

void tl_agent_session_stop(struct tl_agent *agent, const char *id, const char *reason)
{
	struct tl_agent_session *session = find(agent, id);

	if (!session || session->stopped)
		return;
	snprintf(session->reason, sizeof(session->reason), "%s", reason);
	session_step(session, SESSION_EV_STOP);
}

void tl_agent_sessions_orphaned(struct tl_agent *agent)
{
	for (struct tl_agent_session *session = agent->sessions, *next; session; session = next) {
		next = session->next;
		if (session->state != SESSION_ASKING) /* its call has failed already */
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
						      state_name(session->state)));
	return list;
}

void tl_agent_sessions_close(struct tl_agent *agent)
{
	while (agent->sessions) {
		tl_dialler_kill(&agent->sessions->dialler);
		leave(agent->sessions);
	}
}
