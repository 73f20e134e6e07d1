/* What a plan would take, found out without taking it. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_PREVIEW_H
#define TOWLINE_COLLECT_PREVIEW_H

#include <towline/json.h>

#include "collect/plan.h"

/* {"dry_run": true, "profile", "bytes", "collectors": [{"collector", "group", "summary", "sensitivity",
 * "privileged", "what", "bytes", "count", "items": [{"path", "size"}]}]}; `bytes` are of files, before
 * redaction and packing, and no more than a collector's limits allow. Not redacted yet; the caller owns it.
 * TL_ENOMEM, or TL_ECANCELED when interrupted. */
TL_MUST_CHECK int preview_make(const struct plan *plan, const char *root, json_t **ret_preview,
			       struct tl_err *err);

#endif
