#include "core/offspring.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <towline/str.h>
#include <unistd.h>

#define DEPTH_MAX 4096 /* more generations than that: counted as ours */

int tl_offspring_adopt(struct tl_err *err)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		return tl_err_sys(err, TL_EIO, errno, "orphans cannot be adopted");
	return 0;
}

struct status {
	char state;
	pid_t parent, sid;
};

/* Fields 3, 4 and 6 of proc(5) stat; the name in field 2 may hold anything but ends at the last ')'. */
static int read_status(pid_t pid, struct status *ret_status)
{
	char path[64], line[512];
	int parent, sid;
	const char *rest;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return TL_ENOENT;
	rest = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	if (!rest || sscanf(rest, ") %c %d %*d %d", &ret_status->state, &parent, &sid) != 3)
		return TL_ENOENT;
	ret_status->parent = parent;
	ret_status->sid = sid;
	return 0;
}

/* What is there and cannot be read is another account's, hidden by hidepid (proc(5)). */
static bool is_hidden(pid_t pid)
{
	return kill(pid, 0) == 0 || errno == EPERM;
}

/* The child of ours above `pid`; 0 for a stranger, -1 when a generation has just gone. */
static pid_t top_of(pid_t pid)
{
	struct status status;

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		if (pid <= 1)
			return 0;
		if (read_status(pid, &status) != 0)
			return is_hidden(pid) ? 0 : -1;
		if (status.parent == getpid())
			return pid;
		pid = status.parent;
	}
	return -1;
}

static void visit(pid_t pid, void (*each)(void *arg, const struct tl_offspring *offspring),
		  void *arg)
{
	struct tl_offspring offspring = {.pid = pid, .top = top_of(pid)};
	struct status status;

	if (offspring.top <= 0 || read_status(pid, &status) != 0 || status.state == 'Z')
		return;
	offspring.sid = status.sid;
	each(arg, &offspring);
}

void tl_offspring_walk(void (*each)(void *arg, const struct tl_offspring *offspring), void *arg)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	uint64_t pid;

	while (proc && (entry = readdir(proc))) {
		if (tl_str_u64(entry->d_name, INT32_MAX, &pid) == 0)
			visit((pid_t)pid, each, arg);
	}
	if (proc)
		closedir(proc);
}

bool tl_offspring_has(pid_t pid)
{
	return pid == getpid() || top_of(pid) != 0;
}
