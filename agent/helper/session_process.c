/* The processes of a session: started, waited for, reaped. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <towline/forward.h>
#include <towline/log.h>

#include "core/offspring.h"
#include "helper/helper.h"
#include "helper/login.h"
#include "helper/session.h"
#include "helper/spawn.h"

enum goal { GOAL_NONE, GOAL_CONNECT, GOAL_LISTEN, GOAL_AGENT };

static const struct kind {
	const char *name;
	unsigned scope;
	bool command;	/* it names one */
	enum goal goal; /* of towline-forward, which stands in for the program */
} kinds[] = {
	{"agent", TL_SCOPE_AGENT, false, GOAL_AGENT},
	{"connect", TL_SCOPE_FORWARDING, false, GOAL_CONNECT},
	{"exec", TL_SCOPE_EXEC, true, GOAL_NONE},
	{"listen", TL_SCOPE_FORWARDING, false, GOAL_LISTEN},
	{"shell", TL_SCOPE_TERMINAL, false, GOAL_NONE},
	{"subsystem", TL_SCOPE_FILES, true, GOAL_NONE},
};

static bool is_subsystem(const struct tl_session_spawn *spawn)
{
	return tl_streq(spawn->kind, "subsystem");
}

static int check_kind(const struct tl_session *session, const struct tl_session_spawn *spawn,
		      const struct kind **ret_kind, struct tl_err *err)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(kinds); i++) {
		if (!tl_streq(kinds[i].name, spawn->kind))
			continue;
		if (!(session->consent.given_scopes & kinds[i].scope))
			return tl_err_set(err, TL_EDENIED,
					  "this session was not allowed a %s: the scope is missing",
					  spawn->kind);
		if (kinds[i].command != (spawn->command != NULL))
			return tl_err_set(
				err, TL_EINVAL,
				"exec and subsystem need a command, the others take none");
		if (is_subsystem(spawn) && !tl_streq(spawn->command, "sftp"))
			return tl_err_set(err, TL_EUNSUPPORTED, "the only subsystem is sftp");
		*ret_kind = &kinds[i];
		return 0;
	}
	return tl_err_set(err, TL_EUNSUPPORTED, "this endpoint offers no \"%s\"", spawn->kind);
}

static int find_account(const struct tl_session *session, struct tl_account *ret_account,
			struct tl_err *err)
{
	const char *user = "";
	int rc = tl_policy_account(&session->helper->policy, session->grant.user, &user, err);

	if (rc != 0)
		return rc;

	if (!user[0] && geteuid() == 0)
		return tl_err_set(err, TL_EDENIED,
				  "this machine's policy names no account for sessions "
				  "(sessions.user)");
	rc = user[0] ? tl_account_find(user, ret_account, err) : tl_account_self(ret_account, err);
	if (rc != 0)
		return rc;
	if (geteuid() != 0 && ret_account->uid != geteuid())
		return tl_err_set(err, TL_EDENIED,
				  "the helper does not run as root and cannot become \"%s\" "
				  "(sessions.user)",
				  user);
	return 0;
}

static struct tl_process *process_new(struct tl_session *session, const struct tl_spawned *spawned,
				      struct tl_conn *conn)
{
	struct tl_process *process = calloc(1, sizeof(*process));

	if (!process)
		return NULL;
	process->id = tl_id_new(session->helper->clock);
	process->pid = spawned->pid;
	process->leader = spawned->leader;
	process->conn = conn;
	process->next = session->processes;
	session->processes = process;
	session->process_count++;
	return process;
}

static void answer_spawned(struct tl_ask *ask, const struct tl_process *process,
			   struct tl_spawned *spawned)
{
	tl_ask_reply(ask, json_pack("{s:s}", "process", process->id.text), spawned->fds,
		     spawned->fd_count);
}

/* Whether the account may be used is asked for each program anew, and for each forwarding. */
static struct tl_login login_of(const struct tl_session *session)
{
	return (struct tl_login){
		.pam_dir = session->helper->options.pam_dir,
		.engineer = session->grant.engineer,
		.ticket = session->grant.ticket,
	};
}

static int start_program(const struct tl_session *session, const struct tl_session_spawn *spawn,
			 const struct tl_account *account, struct tl_spawned *ret_spawned,
			 struct tl_err *err)
{
	const struct tl_login login = login_of(session);

	if (spawn->agent_socket &&
	    (!(session->consent.given_scopes & TL_SCOPE_AGENT) || spawn->agent_socket[0] != '/'))
		return tl_err_set(err, TL_EDENIED,
				  "this session was not allowed the engineer's ssh-agent");
	return tl_spawn(
		&(struct tl_spawn_spec){
			.account = account,
			.login = &login,
			.session = session->grant.session,
			.command = is_subsystem(spawn) ? NULL : spawn->command,
			.sftp = is_subsystem(spawn),
			.term = spawn->term,
			.columns = spawn->columns,
			.rows = spawn->rows,
			.env = spawn->env,
			.policy = &session->helper->policy,
			.agent_socket = spawn->agent_socket,
		},
		ret_spawned, err);
}

/* Both must list it: what was granted, and what the machine's owner lets sessions reach. */
static int check_place(const struct tl_session *session, const struct tl_session_spawn *spawn,
		       enum goal goal, struct tl_err *err)
{
	bool (*covers)(const struct tl_strv *list, const char *host, unsigned port) =
		goal == GOAL_LISTEN ? tl_forward_may_listen : tl_forward_lists;
	const char *verb = goal == GOAL_LISTEN ? "listen at" : "reach";

	if (!spawn->host)
		return tl_err_set(err, TL_EINVAL, "a forwarding names a host and a port");
	if (!covers(&session->grant.forwards, spawn->host, (unsigned)spawn->port))
		return tl_err_set(
			err, TL_EDENIED,
			"this session was not asked to %s %s:%lld (see `towline forward`)", verb,
			spawn->host, (long long)spawn->port);
	if (!covers(&session->helper->policy.sessions_forward, spawn->host, (unsigned)spawn->port))
		return tl_err_set(err, TL_EDENIED,
				  "this machine's policy lets no session %s %s:%lld "
				  "(sessions.forward)",
				  verb, spawn->host, (long long)spawn->port);
	return 0;
}

static int start_forward(const struct tl_session *session, const struct tl_session_spawn *spawn,
			 enum goal goal, const struct tl_account *account,
			 struct tl_spawned *ret_spawned, struct tl_err *err)
{
	static const char *const goals[] = {"", "connect", "listen", "agent"};
	const struct tl_login login = login_of(session);
	tl_json *request = NULL;
	int rc = goal == GOAL_AGENT ? 0 : check_place(session, spawn, goal, err);

	if (rc != 0)
		return rc;
	request =
		goal == GOAL_AGENT
			? json_pack("{s:s}", "goal", goals[goal])
			: json_pack("{s:s, s:s, s:I, s:[o, o]}", "goal", goals[goal], "host",
				    spawn->host, "port", (json_int_t)spawn->port, "allow",
				    tl_grant_texts_json(&session->grant.forwards),
				    tl_grant_texts_json(&session->helper->policy.sessions_forward));
	if (!request)
		return tl_err_set(err, TL_EINVAL, "the host is no text");
	return tl_spawn_forward(account, &login, request, ret_spawned, err);
}

int tl_session_spawn(struct tl_session *session, const struct tl_session_spawn *spawn,
		     struct tl_ask *ask, struct tl_err *err)
{
	const struct kind *kind = NULL;
	struct tl_account account;
	struct tl_spawned spawned;
	const struct tl_process *process;
	int rc;

	if (session->state != TL_SESSION_ACTIVE)
		return tl_err_set(err, TL_EDENIED, "the session is not open");
	if (tl_company_is_waiting(&session->company))
		return tl_err_set(err, TL_EBUSY, "the session waits for a second engineer to join");
	if (session->process_count >= TL_SESSION_PROCESSES_MAX)
		return tl_err_set(err, TL_EBUSY, "the session has too many processes");
	rc = check_kind(session, spawn, &kind, err);
	if (rc == 0)
		rc = find_account(session, &account, err);
	if (rc == 0)
		rc = kind->goal == GOAL_NONE
			     ? start_program(session, spawn, &account, &spawned, err)
			     : start_forward(session, spawn, kind->goal, &account, &spawned, err);
	if (rc != 0)
		return rc;
	process = process_new(session, &spawned, ask->conn);
	if (process) {
		tl_log_info("process started", TL_S("session", session->grant.session),
			    TL_S("kind", spawn->kind), TL_S("user", account.name),
			    TL_I("pid", spawned.pid));
		answer_spawned(ask, process, &spawned);
	} else {
		rc = tl_err_set(err, TL_ENOMEM, "out of memory");
		tl_child_signal_session(spawned.leader, SIGKILL);
	}
	for (size_t i = 0; i < spawned.fd_count; i++)
		close(spawned.fds[i]);
	return rc;
}

struct tl_process *tl_session_process(struct tl_session *session, const char *id)
{
	struct tl_process *process = session->processes;

	while (process && !tl_streq(process->id.text, id))
		process = process->next;
	return process;
}

static void answer_exit(struct tl_ask *ask, int status)
{
	if (WIFSIGNALED(status))
		tl_ask_reply(ask, json_pack("{s:s}", "signal", tl_signal_name(WTERMSIG(status))),
			     NULL, 0);
	else
		tl_ask_reply(ask, json_pack("{s:i}", "exit", WEXITSTATUS(status)), NULL, 0);
}

static void forget(struct tl_session *session, struct tl_process *process)
{
	struct tl_process **link = &session->processes;

	while (*link != process)
		link = &(*link)->next;
	*link = process->next;
	session->process_count--;
	free(process);
}

int tl_session_wait(struct tl_session *session, struct tl_process *process, struct tl_ask *ask,
		    struct tl_err *err)
{
	if (process->waiter)
		return tl_err_set(err, TL_EBUSY, "somebody waits for this process already");
	if (!process->exited) {
		process->waiter = ask;
		return 0;
	}
	answer_exit(ask, process->wait_status);
	forget(session, process);
	return 0;
}

static void reap_process(struct tl_session *session, struct tl_process *process)
{
	int status;
	pid_t pid = process->exited ? 0 : waitpid(process->pid, &status, WNOHANG);

	if (pid == 0)
		return;
	process->exited = true;
	process->wait_status = pid < 0 ? 0 : status;
	if (process->waiter) {
		answer_exit(tl_steal(&process->waiter), process->wait_status);
		forget(session, process);
	} else if (!process->conn) {
		forget(session, process); /* nobody is left to ask for its status */
	}
}

/* 0 or more processes that have not ended. */
static unsigned reap_session(struct tl_session *session)
{
	unsigned live = 0;

	for (struct tl_process *process = session->processes, *next; process; process = next) {
		next = process->next;
		reap_process(session, process);
	}
	for (const struct tl_process *process = session->processes; process;
	     process = process->next)
		live += !process->exited;
	return live;
}

/* ---- what the processes left behind ----------------------------------------------------------- */

static bool started(const struct tl_session *session, const struct tl_offspring *offspring)
{
	const struct tl_process *process = session->processes;

	/* A number is not given away while it still names somebody's session. */
	while (process && process->leader != offspring->sid &&
	       (process->exited || process->pid != offspring->top))
		process = process->next;
	return process != NULL;
}

/* The session that started it; NULL for the collector's, and for a stray while several sessions run. */
static const struct tl_session *owner_of(const struct tl_helper *helper,
					 const struct tl_offspring *offspring)
{
	const struct tl_session *only = NULL;
	unsigned running = 0;

	if (helper->collection && tl_collection_pid(helper->collection) == offspring->top)
		return NULL;
	for (const struct tl_session *session = helper->sessions; session;
	     session = session->next) {
		if (started(session, offspring))
			return session;
		if (session->state == TL_SESSION_ASKING)
			continue;
		running++;
		only = session;
	}
	return running == 1 ? only : NULL;
}

struct signalling {
	const struct tl_session *session;
	int number;
	unsigned count;
};

/* It ends by itself after its program, once the account's session is closed, as does what closes it. */
static bool holds_session(const struct tl_session *session, pid_t sid)
{
	const struct tl_process *process = session->processes;

	while (process && (process->pid != sid || process->leader == sid))
		process = process->next;
	return process != NULL;
}

static void signal_one(void *arg, const struct tl_offspring *offspring)
{
	struct signalling *signalling = arg;
	const struct tl_session *session = signalling->session;

	if (owner_of(session->helper, offspring) == session &&
	    !holds_session(session, offspring->sid) &&
	    kill(offspring->pid, signalling->number) == 0)
		signalling->count++;
}

unsigned tl_session_signal_all(const struct tl_session *session, int number)
{
	struct signalling signalling = {.session = session, .number = number};

	/* Also where /proc shows nothing of other accounts (hidepid, proc(5)). */
	for (const struct tl_process *process = session->processes; process && number > 0;
	     process = process->next) {
		if (!process->exited)
			kill(-process->leader, number);
	}
	tl_offspring_walk(signal_one, &signalling);
	return signalling.count;
}

static bool is_known(const struct tl_helper *helper, pid_t pid)
{
	if (helper->collection && tl_collection_pid(helper->collection) == pid)
		return true;
	for (const struct tl_session *session = helper->sessions; session;
	     session = session->next) {
		for (const struct tl_process *process = session->processes; process;
		     process = process->next) {
			if (process->pid == pid && !process->exited)
				return true;
		}
	}
	return false;
}

/* One that somebody will ask for ends the look: its own SIGCHLD brings us back. */
static void reap_orphans(const struct tl_helper *helper)
{
	siginfo_t info = {.si_pid = 0};

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0 &&
	       !is_known(helper, info.si_pid)) {
		waitpid(info.si_pid, NULL, WNOHANG);
		info.si_pid = 0;
	}
}

void tl_sessions_reap(struct tl_helper *helper)
{
	reap_orphans(helper);
	for (struct tl_session *session = helper->sessions, *next; session; session = next) {
		next = session->next;
		if (reap_session(session) == 0)
			tl_session_last_process_gone(session);
	}
}
