/* Where a program's own companions are. Any thread. */
#ifndef TOWLINE_PROGRAM_H
#define TOWLINE_PROGRAM_H

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>
#include <towline/attr.h>
#include <towline/err.h>

/* Finds the executable `name` (no slash in it) that belongs to the running program: in the directory
 * of /proc/self/exe (a build tree, or libexec itself), else in ../libexec/towline, else (from
 * libexec) in ../../bin. Never searches PATH. TL_ENOENT names the places that were tried. */
TL_MUST_CHECK int tl_program_path(const char *name, char path[static PATH_MAX], struct tl_err *err);

#define TL_PROGRAM_FDS_MAX 16

struct tl_program_start {
	const char *path;	 /* as tl_program_path found it */
	const char *const *argv; /* ends with NULL */
	const char *const *env;	 /* ends with NULL; NULL: this program's own */
	/* What becomes the child's descriptors 0, 1, 2 and so on; -1 gives /dev/null. Fewer than three
	 * leave it this program's stderr; every other descriptor is closed in the child. */
	const int *fds;
	size_t fd_count;
};

/* Starts a companion that the caller will wait for: no signal blocked, none ignored. On success the
 * caller still owns all descriptors. */
TL_MUST_CHECK int tl_program_start(const struct tl_program_start *start, pid_t *ret_pid,
				   struct tl_err *err);

/* No core file of this program: it would hold keys and tokens. Its children may raise the limit. Before
 * other threads run. */
void tl_program_no_core(void);

#endif
