/* File systems and RAIDs. A network file system may hang whoever asks it: it is asked by a child. */
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "health/run.h"

#define LINES_MAX 2048
#define MOUNTS_MAX 96
#define NETWORK_MOUNTS_MAX 32

/* A line of mountinfo (proc_pid_mountinfo(5)), cut into its words. */
struct mount {
	char *device; /* major:minor */
	char *dir, *type;
	char *super; /* options of the file system */
	bool read_only;
};

static bool is_one_of(const char *type, const char *const *types)
{
	while (*types && !tl_streq(*types, type))
		types++;
	return *types;
}

static bool is_network(const char *type)
{
	static const char *const types[] = {"cifs",   "smb3",  "smbfs",	    "9p",	"afs",
					    "ceph",   "ncpfs", "glusterfs", "lustre",	"gpfs",
					    "beegfs", "ocfs2", "gfs2",	    "virtiofs", NULL};

	return tl_str_starts(type, "nfs") || tl_str_starts(type, "fuse") || is_one_of(type, types);
}

/* Memory that fills up and takes services with it. */
static bool is_shared_memory(const struct mount *mount)
{
	static const char *const dirs[] = {"/tmp", "/run", "/dev/shm", "/var/tmp", NULL};

	return tl_streq(mount->type, "tmpfs") && is_one_of(mount->dir, dirs);
}

/* File systems that hold something of their own; squashfs and iso9660 are always full. */
static bool is_real(const struct mount *mount)
{
	static const char *const types[] = {"ext2",  "ext3",	 "ext4", "xfs",	   "btrfs",
					    "zfs",   "f2fs",	 "vfat", "exfat",  "ntfs",
					    "ntfs3", "reiserfs", "jfs",	 "nilfs2", "bcachefs",
					    "ubifs", NULL};

	return tl_streq(mount->dir, "/") || is_one_of(mount->type, types) ||
	       is_network(mount->type) || is_shared_memory(mount);
}

/* "\040" for a blank, in place. */
static void unescape(char *text)
{
	char *out = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*out++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 +
					(text[3] - '0'));
			text += 3;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
}

static bool read_mount(char *line, struct mount *ret_mount)
{
	char *words[5], *rest = strstr(line, " - ");
	char *save = NULL;
	struct mount mount;

	if (!rest)
		return false;
	*rest = '\0';
	for (size_t i = 0; i < TL_ARRAY_LEN(words); i++) {
		words[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!words[i])
			return false;
	}
	mount.device = words[2];
	mount.dir = words[4];
	mount.type = strtok_r(rest + 3, " ", &save);
	mount.super = strtok_r(NULL, " ", &save) ? strtok_r(NULL, " ", &save) : NULL;
	if (!mount.type || !mount.super)
		return false;
	unescape(mount.dir);
	/* Of the file system: the mount itself may be read-only for this service alone. */
	mount.read_only = tl_streq(mount.super, "ro") || tl_str_starts(mount.super, "ro,");
	*ret_mount = mount;
	return true;
}

static void tell_space(struct health_run *run, const char *dir)
{
	struct statvfs space;
	char full[4096];
	double size, free_bytes, used;

	if (!health_path(run, dir, full) || statvfs(full, &space) != 0 || space.f_blocks == 0)
		return;
	size = (double)space.f_blocks * (double)space.f_frsize;
	free_bytes = (double)space.f_bavail * (double)space.f_frsize;
	used = (double)(space.f_blocks - space.f_bfree);
	health_number(run, "disk_size", dir, size, NULL);
	health_number(run, "disk_free", dir, free_bytes, NULL);
	/* As df has it: what is kept for root counts as used by nobody. */
	health_number(run, "disk_used_percent", dir,
		      health_percent(used, used + (double)space.f_bavail), NULL);
	if (space.f_files > 0)
		health_number(run, "inodes_used_percent", dir,
			      health_percent((double)(space.f_files - space.f_ffree),
					     (double)space.f_files),
			      NULL);
}

static void ask_network(struct health_run *run, const char *dir)
{
	tell_space(run, dir);
	health_truth(run, "mount_responds", dir, true, NULL);
}

static void network_is_late(struct health_run *run, const char *dir)
{
	health_truth(run, "mount_responds", dir, false,
		     "The file system did not answer in time: whoever uses it hangs");
	health_unknown(run, "disk_used_percent", dir, "The file system did not answer in time");
}

/* True when fstab wants `dir` writable; an entry that says nothing does. */
static bool wants_writing(const char *fstab, const char *dir)
{
	char table[32 * 1024];
	char *save = NULL;

	snprintf(table, sizeof table, "%s", fstab);
	for (char *line = strtok_r(table, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *words = NULL;
		char *source = strtok_r(line, " \t", &words);
		char *target = strtok_r(NULL, " \t", &words);
		char *type = strtok_r(NULL, " \t", &words);
		char *options = strtok_r(NULL, " \t", &words);

		if (!source || source[0] == '#' || !target || !type || !options)
			continue;
		unescape(target);
		if (tl_streq(target, dir))
			return !tl_streq(options, "ro") && !tl_str_starts(options, "ro,") &&
			       !strstr(options, ",ro,") && !tl_str_ends(options, ",ro");
	}
	return false;
}

static bool is_directory(const struct health_run *run, const char *dir)
{
	char full[4096];
	struct stat file;

	return health_path(run, dir, full) && stat(full, &file) == 0 && S_ISDIR(file.st_mode);
}

static void tell_mount(struct health_run *run, const struct mount *mount, const char *fstab,
		       size_t *network)
{
	if (is_network(mount->type)) {
		if ((*network)++ < NETWORK_MOUNTS_MAX)
			health_task_start(run, ask_network, network_is_late, mount->dir);
	} else if (!is_directory(run, mount->dir)) {
		return; /* a file of the host, mounted into a container */
	} else {
		tell_space(run, mount->dir);
	}
	if (wants_writing(fstab, mount->dir))
		health_truth(run, "mounted_read_only", mount->dir, mount->read_only,
			     mount->read_only ? "Mounted read-only, though fstab says otherwise: "
						"after an error, look at the kernel's log"
					      : NULL);
}

/* What a later mount stands upon cannot be asked by its path: a service that is kept from /home has something
 * else there. */
static bool is_covered(const struct mount *mounts, size_t count, size_t index)
{
	for (size_t i = index + 1; i < count; i++)
		if (tl_streq(mounts[i].dir, mounts[index].dir))
			return true;
	return false;
}

static void tell_mounts(struct health_run *run)
{
	static char table[512 * 1024];
	tl_free struct mount *mounts = calloc(LINES_MAX, sizeof *mounts);
	char fstab[32 * 1024];
	tl_auto(tl_strv) struct tl_strv seen = TL_STRV_INIT;
	size_t count = 0, network = 0;
	char *save = NULL;

	health_read(run, "/etc/fstab", fstab, sizeof fstab);
	health_read(run, "/proc/self/mountinfo", table, sizeof table);
	for (char *line = strtok_r(table, "\n", &save); line && mounts && count < LINES_MAX;
	     line = strtok_r(NULL, "\n", &save))
		count += read_mount(line, &mounts[count]);
	for (size_t i = 0; i < count && seen.count < MOUNTS_MAX; i++) {
		if (!is_real(&mounts[i]) || tl_strv_has(&seen, mounts[i].device) ||
		    is_covered(mounts, count, i))
			continue;
		if (tl_strv_push(&seen, mounts[i].device) != 0)
			break;
		tell_mount(run, &mounts[i], fstab, &network);
	}
}

static void tell_raids(struct health_run *run)
{
	tl_auto(tl_strv) struct tl_strv found = TL_STRV_INIT;

	health_glob(run, "/sys/block/md*/md/degraded", 64, &found);
	for (size_t i = 0; i < found.count; i++) {
		char name[64];
		double missing;

		if (health_read_number(run, found.items[i], &missing) &&
		    sscanf(found.items[i], "/sys/block/%63[^/]", name) == 1)
			health_number(run, "raid_missing_disks", name, missing, NULL);
	}
}

void health_probe_storage(struct health_run *run)
{
	tell_mounts(run);
	tell_raids(run);
}
