/* A file of rules, and the same bytes as a log that these rules, or our own, look at. */
#include <stdlib.h>
#include <string.h>

#include "analyze/analyze.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(struct tl_analysis_rules *rules, const uint8_t *data, size_t size)
{
	tl_auto(tl_analysis) struct tl_analysis *analysis = NULL;
	struct tl_err err = TL_ERR_INIT;
	tl_json *notices = json_array();
	tl_json *results = NULL;
	json_t *notice = NULL;

	if (tl_analysis_new(rules, &analysis, &err) < 0)
		return;
	tl_analysis_begin(analysis, "journal/system.jsonl");
	if (tl_analysis_feed(analysis, data, size, &err) < 0 ||
	    tl_analysis_end(analysis, &notice, &err) < 0)
		return;
	if (notice)
		json_array_append_new(notices, notice);
	if (tl_analysis_conclude(rules, notices, NULL, &results, &err) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tl_analysis_rules *own;
	tl_auto(tl_analysis_rules) struct tl_analysis_rules *rules = NULL;
	struct tl_err err = TL_ERR_INIT;

	if (!own && tl_analysis_rules_open(&(struct tl_analysis_sources){0}, &own, &err) < 0)
		abort();
	look(own, data, size);
	if (size < 4096 && memmem(data, size, "rules:", 6) &&
	    tl_analysis_rules_parse("fuzz.yaml", (const char *)data, size, &rules, &err) == 0)
		look(rules, data, size);
	return 0;
}
