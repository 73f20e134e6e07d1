#include "daemon/session_report.h"

#include <stdio.h>
#include <towline/log.h>

#define POST_TIMEOUT_MS 30000

static void on_posted(void *arg, const struct tl_reply *reply)
{
	struct tl_agent_session *session = arg;

	session->call = NULL;
	tl_backoff_ask(&session->backoff, reply->retry_after_ms);
	if (reply->status >= 200 && reply->status <= 299) {
		tl_agent_session_step(session, TL_SESSION_EV_POSTED);
	} else if (tl_reply_is_transient(reply) || reply->status == 401) {
		tl_agent_session_step(session, TL_SESSION_EV_POST_FAILED);
	} else {
		tl_log_error("the relay does not take what it is told of a session",
			     TL_S("session", session->id), TL_ERR(&reply->err));
		session->tries = TL_SESSION_POST_TRIES;
		tl_agent_session_step(session, TL_SESSION_EV_POST_FAILED);
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
		tl_agent_session_step(session, TL_SESSION_EV_POST_FAILED);
}

void tl_session_report_decision(struct tl_agent_session *session)
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

void tl_session_report_end(struct tl_agent_session *session)
{
	if (!session->ended)
		session->ended =
			json_pack("{s:s, s:I, s:I}", "reason",
				  session->reason[0] ? session->reason
						     : "towline-session ended without a word",
				  "bytes_in", (json_int_t)0, "bytes_out", (json_int_t)0);
	post(session, "ended", session->ended);
}
