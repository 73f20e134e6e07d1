/* A session's processes: shells, commands and the SFTP server, on a pseudo-terminal or on pipes, with a
 * clean environment. */
#ifndef TOWLINE_HELPER_SPAWN_H
#define TOWLINE_HELPER_SPAWN_H

#include <towline/json.h>

#include "helper/child.h"
#include "helper/policy.h"

#define TL_SPAWN_COMMAND_MAX 32768 /* what the SSH side takes (ssh/server.h) */
#define TL_SPAWN_CELLS_MAX 4096
#define TL_SPAWN_SOCKET_MAX 107 /* unix(7) */

struct tl_spawn_spec {
	const struct tl_account *account;
	const struct tl_login *login; /* of an account with a name; NULL: none */
	const char *session;	      /* id: in the environment as TOWLINE_SESSION */
	const char *command;	      /* NULL: a login shell */
	bool sftp;		      /* OpenSSH's sftp-server instead of either; no terminal */
	const char *term;	      /* NULL: pipes */
	int64_t columns, rows;
	const json_t *env; /* object; only what policy lets be set is taken from it; may be NULL */
	const struct tl_policy *policy;
	const char *agent_socket; /* SSH_AUTH_SOCK; may be NULL */
};

struct tl_spawned {
	pid_t pid;    /* to wait for */
	pid_t leader; /* the program: another one where a process holds the account's session open */
	int fds[3];   /* pty master; or stdin, stdout, stderr */
	size_t fd_count;
};

/* The caller owns the descriptors. TL_EUNSUPPORTED where there is no sftp-server. */
TL_MUST_CHECK int tl_spawn(const struct tl_spawn_spec *spec, struct tl_spawned *ret_spawned,
			   struct tl_err *err);

/* Starts towline-forward as `account`, with `request` (docs/protocol.md) to read; the one descriptor is the
 * socket that its answer comes through. */
TL_MUST_CHECK int tl_spawn_forward(const struct tl_account *account, const struct tl_login *login,
				   const json_t *request, struct tl_spawned *ret_spawned,
				   struct tl_err *err);

#endif
