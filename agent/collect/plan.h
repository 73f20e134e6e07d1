/* What one run is to do: the rows that a profile chooses from the table and from the site's own, with its
 * limits, for one range of time. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_PLAN_H
#define TOWLINE_COLLECT_PLAN_H

#include <towline/attr.h>
#include <towline/err.h>

#include "collect/collect.h"
#include "collect/definitions.h"
#include "collect/exclude.h"
#include "collect/parameter.h"

#define PLAN_PROFILE_MAX 320

struct plan {
	char profile[PLAN_PROFILE_MAX]; /* as it was asked for: "service:nginx.service" */
	struct collector *rows;
	size_t count;
	struct exclude exclude;
	struct slice_range range;
	bool range_is_usual; /* the profile's: nobody asked for it */
	int64_t started_s;
	struct definitions *definitions;
	struct parameter parameter;
	char **texts; /* owned: sources with the parameter filled in */
	size_t text_count;
	const char ***lists; /* owned: the rows' sources that were filled in */
	size_t list_count;
};

/* TL_EINVAL for a profile, name or time that means nothing; TL_ECONFIG "file:line: …" for a site's file. */
TL_MUST_CHECK int plan_make(const struct collect_request *request,
			    const struct collect_options *options, struct plan *ret_plan,
			    struct tl_err *err);
void plan_clear(struct plan *plan);
TL_DEFINE_AUTO(plan, plan_clear);

#endif
