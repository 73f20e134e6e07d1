/* Starting another program with exactly the descriptors, account and environment it is to have.
 * Blocking only until the program is executed. Main thread, no other threads. */
#ifndef TOWLINE_HELPER_CHILD_H
#define TOWLINE_HELPER_CHILD_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include <towline/err.h>

struct tl_account {
	uid_t uid;
	gid_t gid;
	char name[256]; /* "" for a number without an entry */
	char home[PATH_MAX];
	char shell[PATH_MAX];
};

/* By login name or number. TL_ENOENT. */
TL_MUST_CHECK int tl_account_find(const char *name_or_number, struct tl_account *ret_account,
				  struct tl_err *err);
/* The account that this program runs as. */
TL_MUST_CHECK int tl_account_self(struct tl_account *ret_account, struct tl_err *err);

#define TL_CHILD_FDS_MAX 8

struct tl_login; /* login.h */

struct tl_child_spec {
	const char *path;
	const char *const *argv;
	const char *const *env;
	const int *fds; /* become 0, 1, 2, …; everything else is closed */
	size_t fd_count;
	const struct tl_account *account; /* taken on when this program is root; NULL: none */
	const char *directory;		  /* "/" when it cannot be entered; NULL: unchanged */
	bool terminal;			  /* descriptor 0 becomes the controlling terminal */
	bool read_all; /* as root: keeps CAP_DAC_READ_SEARCH beyond the change of account */
	bool examine;  /* with read_all: CAP_SYS_PTRACE, CAP_SYSLOG and CAP_NET_ADMIN, too */
	bool no_new_rights; /* set-user-ID programs and file capabilities give it and its children nothing */
	mode_t umask; /* of the child */
	/* As root, for an account with a name: it is started inside a session of the account, by a process that
	 * waits for it and ends as it did. *ret_leader receives the program's own id. */
	const struct tl_login *login;
	pid_t *ret_leader;
	int cgroup_fd; /* cgroup.procs of the group that it joins; 0: it stays in ours */
};

#define TL_CHILD_START_MS 5000 /* a home on a dead file server must not hold the helper up */

/* The child leads a session (setsid) and process group of its own. On failure nothing is left behind
 * and `err` says which step failed; TL_ETIMEOUT for a child that hung before its program ran: it is
 * killed, and reaped as an orphan once it can die. */
TL_MUST_CHECK int tl_child_start(const struct tl_child_spec *spec, pid_t *ret_pid,
				 struct tl_err *err);

/* Signals every process of the session that `leader` leads: job control spreads a shell's jobs over
 * several process groups. */
void tl_child_signal_session(pid_t leader, int signal_number);

/* "HUP" → SIGHUP: the names of RFC 4254 §6.10. TL_EINVAL. */
TL_MUST_CHECK int tl_signal_parse(const char *name, int *ret_signal);
/* "TERM" for SIGTERM; "UNKNOWN" for one that RFC 4254 does not name. */
const char *tl_signal_name(int signal_number);

#endif
