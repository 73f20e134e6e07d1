/* Everything the helper can be asked, and by whom. Handlers read their arguments through tables of
 * members; doors, states and sizes are checked by the dispatcher (agent/core/service.c). */
#include <signal.h>
#include <stdio.h>
#include <towline/forward.h>
#include <towline/fs.h>
#include <towline/log.h>

#include "helper/authority.h"
#include "helper/spawn.h"
#include "helper/verbs.h"

#define BOTH_STATES (TL_HELPER_NEW | TL_HELPER_ENROLLED)

struct hello_args {
	const char *agent_version;
	json_t *identity;
};

static int hello(void *app, struct tl_ask *ask, struct tl_err *err)
{
	static const struct tl_json_member members[] = {
		{"agent_version", TL_JSON_TEXT, true, offsetof(struct hello_args, agent_version)},
		{"identity", TL_JSON_OBJECT, false, offsetof(struct hello_args, identity)},
	};
	struct tl_helper *helper = app;
	struct hello_args args = {.identity = NULL};
	struct tl_identity identity = {.name = ""};
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(64);
	int rc = tl_json_read(ask->args, members, TL_ARRAY_LEN(members), &args, err);

	if (rc == 0 && args.identity)
		rc = tl_identity_from_json(args.identity, &identity, err);
	if (rc == 0 && args.identity)
		rc = tl_trust_pin(&helper->trust, &identity, err);
	if (rc != 0)
		return rc;
	tl_public_key_write(helper->trust.consent_key, &key);
	tl_ask_reply(ask,
		     json_pack("{s:s, s:o}", "consent_key", tl_buf_str(&key), "policy",
			       tl_policy_summary(&helper->policy)),
		     NULL, 0);
	return 0;
}

static int collect_run(void *app, struct tl_ask *ask, struct tl_err *err)
{
	return tl_collection_start(app, ask, err);
}

struct bundle_args {
	const char *help_id, *sha256, *ticket, *decision;
	int64_t uid;
};

static int consent_bundle(void *app, struct tl_ask *ask, struct tl_err *err)
{
	static const struct tl_json_member members[] = {
		{"decision", TL_JSON_NAME, true, offsetof(struct bundle_args, decision), 0, 8},
		{"help_id", TL_JSON_ID, true, offsetof(struct bundle_args, help_id)},
		{"sha256", TL_JSON_NAME, true, offsetof(struct bundle_args, sha256), 0, 64},
		{"ticket", TL_JSON_NAME, false, offsetof(struct bundle_args, ticket), 0, 32},
		{"uid", TL_JSON_INT, true, offsetof(struct bundle_args, uid), 0, UINT32_MAX - 1},
	};
	const struct tl_helper *helper = app;
	struct bundle_args args = {.ticket = NULL};
	tl_auto(tl_buf) struct tl_buf jws = TL_BUF_INIT(TL_IPC_PACKET_MAX / 2);
	int rc = tl_json_read(ask->args, members, TL_ARRAY_LEN(members), &args, err);

	if (rc == 0 && !tl_streq(args.decision, "yes") && !tl_streq(args.decision, "no"))
		rc = tl_err_set(err, TL_EINVAL, "the decision is neither yes nor no");
	if (rc == 0)
		rc = tl_trust_receipt(&helper->trust, helper->clock,
				      &(struct tl_receipt){.what = "bundle",
							   .subject = args.sha256,
							   .ticket = args.ticket,
							   .help_id = args.help_id,
							   .uid = (uid_t)args.uid,
							   .decision = args.decision,
							   .by = "person"},
				      &jws, err);
	if (rc == 0)
		tl_ask_reply(ask, json_pack("{s:s}", "consent", tl_buf_str(&jws)), NULL, 0);
	return rc;
}

struct ticket_args {
	const char *consent, *ticket;
};

static int consent_ticket(void *app, struct tl_ask *ask, struct tl_err *err)
{
	static const struct tl_json_member members[] = {
		{"consent", TL_JSON_TEXT, true, offsetof(struct ticket_args, consent), 0, 8192},
		{"ticket", TL_JSON_NAME, true, offsetof(struct ticket_args, ticket), 0, 32},
	};
	const struct tl_helper *helper = app;
	struct ticket_args args = {.ticket = NULL};
	tl_auto(tl_buf) struct tl_buf jws = TL_BUF_INIT(TL_IPC_PACKET_MAX / 2);
	int rc = tl_json_read(ask->args, members, TL_ARRAY_LEN(members), &args, err);

	if (rc == 0)
		rc = tl_trust_name_ticket(&helper->trust, args.consent, args.ticket, &jws, err);
	if (rc == 0)
		tl_ask_reply(ask, json_pack("{s:s}", "consent", tl_buf_str(&jws)), NULL, 0);
	return rc;
}

struct session_args {
	const char *session, *grant, *reason, *decision, *process, *signal;
	json_t *scopes;
};

int tl_verb_session(struct tl_helper *helper, const char *id, struct tl_session **ret_session,
		    struct tl_err *err)
{
	struct tl_session *session = tl_session_find(helper, id);

	if (!session)
		return tl_err_set(err, TL_ENOENT, "there is no session %s here", id);
	*ret_session = session;
	return 0;
}

static int session_request(void *app, struct tl_ask *ask, struct tl_err *err)
{
	static const struct tl_json_member members[] = {
		{"grant", TL_JSON_TEXT, true, offsetof(struct session_args, grant), 0,
		 TL_IPC_PACKET_MAX},
	};
	struct tl_helper *helper = app;
	struct session_args args = {.grant = NULL};
	tl_auto(tl_grant) struct tl_grant grant = {.max_s = 0};
	const struct tl_authority authority = {.policy = &helper->policy,
					       .trust = &helper->trust,
					       .book = &helper->roster,
					       .clock = helper->clock};
	struct tl_authority_use use = {.expires_ms = 0};
	unsigned scopes = 0;
	int64_t max_s = 0;
	int rc = tl_json_read(ask->args, members, TL_ARRAY_LEN(members), &args, err);

	if (rc == 0)
		rc = tl_trust_verify(&helper->trust, args.grant, helper->clock, &grant, err);
	if (rc == 0)
		rc = tl_policy_narrow(&helper->policy, &grant, &scopes, &max_s, err);
	if (rc == 0)
		rc = tl_policy_check_grant(&helper->policy, &grant, helper->clock, err);
	if (rc == 0)
		rc = tl_authority_check(&authority, &grant, &use, err);
	if (rc == 0)
		rc = tl_spent_use(helper->spent, grant.session, use.nonce[0] ? use.nonce : NULL,
				  use.expires_ms, err);
	if (rc == 0)
		rc = tl_session_new(helper, &grant, scopes, max_s, ask, err);
	if (rc != 0)
		tl_log_warning("session refused", TL_S("why", tl_err_text(err)));
	return rc;
}

struct spawn_args {
	const char *session, *kind, *command, *term, *host, *agent_socket;
	int64_t channel, columns, rows, port;
	json_t *env;
};

static int session_spawn(void *app, struct tl_ask *ask, struct tl_err *err)
{
	static const struct tl_json_member members[] = {
		{"agent_socket", TL_JSON_TEXT, false, offsetof(struct spawn_args, agent_socket), 0,
		 TL_SPAWN_SOCKET_MAX},
		{"channel", TL_JSON_INT, false, offsetof(struct spawn_args, channel), 0,
		 UINT32_MAX},
		{"columns", TL_JSON_INT, false, offsetof(struct spawn_args, columns), 0,
		 TL_SPAWN_CELLS_MAX},
		{"command", TL_JSON_TEXT, false, offsetof(struct spawn_args, command), 0,
		 TL_SPAWN_COMMAND_MAX},
		{"env", TL_JSON_OBJECT, false, offsetof(struct spawn_args, env)},
		{"host", TL_JSON_TEXT, false, offsetof(struct spawn_args, host), 0,
		 TL_FORWARD_HOST_MAX + 1},
		{"kind", TL_JSON_NAME, true, offsetof(struct spawn_args, kind), 0, 16},
		{"port", TL_JSON_INT, false, offsetof(struct spawn_args, port), 0, 65535},
		{"rows", TL_JSON_INT, false, offsetof(struct spawn_args, rows), 0,
		 TL_SPAWN_CELLS_MAX},
		{"session", TL_JSON_ID, true, offsetof(struct spawn_args, session)},
		{"term", TL_JSON_TEXT, false, offsetof(struct spawn_args, term), 0, 128},
	};
	struct spawn_args args = {.session = NULL};
	struct tl_session *session = NULL;
	int rc = tl_json_read(ask->args, members, TL_ARRAY_LEN(members), &args, err);

	if (rc == 0)
		rc = tl_verb_session(app, args.session, &session, err);
	if (rc != 0)
		return rc;
	return tl_session_spawn(session,
				&(struct tl_session_spawn){.kind = args.kind,
							   .command = args.command,
							   .term = args.term,
							   .columns = args.columns,
							   .rows = args.rows,
							   .env = args.env,
							   .host = args.host,
							   .port = args.port,
							   .agent_socket = args.agent_socket},
				ask, err);
}

static const struct tl_json_member process_members[] = {
	{"process", TL_JSON_ID, true, offsetof(struct session_args, process)},
	{"session", TL_JSON_ID, true, offsetof(struct session_args, session)},
	{"signal", TL_JSON_NAME, false, offsetof(struct session_args, signal), 0, 8},
};

static int find_process(struct tl_helper *helper, const struct tl_ask *ask,
			struct session_args *args, struct tl_session **ret_session,
			struct tl_process **ret_process, struct tl_err *err)
{
	int rc = tl_json_read(ask->args, process_members, TL_ARRAY_LEN(process_members), args, err);

	if (rc == 0)
		rc = tl_verb_session(helper, args->session, ret_session, err);
	if (rc != 0)
		return rc;
	*ret_process = tl_session_process(*ret_session, args->process);
	if (!*ret_process)
		return tl_err_set(err, TL_ENOENT, "the session has no such process");
	return 0;
}

static int session_signal(void *app, struct tl_ask *ask, struct tl_err *err)
{
	struct session_args args = {.session = NULL};
	struct tl_session *session = NULL;
	struct tl_process *process = NULL;
	int number = 0;
	int rc = find_process(app, ask, &args, &session, &process, err);

	if (rc != 0)
		return rc;
	if (!args.signal || tl_signal_parse(args.signal, &number) != 0)
		return tl_err_set(err, TL_EINVAL, "the signal is none that RFC 4254 names");
	if (!process->exited)
		kill(-process->leader, number);
	tl_ask_reply(ask, NULL, NULL, 0);
	return 0;
}

static int session_wait(void *app, struct tl_ask *ask, struct tl_err *err)
{
	struct session_args args = {.session = NULL};
	struct tl_session *session = NULL;
	struct tl_process *process = NULL;
	int rc = find_process(app, ask, &args, &session, &process, err);

	return rc == 0 ? tl_session_wait(session, process, ask, err) : rc;
}

static const struct tl_json_member end_members[] = {
	{"reason", TL_JSON_TEXT, false, offsetof(struct session_args, reason), 0, 300},
	{"session", TL_JSON_ID, true, offsetof(struct session_args, session)},
};

static int session_end(void *app, struct tl_ask *ask, struct tl_err *err)
{
	struct session_args args = {.reason = NULL};
	struct tl_session *session = NULL;
	int rc = tl_json_read(ask->args, end_members, TL_ARRAY_LEN(end_members), &args, err);

	if (rc == 0)
		rc = tl_verb_session(app, args.session, &session, err);
	if (rc != 0)
		return rc;
	tl_session_stop(session, args.reason ? args.reason : "the agent ended it");
	tl_ask_reply(ask, NULL, NULL, 0);
	return 0;
}

static int roster_take(void *app, struct tl_ask *ask, struct tl_err *err)
{
	return tl_roster_verb_take(app, ask, err);
}

int tl_verb_may_decide(const struct tl_helper *helper, const struct tl_ask *ask, struct tl_err *err)
{
	if (ask->conn->marked)
		return tl_err_set(err, TL_EDENIED,
				  "who runs inside a session cannot decide about sessions");
	if (tl_policy_may_consent(&helper->policy, ask->peer.uid, helper->agent.uid))
		return 0;
	return tl_err_set(err, TL_EDENIED,
			  "this machine's policy lets others decide about sessions (consent.ask)");
}

static int consent_watch(void *app, struct tl_ask *ask, struct tl_err *err)
{
	struct tl_helper *helper = app;
	struct tl_conn *conn = ask->conn;
	int rc = tl_verb_may_decide(helper, ask, err);

	if (rc != 0)
		return rc;
	conn->data = helper;
	tl_ask_reply(ask, NULL, NULL, 0);
	/* What waits already is told too: who opens the window late must still see it. */
	for (struct tl_session *session = helper->sessions; session; session = session->next) {
		tl_json *args = tl_session_json(session);

		if (session->state == TL_SESSION_ASKING)
			tl_conn_tell(conn, "ask", args);
		else if (session->state == TL_SESSION_ACTIVE)
			tl_conn_tell(conn, "opened", args);
	}
	return 0;
}

static int consent_answer(void *app, struct tl_ask *ask, struct tl_err *err)
{
	static const struct tl_json_member members[] = {
		{"decision", TL_JSON_NAME, true, offsetof(struct session_args, decision), 0, 8},
		{"scopes", TL_JSON_ARRAY, false, offsetof(struct session_args, scopes), 0, 8},
		{"session", TL_JSON_ID, true, offsetof(struct session_args, session)},
	};
	struct session_args args = {.scopes = NULL};
	struct tl_consent_answer answer = {.uid = ask->peer.uid};
	struct tl_session *session = NULL;
	int rc = tl_json_read(ask->args, members, TL_ARRAY_LEN(members), &args, err);

	if (rc == 0)
		rc = tl_verb_may_decide(app, ask, err);
	if (rc == 0)
		rc = tl_verb_session(app, args.session, &session, err);
	if (rc == 0 && args.scopes)
		rc = tl_scopes_from_json(args.scopes, &answer.scopes, err);
	if (rc != 0)
		return rc;
	answer.yes = tl_streq(args.decision, "yes");
	if (!answer.yes && !tl_streq(args.decision, "no"))
		return tl_err_set(err, TL_EINVAL, "the decision is neither yes nor no");
	if (!args.scopes)
		answer.scopes = session->consent.asked_scopes;
	rc = tl_session_answer(session, &answer, err);
	if (rc == 0)
		tl_ask_reply(ask, NULL, NULL, 0);
	return rc;
}

static int session_list(void *app, struct tl_ask *ask, struct tl_err *err)
{
	const struct tl_helper *helper = app;
	json_t *list = json_array();

	(void)err;
	for (struct tl_session *session = helper->sessions; session; session = session->next)
		json_array_append_new(list, tl_session_json(session));
	tl_ask_reply(ask, json_pack("{s:o}", "sessions", list), NULL, 0);
	return 0;
}

static int session_stop(void *app, struct tl_ask *ask, struct tl_err *err)
{
	struct session_args args = {.reason = NULL};
	struct tl_session *session = NULL;
	char user[256], reason[300];
	int rc = tl_json_read(ask->args, end_members, TL_ARRAY_LEN(end_members), &args, err);

	if (rc == 0)
		rc = tl_verb_may_decide(app, ask, err);
	if (rc == 0)
		rc = tl_verb_session(app, args.session, &session, err);
	if (rc != 0)
		return rc;
	tl_user_name(ask->peer.uid, user, sizeof(user));
	snprintf(reason, sizeof(reason), "%s stopped it", user);
	tl_session_stop(session, reason);
	tl_ask_reply(ask, NULL, NULL, 0);
	return 0;
}

const struct tl_verb tl_helper_verbs[] = {
	{"collect.run", TL_DOOR_AGENT, BOTH_STATES, TL_IPC_PACKET_MAX, 1, 2, collect_run},
	{"consent.answer", TL_DOOR_CONSENT, TL_HELPER_ENROLLED, 1024, 0, 0, consent_answer},
	{"consent.bundle", TL_DOOR_AGENT, TL_HELPER_ENROLLED, 1024, 0, 0, consent_bundle},
	{"consent.ticket", TL_DOOR_AGENT, TL_HELPER_ENROLLED, 16384, 0, 0, consent_ticket},
	{"consent.watch", TL_DOOR_CONSENT, BOTH_STATES, 256, 0, 0, consent_watch},
	{"hello", TL_DOOR_AGENT, BOTH_STATES, 4096, 0, 0, hello},
	{"roster.take", TL_DOOR_AGENT, TL_HELPER_ENROLLED, 256, 1, 1, roster_take},
	{"session.attach", TL_DOOR_AGENT, TL_HELPER_ENROLLED, 512, 0, 0, tl_verb_session_attach},
	{"session.company", TL_DOOR_AGENT, TL_HELPER_ENROLLED, 32768, 0, 0,
	 tl_verb_session_company},
	{"session.end", TL_DOOR_AGENT, TL_HELPER_ENROLLED, 1024, 0, 0, session_end},
	{"session.extend", TL_DOOR_CONSENT, TL_HELPER_ENROLLED, 512, 0, 0, tl_verb_session_extend},
	{"session.hold", TL_DOOR_AGENT, TL_HELPER_ENROLLED, 1024, 0, 0, tl_verb_session_hold},
	{"session.list", TL_DOOR_CONSENT, BOTH_STATES, 256, 0, 0, session_list},
	{"session.pause", TL_DOOR_CONSENT, TL_HELPER_ENROLLED, 512, 0, 0, tl_verb_session_pause},
	{"session.request", TL_DOOR_AGENT, TL_HELPER_ENROLLED, TL_IPC_PACKET_MAX, 0, 0,
	 session_request},
	{"session.signal", TL_DOOR_AGENT, TL_HELPER_ENROLLED, 512, 0, 0, session_signal},
	{"session.spawn", TL_DOOR_AGENT, TL_HELPER_ENROLLED, TL_IPC_PACKET_MAX, 0, 0,
	 session_spawn},
	{"session.stop", TL_DOOR_CONSENT, TL_HELPER_ENROLLED, 1024, 0, 0, session_stop},
	{"session.wait", TL_DOOR_AGENT, TL_HELPER_ENROLLED, 512, 0, 0, session_wait},
};
const size_t tl_helper_verb_count = TL_ARRAY_LEN(tl_helper_verbs);
