/* Mounts with their options and space. A file system behind a network is not asked: it may never answer. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"

#define LIST_MAX (4u * 1024 * 1024)
#define MOUNTS_MAX 5000
#define WORDS 16

static bool may_hang(const char *type)
{
	static const char *const types[] = {"nfs",     "cifs",	 "smb",	      "ceph",
					    "gluster", "fuse",	 "9p",	      "autofs",
					    "afs",     "lustre", "ncpfs",     "coda",
					    "gfs2",    "beegfs", "glusterfs", "virtiofs"};

	for (size_t i = 0; i < TL_ARRAY_LEN(types); i++)
		if (tl_str_starts(type, types[i]))
			return true;
	return false;
}

/* proc(5): blank, tab, newline and backslash are written as \ooo. */
static void decode(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		unsigned value;

		if (from[0] == '\\' && sscanf(from + 1, "%3o", &value) == 1) {
			*to = (char)value;
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

static void add_space(const struct collect_context *context, json_t *mount, const char *point)
{
	char full[PATH_MAX];
	struct statvfs space;

	snprintf(full, sizeof full, "%s%s", context->root, point);
	if (statvfs(full, &space) < 0 || space.f_blocks == 0)
		return;
	json_object_set_new(mount, "bytes",
			    json_integer((json_int_t)(space.f_blocks * space.f_frsize)));
	json_object_set_new(mount, "bytes_available",
			    json_integer((json_int_t)(space.f_bavail * space.f_frsize)));
	json_object_set_new(mount, "inodes", json_integer((json_int_t)space.f_files));
	json_object_set_new(mount, "inodes_available", json_integer((json_int_t)space.f_favail));
}

/* "36 35 98:0 /root /point options [optional…] - type source super-options" */
static void take_mount(const struct collect_context *context, char *line, json_t *items)
{
	char *behind = strstr(line, " - "), *front[WORDS], *back[3];
	json_t *mount;

	if (!behind)
		return;
	*behind = '\0';
	if (snapshot_words(line, front, WORDS) < 6 || snapshot_words(behind + 3, back, 3) < 2)
		return;
	decode(front[4]);
	decode(back[1]);
	mount = json_pack("{s:o, s:o, s:o, s:b}", "type", snapshot_text(back[0]), "source",
			  snapshot_text(back[1]), "options", snapshot_text(front[5]), "read_only",
			  tl_str_starts(front[5], "ro"));
	if (!may_hang(back[0]))
		add_space(context, mount, front[4]);
	snapshot_add(items, front[4], mount);
}

int collect_mounts(struct collect_context *context, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf list = TL_BUF_INIT(LIST_MAX);
	tl_json *items = json_array();
	char *rest, *line;

	snapshot_load(context, "/proc/self/mountinfo", &list);
	rest = list.data;
	while (rest && json_array_size(items) < MOUNTS_MAX && (line = snapshot_line(&rest)))
		take_mount(context, line, items);
	return snapshot_write(context, "mounts", items, err);
}
