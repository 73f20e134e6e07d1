/* The command "health": a row of towline-agent's table, and of towline-health's, which carries it out. */
#ifndef TOWLINE_HEALTH_COMMAND_H
#define TOWLINE_HEALTH_COMMAND_H

#include <towline/cli.h>

static const struct tl_cli_option tl_health_options_table[] = {
	{0, "json", NULL, "Print the snapshot as one line of JSON."},
	{0, "lint", NULL, "Only check the thresholds."},
	{0, "nagios", NULL,
	 "Print one line for Nagios, Icinga and the like, and end with 0, 1, 2 or 3."},
	{0, "only", "GLOB", "Only the facts whose names match: 'disk_*'."},
	{0, "prometheus", NULL, "Print Prometheus' text format."},
	{0, "thresholds", "FILE", "The thresholds (/etc/towline/health.yaml, if it is there)."},
	{0},
};

#define TL_HEALTH_COMMAND(run) \
	{ \
		"health", NULL, 0, 0, "show how this machine is", \
			"Takes typed facts (disks, memory, services, clock, certificates, " \
			"network, …) and judges them by thresholds. Needs neither relay nor " \
			"daemon, and changes nothing.", \
			tl_health_options_table, run \
	}

#endif
