/* Looking into a bundle, for people and for scripts: what is in it, what was redacted, what went
 * wrong; and unpacking it safely. Part of towline_bundle. One thread at a time. */
#ifndef TOWLINE_BUNDLE_INSPECT_H
#define TOWLINE_BUNDLE_INSPECT_H

#include <stdbool.h>
#include <stdio.h>
#include <towline/attr.h>
#include <towline/err.h>

/* Checks the bundle read from `fd` (tl_bundle_check, default limits) and prints manifest summary,
 * files, redactions and errors to `out`; as one JSON object when `json`. What comes from the bundle is
 * printed without control characters. A bundle that fails the check prints nothing. */
TL_MUST_CHECK int tl_bundle_inspect(int fd, FILE *out, bool json, struct tl_err *err);

/* Unpacks the bundle read from `fd` below `directory` (made with mode 0700 when it is not there),
 * without its top directory; files get mode 0600. TL_EEXIST rather than replace a file. Members are
 * written as they come: a fault later in the bundle leaves the earlier ones behind, and the error. */
TL_MUST_CHECK int tl_bundle_extract(int fd, const char *directory, struct tl_err *err);

#endif
