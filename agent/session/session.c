#include "session/session.h"

#include <stdio.h>
#include <string.h>
#include <towline/log.h>
#include <towline/str.h>

#include "session/listener.h"
#include "session/process.h"
#include "ssh/server.h"

struct tl_session {
	struct tl_session_config config;
	uv_loop_t *loop;
	uv_timer_t limit; /* max_s of the grant */
	struct tl_session_helper *helper;
	struct tl_ssh_server *server;
	struct tl_listeners *listeners;
	struct tl_ssh_listen *waiting_listen; /* asked for while the session is held */
	bool stopping, helper_lost, freed;
	bool held;	/* no byte passes: until the helper says otherwise */
	char hold[200]; /* why, once it is known */
	char reason[200];
};

/* ---- ending ----------------------------------------------------------------------------------- */

static void on_ignored(void *arg, struct tl_ipc_message *result, const struct tl_err *err)
{
	(void)arg;
	(void)result;
	(void)err;
}

void tl_session_stop(struct tl_session *session, const char *reason)
{
	struct tl_ssh_server_channel *channel;

	if (session->stopping)
		return;
	session->stopping = true;
	snprintf(session->reason, sizeof(session->reason), "%s", reason);
	for (channel = tl_ssh_server_channels(session->server); channel; channel = channel->next)
		tl_ssh_channel_say(channel, reason);
	tl_ssh_server_close(session->server, reason);
}

static void on_limit(uv_timer_t *timer)
{
	tl_session_stop(timer->data, "the session's time is over");
}

static void on_helper_lost(void *arg)
{
	struct tl_session *session = arg;

	session->helper_lost = true;
	tl_session_stop(session, "towline-helper stopped, so the session ends");
}

static void on_helper_ended(void *arg, const char *reason)
{
	tl_session_stop(arg, reason);
}

static void on_record_failed(void *arg, const struct tl_err *err)
{
	char sentence[TL_ERR_TEXT_MAX + 64];

	snprintf(sentence, sizeof(sentence), "the recording failed, so the session ends: %s",
		 tl_err_text(err));
	tl_session_stop(arg, sentence);
}

static void tell_helper(struct tl_session *session, const char *reason)
{
	json_t *args = json_pack("{s:s,s:s}", "session", session->config.request->session, "reason",
				 reason);

	if (session->helper_lost) {
		json_decref(args);
		return;
	}
	if (tl_session_helper_call(session->helper, "session.end", args, on_ignored, session,
				   NULL) != 0)
		tl_log_warning("the helper was not told of the session's end",
			       TL_S("session", session->config.request->session));
}

static void on_closed(void *arg, const char *reason)
{
	struct tl_session *session = arg;
	struct tl_ssh_link *link = tl_ssh_server_link(session->server);
	struct tl_session_outcome outcome = {
		.reason = session->stopping ? session->reason : reason,
		.bytes_in = tl_ssh_link_bytes_in(link),
		.bytes_out = tl_ssh_link_bytes_out(link),
	};

	tell_helper(session, outcome.reason);
	session->config.on_end(session->config.arg, &outcome);
}

/* ---- what the engineer asks ------------------------------------------------------------------- */

static void on_key(void *arg, const char *user, const char *key_text)
{
	struct tl_session *session = arg;

	(void)user; /* policy names the account, not the client */
	tl_ssh_server_verdict(session->server,
			      tl_strv_has(&session->config.request->keys, key_text));
}

static void on_login(void *arg)
{
	const struct tl_session *session = arg;

	tl_log_info("engineer logged in", TL_S("session", session->config.request->session));
}

static void note(struct tl_session *session, unsigned channel, const char *sentence)
{
	struct tl_err err = TL_ERR_INIT;

	tl_log_info(sentence, TL_S("session", session->config.request->session));
	if (session->config.record &&
	    tl_record_note(session->config.record, channel, sentence, &err) != 0)
		on_record_failed(session, &err);
}

/* Why the program may not run; NULL when it may. */
static const char *objection(const struct tl_session *session,
			     const struct tl_ssh_server_channel *channel)
{
	unsigned scopes = session->config.request->scopes;

	if (channel->program == TL_SSH_SUBSYSTEM && !tl_streq(channel->command, "sftp"))
		return "the only subsystem is sftp";
	if (channel->program == TL_SSH_SUBSYSTEM && !(scopes & TL_SCOPE_FILES))
		return "consent does not cover file transfer; ask for the scope files";
	if (channel->program == TL_SSH_SHELL && !(scopes & TL_SCOPE_TERMINAL))
		return "consent does not cover a terminal; ask for the scope terminal";
	if (channel->program == TL_SSH_EXEC && !(scopes & TL_SCOPE_EXEC))
		return "consent does not cover commands; ask for the scope exec";
	if (channel->program == TL_SSH_EXEC && channel->has_pty && !(scopes & TL_SCOPE_TERMINAL))
		return "consent does not cover a terminal; ask for the scope terminal";
	return NULL;
}

static void begin(struct tl_session *session, struct tl_ssh_server_channel *channel,
		  const char *agent_socket)
{
	struct tl_process_config config = {
		.loop = session->loop,
		.helper = session->helper,
		.session = session->config.request->session,
		.record = session->config.record,
		.agent_socket = agent_socket,
		.on_record_failed = on_record_failed,
		.arg = session,
	};
	struct tl_process *process = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (tl_process_start(&config, channel, &process, &err) != 0)
		tl_ssh_channel_answer(channel, false, tl_err_text(&err));
	channel->data = process;
}

/* What a program does without is said to who asked for it, and noted. */
static void forgo(struct tl_session *session, struct tl_ssh_server_channel *channel,
		  const char *sentence)
{
	note(session, channel->number, sentence);
	tl_ssh_channel_say(channel, sentence);
}

static void on_agent(void *arg, const char *path, const struct tl_err *err)
{
	struct tl_ssh_server_channel *channel = arg;
	struct tl_session *session = tl_ssh_server_arg(channel->server);
	char sentence[TL_ERR_TEXT_MAX + 64];

	if (session->held)
		return; /* start_waiting asks again */
	if (!path) {
		snprintf(sentence, sizeof(sentence), "your ssh-agent is not forwarded: %s",
			 tl_err_text(err));
		forgo(session, channel, sentence);
	}
	begin(session, channel, path);
}

static void start(struct tl_session *session, struct tl_ssh_server_channel *channel)
{
	const char *why = objection(session, channel);

	if (why) {
		note(session, channel->number, why);
		tl_ssh_channel_answer(channel, false, why);
		return;
	}
	if (channel->wants_x11)
		forgo(session, channel, "X11 is not forwarded by Towline");
	if (channel->wants_agent && (session->config.request->scopes & TL_SCOPE_AGENT)) {
		tl_listeners_need_agent(session->listeners, on_agent, channel);
		return;
	}
	if (channel->wants_agent)
		forgo(session, channel,
		      "your ssh-agent is not forwarded: consent does not cover it (scope agent)");
	begin(session, channel, NULL);
}

/* While the session is held a program waits with its request unanswered. */
static void on_start(void *arg, struct tl_ssh_server_channel *channel)
{
	struct tl_session *session = arg;

	if (!session->held)
		start(session, channel);
	else if (session->hold[0])
		tl_ssh_channel_say(channel, session->hold);
}

/* ---- forwarding ------------------------------------------------------------------------------- */

static struct tl_forward_config forward_config(struct tl_session *session)
{
	return (struct tl_forward_config){
		.errand = {.loop = session->loop,
			   .helper = session->helper,
			   .session = session->config.request->session},
		.record = session->config.record,
		.on_record_failed = on_record_failed,
		.arg = session,
	};
}

static bool may_forward(const struct tl_session *session)
{
	return session->config.request->scopes & TL_SCOPE_FORWARDING;
}

static enum tl_ssh_answer on_forward(void *arg, struct tl_ssh_server_channel *channel)
{
	static const char no_scope[] =
		"forwarding was refused: consent does not cover it (scope forwarding)";
	struct tl_session *session = arg;
	struct tl_forward_config config = forward_config(session);
	struct tl_forward *forward = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (session->held)
		return TL_SSH_LATER; /* start_waiting goes on with it */
	if (!may_forward(session))
		tl_err_set(&err, TL_EDENIED, "%s", no_scope);
	else if (tl_forward_direct(&config, channel, &forward, &err) == 0) {
		channel->data = forward;
		return TL_SSH_LATER;
	}
	tl_forward_refused(&config, channel->number, &channel->route, tl_err_text(&err));
	tl_ssh_server_explain(session->server, tl_err_text(&err));
	return TL_SSH_REFUSE;
}

static void on_listen(void *arg, struct tl_ssh_listen *listen)
{
	struct tl_session *session = arg;

	if (session->held)
		session->waiting_listen = listen;
	else
		tl_listeners_ask(session->listeners, listen, may_forward(session));
}

static void on_opened(void *arg, struct tl_ssh_server_channel *channel, bool accepted)
{
	(void)arg;
	tl_forward_opened(channel->data, accepted);
}

/* ---- channels --------------------------------------------------------------------------------- */

static void on_resize(void *arg, struct tl_ssh_server_channel *channel)
{
	(void)arg;
	if (channel->data && !channel->forward)
		tl_process_resize(channel->data);
}

static void on_signal(void *arg, struct tl_ssh_server_channel *channel, const char *name)
{
	struct tl_session *session = arg;

	if (session->held)
		note(session, channel->number, "a signal was refused: the session is held");
	else if (channel->data && !channel->forward)
		tl_process_signal(channel->data, name);
}

static void on_refused(void *arg, struct tl_ssh_server_channel *channel, const char *sentence)
{
	if (channel && channel->program != TL_SSH_NONE)
		tl_ssh_channel_say(channel, sentence);
	note(arg, channel ? channel->number : 0, sentence);
}

static bool on_pump(void *arg, struct tl_ssh_server_channel *channel)
{
	const struct tl_session *session = arg;

	if (session->held || !channel->data)
		return false;
	return channel->forward ? tl_forward_pump(channel->data) : tl_process_pump(channel->data);
}

static void on_gone(void *arg, struct tl_ssh_server_channel *channel)
{
	const struct tl_session *session = arg;

	if (channel->forward)
		tl_forward_free(channel->data);
	else
		tl_process_free(channel->data);
	channel->data = NULL;
	tl_listeners_forget(session->listeners, channel);
	tl_listeners_resume(session->listeners);
}

static const struct tl_ssh_server_handlers handlers = {
	.key = on_key,
	.login = on_login,
	.start = on_start,
	.forward = on_forward,
	.listen = on_listen,
	.opened = on_opened,
	.resize = on_resize,
	.signal = on_signal,
	.refused = on_refused,
	.pump = on_pump,
	.gone = on_gone,
	.closed = on_closed,
};

/* ---- who else is there ------------------------------------------------------------------------ */

static void connect_waiting(struct tl_session *session, struct tl_ssh_server_channel *channel)
{
	if (on_forward(session, channel) == TL_SSH_REFUSE)
		tl_ssh_channel_refuse(channel, "the connection was refused");
}

static void start_waiting(struct tl_session *session)
{
	struct tl_ssh_listen *listen = tl_steal(&session->waiting_listen);
	struct tl_ssh_server_channel *channel;

	for (channel = tl_ssh_server_channels(session->server); channel; channel = channel->next) {
		if (channel->start && !channel->data)
			start(session, channel);
		else if (channel->open && !channel->data)
			connect_waiting(session, channel);
	}
	if (listen)
		on_listen(session, listen);
}

static void hold(struct tl_session *session, const char *why)
{
	bool was_held = session->held;

	session->held = why != NULL;
	snprintf(session->hold, sizeof(session->hold), "%s", why ? why : "");
	tl_listeners_hold(session->listeners, session->held);
	if (session->stopping || session->held || !was_held)
		return;
	start_waiting(session);
	tl_ssh_link_kick(tl_ssh_server_link(session->server));
}

static void on_company(void *arg, const char *said, const char *held)
{
	struct tl_session *session = arg;
	struct tl_ssh_server_channel *channel;

	if (session->stopping)
		return;
	note(session, 0, said);
	for (channel = tl_ssh_server_channels(session->server); channel; channel = channel->next)
		if (!channel->forward)
			tl_ssh_channel_say(channel, said);
	hold(session, held);
}

static void on_attached(void *arg, struct tl_ipc_message *result, const struct tl_err *err)
{
	struct tl_session *session = arg;
	const char *held = result ? json_string_value(json_object_get(result->json, "held")) : NULL;

	if (!result && !session->helper_lost) {
		tl_session_stop(session, tl_err_text(err));
		return;
	}
	if (held)
		note(session, 0, held);
	if (result)
		hold(session, held);
}

static int attach(struct tl_session *session, struct tl_err *err)
{
	json_t *args = json_pack("{s:s}", "session", session->config.request->session);

	session->held = true;
	tl_listeners_hold(session->listeners, true);
	return tl_session_helper_call(session->helper, "session.attach", args, on_attached, session,
				      err);
}

static const struct tl_session_helper_events helper_events = {
	.lost = on_helper_lost,
	.ended = on_helper_ended,
	.company = on_company,
};

/* ---- life ------------------------------------------------------------------------------------- */

int tl_session_start(uv_loop_t *loop, int fd, const struct tl_session_config *config,
		     struct tl_session **ret_session, struct tl_err *err)
{
	struct tl_session *session = calloc(1, sizeof(*session));
	struct tl_forward_config forwards;
	int rc = session ? tl_session_helper_connect(loop, config->request->helper_socket,
						     &helper_events, session, &session->helper, err)
			 : tl_err_set(err, TL_ENOMEM, "out of memory");

	if (rc != 0 || !session) {
		close(fd);
		free(session);
		return rc;
	}
	session->config = *config;
	session->loop = loop;
	forwards = forward_config(session);
	rc = tl_listeners_new(&forwards, &session->listeners, err);
	if (rc != 0)
		close(fd);
	else
		rc = tl_ssh_server_new(loop, fd, config->host_key, &handlers, session,
				       &session->server, err);
	if (rc == 0 && (rc = attach(session, err)) != 0)
		tl_ssh_server_free(session->server);
	if (rc != 0) {
		tl_listeners_free(session->listeners);
		tl_session_helper_free(session->helper);
		free(session);
		return rc;
	}
	tl_listeners_serve(session->listeners, session->server);
	uv_timer_init(loop, &session->limit);
	session->limit.data = session;
	uv_timer_start(&session->limit, on_limit, (uint64_t)config->request->max_s * 1000, 0);
	*ret_session = session;
	return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void tl_session_free(struct tl_session *session)
{
	if (!session)
		return;
	tl_ssh_server_free(session->server);
	tl_listeners_free(session->listeners);
	tl_session_helper_free(session->helper);
	uv_close((uv_handle_t *)&session->limit, on_timer_closed);
}
