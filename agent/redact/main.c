/* towline-redact: carries out towline-agent's commands "redact" and "reveal" in a process of its own. */
#include "redact/command.h"
#include "redact/filter.h"
#include "redact/reveal.h"

static const struct tl_cli_command commands[] = {
	TL_REDACT_COMMAND(redact_command),
	TL_REVEAL_COMMAND(redact_reveal),
};

static const struct tl_cli_option program_options[] = {
	{0, "config", "FILE", "The agent's configuration; not needed here."},
	{0},
};

int main(int argc, char **argv)
{
	static const struct tl_cli_program program = {
		.name = "towline-agent",
		.summary = "redaction, apart from the resident agent",
		.options = program_options,
		.commands = commands,
		.command_count = TL_ARRAY_LEN(commands),
	};

	return tl_cli_main(&program, argc, argv);
}
