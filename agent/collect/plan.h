/* What one run is to do: the rows that a profile chooses from the table and from the site's own, with its
 * limits, for one range of time. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_PLAN_H
#define TOWLINE_COLLECT_PLAN_H

#include <towline/attr.h>
#include <towline/err.h>

#include "collect/collect.h"
#include "collect/exclude.h"

struct plan_text; /* what the plan owns */

struct plan {
	char profile[320]; /* as it was asked for: "service:nginx.service" */
	struct collector *rows;
	size_t count;
	struct exclude exclude;
	struct slice_range range;
	int64_t started_s;
	json_t *sources; /* owned: [{file, sha256}] of the site's files that were read */
	struct site *site;
	struct plan_text *texts;
};

/* TL_EINVAL for a profile, name or time that means nothing; TL_ECONFIG "file:line: …" for a site's file. */
TL_MUST_CHECK int plan_make(const struct collect_request *request,
			    const struct collect_options *options, struct plan *ret_plan,
			    struct tl_err *err);
void plan_clear(struct plan *plan);
TL_DEFINE_AUTO(plan, plan_clear);

#endif
