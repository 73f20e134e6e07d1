/* Where a program's own companions are. Any thread. */
#ifndef TOWLINE_PROGRAM_H
#define TOWLINE_PROGRAM_H

#include <limits.h>
#include <towline/attr.h>
#include <towline/err.h>

/* Finds the executable `name` (no slash in it) that belongs to the running program: in the directory
 * of /proc/self/exe (a build tree, or libexec itself), else in ../libexec/towline, else (from
 * libexec) in ../../bin. Never searches PATH. TL_ENOENT names the places that were tried. */
TL_MUST_CHECK int tl_program_path(const char *name, char path[static PATH_MAX], struct tl_err *err);

/* No core file of this program: it would hold keys and tokens. Its children may raise the limit. Before
 * other threads run. */
void tl_program_no_core(void);

#endif
