/* The tree of control groups with what each takes, bounded in depth and number. Version 2; of version 1
 * the memory tree. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"
#include "collect/interrupt.h"
#include "collect/kernel.h"

#define GROUPS_MAX 2000
#define DEPTH_MAX 12

struct walk {
	struct collect_context *context;
	const char *base; /* where the tree is mounted */
	json_t *items;
	size_t groups;
};

/* Files whose beginning is a number; "max" is left out. */
static const struct {
	const char *file, *member;
} numbers[] = {
	{"memory.current", "memory_bytes"},
	{"memory.high", "memory_high"},
	{"memory.limit_in_bytes", "memory_max"},
	{"memory.max", "memory_max"},
	{"memory.peak", "memory_peak"},
	{"memory.swap.current", "swap_bytes"},
	{"memory.usage_in_bytes", "memory_bytes"},
	{"memory.failcnt", "memory_failures"},
	{"pids.current", "pids"},
	{"pids.max", "pids_max"},
};

/* Files of lines "key value", and which of them. */
static const struct {
	const char *file, *key, *member;
} keyed[] = {
	{"cpu.stat", "nr_throttled ", "throttled"},
	{"cpu.stat", "throttled_usec ", "throttled_us"},
	{"cpu.stat", "usage_usec ", "cpu_us"},
	{"memory.events", "high ", "memory_high_events"},
	{"memory.events", "max ", "memory_max_events"},
	{"memory.events", "oom ", "oom"},
	{"memory.events", "oom_kill ", "oom_kills"},
};

static const char *const pressures[] = {"cpu", "io", "memory"};

static void add_numbers(const struct walk *walk, const char *group, json_t *item)
{
	char path[PATH_MAX], text[1024];
	int64_t value;

	for (size_t i = 0; i < TL_ARRAY_LEN(numbers); i++) {
		snprintf(path, sizeof path, "%s%.2000s/%s", walk->base, group, numbers[i].file);
		if (snapshot_number(walk->context, path, &value))
			json_object_set_new(item, numbers[i].member, json_integer(value));
	}
	for (size_t i = 0; i < TL_ARRAY_LEN(keyed); i++) {
		if (i == 0 || !tl_streq(keyed[i].file, keyed[i - 1].file)) {
			snprintf(path, sizeof path, "%s%.2000s/%s", walk->base, group,
				 keyed[i].file);
			kernel_read(walk->context, path, text, sizeof text);
		}
		value = kernel_number(text, keyed[i].key);
		if (value >= 0)
			json_object_set_new(item, keyed[i].member, json_integer(value));
	}
}

/* "some avg10=0.00 avg60=1.25 …": the minute's average. */
static void add_pressure(const struct walk *walk, const char *group, json_t *item)
{
	char path[PATH_MAX], text[512], member[32];

	for (size_t i = 0; i < TL_ARRAY_LEN(pressures); i++) {
		const char *average;

		snprintf(path, sizeof path, "%s%.2000s/%s.pressure", walk->base, group,
			 pressures[i]);
		kernel_read(walk->context, path, text, sizeof text);
		average = strstr(text, "avg60=");
		if (!average)
			continue;
		snprintf(member, sizeof member, "%s_pressure_percent", pressures[i]);
		json_object_set_new(item, member, json_real(strtod(average + 6, NULL)));
	}
}

static int walk_group(struct walk *walk, const char *group, int depth, struct tl_err *err)
{
	char full[PATH_MAX], below[PATH_MAX];
	struct dirent **entries = NULL;
	json_t *item = json_object();
	int count, r = interrupt_check(err);

	walk->groups++;
	add_numbers(walk, group, item);
	add_pressure(walk, group, item);
	snapshot_add(walk->items, *group ? group : "/", item);
	snprintf(full, sizeof full, "%.1000s%s%.2000s", walk->context->root, walk->base, group);
	count = depth < DEPTH_MAX ? scandir(full, &entries, NULL, alphasort) : 0;
	for (int i = 0; i < count; i++) {
		bool wanted = entries[i]->d_type == DT_DIR && entries[i]->d_name[0] != '.' &&
			      r == 0 && walk->groups < GROUPS_MAX;

		snprintf(below, sizeof below, "%.3000s/%s", group, entries[i]->d_name);
		free(entries[i]);
		if (wanted)
			r = walk_group(walk, below, depth + 1, err);
	}
	free(entries);
	return r;
}

int collect_cgroups(struct collect_context *context, struct tl_err *err)
{
	static const char *const bases[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified",
					    "/sys/fs/cgroup/memory"};
	static const char *const signs[] = {"cgroup.procs", "cgroup.procs",
					    "memory.usage_in_bytes"};
	tl_json *items = json_array();
	struct walk walk = {.context = context, .items = items};
	int r;

	for (size_t i = 0; i < TL_ARRAY_LEN(bases); i++) {
		char path[PATH_MAX];
		struct stat status;

		snprintf(path, sizeof path, "%s%s/%s", context->root, bases[i], signs[i]);
		if (!walk.base && stat(path, &status) == 0)
			walk.base = bases[i];
	}
	if (!walk.base) {
		context->outcome = "absent";
		return 0;
	}
	r = walk_group(&walk, "", 0, err);
	if (r < 0)
		return r;
	if (walk.groups >= GROUPS_MAX)
		collect_note(context, walk.base, "truncated", "not all control groups were read");
	return snapshot_write(context, "cgroups", items, err);
}
