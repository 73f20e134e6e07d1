/* towline-bundle: carries out towline-agent's commands "inspect" and "diff" in a process of its own. */
#include <string.h>
#include <towline/bundle_command.h>

#define TROUBLE 2 /* of diff, as of diff(1) */

static int status; /* of a command that succeeded */
static bool is_diff;

static int inspect(const struct tl_cli *cli, struct tl_err *err)
{
	return tl_bundle_command_inspect(cli, &status, err);
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
