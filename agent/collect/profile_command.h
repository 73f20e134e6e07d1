/* The commands "profile …": rows of towline-agent's table, and of towline-collect's, which carries them
 * out. */
#ifndef TOWLINE_COLLECT_PROFILE_COMMAND_H
#define TOWLINE_COLLECT_PROFILE_COMMAND_H

#include <towline/cli.h>

static const struct tl_cli_option tl_profile_options[] = {
	{0, "json", NULL, "Print one line of JSON."},
	{0},
};

#define TL_PROFILE_COMMANDS(run_lint, run_list, run_show) \
	{"profile lint", \
	 "[FILE…]", \
	 0, \
	 -1, \
	 "check profiles and collectors of the site", \
	 "Checks each FILE, or, without one, all that is in /etc/towline/profiles.d and " \
	 "/etc/towline/collectors.d. A mistake is named with its file and line.", \
	 NULL, \
	 run_lint}, \
		{"profile list", \
		 NULL, \
		 0, \
		 0, \
		 "list the profiles", \
		 "What \"collect --profile\" can be given, and how many collectors each has.", \
		 tl_profile_options, \
		 run_list}, \
	{ \
		"profile show", "NAME", 1, 1, "show what a profile collects", \
			"Each collector with its group, limits and what it is for. NAME may be " \
			"service:UNIT.", \
			tl_profile_options, run_show \
	}

#endif
