/* cmocka with what it needs before it, and one text looked at as a member. */
#ifndef TESTS_UNIT_ANALYZE_TESTS_H
#define TESTS_UNIT_ANALYZE_TESTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <towline/attr.h>
#include <towline/str.h>
#include <cmocka.h>

#include "analyze/analyze.h"

/* Appends the notice of a member with this text, given in pieces of `piece` bytes, to `notices`. */
static inline void look_at(struct tl_analysis_rules *rules, const char *path, const char *text,
			   size_t piece, json_t *notices)
{
	tl_auto(tl_analysis) struct tl_analysis *analysis = NULL;
	struct tl_err err = TL_ERR_INIT;
	size_t len = strlen(text);
	json_t *notice = NULL;

	assert_int_equal(tl_analysis_new(rules, &analysis, &err), 0);
	tl_analysis_begin(analysis, path);
	for (size_t at = 0; at < len; at += piece)
		assert_int_equal(tl_analysis_feed(analysis, text + at,
						  len - at < piece ? len - at : piece, &err),
				 0);
	assert_int_equal(tl_analysis_end(analysis, &notice, &err), 0);
	if (notice)
		json_array_append_new(notices, notice);
}

/* The finding of a rule; NULL when it did not fire. */
static inline const json_t *finding(const json_t *results, const char *rule)
{
	const json_t *list = json_object_get(results, "results");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *result = json_array_get(list, i);

		if (tl_streq(json_string_value(json_object_get(result, "rule")), rule))
			return result;
	}
	return NULL;
}

#endif
