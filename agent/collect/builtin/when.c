/* Commands that run only where what they ask is running already. */
#include <ctype.h>
#include <dirent.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/kernel.h"

#define COMM_MAX 15 /* proc(5): longer names are cut */
#define PROC_MAX 100000

static bool process_runs(const struct collect_context *context, const char *name)
{
	char path[PATH_MAX], comm[64];
	const struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof path, "%s/proc", context->root);
	dir = opendir(path);
	for (int i = 0; dir && !found && i < PROC_MAX && (entry = readdir(dir)); i++) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
		kernel_read(context, path, comm, sizeof comm);
		found = comm[0] && strncmp(comm, name, COMM_MAX) == 0;
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool path_exists(const struct collect_context *context, const char *path)
{
	char full[PATH_MAX];
	struct stat status;

	snprintf(full, sizeof full, "%s%s", context->root, path);
	return stat(full, &status) == 0;
}

static bool glob_matches(const struct collect_context *context, const char *pattern)
{
	char full[PATH_MAX];
	glob_t found = {.gl_pathc = 0};
	bool any;

	snprintf(full, sizeof full, "%s%s", context->root, pattern);
	any = glob(full, GLOB_NOSORT, NULL, &found) == 0 && found.gl_pathc > 0;
	globfree(&found);
	return any;
}

/* Files of /proc have no size: one byte is read. */
static bool is_filled(const struct collect_context *context, const char *path)
{
	char byte;

	return kernel_read_bytes(context, path, &byte, 1) == 1;
}

static bool module_is_there(const struct collect_context *context, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "/sys/module/%s", name);
	return path_exists(context, path);
}

/* The third word of a line of mounts is the type. */
static bool filesystem_is_mounted(const struct collect_context *context, const char *type)
{
	char path[PATH_MAX], line[8192], found[64];
	bool any = false;
	FILE *mounts;

	snprintf(path, sizeof path, "%s/proc/self/mounts", context->root);
	mounts = fopen(path, "re");
	while (mounts && !any && fgets(line, sizeof line, mounts))
		any = sscanf(line, "%*s %*s %63s", found) == 1 && tl_streq(found, type);
	if (mounts)
		fclose(mounts);
	return any;
}

static const struct {
	const char *prefix;
	bool (*holds)(const struct collect_context *context, const char *subject);
} conditions[] = {
	{"@filesystem:", filesystem_is_mounted},
	{"@filled:", is_filled},
	{"@glob:", glob_matches},
	{"@module:", module_is_there},
	{"@path:", path_exists},
	{"@process:", process_runs},
};

static bool condition_holds(const struct collect_context *context, const char *condition)
{
	for (size_t i = 0; i < TL_ARRAY_LEN(conditions); i++)
		if (tl_str_starts(condition, conditions[i].prefix))
			return conditions[i].holds(context,
						   condition + strlen(conditions[i].prefix));
	return false;
}

bool when_holds(const struct collect_context *context, const char *const **ret_rest)
{
	const char *const *source = context->row->sources;

	for (; *source && **source == '@'; source++)
		if (!condition_holds(context, *source))
			return false;
	*ret_rest = source;
	return true;
}

int collect_when(struct collect_context *context, struct tl_err *err)
{
	const struct collector *row = context->row;
	struct collector command = *row;
	int r;

	if (!when_holds(context, &command.sources)) {
		context->outcome = "absent";
		return 0;
	}
	command.kind = COLLECT_COMMAND;
	context->row = &command;
	r = collect_command(context, err);
	context->row = row;
	return r;
}
