#include "collect/builtin/process_walk.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/interrupt.h"
#include "collect/kernel.h"

#define PROCESSES_MAX 200000

/* proc(5): the name in parentheses may hold anything; the numbers stand behind the last one. */
bool process_read_stat(const struct collect_context *context, const char *path,
		       struct process_stat *ret_stat)
{
	struct process_stat stat = {.state = '?'};
	char full[128], text[2048];
	const char *open, *close;
	unsigned long long minor, major, user, system, start, rss;

	snprintf(full, sizeof full, "/proc/%.100s/stat", path);
	kernel_read(context, full, text, sizeof text);
	open = strchr(text, '(');
	close = strrchr(text, ')');
	if (!open || !close || close < open)
		return false;
	stat.pid = (int)strtol(text, NULL, 10);
	snprintf(stat.comm, sizeof stat.comm, "%.*s", (int)(close - open - 1), open + 1);
	if (sscanf(close + 1,
		   " %c %d %*d %*d %*d %*d %*u %llu %*u %llu %*u %llu %llu %*d %*d %*d %*d %d %*d "
		   "%llu %*u %llu",
		   &stat.state, &stat.parent, &minor, &major, &user, &system, &stat.threads, &start,
		   &rss) != 9)
		return false;
	stat.minor_faults = minor;
	stat.major_faults = major;
	stat.user_ticks = user;
	stat.system_ticks = system;
	stat.start_ticks = start;
	stat.rss_pages = rss;
	*ret_stat = stat;
	return true;
}

static int compare_numbers(const void *a, const void *b)
{
	const int *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

static size_t list_processes(const struct collect_context *context, int *pids, size_t room)
{
	char path[PATH_MAX];
	const struct dirent *entry;
	size_t count = 0;
	DIR *dir;

	snprintf(path, sizeof path, "%s/proc", context->root);
	dir = opendir(path);
	while (dir && count < room && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			pids[count++] = (int)strtol(entry->d_name, NULL, 10);
	if (dir)
		closedir(dir);
	qsort(pids, count, sizeof *pids, compare_numbers);
	return count;
}

int process_walk(struct collect_context *context, process_visit *visit, void *arg,
		 struct tl_err *err)
{
	tl_free int *pids = calloc(PROCESSES_MAX, sizeof *pids);
	size_t count;
	int r = 0;

	if (!pids)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the list of processes");
	count = list_processes(context, pids, PROCESSES_MAX);
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct process_stat stat;
		char pid[16];

		snprintf(pid, sizeof pid, "%d", pids[i]);
		if (process_read_stat(context, pid, &stat)) /* else it ended meanwhile */
			r = visit(context, &stat, arg, err);
		if (r == 0)
			r = interrupt_check(err);
		if (r == 0 && collect_expired(context, "/proc"))
			break;
	}
	return r;
}
