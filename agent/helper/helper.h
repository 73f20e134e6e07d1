/* The helper's root object. It owns policy, trust, the two doors and what runs behind them. */
#ifndef TOWLINE_HELPER_HELPER_H
#define TOWLINE_HELPER_HELPER_H

#include <uv.h>

#include "core/service.h"
#include "helper/cgroup.h"
#include "helper/collect.h"
#include "helper/policy.h"
#include "helper/roster.h"
#include "helper/session.h"
#include "helper/spent.h"
#include "helper/trust.h"

#define TL_DOOR_AGENT 1u   /* helper.sock: root and the agent's user */
#define TL_DOOR_CONSENT 2u /* consent.sock: every local user; each verb looks at who asks */

#define TL_HELPER_NEW 1u /* no enrolment known yet */
#define TL_HELPER_ENROLLED 2u

enum tl_consent_flag { TL_CONSENT_FLAG_ASK, TL_CONSENT_FLAG_YES, TL_CONSENT_FLAG_NO };

struct tl_helper_options {
	const char *policy_file; /* NULL: TL_POLICY_PATH */
	const char *socket_dir;
	const char *state_dir;
	const char *agent_user; /* name or number; NULL: this program's own */
	const char
		*agent_state; /* directory with the enrolment; NULL: the agent tells by `hello` */
	enum tl_consent_flag consent;
	const char *pam_dir; /* NULL: /etc/pam.d */
};

struct tl_helper {
	struct tl_helper_options options;
	const struct tl_clock *clock;
	uv_loop_t loop;
	uv_signal_t signals[3]; /* SIGCHLD, SIGTERM, SIGINT */
	int state_fd, lock_fd;
	struct tl_cgroup cgroup; /* of collections */
	struct tl_policy policy;
	struct tl_trust trust;
	struct tl_roster_book roster;
	struct tl_spent *spent;
	struct tl_account agent;
	struct tl_service *agent_door, *consent_door;
	struct tl_session *sessions;
	unsigned session_count;
	struct tl_collection *collection; /* the one that runs, or NULL */
	bool stopping;
};

extern const struct tl_verb tl_helper_verbs[];
extern const size_t tl_helper_verb_count;

/* Reads policy and state, opens the doors. */
TL_MUST_CHECK int tl_helper_new(const struct tl_helper_options *options,
				struct tl_helper **ret_helper, struct tl_err *err);
/* Until SIGTERM or SIGINT; sessions are then ended first. */
void tl_helper_run(struct tl_helper *helper);
void tl_helper_free(struct tl_helper *helper);
TL_DEFINE_AUTO_PTR(tl_helper, tl_helper_free);

/* The verb `roster.take` (roster_verb.c). */
TL_MUST_CHECK int tl_roster_verb_take(struct tl_helper *helper, struct tl_ask *ask,
				      struct tl_err *err);

/* Tells those who watch at consent.sock. `args` is borrowed. */
void tl_helper_tell_watchers(struct tl_helper *helper, const char *event, const json_t *args);
/* The machinery asks this after a session or the collection has gone. */
void tl_helper_settle(struct tl_helper *helper);

#endif
