#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "collect/collector.h"
#include "collect/interrupt.h"
#include "collect/kernel.h"

#define ARGUMENTS_MAX 4096
#define MEMBER_PATH "snapshot/processes.tsv"

static int is_process(const struct dirent *entry)
{
	return entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
}

static int compare_processes(const struct dirent **a, const struct dirent **b)
{
	return (int)(strtol((*a)->d_name, NULL, 10) - strtol((*b)->d_name, NULL, 10));
}

/* Arguments in one line: separators become blanks, control characters '?'. Redaction comes after, in
 * the stream. */
static void read_arguments(const struct collect_context *context, const char *pid, char *text)
{
	char path[288];
	size_t len;

	snprintf(path, sizeof path, "/proc/%s/cmdline", pid);
	len = kernel_read_bytes(context, path, text, ARGUMENTS_MAX - 1);
	while (len > 0 && text[len - 1] == '\0')
		len--;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\0')
			text[i] = ' ';
		else if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = '?';
	text[len] = '\0';
}

/* proc(5): the name in parentheses may hold anything; the numbers stand behind the last one. */
static const char *behind_name(const char *stat)
{
	const char *close = strrchr(stat, ')');

	return close ? close + 1 : "";
}

static int write_process(struct collect_context *context, const char *pid, struct tl_err *err)
{
	char path[288], stat[2048], status[8192], arguments[ARGUMENTS_MAX],
		line[ARGUMENTS_MAX + 512];
	char state = '?', name[64] = "";
	int parent = 0, len;
	unsigned long user = 0, system = 0;
	const char *found;

	snprintf(path, sizeof path, "/proc/%s/stat", pid);
	kernel_read(context, path, stat, sizeof stat);
	snprintf(path, sizeof path, "/proc/%s/status", pid);
	kernel_read(context, path, status, sizeof status);
	if (!stat[0])
		return 0; /* it ended meanwhile */
	read_arguments(context, pid, arguments);
	sscanf(behind_name(stat), " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &state,
	       &parent, &user, &system);
	found = strchr(stat, '(');
	if (found)
		snprintf(name, sizeof name, "%.*s", (int)strcspn(found + 1, ")"), found + 1);
	len = snprintf(line, sizeof line, "%s\t%d\t%lld\t%c\t%lld\t%lld\t%lu\t%s\t%s\n", pid,
		       parent, (long long)kernel_number(status, "Uid:"), state,
		       (long long)kernel_number(status, "Threads:"),
		       (long long)kernel_number(status, "VmRSS:"), user + system, name, arguments);
	return collect_member_write(context, line, (size_t)len, err);
}

static int write_processes(struct collect_context *context, struct dirent **entries, int count,
			   const char **ret_status, struct tl_err *err)
{
	static const char header[] =
		"pid\tparent\tuid\tstate\tthreads\trss_kib\tcpu_ticks\tname\targuments\n";
	int r = collect_member_write(context, header, sizeof header - 1, err);

	for (int i = 0; r == 0 && i < count; i++) {
		bool full = collect_member_given(context) >= context->row->max_bytes;

		if (full)
			collect_note(context, "/proc", "truncated", "not all processes are listed");
		if (full || collect_expired(context, "/proc")) {
			*ret_status = "truncated";
			return 0;
		}
		r = write_process(context, entries[i]->d_name, err);
		if (r == 0)
			r = interrupt_check(err);
	}
	return r;
}

int collect_processes(struct collect_context *context, struct tl_err *err)
{
	struct bundle_member member = {.path = MEMBER_PATH, .mode = 0644};
	const char *status = "ok";
	struct dirent **entries = NULL;
	char path[PATH_MAX];
	int count, r;

	snprintf(path, sizeof path, "%s/proc", context->root);
	count = scandir(path, &entries, is_process, compare_processes);
	if (count < 0) {
		collect_note(context, "/proc", "failed", strerrordesc_np(errno));
		return 0;
	}
	r = collect_member_begin(context, &member, err);
	if (r == 0)
		r = write_processes(context, entries, count, &status, err);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	return r < 0 ? r : collect_member_end(context, status, err);
}
