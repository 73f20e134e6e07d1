/* MANIFEST.json: what was asked, by which rules, within which limits; written before anything is
 * collected. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_MANIFEST_H
#define TOWLINE_COLLECT_MANIFEST_H

#include "collect/collect.h"
#include "collect/plan.h"

struct manifest {
	const struct collect_request *request;
	const struct plan *plan;
	const char *bundle;  /* its id */
	const char *ruleset; /* what the redactor's rules are called */
};

/* Not redacted yet; the caller owns it. NULL without memory. */
json_t *manifest_make(const struct manifest *manifest);

#endif
