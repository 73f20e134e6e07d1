#include "stage.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <towline/str.h>
#include <unistd.h>

/* What the kernel says of every file system but those that the test lets hang or fail. */
static struct statvfs space;

int __real_statvfs(const char *path, struct statvfs *ret_space);
int __wrap_statvfs(const char *path, struct statvfs *ret_space);
int __wrap_statvfs(const char *path, struct statvfs *ret_space)
{
	if (tl_str_ends(path, "/hung")) {
		while (pause() == -1)
			;
	}
	if (tl_str_ends(path, "/stale")) {
		errno = ESTALE;
		return -1;
	}
	*ret_space = space;
	return 0;
}

/* `used` of 100 blocks, `inodes` of 100 inodes. */
static void set_space(unsigned used, unsigned inodes)
{
	space = (struct statvfs){.f_frsize = 4096,
				 .f_blocks = 100,
				 .f_bfree = 100 - used,
				 .f_bavail = 100 - used,
				 .f_files = 100,
				 .f_ffree = 100 - inodes};
}

#define ROOT_LINE "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n"

static void a_full_disk_is_critical(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/proc/self/mountinfo", ROOT_LINE);
	set_space(84, 84);
	stage_take(stage);
	assert_float_equal(stage_number(stage, "disk_size", "/"), 409600, 0);
	assert_float_equal(stage_number(stage, "disk_free", "/"), 65536, 0);
	assert_verdict(stage, "disk_used_percent", "/", "ok");
	assert_verdict(stage, "inodes_used_percent", "/", "ok");
	set_space(85, 85);
	stage_take(stage);
	assert_verdict(stage, "disk_used_percent", "/", "warning");
	assert_verdict(stage, "inodes_used_percent", "/", "warning");
	set_space(95, 95);
	stage_take(stage);
	assert_verdict(stage, "disk_used_percent", "/", "critical");
	assert_text(stage, "disk_used_percent", "/", "95 %, critical from 95 % on");
	assert_verdict(stage, "inodes_used_percent", "/", "critical");
}

static void a_file_system_is_told_once_and_only_if_it_is_real(void **state)
{
	struct stage *stage = *state;

	set_space(10, 10);
	stage_dir(stage, "/srv/with blank");
	stage_dir(stage, "/again");
	stage_file(stage, "/etc/hosts", "a file that is mounted\n");
	stage_file(stage, "/proc/self/mountinfo",
		   ROOT_LINE "23 22 8:1 /srv /again rw - ext4 /dev/sda1 rw\n"
			     "24 22 0:5 / /proc rw - proc proc rw\n"
			     "25 22 8:3 / /srv/with\\040blank rw - xfs /dev/sda3 rw\n"
			     "26 22 8:4 /x /etc/hosts rw - ext4 /dev/sda4 rw\n"
			     "27 22 0:7 / /snap/x ro - squashfs /dev/loop0 ro\n"
			     "a line that is none\n");
	stage_take(stage);
	assert_non_null(stage_find(stage, "disk_size", "/"));
	assert_non_null(stage_find(stage, "disk_size", "/srv/with blank"));
	assert_null(stage_find(stage, "disk_size", "/again"));
	assert_null(stage_find(stage, "disk_size", "/proc"));
	assert_null(stage_find(stage, "disk_size", "/etc/hosts"));
	assert_null(stage_find(stage, "disk_size", "/snap/x"));
}

static void what_is_covered_by_another_mount_is_not_asked(void **state)
{
	struct stage *stage = *state;

	set_space(10, 10);
	stage_dir(stage, "/home");
	stage_file(stage, "/proc/self/mountinfo",
		   ROOT_LINE "30 22 8:9 / /home rw - ext4 /dev/sda9 rw\n"
			     "31 30 0:44 / /home ro - tmpfs tmpfs ro,mode=000\n");
	stage_take(stage);
	assert_null(stage_find(stage, "disk_used_percent", "/home"));
}

static void a_network_file_system_that_hangs_is_unknown_in_time(void **state)
{
	struct stage *stage = *state;

	set_space(10, 10);
	stage->options.deadline_ms = 50;
	stage_file(stage, "/proc/self/mountinfo",
		   ROOT_LINE "40 22 0:50 / /mnt/hung rw - nfs4 server:/x rw\n"
			     "41 22 0:51 / /mnt/good rw - nfs4 server:/y rw\n");
	stage_take(stage);
	assert_verdict(stage, "disk_used_percent", "/mnt/hung", "unknown");
	assert_verdict(stage, "mount_responds", "/mnt/hung", "critical");
	assert_verdict(stage, "disk_used_percent", "/", "ok");
}

static void a_network_file_system_that_answers_is_told_as_any_other(void **state)
{
	struct stage *stage = *state;

	set_space(10, 10);
	stage_file(stage, "/proc/self/mountinfo",
		   "41 22 0:51 / /mnt/good rw - fuse.sshfs x:/y rw\n"
		   "42 22 0:52 / /mnt/stale rw - nfs s:/y rw\n");
	stage_take(stage);
	assert_verdict(stage, "disk_used_percent", "/mnt/good", "ok");
	assert_verdict(stage, "mount_responds", "/mnt/good", "ok");
	assert_null(stage_find(stage, "disk_used_percent", "/mnt/stale"));
}

static void a_file_system_that_became_read_only_is_critical(void **state)
{
	struct stage *stage = *state;

	set_space(10, 10);
	stage_dir(stage, "/srv");
	stage_dir(stage, "/media");
	stage_file(stage, "/etc/fstab",
		   "# a comment\n/dev/sda1 / ext4 errors=remount-ro 0 1\n"
		   "/dev/sda2 /srv ext4 defaults 0 2\n/dev/sr0 /media xfs ro,noauto 0 0\n");
	stage_file(stage, "/proc/self/mountinfo",
		   "22 1 8:1 / / ro,relatime - ext4 /dev/sda1 rw,errors=remount-ro\n"
		   "23 22 8:2 / /srv rw - ext4 /dev/sda2 ro\n"
		   "24 22 8:3 / /media ro - xfs /dev/sr0 ro\n");
	stage_take(stage);
	assert_verdict(stage, "mounted_read_only", "/", "ok"); /* only the mount is: a sandbox */
	assert_verdict(stage, "mounted_read_only", "/srv", "critical");
	assert_null(stage_find(stage, "mounted_read_only", "/media"));
}

static void a_raid_that_lacks_a_disk_is_critical(void **state)
{
	struct stage *stage = *state;

	stage_file(stage, "/sys/block/md0/md/degraded", "1\n");
	stage_file(stage, "/sys/block/md1/md/degraded", "0\n");
	stage_take(stage);
	assert_verdict(stage, "raid_missing_disks", "md0", "critical");
	assert_verdict(stage, "raid_missing_disks", "md1", "ok");
}

static void hundreds_of_mounts_are_bounded(void **state)
{
	struct stage *stage = *state;
	static char table[200000];
	size_t len = 0;

	set_space(10, 10);
	for (int i = 0; i < 1500; i++) {
		char dir[32];

		snprintf(dir, sizeof dir, "/m/%d", i);
		if (i < 300)
			stage_dir(stage, dir);
		len += (size_t)snprintf(table + len, sizeof table - len,
					"%d 1 9:%d / %s rw - ext4 /dev/x%d rw\n", i, i, dir, i);
	}
	stage_file(stage, "/proc/self/mountinfo", "%s", table);
	stage_take(stage);
	assert_in_range(json_array_size(json_object_get(stage->snapshot, "facts")), 100,
			TL_HEALTH_FACTS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGE_TEST(a_full_disk_is_critical),
		STAGE_TEST(a_file_system_is_told_once_and_only_if_it_is_real),
		STAGE_TEST(what_is_covered_by_another_mount_is_not_asked),
		STAGE_TEST(a_network_file_system_that_hangs_is_unknown_in_time),
		STAGE_TEST(a_network_file_system_that_answers_is_told_as_any_other),
		STAGE_TEST(a_file_system_that_became_read_only_is_critical),
		STAGE_TEST(a_raid_that_lacks_a_disk_is_critical),
		STAGE_TEST(hundreds_of_mounts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
