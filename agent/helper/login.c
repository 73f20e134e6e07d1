#include "helper/login.h"

#include <security/pam_appl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <towline/str.h>
#include <unistd.h>
#include <utmpx.h>

struct tl_login_session {
	pam_handle_t *pam;
	char line[64]; /* "pts/3"; "" without a terminal */
	char user[256], host[260];
	struct tl_strv env;
	pid_t leader;
};

/* Nobody is there to answer a module's question; what it has to say is shown where somebody may read it. */
static int converse(int count, const struct pam_message **messages,
		    struct pam_response **ret_replies, void *arg)
{
	struct pam_response *replies;

	(void)arg;
	if (count <= 0 || count > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	for (int i = 0; i < count; i++) {
		int style = messages[i]->msg_style;

		if (style != PAM_TEXT_INFO && style != PAM_ERROR_MSG)
			return PAM_CONV_ERR;
		if (isatty(STDOUT_FILENO))
			dprintf(STDOUT_FILENO, "%s\r\n", messages[i]->msg);
	}
	replies = calloc((size_t)count, sizeof(*replies));
	if (!replies)
		return PAM_BUF_ERR;
	*ret_replies = replies;
	return PAM_SUCCESS;
}

static void name_terminal(struct tl_login_session *session)
{
	char path[64] = "";

	if (ttyname_r(STDIN_FILENO, path, sizeof(path)) == 0 && tl_str_starts(path, "/dev/"))
		snprintf(session->line, sizeof(session->line), "%s", path + 5);
}

static int set_items(const struct tl_login_session *session, const struct tl_login *login)
{
	int rc = pam_set_item(session->pam, PAM_RUSER, login->engineer);

	if (rc == PAM_SUCCESS)
		rc = pam_set_item(session->pam, PAM_TTY,
				  session->line[0] ? session->line : TL_LOGIN_SERVICE);
	return rc;
}

static int refuse(const struct tl_login_session *session, int code, struct tl_err *err)
{
	return tl_err_set(
		err, TL_EDENIED,
		"the account \"%s\" may not be used on this machine (PAM, service " TL_LOGIN_SERVICE
		"): %s",
		session->user, pam_strerror(session->pam, code));
}

static int begin(struct tl_login_session *session, struct tl_err *err)
{
	int rc = pam_acct_mgmt(session->pam, PAM_SILENT);

	if (rc != PAM_SUCCESS)
		return refuse(session, rc, err);
	rc = pam_setcred(session->pam, PAM_ESTABLISH_CRED | PAM_SILENT);
	if (rc == PAM_SUCCESS)
		rc = pam_open_session(session->pam, 0);
	if (rc != PAM_SUCCESS)
		return tl_err_set(err, TL_EDENIED,
				  "the session of account \"%s\" cannot be opened (PAM, "
				  "service " TL_LOGIN_SERVICE "): %s",
				  session->user, pam_strerror(session->pam, rc));
	return 0;
}

int tl_login_open(const struct tl_login *login, const struct tl_account *account,
		  struct tl_login_session **ret_session, struct tl_err *err)
{
	static const struct pam_conv conversation = {.conv = converse};
	struct tl_login_session *session = calloc(1, sizeof(*session));
	int rc;

	if (!session)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	snprintf(session->user, sizeof(session->user), "%s", account->name);
	snprintf(session->host, sizeof(session->host), "%.64s@%.64s", login->engineer,
		 login->ticket);
	name_terminal(session);
	rc = login->pam_dir
		     ? pam_start_confdir(TL_LOGIN_SERVICE, session->user, &conversation,
					 login->pam_dir, &session->pam)
		     : pam_start(TL_LOGIN_SERVICE, session->user, &conversation, &session->pam);
	if (rc == PAM_SUCCESS)
		rc = set_items(session, login);
	rc = rc == PAM_SUCCESS ? begin(session, err) : refuse(session, rc, err);
	if (rc == 0) {
		*ret_session = session;
		return 0;
	}
	if (session->pam)
		pam_end(session->pam, PAM_SESSION_ERR);
	free(session);
	return rc;
}

static bool is_set(const struct tl_strv *env, const char *pair)
{
	size_t len = strcspn(pair, "=") + 1;

	for (size_t i = 0; i < env->count; i++)
		if (strncmp(env->items[i], pair, len) == 0)
			return true;
	return false;
}

const char *const *tl_login_environment(struct tl_login_session *session, const char *const *env)
{
	char **more = pam_getenvlist(session->pam);
	int rc = 0;

	for (; rc == 0 && *env; env++)
		rc = tl_strv_push(&session->env, *env);
	for (size_t i = 0; rc == 0 && more && more[i]; i++)
		if (!is_set(&session->env, more[i]))
			rc = tl_strv_push(&session->env, more[i]);
	return rc == 0 ? (const char *const *)session->env.items : NULL;
}

/* ---- who(1), last(1) --------------------------------------------------------------------------- */

static void write_entry(const struct tl_login_session *session, short type)
{
	struct utmpx entry = {.ut_type = type, .ut_pid = session->leader};
	const char *line = session->line;
	size_t len = strlen(line);
	struct timeval now;

	if (!len)
		return;
	gettimeofday(&now, NULL);
	entry.ut_tv.tv_sec = (int32_t)now.tv_sec;
	entry.ut_tv.tv_usec = (int32_t)now.tv_usec;
	/* Fixed fields, which need no NUL (utmp(5)). */
	memcpy(entry.ut_line, line, len < sizeof(entry.ut_line) ? len : sizeof(entry.ut_line));
	len = len > sizeof(entry.ut_id) ? sizeof(entry.ut_id) : len;
	memcpy(entry.ut_id, line + strlen(line) - len, len);
	if (type == USER_PROCESS) {
		memcpy(entry.ut_user, session->user, strnlen(session->user, sizeof(entry.ut_user)));
		memcpy(entry.ut_host, session->host, strnlen(session->host, sizeof(entry.ut_host)));
	}
	setutxent();
	(void)pututxline(&entry); /* a machine without the file has none */
	endutxent();
	updwtmpx("/var/log/wtmp", &entry);
}

void tl_login_enter(struct tl_login_session *session, pid_t leader)
{
	session->leader = leader;
	write_entry(session, USER_PROCESS);
}

static void on_late(int number)
{
	(void)number;
	kill(0, SIGKILL);
}

void tl_login_close(struct tl_login_session *session)
{
	signal(SIGALRM, on_late);
	alarm(TL_LOGIN_CLOSE_S);
	write_entry(session, DEAD_PROCESS);
	(void)pam_close_session(session->pam, PAM_SILENT);
	(void)pam_setcred(session->pam, PAM_DELETE_CRED | PAM_SILENT);
	pam_end(session->pam, PAM_SUCCESS);
	tl_strv_clear(&session->env);
	free(session);
}
