/* The command "redact": a row of towline-agent's table, and of towline-redact's, which carries it out. */
#ifndef TOWLINE_REDACT_COMMAND_H
#define TOWLINE_REDACT_COMMAND_H

#include <towline/cli.h>

static const struct tl_cli_option tl_redact_options[] = {
	{0, "report", "FILE", "Write what was removed, as JSON: rule and count, never a value."},
	{0},
};

#define TL_REDACT_COMMAND(run) \
	{ \
		"redact", "FILE|-", 1, 1, "remove secrets from a text", \
			"Prints the text of FILE, or of standard input, with what is secret in " \
			"it removed, " \
			"by the rules that bundles are made with.", \
			tl_redact_options, run \
	}

#endif
