#include "collect/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <towline/attr.h>
#include <unistd.h>

#include "collect/limits.h"

/* No home: what the collecting account has there, a program that may read all is not to obey. */
static char *const clean_env[] = {
	(char[]){"HOME=/nonexistent"}, (char[]){"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
	(char[]){"LC_ALL=C"},	       (char[]){"TERM=dumb"},
	(char[]){"SYSTEMD_COLORS=0"},  NULL,
};

static void default_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int map_descriptors(const struct spawn *spawn)
{
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(spawn->out, STDOUT_FILENO) < 0 ||
	    dup2(spawn->errors, STDERR_FILENO) < 0)
		return -1;
	return close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
}

/* Between fork and exec; what fails is told through `status_fd`, which exec closes. */
static void be_program(const struct spawn *spawn, int status_fd, pid_t parent)
{
	int number;

	setpgid(0, 0);
	/* what runs for a collection that was killed has nobody to give its output to */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && map_descriptors(spawn) == 0 && chdir("/") == 0) {
		default_signals();
		limits_for_command(spawn->timeout_ms);
		/* exec's arguments are const in all but name */
		execve(spawn->path, (char *const *)(uintptr_t)spawn->argv, clean_env);
	}
	number = errno ? errno : ECANCELED;
	if (write(status_fd, &number, sizeof number) < 0)
		_exit(126);
	_exit(127);
}

int spawn_program(const struct spawn *spawn, pid_t *ret_pid)
{
	pid_t parent = getpid(), pid;
	int status[2], number = 0;
	ssize_t got;

	if (pipe2(status, O_CLOEXEC) < 0)
		return errno;
	pid = fork();
	if (pid == 0)
		be_program(spawn, status[1], parent);
	number = pid < 0 ? errno : 0;
	close(status[1]);
	if (pid > 0) {
		setpgid(pid, pid); /* whoever is first: kill(-pid) must never miss it */
		do
			got = read(status[0], &number, sizeof number);
		while (got < 0 && errno == EINTR);
		*ret_pid = pid;
	}
	close(status[0]);
	return number;
}
