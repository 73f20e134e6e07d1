/* snapshot/health.json: typed facts with units and verdicts, so that two bundles can be compared. */
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <towline/str.h>

#include "collect/collector.h"
#include "collect/command.h"
#include "collect/kernel.h"

#define MOUNTS_MAX 256

/* From which value on a fact is a warning, and from which it is critical. Facts without a row have no
 * verdict. `low`: small values are the bad ones. */
static const struct threshold {
	const char *fact;
	double warning, critical;
	bool low;
} thresholds[] = {
	{"load_per_processor_5m", 2, 8, false},	 {"memory_available_percent", 10, 4, true},
	{"swap_used_percent", 60, 90, false},	 {"memory_pressure_some_60s", 10, 40, false},
	{"io_pressure_some_60s", 25, 60, false}, {"disk_free_percent", 10, 3, true},
	{"inodes_free_percent", 10, 3, true},	 {"failed_units", 1, 5, false},
};

static const char *verdict(const char *fact, double value)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(thresholds); i++) {
		const struct threshold *row = &thresholds[i];
		double sign = row->low ? -1 : 1;

		if (!tl_streq(row->fact, fact))
			continue;
		if (value * sign >= row->critical * sign)
			return "critical";
		return value * sign >= row->warning * sign ? "warning" : "ok";
	}
	return NULL;
}

static void add_fact(json_t *facts, const char *name, const char *unit, double value,
		     const char *subject)
{
	bool whole = value == (double)(int64_t)value;
	json_t *fact = json_pack("{s:s, s:s, s:o}", "name", name, "unit", unit, "value",
				 whole ? json_integer((json_int_t)value) : json_real(value));
	const char *said = verdict(name, value);

	if (said)
		json_object_set_new(fact, "verdict", json_string(said));
	if (subject) {
		tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(16 * 1024);

		tl_str_printable(&text, subject, strlen(subject));
		json_object_set_new(fact, "subject", json_string(tl_buf_str(&text)));
	}
	json_array_append_new(facts, fact);
}

static double percent(double part, double whole)
{
	return whole > 0 ? (double)(int64_t)(part * 10000 / whole) / 100 : 0;
}

static void add_load(const struct collect_context *context, json_t *facts)
{
	char text[256];
	double one = 0, five = 0, fifteen = 0, uptime = 0;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t now_s = tl_clock_wall_ms(context->clock) / 1000;

	kernel_read(context, "/proc/loadavg", text, sizeof text);
	if (sscanf(text, "%lf %lf %lf", &one, &five, &fifteen) == 3) {
		add_fact(facts, "load_1m", "1", one, NULL);
		add_fact(facts, "load_5m", "1", five, NULL);
		add_fact(facts, "load_15m", "1", fifteen, NULL);
		if (processors > 0)
			add_fact(facts, "load_per_processor_5m", "1", five / (double)processors,
				 NULL);
	}
	add_fact(facts, "processors", "1", (double)processors, NULL);
	kernel_read(context, "/proc/uptime", text, sizeof text);
	if (sscanf(text, "%lf", &uptime) == 1)
		add_fact(facts, "uptime", "s", uptime, NULL);
	add_fact(facts, "wall_clock", "s", (double)now_s, NULL);
}

static void add_memory(const struct collect_context *context, json_t *facts)
{
	char text[8192];
	double total, available, swap, swap_free;

	kernel_read(context, "/proc/meminfo", text, sizeof text);
	total = (double)kernel_number(text, "MemTotal:") * 1024;
	available = (double)kernel_number(text, "MemAvailable:") * 1024;
	swap = (double)kernel_number(text, "SwapTotal:") * 1024;
	swap_free = (double)kernel_number(text, "SwapFree:") * 1024;
	if (total <= 0 || available < 0)
		return;
	add_fact(facts, "memory_total", "byte", total, NULL);
	add_fact(facts, "memory_available", "byte", available, NULL);
	add_fact(facts, "memory_available_percent", "%", percent(available, total), NULL);
	if (swap > 0)
		add_fact(facts, "swap_used_percent", "%", percent(swap - swap_free, swap), NULL);
}

static void add_pressure(const struct collect_context *context, json_t *facts)
{
	static const char *const resources[] = {"cpu", "memory", "io"};

	for (size_t i = 0; i < TL_ARRAY_LEN(resources); i++) {
		char path[64], name[64], text[256];
		double average = 0;

		snprintf(path, sizeof path, "/proc/pressure/%s", resources[i]);
		snprintf(name, sizeof name, "%s_pressure_some_60s", resources[i]);
		kernel_read(context, path, text, sizeof text);
		if (sscanf(text, "some avg10=%*f avg60=%lf", &average) == 1)
			add_fact(facts, name, "%", average, NULL);
	}
}

/* Only file systems that hold something, each device once; a network mount may hang statvfs. */
static bool is_counted(const struct mntent *mount, const json_t *seen)
{
	return mount->mnt_fsname[0] == '/' && !json_object_get(seen, mount->mnt_fsname) &&
	       !tl_str_starts(mount->mnt_type, "nfs") && !tl_streq(mount->mnt_type, "cifs") &&
	       !tl_str_starts(mount->mnt_type, "fuse") && !tl_streq(mount->mnt_type, "squashfs");
}

static void add_mount(json_t *facts, const char *dir)
{
	struct statvfs space;

	if (statvfs(dir, &space) < 0 || space.f_blocks == 0)
		return;
	add_fact(facts, "disk_size", "byte", (double)space.f_blocks * (double)space.f_frsize, dir);
	add_fact(facts, "disk_free", "byte", (double)space.f_bavail * (double)space.f_frsize, dir);
	add_fact(facts, "disk_free_percent", "%",
		 percent((double)space.f_bavail, (double)space.f_blocks), dir);
	if (space.f_files > 0)
		add_fact(facts, "inodes_free_percent", "%",
			 percent((double)space.f_favail, (double)space.f_files), dir);
	if (space.f_flag & ST_RDONLY)
		add_fact(facts, "read_only", "1", 1, dir);
}

static void add_mounts(const struct collect_context *context, json_t *facts)
{
	FILE *mounts = context->root[0] ? NULL : setmntent("/proc/self/mounts", "re");
	tl_json *seen = json_object();
	struct mntent mount;
	char text[16 * 1024];

	if (!mounts)
		return;
	add_mount(facts, "/");
	while (json_object_size(seen) < MOUNTS_MAX &&
	       getmntent_r(mounts, &mount, text, sizeof text)) {
		if (!is_counted(&mount, seen))
			continue;
		json_object_set_new(seen, mount.mnt_fsname, json_true());
		if (!tl_streq(mount.mnt_dir, "/"))
			add_mount(facts, mount.mnt_dir);
	}
	endmntent(mounts);
}

static int count_lines(void *arg, const void *bytes, size_t len, struct tl_err *err TL_UNUSED)
{
	double *lines = arg;

	for (size_t i = 0; i < len; i++)
		*lines += ((const char *)bytes)[i] == '\n';
	return 0;
}

static int add_units(const struct collect_context *context, json_t *facts, struct tl_err *err)
{
	static const char *const argv[] = {"systemctl",	  "--failed", "--no-pager",
					   "--no-legend", "--plain",  NULL};
	double lines = 0;
	struct command_result result;
	struct command command = {
		.argv = argv,
		.max_bytes = 256 * 1024,
		.timeout_ms = 4000,
		.output = count_lines,
		.arg = &lines,
	};
	int r;

	if (context->root[0] || access("/run/systemd/system", F_OK) < 0)
		return 0;
	r = command_run(&command, context->clock, &result, err);
	if (r == 0 && result.exit == 0)
		add_fact(facts, "failed_units", "1", lines, NULL);
	return r;
}

int collect_health(struct collect_context *context, struct tl_err *err)
{
	tl_json *facts = json_array();
	tl_json *health = NULL;
	char now[TL_TIME_TEXT];
	int r;

	add_load(context, facts);
	add_memory(context, facts);
	add_pressure(context, facts);
	add_mounts(context, facts);
	r = add_units(context, facts, err);
	if (r < 0)
		return r;
	tl_time_rfc3339(tl_clock_wall_ms(context->clock), now);
	health = json_pack("{s:i, s:s, s:O}", "schema", 1, "taken", now, "facts", facts);
	if (!health)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the health facts");
	return collect_member_json(context, "snapshot/health.json", health, err);
}
