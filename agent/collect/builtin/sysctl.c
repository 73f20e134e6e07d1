/* Settings of the running kernel: a bounded walk of /proc/sys. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"
#include "collect/interrupt.h"
#include "collect/kernel.h"

#define ENTRIES_MAX 8000
#define DEPTH_MAX 10
#define VALUE_MAX 1024

struct walk {
	struct collect_context *context;
	json_t *items;
	size_t entries;
};

/* What counts rather than sets, or is a secret. */
static bool is_left_out(const char *path)
{
	static const char *const ends[] = {
		"/stable_secret",      "/random/uuid",	    "/cookie_secret", "/fs/dentry-state",
		"/fs/inode-nr",	       "/fs/inode-state",   "/fs/file-nr",    "/fs/aio-nr",
		"/entropy_avail",      "/random/boot_id",   "/ns_last_pid",   "/pty/nr",
		"/nf_conntrack_count", "/tcp_fastopen_key", "/flush"};

	for (size_t i = 0; i < TL_ARRAY_LEN(ends); i++)
		if (tl_str_ends(path, ends[i]))
			return true;
	return false;
}

/* As sysctl(8) names it: dots for slashes, slashes for dots of interface names. */
static void name_of(const char *path, char *name)
{
	size_t len = strlen(path);

	for (size_t i = 0; i <= len; i++)
		name[i] = path[i] == '/' ? '.' : (path[i] == '.' ? '/' : path[i]);
}

static void take_value(struct walk *walk, const char *path)
{
	char full[PATH_MAX], name[PATH_MAX], value[VALUE_MAX];

	snprintf(full, sizeof full, "/proc/sys/%.4000s", path);
	if (is_left_out(full))
		return;
	kernel_read(walk->context, full, value, sizeof value);
	for (char *at = value; *at; at++)
		if (*at == '\n' || *at == '\t')
			*at = ' ';
	name_of(path, name);
	snapshot_add(walk->items, name, json_pack("{s:o}", "value", snapshot_text(value)));
}

static int walk_directory(struct walk *walk, const char *path, int depth, struct tl_err *err)
{
	char full[PATH_MAX], below[PATH_MAX];
	struct dirent **entries = NULL;
	int count, r = interrupt_check(err);

	snprintf(full, sizeof full, "%s/proc/sys/%s", walk->context->root, path);
	count = depth < DEPTH_MAX ? scandir(full, &entries, NULL, alphasort) : 0;
	for (int i = 0; i < count; i++) {
		struct stat status;
		bool taken = entries[i]->d_name[0] != '.' && r == 0 && walk->entries < ENTRIES_MAX;

		snprintf(below, sizeof below, "%.2000s%s%s", path, *path ? "/" : "",
			 entries[i]->d_name);
		snprintf(full, sizeof full, "%.1000s/proc/sys/%.3000s", walk->context->root, below);
		free(entries[i]);
		if (!taken || lstat(full, &status) < 0)
			continue;
		walk->entries++;
		if (S_ISDIR(status.st_mode))
			r = walk_directory(walk, below, depth + 1, err);
		else if (S_ISREG(status.st_mode) && (status.st_mode & 0444))
			take_value(walk, below);
	}
	free(entries);
	return r;
}

int collect_sysctl(struct collect_context *context, struct tl_err *err)
{
	tl_json *items = json_array();
	struct walk walk = {.context = context, .items = items};
	int r = walk_directory(&walk, "", 0, err);

	if (r < 0)
		return r;
	if (walk.entries >= ENTRIES_MAX)
		collect_note(context, "/proc/sys", "truncated", "not all settings were read");
	return snapshot_write(context, "sysctl", items, err);
}
