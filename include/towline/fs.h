/* Files: below a directory descriptor, without following links out of it, and durable.
 *
 * Paths given to the *_at functions are relative, without "..", and resolved with openat2(2)
 * RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS (a component-wise O_NOFOLLOW walk where the kernel has no
 * openat2). Any thread. */
#ifndef TOWLINE_FS_H
#define TOWLINE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <towline/attr.h>
#include <towline/buf.h>
#include <towline/err.h>

/* True for a relative path without empty, "." or ".." components and without NUL or backslash. */
bool tl_path_is_safe(const char *path);

/* Opens `path` below `dir_fd`. TL_EACCES when a link or ".." would leave the directory. */
TL_MUST_CHECK int tl_fs_open_at(int dir_fd, const char *path, int flags, mode_t mode, int *ret_fd,
				struct tl_err *err);

/* Creates `path` (absolute or relative to the working directory) and its parents with `mode`;
 * an existing directory is fine. Returns an O_DIRECTORY descriptor. */
TL_MUST_CHECK int tl_fs_make_dir(const char *path, mode_t mode, int *ret_fd, struct tl_err *err);

/* Reads a whole file into `out` (whose maximum bounds it: TL_ETOOBIG). dir_fd may be AT_FDCWD,
 * for which any path is allowed. Regular files only. */
TL_MUST_CHECK int tl_fs_read_file(int dir_fd, const char *path, struct tl_buf *out,
				  struct tl_err *err);

/* As tl_fs_read_file, of a file that must pass tl_fs_check_secret. */
TL_MUST_CHECK int tl_fs_read_secret(int dir_fd, const char *path, struct tl_buf *out,
				    struct tl_err *err);

/* Replaces `path` by `bytes`, atomically and durably: temporary file in the same directory, fsync,
 * rename, fsync of the directory. After a crash the old or the new contents are there, whole. */
TL_MUST_CHECK int tl_fs_write_file(int dir_fd, const char *path, mode_t mode, const void *bytes,
				   size_t len, struct tl_err *err);

/* As tl_fs_write_file, but TL_EEXIST when the file exists: never replaces. */
TL_MUST_CHECK int tl_fs_create_file(int dir_fd, const char *path, mode_t mode, const void *bytes,
				    size_t len, struct tl_err *err);

/* Unlinks `path` and syncs its directory; a missing file is fine. */
TL_MUST_CHECK int tl_fs_remove(int dir_fd, const char *path, struct tl_err *err);

/* Writes all bytes, resuming after short writes and EINTR. */
TL_MUST_CHECK int tl_fs_write_all(int fd, const void *bytes, size_t len, struct tl_err *err);

/* Refuses (TL_EACCES, with the chmod that helps) a secret file that others than its owner, or an
 * owner other than root and the caller, can read or write. */
TL_MUST_CHECK int tl_fs_check_secret(int fd, const char *path, struct tl_err *err);

/* Takes an exclusive lock on `path` (created) for the life of *ret_fd; TL_EBUSY when held. */
TL_MUST_CHECK int tl_fs_lock(int dir_fd, const char *path, int *ret_fd, struct tl_err *err);

#endif
