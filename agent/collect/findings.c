#include "collect/findings.h"

int findings_open(const struct tl_analysis_sources *sources, struct tl_analysis_rules **ret_rules,
		  struct tl_err *trouble, struct tl_err *err)
{
	struct tl_analysis_sources own = {.cache_dir = sources->cache_dir};

	if (tl_analysis_rules_open(sources, ret_rules, trouble) == 0)
		return 0;
	return tl_analysis_rules_open(&own, ret_rules, err);
}

static int redact_line(json_t *line, struct tl_redactor *redactor, struct tl_err *err)
{
	const json_t *text = json_object_get(line, "text");
	json_t *clean = NULL;
	int r = json_is_string(text) ? tl_redact_json(redactor, text, NULL, &clean, err) : 0;

	if (r == 0 && clean)
		json_object_set_new(line, "text", clean);
	return r;
}

int findings_redact(json_t *notice, struct tl_redactor *redactor, struct tl_err *err)
{
	const json_t *found = json_object_get(notice, "found");
	int r = 0;

	for (size_t i = 0; i < json_array_size(found); i++) {
		const json_t *lines = json_object_get(json_array_get(found, i), "evidence");

		for (size_t k = 0; r == 0 && k < json_array_size(lines); k++)
			r = redact_line(json_array_get(lines, k), redactor, err);
	}
	return r;
}

int findings_conclude(const struct tl_analysis_rules *rules, const json_t *said,
		      json_t **ret_results, struct tl_err *err)
{
	const json_t *health = NULL;
	tl_json *notices = json_array();

	for (size_t i = 0; i < json_array_size(said); i++) {
		json_t *one = json_array_get(said, i);
		const json_t *snapshot = json_object_get(one, "snapshot");

		if (snapshot)
			health = snapshot;
		else
			json_array_append(notices, one);
	}
	return tl_analysis_conclude(rules, notices, health, ret_results, err);
}

json_t *findings_counts(const json_t *results)
{
	const json_t *list = json_object_get(results, "results");
	json_t *counts = json_object();

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *severity =
			json_string_value(json_object_get(json_array_get(list, i), "severity"));
		json_int_t before = json_integer_value(json_object_get(counts, severity));

		json_object_set_new(counts, severity, json_integer(before + 1));
	}
	return counts;
}
