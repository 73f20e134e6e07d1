#include <towline/program.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

void tl_program_no_core(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_CORE, &limit) != 0)
		return;
	limit.rlim_cur = 0;
	(void)setrlimit(RLIMIT_CORE, &limit); /* lowering the soft limit is always allowed */
}

int tl_program_path(const char *name, char path[static PATH_MAX], struct tl_err *err)
{
	static const char *const places[] = {"", "../libexec/towline/", "../../bin/"};
	char own[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", own, sizeof own - 1);
	char *slash;

	if (strchr(name, '/'))
		return tl_err_set(err, TL_EINVAL, "program name \"%s\" contains a slash", name);
	if (len < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot read /proc/self/exe");
	own[len] = '\0';
	slash = strrchr(own, '/');
	if (!slash)
		return tl_err_set(err, TL_EINTERNAL, "/proc/self/exe is not a path: %s", own);
	slash[1] = '\0';
	for (size_t i = 0; i < TL_ARRAY_LEN(places); i++) {
		int put = snprintf(path, PATH_MAX, "%s%s%s", own, places[i], name);

		if (put > 0 && put < PATH_MAX && access(path, X_OK) == 0)
			return 0;
	}
	return tl_err_set(err, TL_ENOENT,
			  "program %s is missing: it should stand in %s or %s../libexec/towline",
			  name, own, own);
}

static int place_fds(const struct tl_program_start *start, posix_spawn_file_actions_t *actions,
		     const int *copies)
{
	int last = start->fd_count > STDERR_FILENO ? (int)start->fd_count - 1 : STDERR_FILENO;
	int r = 0;

	for (int i = 0; r == 0 && i < (int)start->fd_count; i++)
		r = copies[i] < 0
			    ? posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0)
			    : posix_spawn_file_actions_adddup2(actions, copies[i], i);
	/* Libraries have descriptors of their own that are not close-on-exec: libcurl's, for one. */
	return r ? r : posix_spawn_file_actions_addclosefrom_np(actions, last + 1);
}

static int spawn(const struct tl_program_start *start, const int *copies, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	r = place_fds(start, &actions, copies);
	if (r == 0) /* exec's arguments are const in all but name */
		r = posix_spawn(ret_pid, start->path, &actions, &attributes,
				(char *const *)(uintptr_t)start->argv,
				start->env ? (char *const *)(uintptr_t)start->env : environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

int tl_program_start(const struct tl_program_start *start, pid_t *ret_pid, struct tl_err *err)
{
	int copies[TL_PROGRAM_FDS_MAX];
	size_t made = 0;
	int r = 0;

	if (start->fd_count > TL_PROGRAM_FDS_MAX)
		return tl_err_set(err, TL_EINTERNAL, "%s would get too many descriptors",
				  start->path);
	/* Above all targets first: one's target may be another's source. */
	for (; r == 0 && made < start->fd_count; made++) {
		copies[made] = start->fds[made] < 0 ? -1
						    : fcntl(start->fds[made], F_DUPFD_CLOEXEC,
							    TL_PROGRAM_FDS_MAX);
		if (start->fds[made] >= 0 && copies[made] < 0)
			r = errno;
	}
	if (r == 0)
		r = spawn(start, copies, ret_pid);
	while (made-- > 0)
		if (copies[made] >= 0)
			close(copies[made]);
	return r ? tl_err_sys(err, TL_EIO, r, "%s cannot be started", start->path) : 0;
}
