/* What is left when a system call fails in the middle of a durable write. The calls are wrapped by
 * the linker (CMakeLists.txt); each fails once, when its turn comes. */
#include "scratch.h"
#include "tests.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <towline/fs.h>

enum call { NO_CALL, WRITE, SHORT_WRITE, FSYNC, RENAMEAT, LINKAT };

static enum call failing;
static int fail_errno;
static int fail_at; /* the how many-th call fails; 1: the first */

static bool is_due(enum call call)
{
	if (failing != call || --fail_at != 0)
		return false;
	failing = NO_CALL;
	errno = fail_errno;
	return true;
}

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
	if (is_due(SHORT_WRITE))
		return __real_write(fd, bytes, 1);
	return is_due(WRITE) ? -1 : __real_write(fd, bytes, len);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	return is_due(FSYNC) ? -1 : __real_fsync(fd);
}

int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return is_due(RENAMEAT) ? -1 : __real_renameat(from_fd, from, to_fd, to);
}

int __real_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	return is_due(LINKAT) ? -1 : __real_linkat(from_fd, from, to_fd, to, flags);
}

/* Only openat2(2) is reached through syscall(2) here. */
static bool without_openat2;
long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c, long d);
long __wrap_syscall(long number, long a, long b, long c, long d)
{
	if (number == SYS_openat2 && without_openat2) {
		errno = ENOSYS;
		return -1;
	}
	return __real_syscall(number, a, b, c, d);
}

static void arm(enum call call, int which, int sys_errno)
{
	failing = call;
	fail_at = which;
	fail_errno = sys_errno;
}

static size_t count_files(const char *path)
{
	DIR *dir = opendir(path);
	size_t count = 0;

	assert_non_null(dir);
	for (const struct dirent *at = readdir(dir); at; at = readdir(dir))
		count += strcmp(at->d_name, ".") != 0 && strcmp(at->d_name, "..") != 0;
	closedir(dir);
	return count;
}

/* Writes "new" over "old" while one call fails. */
static int overwrite(void **state, enum call call, int which, int sys_errno, struct tl_err *err)
{
	tl_fd int dir = open(*state, O_RDONLY | O_DIRECTORY);
	int outcome;

	assert_int_equal(tl_fs_write_file(dir, "f", 0600, "old", 3, err), 0);
	arm(call, which, sys_errno);
	outcome = tl_fs_write_file(dir, "f", 0600, "new", 3, err);
	failing = NO_CALL;
	return outcome;
}

static void assert_holds(void **state, const char *text)
{
	tl_fd int dir = open(*state, O_RDONLY | O_DIRECTORY);
	tl_auto(tl_buf) struct tl_buf found = TL_BUF_INIT(100);

	assert_int_equal(tl_fs_read_file(dir, "f", &found, NULL), 0);
	assert_string_equal(tl_buf_str(&found), text);
	assert_int_equal(count_files(*state), 1);
}

static void a_full_disk_leaves_the_old_file(void **state)
{
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(overwrite(state, WRITE, 1, ENOSPC, &err), TL_ENOSPC);
	assert_says(&err, "cannot write f");
	assert_holds(state, "old");
}

static void a_failed_sync_leaves_the_old_file(void **state)
{
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(overwrite(state, FSYNC, 1, EIO, &err), TL_EIO);
	assert_holds(state, "old");
}

static void a_failed_rename_leaves_the_old_file(void **state)
{
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(overwrite(state, RENAMEAT, 1, EACCES, &err), TL_EACCES);
	assert_holds(state, "old");
}

static void a_failed_directory_sync_is_reported(void **state)
{
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(overwrite(state, FSYNC, 2, EIO, &err), TL_EIO);
	assert_says(&err, "directory");
	assert_holds(state, "new");
}

static void short_and_interrupted_writes_go_on(void **state)
{
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(overwrite(state, SHORT_WRITE, 1, 0, &err), 0);
	assert_holds(state, "new");
	assert_int_equal(overwrite(state, WRITE, 1, EINTR, &err), 0);
	assert_holds(state, "new");
}

static void a_failed_creation_leaves_nothing(void **state)
{
	tl_fd int dir = open(*state, O_RDONLY | O_DIRECTORY);
	struct tl_err err = TL_ERR_INIT;

	arm(LINKAT, 1, EIO);
	assert_int_equal(tl_fs_create_file(dir, "f", 0600, "x", 1, &err), TL_EIO);
	assert_int_equal(count_files(*state), 0);
}

static void links_do_not_lead_out_on_an_old_kernel(void **state)
{
	tl_fd int dir = open(*state, O_RDONLY | O_DIRECTORY);
	tl_fd int fd = -1;
	struct tl_err err = TL_ERR_INIT;

	assert_int_equal(symlinkat("/etc", dir, "out"), 0);
	assert_int_equal(symlinkat("/etc/passwd", dir, "passwd"), 0);
	assert_int_equal(mkdirat(dir, "sub", 0700), 0);
	without_openat2 = true;
	assert_int_not_equal(tl_fs_open_at(dir, "out/passwd", O_RDONLY, 0, &fd, &err), 0);
	assert_int_equal(tl_fs_open_at(dir, "passwd", O_RDONLY, 0, &fd, &err), TL_EACCES);
	assert_int_equal(fd, -1);
	assert_int_equal(tl_fs_open_at(dir, "sub/f", O_WRONLY | O_CREAT, 0600, &fd, &err), 0);
	without_openat2 = false;
	assert_int_equal(faccessat(dir, "sub/f", F_OK, 0), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_set_up, scratch_tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(a_full_disk_leaves_the_old_file),
		TEST(a_failed_sync_leaves_the_old_file),
		TEST(a_failed_rename_leaves_the_old_file),
		TEST(a_failed_directory_sync_is_reported),
		TEST(short_and_interrupted_writes_go_on),
		TEST(a_failed_creation_leaves_nothing),
		TEST(links_do_not_lead_out_on_an_old_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
