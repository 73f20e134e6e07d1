/* Temperatures and batteries. */
#include <stdio.h>

#include "health/run.h"

static void tell_temperature(struct health_run *run)
{
	tl_auto(tl_strv) struct tl_strv inputs = TL_STRV_INIT;
	double highest = -1e9;

	health_glob(run, "/sys/class/hwmon/hwmon*/temp*_input", 128, &inputs);
	for (size_t i = 0; i < inputs.count; i++) {
		double value;

		/* A sensor that is not connected shows absurd values. */
		if (health_read_number(run, inputs.items[i], &value) && value > highest &&
		    value < 150000)
			highest = value;
	}
	if (highest > -50000)
		health_number(run, "temperature", NULL, highest / 1000, NULL);
}

static void tell_batteries(struct health_run *run)
{
	tl_auto(tl_strv) struct tl_strv found = TL_STRV_INIT;

	health_glob(run, "/sys/class/power_supply/BAT*/capacity", 8, &found);
	for (size_t i = 0; i < found.count; i++) {
		char name[32], path[96], status[32];
		double charge;

		if (!health_read_number(run, found.items[i], &charge) ||
		    sscanf(found.items[i], "/sys/class/power_supply/%31[^/]", name) != 1)
			continue;
		snprintf(path, sizeof path, "/sys/class/power_supply/%s/status", name);
		health_read(run, path, status, sizeof status);
		/* An empty battery that is being charged is nobody's trouble. */
		if (tl_str_starts(status, "Discharging"))
			health_number(run, "battery", name, charge, NULL);
		else
			health_unjudged(run, "battery", name, charge, NULL);
	}
}

void health_probe_sensors(struct health_run *run)
{
	tell_temperature(run);
	tell_batteries(run);
}
