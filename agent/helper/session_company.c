/* Others at a session: what they do is told to the engineer, the person and whoever records. */
#include <stdio.h>
#include <towline/log.h>

#include "helper/helper.h"
#include "helper/indicator.h"

static void on_company_timer(uv_timer_t *timer);

static void tell(struct tl_session *session, const char *said, bool person)
{
	const char *held = tl_company_hold(&session->company);
	tl_json *args = json_pack("{s:s, s:s, s:s?, s:b}", "session", session->grant.session,
				  "said", said, "held", held, "person", person);

	tl_log_info("session", TL_S("session", session->grant.session), TL_S("said", said),
		    TL_S("held", held));
	tl_helper_tell_watchers(session->helper, "company", args);
	if (session->attached)
		tl_conn_tell(session->attached, "company", args);
	if (session->owner && session->owner != session->attached)
		tl_conn_tell(session->owner, "company", args);
	tl_indicator_update(session->helper);
}

void tl_session_company_look(struct tl_session *session)
{
	int64_t wait_ms;

	if (session->state != TL_SESSION_ACTIVE)
		return;
	wait_ms = tl_company_wait_ms(&session->company, tl_clock_wall_ms(session->helper->clock));
	if (wait_ms == 0)
		tl_session_stop(session, "the second engineer has left");
	else if (wait_ms < 0)
		uv_timer_stop(&session->company_timer);
	else if (session->company.has_second ||
		 !uv_is_active((uv_handle_t *)&session->company_timer))
		uv_timer_start(&session->company_timer, on_company_timer, (uint64_t)wait_ms, 0);
}

/* Tells and does what has come of a fact; `person`: it was one at this machine. */
static void changed(struct tl_session *session, const struct tl_buf *said, bool person)
{
	if (said->len > 0)
		tell(session, tl_buf_str(said), person);
	tl_session_company_look(session);
}

static void on_company_timer(uv_timer_t *timer)
{
	struct tl_session *session = timer->data;
	tl_auto(tl_buf) struct tl_buf said = TL_BUF_INIT(1024);

	if (!session->company.has_second) {
		tl_session_stop(session, "no second engineer was there in time");
		return;
	}
	/* The statement has ended and no new one came: nobody vouches for the second any more. */
	if (tl_company_joined(&session->company, NULL, &said, NULL) == 0)
		changed(session, &said, false);
}

int tl_session_company(struct tl_session *session, const struct tl_watcher *watchers, size_t count,
		       const char *second, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf said = TL_BUF_INIT(4096);
	const struct tl_helper *helper = session->helper;
	struct tl_second_statement statement;
	int rc = 0;

	if (second)
		rc = tl_second_verify(second, helper->trust.authority, session->grant.session,
				      helper->clock, &statement, err);
	if (rc == 0)
		rc = tl_company_joined(&session->company, second ? &statement : NULL, &said, err);
	if (rc != 0)
		return rc;
	if (!session->company.has_second && session->company.had_second)
		uv_timer_stop(&session->company_timer); /* patience begins now */
	tl_company_watched(&session->company, watchers, count, &said);
	changed(session, &said, false);
	return 0;
}

void tl_session_pause(struct tl_session *session, enum tl_pause whose, const char *by)
{
	tl_auto(tl_buf) struct tl_buf said = TL_BUF_INIT(1024);

	tl_company_paused(&session->company, whose, by, &said);
	changed(session, &said, whose == TL_PAUSE_PERSON);
}

int tl_session_extend(struct tl_session *session, int64_t minutes, const char *by,
		      struct tl_err *err)
{
	const struct tl_helper *helper = session->helper;
	int64_t max_s = tl_policy_extended_s(&helper->policy, &session->grant,
					     session->max_s + minutes * 60);
	int64_t left_ms;
	char said[300], span[TL_TIME_TEXT];

	if (session->state != TL_SESSION_ACTIVE)
		return tl_err_set(err, TL_ECONFLICT, "the session is not open");
	if (max_s <= session->max_s)
		return tl_err_set(err, TL_EDENIED,
				  "the session is as long already as this machine's policy "
				  "(sessions.extend_minutes) and the relay allow");
	session->max_s = max_s;
	session->ends_ms = session->started_ms + max_s * 1000;
	left_ms = session->ends_ms - tl_clock_wall_ms(helper->clock);
	tl_session_arm(session, left_ms > 0 ? left_ms : 0);
	tl_time_span(left_ms, span);
	snprintf(said, sizeof(said), "%s has extended this session: %s from now.", by, span);
	tell(session, said, true);
	return 0;
}
