#include "daemon/session_child.h"

#include <stdio.h>
#include <towline/log.h>

#include "daemon/sessions.h"

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
	tl_agent_session_step(arg, TL_SESSION_EV_EXITED);
}

void tl_session_child_init(struct tl_agent_session *session)
{
	tl_dialler_init(&session->dialler, on_dialler_line, on_dialler_exit, session);
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
		tl_agent_session_step(session, TL_SESSION_EV_STARTED);
		return;
	}
	tl_log_error("the session cannot be started", TL_S("session", session->id), TL_ERR(&err));
	snprintf(session->reason, sizeof(session->reason), "%s", tl_err_text(&err));
	tl_agent_session_step(session, TL_SESSION_EV_EXITED);
}

/* The answer may come when the session has gone: it is looked up by its id. */
struct token_wish {
	struct tl_agent *agent;
	char id[TL_ID_LEN + 1];
};

static void on_token(void *arg, const char *token, const struct tl_err *err)
{
	tl_free struct token_wish *wish = arg;
	struct tl_agent_session *session = tl_agent_session_find(wish->agent, wish->id);

	if (!session)
		return;
	if (session->state == TL_SESSION_STARTING && token) {
		start_with(session, token);
	} else if (session->state == TL_SESSION_STARTING) {
		snprintf(session->reason, sizeof(session->reason), "%s", tl_err_text(err));
		tl_agent_session_step(session, TL_SESSION_EV_EXITED);
	} else if (session->state == TL_SESSION_RUNNING && token) {
		tl_json *line = json_pack("{s:s}", "access_token", token);

		tl_dialler_tell(&session->dialler, line);
	}
}

void tl_session_child_supply(struct tl_agent_session *session)
{
	struct token_wish *wish = calloc(1, sizeof(*wish));

	if (!wish)
		return;
	wish->agent = session->agent;
	snprintf(wish->id, sizeof(wish->id), "%s", session->id);
	tl_relay_get_token(session->agent->relay, on_token, wish);
}

void tl_session_child_stop(struct tl_agent_session *session)
{
	tl_json *line = json_pack("{s:s}", "stop", session->reason);

	tl_dialler_tell(&session->dialler, line);
}
