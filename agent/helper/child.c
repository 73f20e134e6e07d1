#include "helper/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <towline/clock.h>
#include <towline/str.h>
#include <unistd.h>

#include "helper/login.h"

#define SAFE_FD 32 /* above every number that descriptors are mapped to */

static const struct {
	const char *name;
	int number;
} signals[] = {
	{"ABRT", SIGABRT}, {"ALRM", SIGALRM}, {"FPE", SIGFPE},	 {"HUP", SIGHUP},
	{"ILL", SIGILL},   {"INT", SIGINT},   {"KILL", SIGKILL}, {"PIPE", SIGPIPE},
	{"QUIT", SIGQUIT}, {"SEGV", SIGSEGV}, {"TERM", SIGTERM}, {"USR1", SIGUSR1},
	{"USR2", SIGUSR2},
};

int tl_signal_parse(const char *name, int *ret_signal)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(signals); i++) {
		if (tl_streq(signals[i].name, name)) {
			*ret_signal = signals[i].number;
			return 0;
		}
	}
	return TL_EINVAL;
}

const char *tl_signal_name(int signal_number)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(signals); i++) {
		if (signals[i].number == signal_number)
			return signals[i].name;
	}
	return "UNKNOWN";
}

static void fill_account(struct tl_account *account, const struct passwd *entry)
{
	account->uid = entry->pw_uid;
	account->gid = entry->pw_gid;
	snprintf(account->name, sizeof(account->name), "%s", entry->pw_name);
	snprintf(account->home, sizeof(account->home), "%s", entry->pw_dir);
	snprintf(account->shell, sizeof(account->shell), "%s",
		 entry->pw_shell[0] ? entry->pw_shell : "/bin/sh");
}

int tl_account_find(const char *name_or_number, struct tl_account *ret_account, struct tl_err *err)
{
	struct passwd entry, *found = NULL;
	char buffer[8192];
	uint64_t number = 0;
	bool numeric = tl_str_u64(name_or_number, UINT32_MAX - 1, &number) == 0;

	if (numeric)
		(void)getpwuid_r((uid_t)number, &entry, buffer, sizeof(buffer), &found);
	else
		(void)getpwnam_r(name_or_number, &entry, buffer, sizeof(buffer), &found);
	if (!found && !numeric)
		return tl_err_set(err, TL_ENOENT, "this machine has no account \"%s\"",
				  name_or_number);
	*ret_account = (struct tl_account){.uid = (uid_t)number,
					   .gid = (gid_t)number,
					   .home = "/",
					   .shell = "/bin/sh"};
	if (found)
		fill_account(ret_account, found);
	return 0;
}

int tl_account_self(struct tl_account *ret_account, struct tl_err *err)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", (unsigned)geteuid());
	return tl_account_find(number, ret_account, err);
}

enum step {
	STEP_LOGIN,
	STEP_FDS,
	STEP_SESSION,
	STEP_ACCOUNT,
	STEP_CAPABILITY,
	STEP_CONFINE,
	STEP_EXEC
};

static const char *const step_texts[] = {"the account's session cannot be opened",
					 "its descriptors cannot be set up",
					 "it cannot lead a session",
					 "the account cannot be taken on",
					 "the right to read cannot be kept",
					 "it cannot be confined",
					 "it cannot be executed"};

#define LEADER (-1) /* no failure: `number` is the program's process */

struct failure {
	int step;
	int number;	/* errno */
	char text[200]; /* STEP_LOGIN: the sentence */
};

static int map_fds(const struct tl_child_spec *spec, int *status_fd)
{
	int high[TL_CHILD_FDS_MAX];

	*status_fd = fcntl(*status_fd, F_DUPFD_CLOEXEC, SAFE_FD);
	for (size_t i = 0; i < spec->fd_count; i++) {
		high[i] = fcntl(spec->fds[i], F_DUPFD_CLOEXEC, SAFE_FD);
		if (high[i] < 0)
			return -1;
	}
	for (size_t i = 0; i < spec->fd_count; i++) {
		if (dup2(high[i], (int)i) < 0)
			return -1;
	}
	return close_range((unsigned)spec->fd_count, ~0u, CLOSE_RANGE_CLOEXEC);
}

static int lead_session(bool terminal)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (setsid() < 0)
		return -1;
	return terminal ? ioctl(STDIN_FILENO, TIOCSCTTY, 0) : 0;
}

/* systemd spares the helper when memory runs out; what it starts is to be as any other program. */
static void stand_in_line(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "0", 1) < 0)
		errno = 0; /* it was refused nothing that it needs */
	close(fd);
}

static int take_account(const struct tl_child_spec *spec)
{
	const struct tl_account *account = spec->account;
	int rc;

	if (!account || geteuid() != 0)
		return 0;
	if (spec->read_all && prctl(PR_SET_KEEPCAPS, 1) != 0)
		return -1;
	rc = account->name[0] ? initgroups(account->name, account->gid) : setgroups(0, NULL);
	if (rc != 0 || setresgid(account->gid, account->gid, account->gid) != 0)
		return -1;
	return setresuid(account->uid, account->uid, account->uid);
}

/* All three sets, and ambient: what it starts has it, too. */
static int keep_one(cap_t caps, cap_value_t value)
{
	return cap_set_flag(caps, CAP_PERMITTED, 1, &value, CAP_SET) |
	       cap_set_flag(caps, CAP_EFFECTIVE, 1, &value, CAP_SET) |
	       cap_set_flag(caps, CAP_INHERITABLE, 1, &value, CAP_SET);
}

static int keep_rights(const struct tl_child_spec *spec)
{
	/* the first is needed; of the others a container may lack some */
	static const cap_value_t values[] = {CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_SYSLOG,
					     CAP_NET_ADMIN};
	bool kept[TL_ARRAY_LEN(values)] = {true};
	cap_t have, caps;
	int rc = 0;

	if (!spec->read_all || !spec->account || spec->account->uid == 0 || geteuid() == 0)
		return 0;
	have = cap_get_proc();
	caps = cap_init();
	if (!have || !caps)
		return -1;
	for (size_t i = 0; i < TL_ARRAY_LEN(values); i++) {
		cap_flag_value_t value = CAP_CLEAR;

		cap_get_flag(have, values[i], CAP_PERMITTED, &value);
		kept[i] = i == 0 || (spec->examine && value == CAP_SET);
		if (kept[i])
			rc |= keep_one(caps, values[i]);
	}
	rc |= cap_set_proc(caps);
	cap_free(have);
	cap_free(caps);
	for (size_t i = 0; rc == 0 && i < TL_ARRAY_LEN(values); i++)
		if (kept[i])
			rc = cap_set_ambient(values[i], CAP_SET);
	return rc;
}

static void fail_child(int status_fd, enum step step)
{
	struct failure failure = {.step = (int)step, .number = errno};

	if (write(status_fd, &failure, sizeof(failure)) < 0)
		_exit(126);
	_exit(127);
}

static void become(const struct tl_child_spec *spec, int status_fd, const char *const *env)
{
	bool was_root = geteuid() == 0;

	if (lead_session(spec->terminal) != 0)
		fail_child(status_fd, STEP_SESSION);
	umask(spec->umask);
	stand_in_line();
	if (take_account(spec) != 0)
		fail_child(status_fd, STEP_ACCOUNT);
	if (was_root && keep_rights(spec) != 0)
		fail_child(status_fd, STEP_CAPABILITY);
	if (spec->no_new_rights && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		fail_child(status_fd, STEP_CONFINE);
	if (spec->directory && chdir(spec->directory) != 0 && chdir("/") != 0)
		fail_child(status_fd, STEP_EXEC);
	execve(spec->path, (char *const *)(uintptr_t)spec->argv, (char *const *)(uintptr_t)env);
	fail_child(status_fd, STEP_EXEC);
}

/* ---- the process that holds an account's session open ------------------------------------------ */

/* What PAM's modules need beyond what the helper keeps for itself: the login's id (pam_loginuid), limits
 * (pam_limits), records of both. Where it is lacking the modules say so. */
static void raise_rights(void)
{
	static const cap_value_t values[] = {CAP_AUDIT_CONTROL, CAP_AUDIT_WRITE, CAP_SYS_RESOURCE};
	cap_t caps = cap_get_proc();

	for (size_t i = 0; caps && i < TL_ARRAY_LEN(values); i++) {
		cap_flag_value_t value = CAP_CLEAR;

		cap_get_flag(caps, values[i], CAP_PERMITTED, &value);
		cap_set_flag(caps, CAP_EFFECTIVE, 1, &values[i], value);
	}
	if (caps && cap_set_proc(caps) != 0)
		errno = 0;
	cap_free(caps);
}

static void end_as(int status)
{
	if (WIFSIGNALED(status)) {
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 255);
}

/* The terminal must end with the program, so it is held open here no longer. */
static void let_go_of_terminal(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < 3; i++)
		if (fd < 0 || dup2(fd, i) < 0)
			close(i);
}

static void watch_over(struct tl_login_session *session, pid_t leader)
{
	int status = 0;

	tl_login_enter(session, leader);
	let_go_of_terminal();
	while (waitpid(leader, &status, 0) < 0 && errno == EINTR)
		;
	tl_login_close(session);
	end_as(status);
}

static void hold_session(const struct tl_child_spec *spec, int status_fd)
{
	struct failure failure = {.step = STEP_LOGIN};
	struct tl_login_session *session = NULL;
	struct tl_err err = TL_ERR_INIT;
	const char *const *env;

	/* It executes nothing, so that nothing closes the helper's descriptors for it. */
	if (close_range((unsigned)spec->fd_count, (unsigned)status_fd - 1, 0) != 0 ||
	    close_range((unsigned)status_fd + 1, ~0u, 0) != 0)
		fail_child(status_fd, STEP_FDS);
	if (lead_session(false) != 0)
		fail_child(status_fd, STEP_SESSION);
	raise_rights();
	if (tl_login_open(spec->login, spec->account, &session, &err) != 0) {
		snprintf(failure.text, sizeof(failure.text), "%s", tl_err_text(&err));
		_exit(write(status_fd, &failure, sizeof(failure)) < 0 ? 126 : 127);
	}
	env = tl_login_environment(session, spec->env);
	failure = (struct failure){.step = LEADER, .number = env ? fork() : -1};
	if (failure.number == 0)
		become(spec, status_fd, env);
	if (failure.number < 0 || write(status_fd, &failure, sizeof(failure)) < 0) {
		tl_login_close(session);
		fail_child(status_fd, STEP_SESSION);
	}
	close(status_fd);
	watch_over(session, failure.number);
}

static void run_child(const struct tl_child_spec *spec, int status_fd)
{
	/* the group bounds what it may take; without it, it runs all the same */
	if (spec->cgroup_fd > 0 && write(spec->cgroup_fd, "0", 1) < 0)
		errno = 0;
	if (map_fds(spec, &status_fd) != 0)
		fail_child(status_fd, STEP_FDS);
	if (spec->login && spec->account && spec->account->name[0] && geteuid() == 0)
		hold_session(spec, status_fd);
	become(spec, status_fd, spec->env);
}

static bool is_readable(int fd)
{
	struct pollfd entry = {.fd = fd, .events = POLLIN};
	int64_t deadline_ms = tl_clock_mono_ms(tl_clock_system()) + TL_CHILD_START_MS;

	for (;;) {
		int64_t left_ms = deadline_ms - tl_clock_mono_ms(tl_clock_system());
		int ready = poll(&entry, 1, left_ms > 0 ? (int)left_ms : 0);

		if (ready > 0)
			return true;
		if (ready == 0 || errno != EINTR)
			return false;
	}
}

/* Reads until the program is executed or its start has failed: 1, with *ret_failure; 0 when it runs; TL_ETIMEOUT. */
static int await_start(int fd, pid_t *leader, struct failure *ret_failure)
{
	ssize_t got;

	for (;;) {
		if (!is_readable(fd))
			return TL_ETIMEOUT;
		do
			got = read(fd, ret_failure, sizeof(*ret_failure));
		while (got < 0 && errno == EINTR);
		if (got != sizeof(*ret_failure) || ret_failure->step != LEADER)
			break;
		*leader = ret_failure->number;
	}
	if (got == 0)
		return 0;
	if (got != sizeof(*ret_failure) || ret_failure->step < 0 || ret_failure->step > STEP_EXEC)
		*ret_failure = (struct failure){.step = STEP_EXEC, .number = EIO};
	ret_failure->text[sizeof(ret_failure->text) - 1] = '\0';
	return 1;
}

static int explain(const struct tl_child_spec *spec, const struct failure *failure,
		   struct tl_err *err)
{
	if (failure->step == STEP_LOGIN)
		return tl_err_set(err, TL_EDENIED, "%s", failure->text);
	return tl_err_sys(err, TL_EIO, failure->number, "%s: %s", spec->path,
			  step_texts[failure->step]);
}

int tl_child_start(const struct tl_child_spec *spec, pid_t *ret_pid, struct tl_err *err)
{
	struct failure failure;
	int status[2], rc;
	pid_t pid, leader;

	if (pipe2(status, O_CLOEXEC) != 0)
		return tl_err_sys(err, TL_EIO, errno, "%s cannot be started", spec->path);
	pid = fork();
	if (pid == 0)
		run_child(spec, status[1]);
	close(status[1]);
	if (pid < 0) {
		close(status[0]);
		return tl_err_sys(err, TL_EIO, errno, "%s cannot be started", spec->path);
	}
	leader = pid;
	rc = await_start(status[0], &leader, &failure);
	close(status[0]);
	if (rc == TL_ETIMEOUT) {
		kill(pid, SIGKILL);
		kill(leader, SIGKILL);
		return tl_err_set(err, TL_ETIMEOUT, "%s did not start in %d seconds", spec->path,
				  TL_CHILD_START_MS / 1000);
	}
	if (rc != 0) {
		waitpid(pid, NULL, 0);
		return explain(spec, &failure, err);
	}
	*ret_pid = pid;
	if (spec->ret_leader)
		*spec->ret_leader = leader;
	return 0;
}

/* Field 6 of proc(5) stat; the name in field 2 may hold anything but ends at the last ')'. */
static pid_t session_of(const char *pid_text)
{
	char path[64], line[512];
	const char *rest;
	int session = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid_text);
	file = fopen(path, "re");
	if (!file)
		return -1;
	rest = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	if (!rest || sscanf(rest, ") %*c %*d %*d %d", &session) != 1)
		session = -1;
	fclose(file);
	return session;
}

void tl_child_signal_session(pid_t leader, int signal_number)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	uint64_t pid;

	kill(-leader, signal_number);
	while (proc && (entry = readdir(proc))) {
		if (tl_str_u64(entry->d_name, INT32_MAX, &pid) == 0 &&
		    session_of(entry->d_name) == leader)
			kill((pid_t)pid, signal_number);
	}
	if (proc)
		closedir(proc);
}
