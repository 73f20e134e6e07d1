/* Which process has what open, and which still runs with libraries that were replaced. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/process_walk.h"
#include "collect/builtin/snapshot.h"

#define DESCRIPTORS_MAX 2000 /* listed, of one process */
#define MAPS_MAX (512 * 1024)
#define OUTDATED_MAX 2000
#define DELETED " (deleted)"

static int write_descriptor(struct collect_context *context, const struct process_stat *process,
			    const char *name, const char *target, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(8 * PATH_MAX);

	tl_buf_printf(&line, "%d\t%.20s\t", process->pid, name);
	tl_str_printable(&line, target, strlen(target));
	tl_buf_putc(&line, '\n');
	return collect_member_write(context, tl_buf_str(&line), line.len, err);
}

static int list_descriptors(struct collect_context *context, const struct process_stat *process,
			    struct tl_err *err)
{
	char path[PATH_MAX], link[PATH_MAX], target[PATH_MAX];
	struct dirent **entries = NULL;
	int count, r = 0;

	snprintf(path, sizeof path, "%s/proc/%d/fd", context->root, process->pid);
	count = scandir(path, &entries, NULL, versionsort);
	for (int i = 0; i < count; i++) {
		bool taken = r == 0 && i < DESCRIPTORS_MAX && entries[i]->d_name[0] != '.' &&
			     collect_member_given(context) < context->row->max_bytes;
		ssize_t len = 0;

		snprintf(link, sizeof link, "%.3000s/%s", path, entries[i]->d_name);
		if (taken)
			len = readlink(link, target, sizeof target - 1);
		if (len > 0) {
			target[len] = '\0';
			r = write_descriptor(context, process, entries[i]->d_name, target, err);
		}
		free(entries[i]);
	}
	free(entries);
	return r;
}

/* "…  /usr/lib/x.so (deleted)": a mapped file of that name is another one now. */
static void find_outdated(const struct collect_context *context, const struct process_stat *process,
			  json_t *items)
{
	tl_auto(tl_buf) struct tl_buf maps = TL_BUF_INIT(MAPS_MAX);
	char path[64], name[PATH_MAX + 32], before[PATH_MAX] = "", *rest, *line;

	snprintf(path, sizeof path, "/proc/%d/maps", process->pid);
	snapshot_load(context, path, &maps);
	rest = maps.data;
	while (rest && json_array_size(items) < OUTDATED_MAX && (line = snapshot_line(&rest))) {
		const char *file = strchr(line, '/');

		if (!file || !tl_str_ends(file, DELETED) || tl_str_starts(file, "/memfd:") ||
		    tl_str_starts(file, "/dev/") || tl_str_starts(file, "/SYSV") ||
		    tl_streq(file, before))
			continue;
		snprintf(before, sizeof before, "%s", file);
		snprintf(name, sizeof name, "%d %.*s", process->pid,
			 (int)(strlen(file) - strlen(DELETED)), file);
		snapshot_add(items, name,
			     json_pack("{s:o, s:i}", "command", snapshot_text(process->comm), "pid",
				       process->pid));
	}
}

static int visit(struct collect_context *context, const struct process_stat *process, void *arg,
		 struct tl_err *err)
{
	find_outdated(context, process, arg);
	return list_descriptors(context, process, err);
}

int collect_open_files(struct collect_context *context, struct tl_err *err)
{
	static const char header[] = "pid\tdescriptor\ttarget\n";
	struct bundle_member member = {.path = "snapshot/open-files.tsv", .mode = 0644};
	tl_json *outdated = json_array();
	const char *status = "ok";
	int r = collect_member_begin(context, &member, err);

	if (r == 0)
		r = collect_member_write(context, header, sizeof header - 1, err);
	if (r == 0)
		r = process_walk(context, visit, outdated, err);
	if (r < 0)
		return r;
	if (collect_member_given(context) >= context->row->max_bytes) {
		collect_note(context, "/proc", "truncated", "not all open files are listed");
		status = "truncated";
	}
	r = collect_member_end(context, status, err);
	return r < 0 ? r : snapshot_write(context, "outdated-libraries", outdated, err);
}
