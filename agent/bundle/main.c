/* towline-bundle: carries out towline-agent's commands "inspect" and "diff" in a process of its own. */
#include <errno.h>
#include <stdio.h>
#include <towline/bundle_command.h>

#include "rescan/bundle.h"

#define TROUBLE 2 /* of diff, as of diff(1) */

static int status; /* of a command that succeeded */
static bool is_diff;

static int look_again(int fd, struct tl_err *err)
{
	tl_auto(tl_rescan) struct tl_rescan *rescan = NULL;
	int r = lseek(fd, 0, SEEK_SET) == 0
			? tl_rescan_new(&rescan, err)
			: tl_err_sys(err, TL_EIO, errno, "the bundle cannot be read again");

	if (r == 0)
		r = tl_rescan_bundle(rescan, fd, &tl_bundle_limits_default, err);
	if (r == 0)
		r = tl_rescan_verdict(rescan, err);
	if (r == 0)
		puts("A second look, by other rules, found no secret.");
	return r;
}

static int inspect(const struct tl_cli *cli, struct tl_err *err)
{
	return tl_bundle_command_inspect(cli, look_again, &status, err);
}

static int diff(const struct tl_cli *cli, struct tl_err *err)
{
	is_diff = true;
	return tl_bundle_command_diff(cli, &status, err);
}

static const struct tl_cli_command commands[] = {
	TL_BUNDLE_DIFF_COMMAND("diff", diff),
	TL_BUNDLE_INSPECT_COMMAND("inspect", inspect),
};

static const struct tl_cli_option program_options[] = {
	{0, "config", "FILE", "The agent's configuration; not needed here."},
	{0},
};

int main(int argc, char **argv)
{
	static const struct tl_cli_program program = {
		.name = "towline-agent",
		.summary = "bundles, apart from the resident agent",
		.options = program_options,
		.commands = commands,
		.command_count = TL_ARRAY_LEN(commands),
	};
	int failed = tl_cli_main(&program, argc, argv);

	if (failed)
		return is_diff ? TROUBLE : failed;
	return status;
}
