/* What clang's analyzer cannot see for itself: reporting an error returns its code, which is never 0.
 * Included ahead of each file by tests/lint, and by nothing else. */
#ifndef TOWLINE_TESTS_ANALYZER_H
#define TOWLINE_TESTS_ANALYZER_H

#include <towline/err.h>

#define tl_err_set(err, code, ...) ((void)tl_err_set(err, code, __VA_ARGS__), (code))
#define tl_err_sys(err, code, ...) ((void)tl_err_sys(err, code, __VA_ARGS__), (code))
#define tl_err_prefix(err, ...) ((void)tl_err_prefix(err, __VA_ARGS__), TL_EINTERNAL)

#endif
