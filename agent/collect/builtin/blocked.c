/* What is stuck: threads that wait in the kernel without being interruptible, with what they wait for and
 * their kernel stack, and zombies with who has to bury them. */
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/process_walk.h"
#include "collect/builtin/snapshot.h"
#include "collect/kernel.h"

#define STUCK_MAX 500
#define THREADS_MAX 2000 /* looked at, of one process */
#define STACK_MAX 4096

static json_t *stack_of(const struct collect_context *context, const char *path)
{
	char file[160], text[STACK_MAX], *rest = text, *line;
	json_t *stack = json_array();

	snprintf(file, sizeof file, "/proc/%s/stack", path);
	kernel_read(context, file, text, sizeof text);
	while ((line = snapshot_line(&rest)))
		json_array_append_new(stack, snapshot_text(line));
	return stack;
}

static json_t *describe(const struct collect_context *context, const struct process_stat *stat,
			const char *path)
{
	char file[160], waits[128];
	json_t *item =
		json_pack("{s:o, s:s#, s:i, s:i}", "command", snapshot_text(stat->comm), "state",
			  &stat->state, 1, "pid", stat->pid, "parent", stat->parent);

	snprintf(file, sizeof file, "/proc/%s/wchan", path);
	kernel_read(context, file, waits, sizeof waits);
	if (waits[0] && !tl_streq(waits, "0"))
		json_object_set_new(item, "waits_in", snapshot_text(waits));
	if (stat->state == 'D')
		json_object_set_new(item, "stack", stack_of(context, path));
	return item;
}

static void take(const struct collect_context *context, const struct process_stat *stat,
		 const char *path, json_t *items)
{
	if ((stat->state == 'D' || stat->state == 'Z') && json_array_size(items) < STUCK_MAX)
		snapshot_add(items, path, describe(context, stat, path));
}

/* A process sleeps well while one of its threads hangs: each is looked at. */
static int visit(struct collect_context *context, const struct process_stat *process, void *arg,
		 struct tl_err *err TL_UNUSED)
{
	char full[PATH_MAX], path[64];
	const struct dirent *entry;
	struct process_stat thread;
	DIR *dir;

	snprintf(path, sizeof path, "%d", process->pid);
	take(context, process, path, arg);
	if (process->threads < 2)
		return 0;
	snprintf(full, sizeof full, "%s/proc/%d/task", context->root, process->pid);
	dir = opendir(full);
	for (int i = 0; dir && i < THREADS_MAX && (entry = readdir(dir)); i++) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    strtol(entry->d_name, NULL, 10) == process->pid)
			continue;
		snprintf(path, sizeof path, "%d/task/%.20s", process->pid, entry->d_name);
		if (process_read_stat(context, path, &thread))
			take(context, &thread, path, arg);
	}
	if (dir)
		closedir(dir);
	return 0;
}

int collect_blocked(struct collect_context *context, struct tl_err *err)
{
	tl_json *items = json_array();
	int r = process_walk(context, visit, items, err);

	return r < 0 ? r : snapshot_write(context, "blocked", items, err);
}
