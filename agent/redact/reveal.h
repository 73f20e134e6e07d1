/* The command "reveal": a row of towline-agent's table, and of towline-redact's, which carries it out. */
#ifndef TOWLINE_REDACT_REVEAL_H
#define TOWLINE_REDACT_REVEAL_H

#include <towline/cli.h>

static const struct tl_cli_option tl_reveal_options[] = {
	{0, "bundle-text", "FILE|-", "Print this text with the originals in it."},
	{0, "state", "DIR", "Where key and map are (the helper's or this user's state directory)."},
	{0},
};

#define TL_REVEAL_COMMAND(run) \
	{ \
		"reveal", "[PSEUDONYM...|-]", 0, -1, "say what pseudonyms stand for", \
			"Bundles of the level \"identities\" name hosts, people and addresses by " \
			"pseudonyms. The map to the originals never leaves this machine; its " \
			"owner " \
			"(root, where the helper runs) reads it with this command. - reads a " \
			"text " \
			"from standard input, like --bundle-text.", \
			tl_reveal_options, run \
	}

/* The row's `run`. */
int redact_reveal(const struct tl_cli *cli, struct tl_err *err);

#endif
