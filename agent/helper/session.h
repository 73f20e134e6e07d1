/* A remote session as the helper sees it: from a verified grant over consent to the end of its last
 * process. One object a session; session_step is the only switch, session_enter the only place that
 * changes state and arms the state's timer. Loop thread only. */
#ifndef TOWLINE_HELPER_SESSION_H
#define TOWLINE_HELPER_SESSION_H

#include <towline/grant.h>
#include <uv.h>

#include "core/service.h"
#include "helper/child.h"
#include "helper/company.h"
#include "helper/consent.h"

#define TL_SESSIONS_MAX 8
#define TL_SESSION_PROCESSES_MAX 64
#define TL_SESSION_GRACE_MS 5000 /* from HUP to KILL */

struct tl_helper;

enum tl_session_state { TL_SESSION_ASKING, TL_SESSION_ACTIVE, TL_SESSION_ENDING, TL_SESSION_OVER };

enum tl_session_event {
	TL_SESSION_EV_DECIDED, /* the consent has left TL_CONSENT_ASKING */
	TL_SESSION_EV_TIMER,   /* of the state: consent deadline, longest duration, grace */
	TL_SESSION_EV_STOP,    /* a person, the relay or the agent's death: see end_reason */
	TL_SESSION_EV_LAST_PROCESS_GONE
};

struct tl_process {
	struct tl_process *next;
	struct tl_id id;
	pid_t pid;	      /* to wait for */
	pid_t leader;	      /* the program itself (spawn.h) */
	struct tl_conn *conn; /* who started it; NULL once it has gone */
	struct tl_ask *waiter;
	bool exited;
	int wait_status; /* waitpid(2) */
};

struct tl_session {
	struct tl_session *next;
	struct tl_helper *helper;
	enum tl_session_state state;
	struct tl_grant grant;
	struct tl_consent consent;
	bool by_policy;		  /* consent was not a person's */
	struct tl_ask *ask;	  /* session.request, until it is answered */
	struct tl_conn *owner;	  /* the agent's connection; NULL once it has gone */
	struct tl_conn *attached; /* towline-session's, once it has asked */
	struct tl_company company;
	uv_timer_t timer, company_timer;
	unsigned open_timers;
	int64_t max_s;
	int64_t started_ms, ends_ms; /* wall clock, for people */
	struct tl_process *processes;
	unsigned process_count;
	char end_reason[TL_ERR_TEXT_MAX];
};

/* Takes the grant's contents over and starts asking, or goes on at once where policy or the flag
 * answers. */
TL_MUST_CHECK int tl_session_new(struct tl_helper *helper, struct tl_grant *grant, unsigned scopes,
				 int64_t max_s, struct tl_ask *ask, struct tl_err *err);
struct tl_session *tl_session_find(struct tl_helper *helper, const char *id);
/* A person's answer. */
TL_MUST_CHECK int tl_session_answer(struct tl_session *session,
				    const struct tl_consent_answer *answer, struct tl_err *err);
void tl_session_stop(struct tl_session *session, const char *reason);
/* A process has ended: an ending session without any is over. */
void tl_session_last_process_gone(struct tl_session *session);
/* A connection has gone: what it asked for or started ends. */
void tl_session_conn_gone(struct tl_session *session, const struct tl_conn *conn);

/* Starts the time anew that is left of an open session. */
void tl_session_arm(struct tl_session *session, int64_t left_ms);

/* ---- session_company.c ---- */
/* What the relay says of who is there; `second` is a signed statement, NULL for none. */
TL_MUST_CHECK int tl_session_company(struct tl_session *session, const struct tl_watcher *watchers,
				     size_t count, const char *second, struct tl_err *err);
/* `by` NULL: resumed. */
void tl_session_pause(struct tl_session *session, enum tl_pause whose, const char *by);
/* A person prolongs it, within policy and grant; TL_EDENIED when they allow no more. */
TL_MUST_CHECK int tl_session_extend(struct tl_session *session, int64_t minutes, const char *by,
				    struct tl_err *err);
/* Looks whether it waits for somebody, and how long. */
void tl_session_company_look(struct tl_session *session);

struct tl_session_spawn {
	const char *kind, *command, *term;
	int64_t columns, rows;
	const json_t *env;
	const char *host; /* of "connect" and "listen" */
	int64_t port;
	const char *agent_socket; /* of a program that may use the engineer's ssh-agent */
};
/* Starts a process and answers `ask` with it. */
TL_MUST_CHECK int tl_session_spawn(struct tl_session *session, const struct tl_session_spawn *spawn,
				   struct tl_ask *ask, struct tl_err *err);
struct tl_process *tl_session_process(struct tl_session *session, const char *id);
/* Answers when the process has ended. */
TL_MUST_CHECK int tl_session_wait(struct tl_session *session, struct tl_process *process,
				  struct tl_ask *ask, struct tl_err *err);
/* Signals what the session started and all that descends from it, also what has left its terminal or
 * lost its parents; number 0 only counts. Returns how many could be signalled. What lost its parents
 * while other sessions run cannot be told apart from theirs: it goes with the last of them. */
unsigned tl_session_signal_all(const struct tl_session *session, int number);
/* Collects ended processes of all sessions, and orphans: after SIGCHLD. */
void tl_sessions_reap(struct tl_helper *helper);
/* What people see of it; the caller owns it. */
json_t *tl_session_json(struct tl_session *session);

#endif
