#include "daemon/session_company.h"

#include <stdio.h>
#include <towline/log.h>

#include "daemon/sessions.h"

#define POST_TIMEOUT_MS 30000

static const struct {
	const char *event, *verb;
	const char *members[3]; /* beside the session */
} rows[] = {
	{"company", "session.company", {"watchers", "second"}},
	{"pause", "session.hold", {"by"}},
	{"resume", "session.hold", {NULL}},
};

static void on_answer(void *arg, const json_t *result, const struct tl_err *err)
{
	(void)arg;
	(void)result;
	if (err)
		tl_log_warning("the helper does not take what the relay says of a session",
			       TL_ERR(err));
}

bool tl_session_company_event(struct tl_agent *agent, const char *event, const json_t *data)
{
	const char *session = json_string_value(json_object_get(data, "session"));
	json_t *args;
	size_t row = 0;

	while (row < TL_ARRAY_LEN(rows) && !tl_streq(rows[row].event, event))
		row++;
	if (row == TL_ARRAY_LEN(rows))
		return false;
	if (!tl_agent_session_find(agent, session) || !tl_link_is_up(agent->link))
		return true; /* it ended meanwhile */
	args = json_pack("{s:s}", "session", session);
	for (const char *const *name = rows[row].members; *name; name++)
		if (json_object_get(data, *name))
			json_object_set(args, *name, json_object_get(data, *name));
	tl_link_call(agent->link, rows[row].verb, args, NULL, 0, on_answer, NULL);
	return true;
}

static void on_posted(void *arg, const struct tl_reply *reply)
{
	(void)arg;
	if (reply->err.code)
		tl_log_warning("the relay was not told what happened in a session",
			       TL_ERR(&reply->err));
}

void tl_session_company_report(struct tl_agent *agent, const json_t *args)
{
	const char *session = json_string_value(json_object_get(args, "session"));
	tl_json *body =
		json_pack("{s:O?, s:O?, s:O?}", "said", json_object_get(args, "said"), "held",
			  json_object_get(args, "held"), "person", json_object_get(args, "person"));
	char path[96];

	if (!body || !session || !tl_agent_session_find(agent, session))
		return;
	if (json_is_null(json_object_get(body, "held")))
		json_object_del(body, "held");
	snprintf(path, sizeof(path), "/v1/agent/sessions/%s/company", session);
	if (!tl_relay_call(agent->relay, &(struct tl_call_spec){.method = "POST",
								.path = path,
								.json = body,
								.timeout_ms = POST_TIMEOUT_MS,
								.on_done = on_posted}))
		tl_log_error("out of memory");
}
