#include "collect/plan.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <towline/str.h>

#include "collect/boots.h"
#include "collect/when.h"

#define CHAIN_MAX 10

/* A profile and all that it extends, the most general first. */
struct chain {
	const struct profile *links[CHAIN_MAX];
	size_t count;
};

void plan_clear(struct plan *plan)
{
	for (size_t i = 0; i < plan->text_count; i++)
		free(plan->texts[i]);
	for (size_t i = 0; i < plan->list_count; i++)
		free(plan->lists[i]);
	free(plan->texts);
	free(plan->lists);
	free(plan->rows);
	exclude_clear(&plan->exclude);
	definitions_free(plan->definitions);
	*plan = (struct plan){.rows = NULL};
}

/* ---- the profile ------------------------------------------------------------------------------ */

static int fail_unknown(const struct definitions *definitions, const char *name, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf names = TL_BUF_INIT(TL_ERR_TEXT_MAX);

	for (size_t i = 0; i < definitions_profile_count(definitions); i++) {
		const struct profile *profile = definitions_profile_at(definitions, i);

		tl_buf_printf(&names, "%s%s%s", i ? ", " : "", profile->name,
			      profile->parameter ? ":…" : "");
	}
	return tl_err_set(err, TL_EINVAL, "there is no profile \"%.64s\": choose one of %s", name,
			  tl_buf_str(&names));
}

static void make_chain(const struct definitions *definitions, const struct profile *profile,
		       struct chain *chain)
{
	const struct profile *up[CHAIN_MAX];
	size_t count = 0;

	for (; profile && count < CHAIN_MAX; profile = definitions_parent(definitions, profile))
		up[count++] = profile;
	chain->count = count;
	for (size_t i = 0; i < count; i++)
		chain->links[i] = up[count - 1 - i];
}

/* "service:nginx.service": a profile that has a parameter, and its value. */
static int choose_profile(struct plan *plan, const char *asked, struct chain *chain,
			  struct tl_err *err)
{
	const struct profile *profile;
	const char *colon = strchr(asked, ':');
	const char *parameter = NULL;
	char name[65];

	snprintf(plan->profile, sizeof plan->profile, "%s", asked);
	snprintf(name, sizeof name, "%.*s", colon ? (int)(colon - asked) : 64, asked);
	profile = definitions_profile(plan->definitions, name);
	if (!profile)
		return fail_unknown(plan->definitions, name, err);
	make_chain(plan->definitions, profile, chain);
	for (size_t i = 0; i < chain->count; i++)
		if (chain->links[i]->parameter)
			parameter = chain->links[i]->parameter;
	if (!parameter && colon)
		return tl_err_set(err, TL_EINVAL, "the profile \"%s\" takes nothing behind a colon",
				  name);
	if (parameter && !colon)
		return tl_err_set(err, TL_EINVAL, "the profile \"%s\" is asked for as %s:%s", name,
				  name, parameter);
	if (!parameter)
		return 0;
	plan->parameter = (struct parameter){parameter, plan->profile + (colon + 1 - asked)};
	return parameter_check(parameter, plan->parameter.value, err);
}

static bool matches(const struct tl_yaml_node *globs, const char *text)
{
	for (const struct tl_yaml_node *glob = globs ? globs->first : NULL; glob; glob = glob->next)
		if (fnmatch(glob->text, text, 0) == 0)
			return true;
	return false;
}

static bool is_picked(const struct profile *profile, const struct collector *row)
{
	static const unsigned flags[] = {
		[PROFILE_QUICK] = COLLECT_QUICK,
		[PROFILE_STANDARD] = COLLECT_DEFAULT,
		[PROFILE_ALL] = ~0u,
	};
	bool by_row = profile->rows == PROFILE_ALL ||
		      (profile->rows != PROFILE_NONE && (row->flags & flags[profile->rows]));

	return by_row || matches(profile->groups, row->group) ||
	       matches(profile->collectors, row->name);
}

static bool has_text(const json_t *globs, const struct collector *row)
{
	for (size_t i = 0; i < json_array_size(globs); i++) {
		const char *glob = json_string_value(json_array_get(globs, i));

		if (glob && (fnmatch(glob, row->name, 0) == 0 || fnmatch(glob, row->group, 0) == 0))
			return true;
	}
	return false;
}

static bool is_selected(const struct plan *plan, const struct collect_request *request,
			const struct chain *chain, const struct collector *row)
{
	bool selected = false;

	for (size_t i = 0; i < chain->count; i++) {
		const struct profile *profile = chain->links[i];

		selected = selected || is_picked(profile, row);
		if (matches(profile->exclude, row->name) || matches(profile->exclude, row->group))
			selected = false;
	}
	selected = selected || has_text(request->include, row);
	return selected && !exclude_has_collector(&plan->exclude, row);
}

/* ---- rows ------------------------------------------------------------------------------------- */

static void apply_limits(const struct chain *chain, struct collector *row)
{
	for (size_t i = 0; i < chain->count; i++) {
		const struct profile *profile = chain->links[i];
		const struct tl_yaml_node *item = profile->limits ? profile->limits->first : NULL;

		for (; item; item = item->next) {
			struct profile_limit limit = profile_limit_read(profile, item);

			if (fnmatch(limit.collector, row->name, 0) != 0)
				continue;
			row->max_bytes = limit.max_bytes ? limit.max_bytes : row->max_bytes;
			row->timeout_ms =
				limit.timeout_ms ? (int)limit.timeout_ms : row->timeout_ms;
		}
	}
}

/* Which parameter the row's sources ask for; NULL: none. Built-in rows have braces of other meaning. */
static const char *wanted_parameter(const struct collector *row)
{
	const char *name = NULL;

	for (const char *const *at = row->sources; at && *at && !name; at++)
		if (parameter_find(*at, &name, NULL) < 0)
			name = NULL;
	return name;
}

static char *keep_text(struct plan *plan, char *text)
{
	char **texts = realloc(plan->texts, (plan->text_count + 1) * sizeof *texts);

	if (!texts || !text) {
		plan->texts = texts ? texts : plan->texts;
		free(text);
		return NULL;
	}
	plan->texts = texts;
	plan->texts[plan->text_count++] = text;
	return text;
}

static const char **keep_list(struct plan *plan, size_t count)
{
	const char ***lists = realloc(plan->lists, (plan->list_count + 1) * sizeof *lists);

	if (!lists)
		return NULL;
	plan->lists = lists;
	plan->lists[plan->list_count] = calloc(count + 1, sizeof **lists);
	return plan->lists[plan->list_count] ? plan->lists[plan->list_count++] : NULL;
}

static int fill_sources(struct plan *plan, struct collector *row, struct tl_err *err)
{
	const char **list;
	size_t count = 0;

	while (row->sources[count])
		count++;
	list = keep_list(plan, count);
	for (size_t i = 0; list && i < count; i++) {
		struct tl_buf text = TL_BUF_INIT(64 * 1024);

		parameter_fill(row->sources[i], &plan->parameter, &text);
		list[i] = tl_buf_check(&text) == 0 ? keep_text(plan, tl_buf_take(&text)) : NULL;
		if (!list[i])
			list = NULL;
	}
	if (!list)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the plan");
	row->sources = list;
	return 0;
}

static int add_rows(struct plan *plan, const struct collect_request *request,
		    const struct chain *chain, const struct collector *rows, size_t count,
		    struct tl_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		const char *wanted = wanted_parameter(&rows[i]);
		struct collector *row = &plan->rows[plan->count];

		if (!is_selected(plan, request, chain, &rows[i]) ||
		    (wanted && !tl_streq(wanted, plan->parameter.name)))
			continue;
		*row = rows[i];
		plan->count++;
		apply_limits(chain, row);
		if (wanted)
			r = fill_sources(plan, row, err);
	}
	return r;
}

static int choose_rows(struct plan *plan, const struct collect_request *request,
		       const struct collect_options *options, const struct chain *chain,
		       struct tl_err *err)
{
	size_t site_count;
	const struct collector *site = definitions_rows(plan->definitions, &site_count);
	int r;

	plan->rows = calloc(options->row_count + site_count + 1, sizeof *plan->rows);
	if (!plan->rows)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the plan");
	r = add_rows(plan, request, chain, options->rows, options->row_count, err);
	if (r == 0)
		r = add_rows(plan, request, chain, site, site_count, err);
	if (r == 0 && plan->count == 0)
		r = tl_err_set(err, TL_EINVAL,
			       "the profile \"%s\" and what is left out leave "
			       "nothing to collect",
			       plan->profile);
	return r;
}

static bool fits_any(const char *glob, const struct collector *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fnmatch(glob, rows[i].name, 0) == 0 || fnmatch(glob, rows[i].group, 0) == 0)
			return true;
	return false;
}

static int check_named(const struct plan *plan, const struct collect_request *request,
		       const struct collect_options *options, struct tl_err *err)
{
	size_t site_count;
	const struct collector *site = definitions_rows(plan->definitions, &site_count);

	for (size_t i = 0; i < json_array_size(request->named); i++) {
		const char *glob = json_string_value(json_array_get(request->named, i));

		if (!glob || (!fits_any(glob, options->rows, options->row_count) &&
			      !fits_any(glob, site, site_count)))
			return tl_err_set(err, TL_EINVAL,
					  "no collector and no group is called \"%.64s\": see "
					  "\"towline-agent profile show full\"; a path has a slash",
					  glob ? glob : "");
	}
	return 0;
}

/* ---- paths and times -------------------------------------------------------------------------- */

static int choose_excludes(struct plan *plan, const struct collect_request *request,
			   const struct chain *chain, struct tl_err *err)
{
	int r = exclude_add(&plan->exclude, request->exclude, err);

	for (size_t i = 0; r == 0 && i < chain->count; i++) {
		const struct tl_yaml_node *list = chain->links[i]->exclude;
		const struct tl_yaml_node *item = list ? list->first : NULL;

		/* collectors and groups were seen to; an extending profile may have them again */
		for (; r == 0 && item; item = item->next)
			if (strchr(item->text, '/') &&
			    tl_strv_push(&plan->exclude.patterns, item->text) < 0)
				r = tl_err_set(err, TL_ENOMEM, "out of memory");
	}
	return r;
}

static int choose_range(struct plan *plan, const struct collect_request *request,
			const struct collect_options *options, const struct chain *chain,
			struct tl_err *err)
{
	struct when_base base = {
		.now_us = plan->started_s * 1000000,
		.boot_us = boots_current_us(options->root),
	};
	struct when_request asked = {
		.since = request->since,
		.until = request->until,
		.around = request->around,
		.boot = request->boot,
	};

	plan->range_is_usual = !asked.since && !asked.until && !asked.around && !asked.boot;
	if (plan->range_is_usual)
		for (size_t i = 0; i < chain->count; i++)
			if (chain->links[i]->since)
				asked.since = chain->links[i]->since;
	return when_range(&asked, &base, &plan->range, err);
}

static int choose_start(struct plan *plan, const struct collect_request *request,
			const struct collect_options *options, struct tl_err *err)
{
	int64_t ms = tl_clock_wall_ms(options->clock);

	if (request->started && tl_time_rfc3339_parse(request->started, &ms) < 0)
		return tl_err_set(err, TL_EINVAL, "\"%.40s\" is no beginning: write RFC 3339, UTC",
				  request->started);
	plan->started_s = ms / 1000;
	return 0;
}

int plan_make(const struct collect_request *request, const struct collect_options *options,
	      struct plan *ret_plan, struct tl_err *err)
{
	tl_auto(plan) struct plan plan = {.count = 0};
	struct chain chain = {.count = 0};
	int r = choose_start(&plan, request, options, err);

	if (r == 0)
		r = definitions_load(options->profiles_dir, options->collectors_dir,
				     &plan.definitions, err);
	if (r == 0)
		r = choose_profile(&plan, request->profile, &chain, err);
	if (r == 0)
		r = check_named(&plan, request, options, err);
	if (r == 0)
		r = choose_excludes(&plan, request, &chain, err);
	if (r == 0)
		r = choose_rows(&plan, request, options, &chain, err);
	if (r == 0)
		r = choose_range(&plan, request, options, &chain, err);
	if (r < 0)
		return r;
	*ret_plan = plan;
	/* the parameter's value stands in the text that moves */
	if (plan.parameter.value)
		ret_plan->parameter.value =
			ret_plan->profile + (plan.parameter.value - plan.profile);
	plan = (struct plan){.count = 0};
	return 0;
}
