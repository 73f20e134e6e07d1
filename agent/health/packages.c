/* What package managers have noted of themselves; none is run. */
#include <stdio.h>

#include "health/run.h"

/* Ubuntu's update-notifier: "12 updates can be applied immediately." and "3 of these updates are standard
 * security updates." */
static void tell_updates(struct health_run *run)
{
	char text[4096];
	char *save = NULL;
	double count, updates = -1, security = 0;

	if (health_read(run, "/var/lib/update-notifier/updates-available", text, sizeof text) == 0)
		return;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%lf", &count) != 1)
			continue;
		if (strstr(line, "security"))
			security = count;
		else if (strstr(line, "can be ") && updates < 0)
			updates = count;
	}
	if (updates < 0)
		return;
	health_number(run, "updates_pending", NULL, updates, NULL);
	health_number(run, "security_updates_pending", NULL, security, NULL);
}

/* The age of the first file that is there. */
static void tell_age(struct health_run *run, const char *name, const char *const *paths)
{
	double age_s;

	for (; *paths; paths++)
		if (health_age(run, *paths, &age_s)) {
			health_number(run, name, NULL, age_s < 0 ? 0 : age_s, NULL);
			return;
		}
}

void health_probe_packages(struct health_run *run)
{
	static const char *const changes[] = {"/var/lib/dpkg/status",
					      "/var/lib/rpm/rpmdb.sqlite",
					      "/usr/lib/sysimage/rpm/rpmdb.sqlite",
					      "/var/lib/rpm/Packages",
					      "/lib/apk/db/installed",
					      "/var/lib/pacman/local",
					      NULL};
	static const char *const lists[] = {"/var/lib/apt/periodic/update-success-stamp",
					    "/var/lib/apt/lists", "/var/cache/dnf",
					    "/var/lib/pacman/sync", NULL};

	tell_updates(run);
	tell_age(run, "last_package_change", changes);
	tell_age(run, "package_lists_age", lists);
}
