/* Load, pressure and memory. */
#include <math.h>
#include <stdio.h>

#include "health/run.h"

static double count_processors(const struct health_run *run)
{
	char text[16384];
	const char *line = text;
	double count = 0;

	health_read(run, "/proc/stat", text, sizeof text);
	while (line && *line) {
		count += strncmp(line, "cpu", 3) == 0 && line[3] >= '0' && line[3] <= '9';
		line = strchr(line, '\n');
		line += line ? 1 : 0;
	}
	return count;
}

void health_probe_load(struct health_run *run)
{
	char text[256];
	double one, five, fifteen, uptime;
	double processors = count_processors(run);

	health_read(run, "/proc/loadavg", text, sizeof text);
	if (sscanf(text, "%lf %lf %lf", &one, &five, &fifteen) == 3) {
		health_number(run, "load_1m", NULL, one, NULL);
		health_number(run, "load_5m", NULL, five, NULL);
		health_number(run, "load_15m", NULL, fifteen, NULL);
		if (processors > 0)
			health_number(run, "load_per_processor_5m", NULL,
				      round(five * 100 / processors) / 100, NULL);
	}
	if (processors > 0)
		health_number(run, "processors", NULL, processors, NULL);
	if (health_read_number(run, "/proc/uptime", &uptime))
		health_number(run, "uptime", NULL, floor(uptime), NULL);
}

static void tell_pressure(struct health_run *run, const char *resource, const char *kind,
			  const char *line)
{
	static const char *const windows[] = {"10s", "60s", "300s"};
	char name[TL_HEALTH_NAME_MAX];
	double averages[3];

	if (!line || sscanf(line + strlen(kind), " avg10=%lf avg60=%lf avg300=%lf", &averages[0],
			    &averages[1], &averages[2]) != 3)
		return;
	for (size_t i = 0; i < TL_ARRAY_LEN(windows); i++) {
		snprintf(name, sizeof name, "%s_pressure_%s_%s", resource, kind, windows[i]);
		health_number(run, name, NULL, averages[i], NULL);
	}
}

void health_probe_pressure(struct health_run *run)
{
	static const char *const resources[] = {"cpu", "memory", "io"};

	for (size_t i = 0; i < TL_ARRAY_LEN(resources); i++) {
		char path[64], text[512];

		snprintf(path, sizeof path, "/proc/pressure/%s", resources[i]);
		health_read(run, path, text, sizeof text);
		tell_pressure(run, resources[i], "some", strstr(text, "some"));
		tell_pressure(run, resources[i], "full", strstr(text, "full"));
	}
}

/* How many processes were killed since a mark that is one to two hours old: a snapshot carries the mark
 * on, so that a verdict does not end with the next snapshot, nor stay until the next boot. */
static void tell_recent_kills(struct health_run *run, double kills)
{
	const json_t *mark =
		json_object_get(json_object_get(run->options->previous, "marks"), "oom_kills");

	if (json_is_number(mark) && kills >= json_number_value(mark))
		health_number(run, "oom_kills_recent", NULL, kills - json_number_value(mark), NULL);
}

static void tell_paging(struct health_run *run)
{
	static char text[32 * 1024];
	double page = (double)sysconf(_SC_PAGESIZE);
	double in, out, kills;

	health_read(run, "/proc/vmstat", text, sizeof text);
	in = health_labelled(text, "pswpin ");
	out = health_labelled(text, "pswpout ");
	kills = health_labelled(text, "oom_kill ");
	if (in >= 0)
		health_counter(run, "swapped_in", "swap_in_rate", NULL, in * page);
	if (out >= 0)
		health_counter(run, "swapped_out", "swap_out_rate", NULL, out * page);
	if (kills >= 0) {
		health_number(run, "oom_kills", NULL, kills, NULL);
		tell_recent_kills(run, kills);
	}
}

void health_probe_memory(struct health_run *run)
{
	char text[8192];
	double total, available, swap, swap_free;

	health_read(run, "/proc/meminfo", text, sizeof text);
	total = health_labelled(text, "MemTotal:") * 1024;
	available = health_labelled(text, "MemAvailable:") * 1024;
	swap = health_labelled(text, "SwapTotal:") * 1024;
	swap_free = health_labelled(text, "SwapFree:") * 1024;
	if (total > 0 && available >= 0) {
		health_number(run, "memory_total", NULL, total, NULL);
		health_number(run, "memory_available", NULL, available, NULL);
		health_number(run, "memory_available_percent", NULL,
			      health_percent(available, total), NULL);
	}
	if (swap >= 0)
		health_number(run, "swap_total", NULL, swap, NULL);
	if (swap > 0)
		health_number(run, "swap_used_percent", NULL,
			      health_percent(swap - swap_free, swap), NULL);
	tell_paging(run);
}
