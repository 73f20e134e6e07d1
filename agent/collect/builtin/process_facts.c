/* What each process takes and may do, typed: memory, swap, I/O, rights, limits of the scheduler, its group. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/process_walk.h"
#include "collect/builtin/snapshot.h"
#include "collect/kernel.h"

#define PROCESSES_MAX 4000

/* Lines of /proc/PID/status with a number; sizes are in KiB there. */
static const struct {
	const char *label, *member;
	int scale;
} numbers[] = {
	{"FDSize:", "descriptor_slots", 1},
	{"RssAnon:", "rss_anonymous_bytes", 1024},
	{"RssFile:", "rss_file_bytes", 1024},
	{"RssShmem:", "rss_shared_bytes", 1024},
	{"Seccomp:", "seccomp", 1},
	{"Threads:", "threads", 1},
	{"VmHWM:", "rss_peak_bytes", 1024},
	{"VmLck:", "locked_bytes", 1024},
	{"VmPTE:", "page_tables_bytes", 1024},
	{"VmRSS:", "rss_bytes", 1024},
	{"VmSize:", "virtual_bytes", 1024},
	{"VmSwap:", "swap_bytes", 1024},
	{"nonvoluntary_ctxt_switches:", "switches_forced", 1},
	{"voluntary_ctxt_switches:", "switches_voluntary", 1},
};
static const struct {
	const char *label, *member;
} texts[] = {
	{"CapEff:", "capabilities"},
	{"Cpus_allowed_list:", "processors"},
	{"Gid:", "gids"},
	{"NoNewPrivs:", "no_new_privileges"},
	{"SigQ:", "signals_queued"},
	{"Uid:", "uids"},
};
static const struct {
	const char *label, *member;
} transfers[] = {
	{"cancelled_write_bytes:", "cancelled_bytes"},
	{"read_bytes:", "read_bytes"},
	{"syscr:", "read_calls"},
	{"syscw:", "write_calls"},
	{"write_bytes:", "written_bytes"},
};
static const char *const small_files[] = {"oom_score", "oom_score_adj", "personality", "autogroup",
					  "loginuid"};

/* The text behind "label" at a line's beginning, blanks made one; false where there is none. */
static bool line_behind(const char *text, const char *label, char out[static 256])
{
	const char *at = strstr(text, label);
	size_t len = 0;

	while (at && at != text && at[-1] != '\n')
		at = strstr(at + 1, label);
	if (!at)
		return false;
	for (at += strlen(label); *at && *at != '\n' && len < 255; at++) {
		char c = *at == '\t' ? ' ' : *at;

		if (c != ' ' || (len > 0 && out[len - 1] != ' '))
			out[len++] = c;
	}
	out[len] = '\0';
	return len > 0;
}

static void add_status(const struct collect_context *context, int pid, json_t *item)
{
	char path[64], text[8192], value[256];

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	kernel_read(context, path, text, sizeof text);
	for (size_t i = 0; i < TL_ARRAY_LEN(numbers); i++) {
		int64_t number = kernel_number(text, numbers[i].label);

		if (number >= 0)
			json_object_set_new(item, numbers[i].member,
					    json_integer(number * numbers[i].scale));
	}
	for (size_t i = 0; i < TL_ARRAY_LEN(texts); i++)
		if (line_behind(text, texts[i].label, value))
			json_object_set_new(item, texts[i].member, snapshot_text(value));
}

static void add_files(const struct collect_context *context, int pid, json_t *item)
{
	char path[64], text[2048];

	snprintf(path, sizeof path, "/proc/%d/io", pid);
	kernel_read(context, path, text, sizeof text);
	for (size_t i = 0; i < TL_ARRAY_LEN(transfers); i++) {
		int64_t number = kernel_number(text, transfers[i].label);

		if (number >= 0)
			json_object_set_new(item, transfers[i].member, json_integer(number));
	}
	for (size_t i = 0; i < TL_ARRAY_LEN(small_files); i++) {
		snprintf(path, sizeof path, "/proc/%d/%s", pid, small_files[i]);
		kernel_read(context, path, text, sizeof text);
		if (text[0])
			json_object_set_new(item, small_files[i], snapshot_text(text));
	}
	snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
	kernel_read(context, path, text, sizeof text);
	if (text[0])
		json_object_set_new(item, "control_groups", snapshot_text(text));
}

static void add_link(const struct collect_context *context, int pid, const char *name, json_t *item)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t len;

	snprintf(path, sizeof path, "%s/proc/%d/%s", context->root, pid, name);
	len = readlink(path, target, sizeof target - 1);
	target[len > 0 ? len : 0] = '\0';
	if (len > 0)
		json_object_set_new(item, name, snapshot_text(target));
}

static int visit(struct collect_context *context, const struct process_stat *process, void *arg,
		 struct tl_err *err TL_UNUSED)
{
	json_t *items = arg;
	json_t *item;
	char name[16];

	if (json_array_size(items) >= PROCESSES_MAX)
		return 0;
	item = json_pack("{s:o, s:i, s:I, s:I}", "command", snapshot_text(process->comm), "parent",
			 process->parent, "major_faults", (json_int_t)process->major_faults,
			 "started_ticks", (json_int_t)process->start_ticks);
	add_status(context, process->pid, item);
	add_files(context, process->pid, item);
	add_link(context, process->pid, "exe", item);
	add_link(context, process->pid, "cwd", item);
	add_link(context, process->pid, "root", item);
	snprintf(name, sizeof name, "%d", process->pid);
	snapshot_add(items, name, item);
	return 0;
}

int collect_process_facts(struct collect_context *context, struct tl_err *err)
{
	tl_json *items = json_array();
	int r = process_walk(context, visit, items, err);

	if (r < 0)
		return r;
	if (json_array_size(items) >= PROCESSES_MAX)
		collect_note(context, "/proc", "truncated", "not all processes were looked at");
	return snapshot_write(context, "process-facts", items, err);
}
