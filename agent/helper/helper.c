#include "helper/helper.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <towline/fs.h>
#include <towline/log.h>

#include "core/config.h"
#include "core/offspring.h"

#define SOCKET_MODE 0666 /* who comes is known by SO_PEERCRED, and judged by the doors */

static bool admit_agent(void *app, const struct tl_ipc_peer *peer)
{
	const struct tl_helper *helper = app;

	if (peer->uid == 0 || peer->uid == helper->agent.uid)
		return true;
	tl_log_warning("connection refused at helper.sock", TL_I("uid", peer->uid));
	return false;
}

/* The enrolment may come after the helper's start: looked for until it is there. */
static void look_for_enrolment(struct tl_helper *helper)
{
	struct tl_identity identity;
	struct tl_err err = TL_ERR_INIT;
	tl_fd int dir_fd = -1;

	if (helper->trust.pinned || !helper->options.agent_state)
		return;
	dir_fd = open(helper->options.agent_state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0 || tl_identity_load(dir_fd, &identity, NULL) != 0)
		return;
	if (tl_trust_pin(&helper->trust, &identity, &err) != 0)
		tl_log_error("the enrolment cannot be kept", TL_ERR(&err));
}

static unsigned helper_state(void *app)
{
	struct tl_helper *helper = app;

	look_for_enrolment(helper);
	return helper->trust.pinned ? TL_HELPER_ENROLLED : TL_HELPER_NEW;
}

static void on_conn_gone(void *app, struct tl_conn *conn)
{
	struct tl_helper *helper = app;

	tl_collection_conn_gone(helper->collection, conn);
	for (struct tl_session *session = helper->sessions, *next; session; session = next) {
		next = session->next;
		tl_session_conn_gone(session, conn);
	}
}

/* Looked at once, while who connected is still there: later its number may be another's. */
static void mark_session(void *app, struct tl_conn *conn)
{
	(void)app;
	conn->marked = conn->peer.pid > 0 && tl_offspring_has(conn->peer.pid);
}

static bool is_watcher(const struct tl_conn *conn)
{
	return conn->data != NULL;
}

void tl_helper_tell_watchers(struct tl_helper *helper, const char *event, const json_t *args)
{
	if (helper->consent_door)
		tl_service_tell(helper->consent_door, event, args, is_watcher);
}

static int open_door(struct tl_helper *helper, const char *name, unsigned door,
		     struct tl_service **ret_service, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(4096);
	int rc = tl_agent_socket_path(helper->options.socket_dir, name, &path, err);

	if (rc != 0)
		return rc;
	return tl_service_new(
		&(struct tl_service_options){
			.loop = &helper->loop,
			.path = path.data,
			.mode = SOCKET_MODE,
			.door = door,
			.verbs = tl_helper_verbs,
			.verb_count = tl_helper_verb_count,
			.app = helper,
			.admit = door == TL_DOOR_AGENT ? admit_agent : NULL,
			.on_new = door == TL_DOOR_CONSENT ? mark_session : NULL,
			.state = helper_state,
			.on_gone = on_conn_gone,
		},
		ret_service, err);
}

static int check_flag(const struct tl_helper *helper, struct tl_err *err)
{
	if (helper->options.consent != TL_CONSENT_FLAG_YES)
		return 0;
	if (geteuid() == 0 && !helper->policy.consent_unattended)
		return tl_err_set(err, TL_EDENIED,
				  "--consent yes would let sessions in unasked: as root it needs "
				  "consent.unattended: true in the policy");
	tl_log_warning("consent is answered by a flag: every session is allowed without asking");
	return 0;
}

static int find_agent(struct tl_helper *helper, struct tl_err *err)
{
	if (helper->options.agent_user)
		return tl_account_find(helper->options.agent_user, &helper->agent, err);
	return tl_account_self(&helper->agent, err);
}

static int open_state(struct tl_helper *helper, struct tl_err *err)
{
	int rc = tl_fs_make_dir(helper->options.state_dir, 0700, &helper->state_fd, err);

	if (rc == 0)
		rc = tl_fs_lock(helper->state_fd, "lock", &helper->lock_fd, err);
	if (rc == TL_EBUSY)
		return tl_err_set(err, TL_EBUSY, "another helper uses %s",
				  helper->options.state_dir);
	if (rc == 0)
		rc = tl_trust_open(helper->state_fd, helper->options.state_dir, &helper->trust,
				   err);
	if (rc == 0)
		rc = tl_spent_open(helper->state_fd, helper->clock, &helper->spent, err);
	if (rc == 0)
		rc = tl_roster_book_open(helper->state_fd, &helper->roster, err);
	return rc;
}

static void begin_stop(struct tl_helper *helper)
{
	if (helper->stopping)
		return;
	helper->stopping = true;
	for (struct tl_session *session = helper->sessions, *next; session; session = next) {
		next = session->next;
		tl_session_stop(session, "the helper on this machine stops");
	}
	tl_collection_stop(helper->collection, "the helper on this machine stops");
	tl_helper_settle(helper);
}

static void close_signal(uv_signal_t *watch)
{
	if (!uv_is_closing((uv_handle_t *)watch))
		uv_close((uv_handle_t *)watch, NULL);
}

void tl_helper_settle(struct tl_helper *helper)
{
	if (!helper->stopping || helper->sessions || helper->collection)
		return;
	tl_service_close(tl_steal(&helper->agent_door));
	tl_service_close(tl_steal(&helper->consent_door));
	for (size_t i = 0; i < TL_ARRAY_LEN(helper->signals); i++)
		close_signal(&helper->signals[i]);
}

static void on_signal(uv_signal_t *watch, int number)
{
	struct tl_helper *helper = watch->data;

	if (number != SIGCHLD) {
		begin_stop(helper);
		return;
	}
	tl_collection_reap(helper->collection);
	tl_sessions_reap(helper);
}

static void watch_signals(struct tl_helper *helper)
{
	static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < TL_ARRAY_LEN(numbers); i++) {
		uv_signal_init(&helper->loop, &helper->signals[i]);
		helper->signals[i].data = helper;
		uv_signal_start(&helper->signals[i], on_signal, numbers[i]);
	}
}

static int open_doors(struct tl_helper *helper, struct tl_err *err)
{
	tl_fd int dir_fd = -1;
	int rc = tl_fs_make_dir(helper->options.socket_dir, 0755, &dir_fd, err);

	if (rc == 0)
		rc = open_door(helper, "helper.sock", TL_DOOR_AGENT, &helper->agent_door, err);
	if (rc == 0)
		rc = open_door(helper, "consent.sock", TL_DOOR_CONSENT, &helper->consent_door, err);
	return rc;
}

int tl_helper_new(const struct tl_helper_options *options, struct tl_helper **ret_helper,
		  struct tl_err *err)
{
	tl_auto(tl_helper) struct tl_helper *helper = calloc(1, sizeof(*helper));
	int rc;

	if (!helper)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	helper->options = *options;
	helper->clock = tl_clock_system();
	helper->state_fd = -1;
	helper->lock_fd = -1;
	uv_loop_init(&helper->loop);
	watch_signals(helper);
	rc = tl_offspring_adopt(err);
	if (rc == 0)
		rc = tl_policy_load(options->policy_file, &helper->policy, err);
	if (rc == 0)
		rc = check_flag(helper, err);
	if (rc == 0)
		rc = find_agent(helper, err);
	if (rc == 0)
		rc = open_state(helper, err);
	if (rc == 0)
		rc = open_doors(helper, err);
	if (rc != 0)
		return rc;
	look_for_enrolment(helper);
	*ret_helper = tl_steal(&helper);
	return 0;
}

void tl_helper_run(struct tl_helper *helper)
{
	uv_run(&helper->loop, UV_RUN_DEFAULT);
}

void tl_helper_free(struct tl_helper *helper)
{
	if (!helper)
		return;
	begin_stop(helper);
	uv_run(&helper->loop, UV_RUN_DEFAULT);
	uv_loop_close(&helper->loop);
	tl_spent_free(helper->spent);
	tl_roster_book_clear(&helper->roster);
	tl_trust_clear(&helper->trust);
	tl_policy_clear(&helper->policy);
	if (helper->lock_fd >= 0)
		close(helper->lock_fd);
	if (helper->state_fd >= 0)
		close(helper->state_fd);
	free(helper);
}
