/* "redact --bundle": a finished bundle again, by the present rules. */
#ifndef TOWLINE_REDACT_REBUNDLE_H
#define TOWLINE_REDACT_REBUNDLE_H

#include "redact/filter.h"

/* Checks the bundle at `from` wholly, then writes it anew to `to` (TL_EEXIST rather than replace a file):
 * the same members in the same order, redacted; new index; reports merged. The new one gets the second
 * look: TL_EDENIED where it finds a secret. What fails leaves no file behind. An encrypted bundle is
 * refused. */
TL_MUST_CHECK int redact_bundle(const struct redaction *redaction, const char *from, const char *to,
				struct tl_err *err);

#endif
