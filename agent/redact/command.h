/* The command "redact": a row of towline-agent's table, and of towline-redact's, which carries it out. */
#ifndef TOWLINE_REDACT_COMMAND_H
#define TOWLINE_REDACT_COMMAND_H

#include <towline/cli.h>

static const struct tl_cli_option tl_redact_options[] = {
	{0, "bundle", NULL, "FILE is a bundle: write it anew, redacted by the present rules."},
	{0, "level", "secrets|identities|off",
	 "What is removed (secrets); identities also replaces addresses and names."},
	{0, "lint", NULL, "Check rule files: those given, or all that are used here."},
	{0, "list", NULL, "List the rules."},
	{'o', "output", "FILE", "Where the new bundle goes; made new."},
	{0, "report", "FILE",
	 "Write what was removed, as JSON: rule and count, never a value. - is standard error."},
	{0, "rules", "DIR", "The directory of this site's own rules (/etc/towline/redact.d)."},
	{0},
};

#define TL_REDACT_COMMAND(run) \
	{ \
		"redact", "[FILE|-]...", 0, -1, "remove secrets from a text or a bundle", \
			"Prints the text of FILE, or of standard input, with what is secret in " \
			"it removed, by the rules that bundles are made with. With --bundle it " \
			"redacts a finished bundle again, by newer rules.", \
			tl_redact_options, run \
	}

#endif
