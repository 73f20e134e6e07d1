#include "collect/manifest.h"

#include <towline/bundle.h>

#include "collect/member.h"
#include "collect/rights.h"

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *coverage(const struct plan *plan)
{
	json_t *list = json_array();

	for (size_t i = 0; i < plan->count; i++) {
		const struct collector *row = &plan->rows[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:i}",
						      "collector", row->name, "group", row->group,
						      "summary", row->summary, "privileged",
						      (row->flags & COLLECT_PRIVILEGED) != 0,
						      "max_bytes", (json_int_t)row->max_bytes,
						      "max_total", (json_int_t)member_row_max(row),
						      "timeout_ms", row->timeout_ms));
	}
	return list;
}

static json_t *time_or_null(int64_t us)
{
	char text[TL_TIME_TEXT];

	if (us == INT64_MIN || us == INT64_MAX || us == 0)
		return json_null();
	tl_time_rfc3339(us / 1000, text);
	return json_string(text);
}

static json_t *patterns(const struct exclude *exclude)
{
	json_t *list = json_array();

	for (size_t i = 0; i < exclude->patterns.count; i++)
		json_array_append_new(list, json_string(exclude->patterns.items[i]));
	return list;
}

static json_t *describe_plan(const struct manifest *manifest)
{
	const struct collect_request *request = manifest->request;
	const struct plan *plan = manifest->plan;

	return json_pack("{s:s, s:o, s:o, s:o, s:O*, s:s, s:b, s:I, s:O}", "profile", plan->profile,
			 "since", time_or_null(plan->range.since_us), "until",
			 time_or_null(plan->range.until_us), "exclude", patterns(&plan->exclude),
			 "include", request->include, "level", collect_level_name(request->level),
			 "encrypted", json_array_size(request->recipients) > 0, "max_bytes",
			 (json_int_t)request->max_bytes, "site_files",
			 definitions_sources(plan->definitions));
}

json_t *manifest_make(const struct manifest *manifest)
{
	const struct collect_request *request = manifest->request;
	char started[TL_TIME_TEXT];

	tl_time_rfc3339(manifest->plan->started_s * 1000, started);
	return json_pack("{s:i, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:b, s:o, s:o}",
			 "schema", TL_BUNDLE_SCHEMA, "bundle", manifest->bundle, "started", started,
			 "ruleset", manifest->ruleset, "agent_version",
			 text_or_null(request->agent_version), "host", text_or_null(request->host),
			 "help_id", text_or_null(request->help_id), "ticket",
			 text_or_null(request->ticket), "consent", text_or_null(request->consent),
			 "summary", text_or_null(request->summary), "profile",
			 manifest->plan->profile, "privileged",
			 geteuid() == 0 || rights_have_more(), "plan", describe_plan(manifest),
			 "coverage", coverage(manifest->plan));
}
