#include "helper/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <sys/stat.h>
#include <towline/str.h>

#define PATH_PERSON "/usr/local/bin:/usr/bin:/bin"
#define SESSION_UMASK 022 /* login.defs(5): files that an engineer makes are as the owner's own */
#define PATH_ROOT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static int push_pair(struct tl_strv *env, const char *name, const char *value)
{
	char *line = NULL;
	int rc;

	if (asprintf(&line, "%s=%s", name, value) < 0)
		return TL_ENOMEM;
	rc = tl_strv_push(env, line);
	free(line);
	return rc;
}

static int make_environment(const struct tl_spawn_spec *spec, struct tl_strv *env)
{
	const struct tl_account *account = spec->account;
	const char *name;
	json_t *value;
	int rc = push_pair(env, "HOME", account->home);

	rc = rc ? rc : push_pair(env, "USER", account->name);
	rc = rc ? rc : push_pair(env, "LOGNAME", account->name);
	rc = rc ? rc : push_pair(env, "SHELL", account->shell);
	rc = rc ? rc : push_pair(env, "PATH", account->uid == 0 ? PATH_ROOT : PATH_PERSON);
	rc = rc ? rc : push_pair(env, "TOWLINE_SESSION", spec->session);
	if (spec->term)
		rc = rc ? rc : push_pair(env, "TERM", spec->term);
	if (spec->agent_socket)
		rc = rc ? rc : push_pair(env, "SSH_AUTH_SOCK", spec->agent_socket);
	json_object_foreach((json_t *)(uintptr_t)spec->env, name, value)
	{
		if (tl_policy_may_set(spec->policy, name) && json_is_string(value) &&
		    !(spec->term && tl_streq(name, "TERM")))
			rc = rc ? rc : push_pair(env, name, json_string_value(value));
	}
	return rc;
}

struct ends {
	int child[3]; /* become 0, 1, 2 */
	int ours[3];
	size_t ours_count;
};

static void ends_clear(struct ends *ends)
{
	for (size_t i = 0; i < 3; i++) {
		if (ends->child[i] >= 0)
			close(ends->child[i]);
		if (ends->ours[i] >= 0)
			close(ends->ours[i]);
	}
}

static int open_terminal(const struct tl_spawn_spec *spec, struct ends *ends, struct tl_err *err)
{
	struct winsize size = {.ws_col = (unsigned short)spec->columns,
			       .ws_row = (unsigned short)spec->rows};
	int slave;

	if (openpty(&ends->ours[0], &slave, NULL, NULL, &size) != 0)
		return tl_err_sys(err, TL_EIO, errno, "no terminal can be opened");
	ends->ours_count = 1;
	ends->child[0] = slave;
	fcntl(ends->ours[0], F_SETFD, FD_CLOEXEC);
	fcntl(slave, F_SETFD, FD_CLOEXEC);
	/* Owner and mode as sshd(8) and login(1) leave them. */
	if (geteuid() == 0 &&
	    (fchown(slave, spec->account->uid, (gid_t)-1) != 0 || fchmod(slave, 0620) != 0))
		return tl_err_sys(err, TL_EIO, errno, "the terminal cannot be handed over");
	ends->child[1] = fcntl(slave, F_DUPFD_CLOEXEC, 3);
	ends->child[2] = fcntl(slave, F_DUPFD_CLOEXEC, 3);
	if (ends->child[1] < 0 || ends->child[2] < 0)
		return tl_err_sys(err, TL_EIO, errno, "no terminal can be opened");
	return 0;
}

static int open_pipes(struct ends *ends, struct tl_err *err)
{
	for (size_t i = 0; i < 3; i++) {
		int pipe_fds[2];

		if (pipe2(pipe_fds, O_CLOEXEC) != 0)
			return tl_err_sys(err, TL_EIO, errno, "no pipe can be opened");
		ends->child[i] = i == 0 ? pipe_fds[0] : pipe_fds[1];
		ends->ours[i] = i == 0 ? pipe_fds[1] : pipe_fds[0];
	}
	ends->ours_count = 3;
	return 0;
}

/* Where the distributions put it: Debian, Fedora, SUSE and Arch. */
static const char *find_sftp_server(void)
{
	static const char *const places[] = {
		"/usr/lib/openssh/sftp-server",
		"/usr/libexec/openssh/sftp-server",
		"/usr/lib/ssh/sftp-server",
	};

	for (size_t i = 0; i < TL_ARRAY_LEN(places); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

/* Without a shell: a start-up file's output would break the protocol. It starts nothing: what it may not
 * do by itself, it need not. */
static int start_sftp(const struct tl_spawn_spec *spec, const struct ends *ends,
		      const struct tl_strv *env, pid_t *ret_pid, pid_t *ret_leader,
		      struct tl_err *err)
{
	static const char *const argv[] = {"sftp-server", NULL};
	const char *path = find_sftp_server();

	if (!path)
		return tl_err_set(err, TL_EUNSUPPORTED,
				  "this endpoint has no sftp-server: its owner can install "
				  "openssh-sftp-server");
	return tl_child_start(
		&(struct tl_child_spec){
			.path = path,
			.argv = argv,
			.env = (const char *const *)env->items,
			.fds = ends->child,
			.fd_count = 3,
			.account = spec->account,
			.login = spec->login,
			.ret_leader = ret_leader,
			.directory = spec->account->home,
			.no_new_rights = true,
			.umask = SESSION_UMASK,
		},
		ret_pid, err);
}

static int start(const struct tl_spawn_spec *spec, const struct ends *ends,
		 const struct tl_strv *env, pid_t *ret_pid, pid_t *ret_leader, struct tl_err *err)
{
	const char *base = strrchr(spec->account->shell, '/');
	char login_name[PATH_MAX + 1];
	const char *const shell[] = {login_name, NULL};
	const char *const command[] = {base ? base + 1 : spec->account->shell, "-c", spec->command,
				       NULL};
	struct tl_child_spec child = {
		.path = spec->account->shell,
		.argv = spec->command ? command : shell,
		.env = (const char *const *)env->items,
		.fds = ends->child,
		.fd_count = 3,
		.account = spec->account,
		.login = spec->login,
		.ret_leader = ret_leader,
		.directory = spec->account->home,
		.terminal = spec->term != NULL,
		.umask = SESSION_UMASK,
	};

	snprintf(login_name, sizeof(login_name), "-%s", base ? base + 1 : spec->account->shell);
	return tl_child_start(&child, ret_pid, err);
}

int tl_spawn(const struct tl_spawn_spec *spec, struct tl_spawned *ret_spawned, struct tl_err *err)
{
	tl_cleanup(ends_clear) struct ends ends = {{-1, -1, -1}, {-1, -1, -1}, 0};
	tl_auto(tl_strv) struct tl_strv env = TL_STRV_INIT;
	pid_t pid, leader;
	int rc;

	if (make_environment(spec, &env) != 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	rc = spec->term && !spec->sftp ? open_terminal(spec, &ends, err) : open_pipes(&ends, err);
	if (rc == 0)
		rc = spec->sftp ? start_sftp(spec, &ends, &env, &pid, &leader, err)
				: start(spec, &ends, &env, &pid, &leader, err);
	if (rc != 0)
		return rc;
	*ret_spawned =
		(struct tl_spawned){.pid = pid, .leader = leader, .fd_count = ends.ours_count};
	for (size_t i = 0; i < ends.ours_count; i++)
		ret_spawned->fds[i] = tl_steal_fd(&ends.ours[i]);
	return 0;
}
