/* Commands that need more than the resident agent may hold in memory: each becomes the program of its
 * own that carries it out, with the words that were given. */
#include "daemon/cmd.h"

#include <errno.h>
#include <towline/program.h>

/* Both sides read the same row of commands (NAME/command.h), so that help, usage errors and the man page
 * are one; only what is well-formed gets here. Does not return on success. */
static int exec_program(const char *name, const struct tl_cli *cli, struct tl_err *err)
{
	char path[PATH_MAX];
	int r = tl_program_path(name, path, err);

	if (r < 0)
		return r;
	execv(path, tl_cli_argv(cli));
	return tl_err_sys(err, TL_EIO, errno, "%s cannot be run", path);
}

int tl_cmd_redact(const struct tl_cli *cli, struct tl_err *err)
{
	return exec_program("towline-redact", cli, err);
}

int tl_cmd_reveal(const struct tl_cli *cli, struct tl_err *err)
{
	return exec_program("towline-redact", cli, err);
}

int tl_cmd_inspect(const struct tl_cli *cli, struct tl_err *err)
{
	return exec_program("towline-bundle", cli, err);
}

int tl_cmd_diff(const struct tl_cli *cli, struct tl_err *err)
{
	return exec_program("towline-bundle", cli, err);
}

int tl_cmd_health(const struct tl_cli *cli, struct tl_err *err)
{
	return exec_program("towline-health", cli, err);
}

int tl_cmd_collector(const struct tl_cli *cli, struct tl_err *err)
{
	return exec_program("towline-collect", cli, err);
}
