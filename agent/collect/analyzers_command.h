/* The commands "analyzers …": rows of towline-agent's table, and of towline-collect's, which carries them
 * out. */
#ifndef TOWLINE_COLLECT_ANALYZERS_COMMAND_H
#define TOWLINE_COLLECT_ANALYZERS_COMMAND_H

#include <towline/cli.h>

static const struct tl_cli_option tl_analyzers_options[] = {
	{0, "json", NULL, "Print one line of JSON."},
	{0},
};

#define TL_ANALYZERS_COMMANDS(run_lint, run_list) \
	{"analyzers lint", \
	 "[FILE…]", \
	 0, \
	 -1, \
	 "check analyzers of the site", \
	 "Checks each FILE, or, without one, all that is in /etc/towline/analyzers.d. A mistake " \
	 "is " \
	 "named with its file and line.", \
	 NULL, \
	 run_lint}, \
	{ \
		"analyzers list", NULL, 0, 0, "list what a bundle is searched for", \
			"Each rule with its severity and summary, those of the site too.", \
			tl_analyzers_options, run_list \
	}

#endif
