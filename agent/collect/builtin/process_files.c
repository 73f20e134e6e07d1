/* Descriptors of each process beside their limit, files that are deleted but still open, and the
 * namespaces that differ from those of the first process. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/process_walk.h"
#include "collect/builtin/snapshot.h"
#include "collect/interrupt.h"
#include "collect/kernel.h"

#define DESCRIPTORS_MAX 20000 /* looked at, of one process */
#define DELETED_MAX 2000
#define DELETED " (deleted)"

static const char *const namespaces[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};
#define NAMESPACES TL_ARRAY_LEN(namespaces)

struct survey {
	json_t *deleted; /* items */
	char first[NAMESPACES][64];
};

struct counts {
	int all, sockets, pipes, files, others, deleted;
};

static void note_deleted(const struct process_stat *process, const char *link, const char *target,
			 struct survey *survey)
{
	struct stat status;
	char name[64];

	if (json_array_size(survey->deleted) >= DELETED_MAX || tl_str_starts(target, "/memfd:") ||
	    tl_str_starts(process->comm, "towline-collect"))
		return;
	/* through the link the deleted file itself is reached; only its size is looked at */
	if (stat(link, &status) < 0 || !S_ISREG(status.st_mode))
		return;
	snprintf(name, sizeof name, "%d/%.20s", process->pid, strrchr(link, '/') + 1);
	snapshot_add(survey->deleted, name,
		     json_pack("{s:o, s:i, s:o, s:I}", "command", snapshot_text(process->comm),
			       "pid", process->pid, "path", snapshot_text(target), "bytes",
			       (json_int_t)status.st_blocks * 512));
}

static void count_descriptor(struct counts *counts, const char *target)
{
	counts->all++;
	if (tl_str_starts(target, "socket:"))
		counts->sockets++;
	else if (tl_str_starts(target, "pipe:"))
		counts->pipes++;
	else if (*target == '/')
		counts->files++;
	else
		counts->others++;
}

static bool count_descriptors(const struct collect_context *context,
			      const struct process_stat *process, struct counts *counts,
			      struct survey *survey)
{
	char path[PATH_MAX], link[PATH_MAX], target[PATH_MAX];
	const struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof path, "%s/proc/%d/fd", context->root, process->pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (counts->all < DESCRIPTORS_MAX && (entry = readdir(dir))) {
		ssize_t len;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(link, sizeof link, "%.3000s/%s", path, entry->d_name);
		len = readlink(link, target, sizeof target - 1);
		target[len > 0 ? len : 0] = '\0';
		count_descriptor(counts, target);
		if (*target != '/' || !tl_str_ends(target, DELETED))
			continue;
		counts->deleted++;
		note_deleted(process, link, target, survey);
	}
	closedir(dir);
	return true;
}

/* "Max open files            1024                 524288               files" */
static void read_limit(const struct collect_context *context, int pid, char *soft, char *hard)
{
	char path[64], text[4096];
	const char *line;

	snprintf(path, sizeof path, "/proc/%d/limits", pid);
	kernel_read(context, path, text, sizeof text);
	line = strstr(text, "Max open files");
	if (!line || sscanf(line, "Max open files %31s %31s", soft, hard) != 2)
		snprintf(soft, 32, "-"), snprintf(hard, 32, "-");
}

static void read_namespace(const struct collect_context *context, int pid, size_t which,
			   char out[static 64])
{
	char path[PATH_MAX];
	ssize_t len;

	snprintf(path, sizeof path, "%s/proc/%d/ns/%s", context->root, pid, namespaces[which]);
	len = readlink(path, out, 63);
	out[len > 0 ? len : 0] = '\0';
}

/* "net:[4026531992] mnt:[…]", "-" where all are those of the first process or unknown. */
static void other_namespaces(const struct collect_context *context, int pid,
			     const struct survey *survey, struct tl_buf *out)
{
	char found[64];
	size_t before = out->len;

	for (size_t i = 0; i < NAMESPACES; i++) {
		read_namespace(context, pid, i, found);
		if (found[0] && survey->first[i][0] && !tl_streq(found, survey->first[i]))
			tl_buf_printf(out, "%s%s", out->len > before ? " " : "", found);
	}
	if (out->len == before)
		tl_buf_putc(out, '-');
}

static int visit(struct collect_context *context, const struct process_stat *process, void *arg,
		 struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(4096);
	struct counts counts = {.all = 0};
	char soft[32], hard[32];

	if (collect_member_given(context) >= context->row->max_bytes ||
	    !count_descriptors(context, process, &counts, arg))
		return 0;
	read_limit(context, process->pid, soft, hard);
	tl_buf_printf(&line, "%d\t%d\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t", process->pid, counts.all, soft,
		      hard, counts.files, counts.sockets, counts.pipes, counts.others,
		      counts.deleted);
	other_namespaces(context, process->pid, arg, &line);
	tl_buf_putc(&line, '\t');
	tl_str_printable(&line, process->comm, strlen(process->comm));
	tl_buf_putc(&line, '\n');
	return collect_member_write(context, tl_buf_str(&line), line.len, err);
}

int collect_process_files(struct collect_context *context, struct tl_err *err)
{
	static const char header[] = "pid\tdescriptors\tsoft_limit\thard_limit\tfiles\tsockets\t"
				     "pipes\tothers\tdeleted\tnamespaces\tname\n";
	struct bundle_member member = {.path = "snapshot/process-files.tsv", .mode = 0644};
	tl_json *deleted = json_array();
	struct survey survey = {.deleted = deleted};
	int r;

	for (size_t i = 0; i < NAMESPACES; i++)
		read_namespace(context, 1, i, survey.first[i]);
	r = collect_member_begin(context, &member, err);
	if (r == 0)
		r = collect_member_write(context, header, sizeof header - 1, err);
	if (r == 0)
		r = process_walk(context, visit, &survey, err);
	if (r == 0)
		r = collect_member_end(context, "ok", err);
	return r < 0 ? r : snapshot_write(context, "deleted-files", deleted, err);
}
