/* Every process with its arguments, a line each. */
#include <stdio.h>
#include <string.h>

#include "collect/builtin/process_walk.h"
#include "collect/kernel.h"

#define ARGUMENTS_MAX 4096

/* Arguments in one line: separators become blanks, control characters '?'. Redaction comes after, in
 * the stream. */
static void read_arguments(const struct collect_context *context, int pid, char *text)
{
	char path[64];
	size_t len;

	snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
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

/* What a process calls itself is its own choice: nothing of it may start a new column or line. */
static void plain_name(char *name)
{
	for (; *name; name++)
		if ((unsigned char)*name < 0x20 || *name == 0x7f)
			*name = '?';
}

static int visit(struct collect_context *context, const struct process_stat *process, void *arg,
		 struct tl_err *err)
{
	const char **status = arg;
	char path[64], facts[8192], arguments[ARGUMENTS_MAX], name[PROCESS_COMM_MAX];
	char line[ARGUMENTS_MAX + 512];
	int len;

	if (collect_member_given(context) >= context->row->max_bytes) {
		if (**status == 'o')
			collect_note(context, "/proc", "truncated", "not all processes are listed");
		*status = "truncated";
		return 0;
	}
	snprintf(path, sizeof path, "/proc/%d/status", process->pid);
	kernel_read(context, path, facts, sizeof facts);
	read_arguments(context, process->pid, arguments);
	snprintf(name, sizeof name, "%s", process->comm);
	plain_name(name);
	len = snprintf(line, sizeof line, "%d\t%d\t%lld\t%c\t%lld\t%lld\t%llu\t%s\t%s\n",
		       process->pid, process->parent, (long long)kernel_number(facts, "Uid:"),
		       process->state, (long long)kernel_number(facts, "Threads:"),
		       (long long)kernel_number(facts, "VmRSS:"),
		       (unsigned long long)(process->user_ticks + process->system_ticks), name,
		       arguments);
	return collect_member_write(context, line, (size_t)len, err);
}

int collect_processes(struct collect_context *context, struct tl_err *err)
{
	static const char header[] =
		"pid\tparent\tuid\tstate\tthreads\trss_kib\tcpu_ticks\tname\targuments\n";
	struct bundle_member member = {.path = "snapshot/processes.tsv", .mode = 0644};
	const char *status = "ok";
	int r = collect_member_begin(context, &member, err);

	if (r == 0)
		r = collect_member_write(context, header, sizeof header - 1, err);
	if (r == 0)
		r = process_walk(context, visit, &status, err);
	return r < 0 ? r : collect_member_end(context, status, err);
}
