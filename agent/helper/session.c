#include "helper/session.h"

#include <signal.h>
#include <stdio.h>
#include <towline/jwt.h>
#include <towline/log.h>

#include "helper/alarm.h"
#include "helper/helper.h"
#include "helper/indicator.h"

static void session_step(struct tl_session *session, enum tl_session_event event);

static void on_timer(uv_timer_t *timer)
{
	session_step(timer->data, TL_SESSION_EV_TIMER);
}

static const char *state_name(enum tl_session_state state)
{
	static const char *const names[] = {"asking", "active", "ending", "over"};

	return names[state];
}

json_t *tl_session_json(struct tl_session *session)
{
	const struct tl_grant *grant = &session->grant;
	unsigned scopes = session->state == TL_SESSION_ASKING ? session->consent.asked_scopes
							      : session->consent.given_scopes;
	json_t *json =
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:I}", "session",
			  grant->session, "engineer", grant->engineer, "name", grant->name,
			  "ticket", grant->ticket, "purpose", grant->purpose, "lane",
			  tl_lane_name(grant->lane), "scopes", tl_scopes_json(scopes), "state",
			  state_name(session->state), "max_s", (json_int_t)session->max_s);
	char text[TL_TIME_TEXT];

	if (json)
		tl_company_describe(&session->company, json);
	if (json && grant->user[0])
		json_object_set_new(json, "user", json_string(grant->user));
	if (json && grant->break_glass)
		json_object_set_new(json, "break_glass", json_true());
	if (json && (scopes & TL_SCOPE_FORWARDING))
		json_object_set_new(json, "forwards", tl_grant_texts_json(&grant->forwards));
	if (json && session->started_ms) {
		tl_time_rfc3339(session->started_ms, text);
		json_object_set_new(json, "started", json_string(text));
		tl_time_rfc3339(session->ends_ms, text);
		json_object_set_new(json, "ends", json_string(text));
	}
	return json;
}

static int64_t consent_wait_ms(const struct tl_session *session)
{
	int64_t left_ms = session->grant.expires_ms - tl_clock_wall_ms(session->helper->clock);
	int64_t timeout_ms = session->helper->policy.consent_timeout_ms;

	left_ms = left_ms < 1000 ? 1000 : left_ms;
	return left_ms < timeout_ms ? left_ms : timeout_ms;
}

static void tell_ask(struct tl_session *session)
{
	tl_json *args = tl_session_json(session);

	json_object_set_new(args, "expires_s", json_integer(consent_wait_ms(session) / 1000));
	tl_helper_tell_watchers(session->helper, "ask", args);
}

static void tell_opened(struct tl_session *session)
{
	tl_json *args = tl_session_json(session);

	tl_helper_tell_watchers(session->helper, "opened", args);
	tl_indicator_announce(session, "A remote session has begun");
}

static void tell_ended(struct tl_session *session)
{
	tl_json *args = json_pack("{s:s, s:s}", "session", session->grant.session, "reason",
				  session->end_reason);

	tl_helper_tell_watchers(session->helper, "ended", args);
	if (session->started_ms)
		tl_indicator_announce(session, "A remote session has ended");
	if (session->attached && session->attached != session->owner)
		tl_conn_tell(session->attached, "ended", args);
	if (session->owner)
		tl_conn_tell(session->owner, "ended", args);
	for (const struct tl_process *process = session->processes; process;
	     process = process->next) {
		if (process->conn && process->conn != session->owner &&
		    process->conn != session->attached)
			tl_conn_tell(process->conn, "ended", args);
	}
}

static void reply_decision(struct tl_session *session)
{
	const struct tl_consent *consent = &session->consent;
	const char *decision = tl_consent_decision(consent);
	struct tl_receipt receipt = {
		.what = "session",
		.subject = session->grant.session,
		.ticket = session->grant.ticket,
		.uid = session->by_policy ? geteuid() : consent->uid,
		.decision = decision,
		.by = session->grant.break_glass ? "break-glass"
		      : session->by_policy	 ? "policy"
						 : "person",
		.scopes = consent->given_scopes,
	};
	tl_auto(tl_buf) struct tl_buf jws = TL_BUF_INIT(TL_JWT_MAX);
	struct tl_ask *ask = tl_steal(&session->ask);
	struct tl_err err = TL_ERR_INIT;
	json_t *result;

	if (!ask)
		return;
	if (tl_trust_receipt(&session->helper->trust, session->helper->clock, &receipt, &jws,
			     &err) != 0) {
		tl_ask_fail(ask, err.code, tl_err_text(&err));
		return;
	}
	result = json_pack("{s:s, s:s, s:s, s:o, s:s, s:I}", "session", session->grant.session,
			   "decision", decision, "lane", tl_lane_name(session->grant.lane),
			   "scopes", tl_scopes_json(consent->given_scopes), "consent",
			   tl_buf_str(&jws), "max_s", (json_int_t)session->max_s);
	if (result && consent->state != TL_CONSENT_YES)
		json_object_set_new(result, "reason", json_string(session->end_reason));
	tl_ask_reply(ask, result, NULL, 0);
}

static bool has_live_process(const struct tl_session *session)
{
	const struct tl_process *process = session->processes;

	while (process && process->exited)
		process = process->next;
	return process || tl_session_signal_all(session, 0) > 0;
}

static void process_free(struct tl_process *process)
{
	if (process->waiter)
		tl_ask_fail(process->waiter, TL_ECANCELED, "the session has ended");
	free(process);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct tl_session *session = handle->data;

	if (--session->open_timers > 0)
		return;
	tl_grant_clear(&session->grant);
	free(session);
}

static void leave_list(struct tl_session *session)
{
	struct tl_helper *helper = session->helper;
	struct tl_session **link = &helper->sessions;

	while (*link != session)
		link = &(*link)->next;
	*link = session->next;
	helper->session_count--;
	while (session->processes) {
		struct tl_process *process = session->processes;

		session->processes = process->next;
		process_free(process);
	}
	tl_indicator_update(helper);
	uv_close((uv_handle_t *)&session->timer, on_timer_closed);
	uv_close((uv_handle_t *)&session->company_timer, on_timer_closed);
	tl_helper_settle(helper);
}

void tl_session_arm(struct tl_session *session, int64_t left_ms)
{
	uv_timer_start(&session->timer, on_timer, (uint64_t)left_ms, 0);
}

static void session_enter(struct tl_session *session, enum tl_session_state state)
{
	tl_log_debug("session", TL_S("session", session->grant.session),
		     TL_S("from", state_name(session->state)), TL_S("to", state_name(state)));
	session->state = state;
	switch (state) {
	case TL_SESSION_ASKING:
		uv_timer_start(&session->timer, on_timer, (uint64_t)consent_wait_ms(session), 0);
		tell_ask(session);
		break;
	case TL_SESSION_ACTIVE:
		session->started_ms = tl_clock_wall_ms(session->helper->clock);
		session->ends_ms = session->started_ms + session->max_s * 1000;
		tl_session_arm(session, session->max_s * 1000);
		tell_opened(session);
		tl_session_company_look(session);
		break;
	case TL_SESSION_ENDING:
		tl_session_arm(session, TL_SESSION_GRACE_MS);
		uv_timer_stop(&session->company_timer);
		tell_ended(session);
		tl_session_signal_all(session, SIGHUP);
		tl_session_signal_all(session, SIGCONT);
		break;
	case TL_SESSION_OVER:
		leave_list(session);
		break;
	}
}

static void end(struct tl_session *session)
{
	session_enter(session, TL_SESSION_ENDING);
	if (!has_live_process(session))
		session_enter(session, TL_SESSION_OVER);
}

static void decided(struct tl_session *session)
{
	bool yes = session->consent.state == TL_CONSENT_YES;

	tl_log_info(yes ? "session allowed" : "session refused",
		    TL_S("session", session->grant.session), TL_S("ticket", session->grant.ticket),
		    TL_S("engineer", session->grant.engineer), TL_S("reason", session->end_reason));
	if (yes)
		session_enter(session, TL_SESSION_ACTIVE);
	reply_decision(session);
	if (!yes)
		end(session);
}

static void decide(struct tl_session *session, enum tl_consent_event event, const char *reason)
{
	if (tl_consent_step(&session->consent, event, NULL, NULL) != 0)
		return;
	if (reason != session->end_reason)
		snprintf(session->end_reason, sizeof(session->end_reason), "%s", reason);
	session_step(session, TL_SESSION_EV_DECIDED);
}

static void timer_event(struct tl_session *session)
{
	switch (session->state) {
	case TL_SESSION_ASKING:
		decide(session, TL_CONSENT_EV_DEADLINE, "nobody answered in time");
		break;
	case TL_SESSION_ACTIVE:
		tl_session_stop(session, "its longest duration is over");
		break;
	case TL_SESSION_ENDING:
		tl_session_signal_all(session, SIGKILL);
		uv_timer_start(&session->timer, on_timer, TL_SESSION_GRACE_MS, 0);
		break;
	case TL_SESSION_OVER:
		break;
	}
}

static void session_step(struct tl_session *session, enum tl_session_event event)
{
	switch (event) {
	case TL_SESSION_EV_DECIDED:
		decided(session);
		break;
	case TL_SESSION_EV_TIMER:
		timer_event(session);
		break;
	case TL_SESSION_EV_STOP:
		if (session->state == TL_SESSION_ASKING)
			decide(session, TL_CONSENT_EV_WITHDRAW, session->end_reason);
		else if (session->state == TL_SESSION_ACTIVE)
			end(session);
		break;
	case TL_SESSION_EV_LAST_PROCESS_GONE:
		if (session->state == TL_SESSION_ENDING && !has_live_process(session))
			session_enter(session, TL_SESSION_OVER);
		break;
	}
}

void tl_session_stop(struct tl_session *session, const char *reason)
{
	char copy[sizeof(session->end_reason)];

	snprintf(copy, sizeof(copy), "%s", reason);
	if (session->state == TL_SESSION_ASKING || session->state == TL_SESSION_ACTIVE)
		memcpy(session->end_reason, copy, sizeof(copy));
	session_step(session, TL_SESSION_EV_STOP);
}

void tl_session_last_process_gone(struct tl_session *session)
{
	session_step(session, TL_SESSION_EV_LAST_PROCESS_GONE);
}

static void answer_by_itself(struct tl_session *session, bool yes, const char *reason)
{
	struct tl_consent_answer answer = {.yes = yes,
					   .scopes = session->consent.asked_scopes,
					   .uid = geteuid()};

	session->by_policy = true;
	snprintf(session->end_reason, sizeof(session->end_reason), "%s", yes ? "" : reason);
	if (tl_consent_step(&session->consent, TL_CONSENT_EV_ANSWER, &answer, NULL) == 0)
		session_step(session, TL_SESSION_EV_DECIDED);
}

static void begin(struct tl_session *session)
{
	const struct tl_helper *helper = session->helper;

	if (helper->options.consent != TL_CONSENT_FLAG_ASK) {
		tl_log_warning("consent is answered by a flag",
			       TL_S("session", session->grant.session));
		answer_by_itself(session, helper->options.consent == TL_CONSENT_FLAG_YES,
				 "refused by the flag --consent no");
	} else if (session->grant.break_glass) {
		/* Before anything runs in it. */
		tl_alarm_break_glass(&session->grant);
		answer_by_itself(session, true, "");
	} else if (helper->policy.sessions_unattended) {
		answer_by_itself(session, true, "");
	} else {
		session_enter(session, TL_SESSION_ASKING);
	}
}

int tl_session_new(struct tl_helper *helper, struct tl_grant *grant, unsigned scopes, int64_t max_s,
		   struct tl_ask *ask, struct tl_err *err)
{
	struct tl_session *session;
	enum tl_second need;
	int64_t away_s;

	if (helper->session_count == TL_SESSIONS_MAX)
		return tl_err_set(err, TL_EBUSY, "%d sessions are open already", TL_SESSIONS_MAX);
	session = calloc(1, sizeof(*session));
	if (!session)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	session->helper = helper;
	session->grant = *grant;
	*grant = (struct tl_grant){.max_s = 0};
	session->max_s = max_s;
	session->ask = ask;
	session->owner = ask->conn;
	tl_consent_init(&session->consent, scopes);
	tl_policy_second(&helper->policy, &session->grant, &need, &away_s);
	tl_company_init(&session->company, need, away_s * 1000, session->grant.engineer);
	uv_timer_init(&helper->loop, &session->timer);
	uv_timer_init(&helper->loop, &session->company_timer);
	session->timer.data = session->company_timer.data = session;
	session->open_timers = 2;
	session->next = helper->sessions;
	helper->sessions = session;
	helper->session_count++;
	begin(session);
	return 0;
}

struct tl_session *tl_session_find(struct tl_helper *helper, const char *id)
{
	struct tl_session *session = helper->sessions;

	while (session && !tl_streq(session->grant.session, id))
		session = session->next;
	return session;
}

int tl_session_answer(struct tl_session *session, const struct tl_consent_answer *answer,
		      struct tl_err *err)
{
	int rc = tl_consent_step(&session->consent, TL_CONSENT_EV_ANSWER, answer, err);
	char user[256];

	if (rc != 0)
		return rc;
	tl_user_name(answer->uid, user, sizeof(user));
	if (session->consent.state == TL_CONSENT_NO)
		snprintf(session->end_reason, sizeof(session->end_reason), "%s refused", user);
	session_step(session, TL_SESSION_EV_DECIDED);
	return 0;
}

void tl_session_conn_gone(struct tl_session *session, const struct tl_conn *conn)
{
	for (struct tl_process *process = session->processes; process; process = process->next) {
		if (process->conn != conn)
			continue;
		process->conn = NULL;
		if (!process->exited)
			tl_child_signal_session(process->leader, SIGHUP);
	}
	if (session->attached == conn)
		session->attached = NULL;
	if (session->owner == conn) {
		session->owner = NULL;
		tl_session_stop(session, "the agent on this machine has ended");
	}
}
