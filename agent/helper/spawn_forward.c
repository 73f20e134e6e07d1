/* Starting towline-forward, which connects and listens with the rights of the session's account and no more. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <towline/ipc.h>
#include <towline/program.h>
#include <unistd.h>

#include "helper/spawn.h"

int tl_spawn_forward(const struct tl_account *account, const struct tl_login *login,
		     const json_t *request, struct tl_spawned *ret_spawned, struct tl_err *err)
{
	static const char *const argv[] = {"towline-forward", NULL};
	static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
	tl_fd int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	tl_fd int ours = -1;
	tl_fd int theirs = -1;
	char path[PATH_MAX];
	int pair[2];
	pid_t pid, leader;
	int rc = tl_program_path(argv[0], path, err);

	if (rc != 0)
		return rc;
	if (null_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return tl_err_sys(err, TL_EIO, errno, "no socket for a forwarding");
	ours = pair[0];
	theirs = pair[1];
	rc = tl_ipc_send(ours, request, NULL, 0, err);
	if (rc == 0)
		rc = tl_child_start(
			&(struct tl_child_spec){
				.path = path,
				.argv = argv,
				.env = env,
				.fds = (const int[]){theirs, null_fd, null_fd},
				.fd_count = 3,
				.account = account,
				.login = login,
				.ret_leader = &leader,
				.directory = "/",
				.no_new_rights = true,
				.umask = 077,
			},
			&pid, err);
	if (rc != 0)
		return rc;
	*ret_spawned = (struct tl_spawned){
		.pid = pid,
		.leader = leader,
		.fds = {tl_steal_fd(&ours)},
		.fd_count = 1,
	};
	return 0;
}
