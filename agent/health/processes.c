/* Processes by state. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>

#include "health/run.h"

#define PROCESSES_MAX 20000
#define TIME_MAX_MS 100
#define CHECK_EVERY 64 /* processes, between two looks at the clock */

/* The state stands behind the name's last parenthesis (proc_pid_stat(5)). */
static char state_of(const struct health_run *run, const char *pid)
{
	char path[64], text[512];
	const char *end;

	snprintf(path, sizeof path, "/proc/%.32s/stat", pid);
	health_read(run, path, text, sizeof text);
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : '\0';
}

static void tell_states(struct health_run *run, DIR *dir)
{
	double processes = 0, zombies = 0, blocked = 0;
	int64_t until_ms = health_now_ms() + TIME_MAX_MS;
	const struct dirent *entry;
	bool is_whole = true;
	size_t seen = 0;

	while (is_whole && (entry = readdir(dir))) {
		char state;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		state = state_of(run, entry->d_name);
		processes += state != '\0';
		zombies += state == 'Z';
		blocked += state == 'D';
		is_whole = processes < PROCESSES_MAX &&
			   (++seen % CHECK_EVERY || health_now_ms() < until_ms);
	}
	health_number(run, "processes", NULL, processes, is_whole ? NULL : "At least so many");
	health_number(run, "zombies", NULL, zombies, NULL);
	health_number(run, "blocked_processes", NULL, blocked, NULL);
}

void health_probe_processes(struct health_run *run)
{
	static char text[64 * 1024];
	DIR *dir = health_dir(run, "/proc");

	if (dir && state_of(run, "1")) {
		tell_states(run, dir);
	} else if (health_read(run, "/proc/stat", text, sizeof text) > 0 &&
		   health_labelled(text, "procs_blocked ") >= 0) {
		/* Others' processes are hidden from this one (hidepid): the kernel's own sum is not. */
		health_number(run, "blocked_processes", NULL,
			      health_labelled(text, "procs_blocked "), NULL);
	}
	if (dir)
		closedir(dir);
}
