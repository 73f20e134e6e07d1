#include "collect/plan.h"

#include <stdio.h>
#include <string.h>
#include <towline/str.h>

void plan_clear(struct plan *plan)
{
	free(plan->rows);
	exclude_clear(&plan->exclude);
	json_decref(plan->sources);
	*plan = (struct plan){.rows = NULL};
}

static bool is_selected(const struct plan *plan, const struct collector *row)
{
	if (exclude_has_collector(&plan->exclude, row))
		return false;
	if (tl_streq(plan->profile, "quick"))
		return row->flags & COLLECT_QUICK;
	return tl_streq(plan->profile, "full") || (row->flags & COLLECT_DEFAULT);
}

int plan_make(const struct collect_request *request, const struct collect_options *options,
	      struct plan *ret_plan, struct tl_err *err)
{
	tl_auto(plan) struct plan plan = {.sources = json_array()};
	int r = exclude_add(&plan.exclude, request->exclude, err);

	if (r < 0)
		return r;
	if (!tl_streq(request->profile, "standard") && !tl_streq(request->profile, "quick") &&
	    !tl_streq(request->profile, "full"))
		return tl_err_set(err, TL_EINVAL,
				  "there is no profile \"%.64s\": choose standard or quick",
				  request->profile);
	snprintf(plan.profile, sizeof plan.profile, "%s", request->profile);
	plan.started_s = tl_clock_wall_ms(options->clock) / 1000;
	plan.rows = calloc(options->row_count + 1, sizeof *plan.rows);
	if (!plan.rows)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the plan");
	for (size_t i = 0; i < options->row_count; i++)
		if (is_selected(&plan, &options->rows[i]))
			plan.rows[plan.count++] = options->rows[i];
	*ret_plan = plan;
	plan = (struct plan){.rows = NULL};
	return 0;
}
