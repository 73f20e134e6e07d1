/* An account's session on this machine, as sshd(8) and login(1) open it: PAM's account and session modules (service
 * "towline"), and the entries that who(1) and last(1) show. For a process of its own, which stays root beside the one that it
 * watches over: modules may take long, change their process, or crash. */
#ifndef TOWLINE_HELPER_LOGIN_H
#define TOWLINE_HELPER_LOGIN_H

#include <sys/types.h>
#include <towline/err.h>

#include "helper/child.h"

#define TL_LOGIN_SERVICE "towline"
#define TL_LOGIN_CLOSE_S 5 /* then its end is not waited for any longer */

struct tl_login {
	const char *pam_dir;	       /* NULL: /etc/pam.d */
	const char *engineer, *ticket; /* who is there, and why: the entry's host */
};

struct tl_login_session;

/* Asks the account modules, then opens the session; descriptor 0 may be a terminal. The sentence in `err` is for
 * the engineer: TL_EDENIED when the account may not be used. */
TL_MUST_CHECK int tl_login_open(const struct tl_login *login, const struct tl_account *account,
				struct tl_login_session **ret_session, struct tl_err *err);
/* `env` and what the modules add to it; valid as long as the session. */
const char *const *tl_login_environment(struct tl_login_session *session, const char *const *env);
/* The entry of the terminal, where there is one. */
void tl_login_enter(struct tl_login_session *session, pid_t leader);
/* Closes and frees it. This process and its group are killed when that takes longer than TL_LOGIN_CLOSE_S. */
void tl_login_close(struct tl_login_session *session);

#endif
