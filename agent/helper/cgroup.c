#include "helper/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <towline/attr.h>
#include <towline/str.h>
#include <unistd.h>

#define CGROUP2_MAGIC 0x63677270 /* statfs(2) */
#define MOUNT "/sys/fs/cgroup"
#define LEAF "helper"
#define COLLECTION "collection"
#define END_TRIES 50

/* What a collection may take. A file that the kernel does not have is passed over. */
static const struct {
	const char *file, *value;
} limits[] = {
	{"cpu.idle", "1"},	{"cpu.weight", "1"},	  {"io.weight", "1"},
	{"memory.max", "512M"}, {"memory.swap.max", "0"}, {"pids.max", "256"},
};

static int write_text(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX];
	tl_fd int fd = -1;

	snprintf(path, sizeof(path), "%.3900s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

/* The line "0::/path" of cgroup v2. */
static int find_unit(char unit[static PATH_MAX])
{
	char line[PATH_MAX];
	struct statfs status;
	FILE *file = fopen("/proc/self/cgroup", "re");
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = tl_str_starts(line, "0::/");
	if (file)
		fclose(file);
	if (!found || statfs(MOUNT, &status) != 0 || status.f_type != CGROUP2_MAGIC)
		return -1;
	line[strcspn(line, "\n")] = '\0';
	snprintf(unit, PATH_MAX, MOUNT "%.3900s", line + strlen("0::"));
	return 0;
}

void tl_cgroup_open(struct tl_cgroup *cgroup)
{
	static const char *const controllers[] = {"+cpu", "+io", "+memory", "+pids"};
	char leaf[PATH_MAX];

	*cgroup = (struct tl_cgroup){.unit = ""};
	if (geteuid() != 0 || find_unit(cgroup->unit) != 0 ||
	    tl_streq(cgroup->unit, MOUNT "/")) { /* not a unit's */
		cgroup->unit[0] = '\0';
		return;
	}
	/* a group with controllers below it has no processes of its own */
	snprintf(leaf, sizeof(leaf), "%.3900s/" LEAF, cgroup->unit);
	if ((mkdir(leaf, 0755) != 0 && errno != EEXIST) ||
	    write_text(leaf, "cgroup.procs", "0") != 0) {
		cgroup->unit[0] = '\0';
		return;
	}
	for (size_t i = 0; i < TL_ARRAY_LEN(controllers); i++)
		(void)write_text(cgroup->unit, "cgroup.subtree_control", controllers[i]);
}

int tl_cgroup_begin(struct tl_cgroup *cgroup)
{
	char path[PATH_MAX];

	if (!cgroup->unit[0])
		return -1;
	snprintf(cgroup->own, sizeof(cgroup->own), "%.3900s/" COLLECTION, cgroup->unit);
	if (mkdir(cgroup->own, 0755) != 0 && errno != EEXIST) {
		cgroup->own[0] = '\0';
		return -1;
	}
	for (size_t i = 0; i < TL_ARRAY_LEN(limits); i++)
		(void)write_text(cgroup->own, limits[i].file, limits[i].value);
	snprintf(path, sizeof(path), "%.4000s/cgroup.procs", cgroup->own);
	return open(path, O_WRONLY | O_CLOEXEC);
}

void tl_cgroup_end(struct tl_cgroup *cgroup)
{
	if (!cgroup->own[0])
		return;
	(void)write_text(cgroup->own, "cgroup.kill", "1");
	/* the dead are gone when their parents have seen it; what cannot die yet keeps its group */
	for (int i = 0; i < END_TRIES && rmdir(cgroup->own) != 0 && errno == EBUSY; i++)
		poll(NULL, 0, 1);
	cgroup->own[0] = '\0';
}
