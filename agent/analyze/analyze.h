/* Findings: rules over what a host's logs say and how it is, looked for in the raw bytes as they are
 * collected, so that redaction cannot blind them.
 *
 * A collecting process has one tl_analysis and shows it each member (begin, feed, end); what it noticed
 * comes out as one JSON value a member. The main process puts these together with the health snapshot
 * into analysis/results.json:
 *
 *   {"schema":1, "rules":<how many were looked at>, "results":[{"rule", "severity", "summary", "remedy",
 *    "count"?, "evidence":[{"file", "line", "text"}], "facts":[<fact>]}], "unknown":[<rule>, …]}
 *
 * worst first; "unknown" names the rules for which nothing was there to look at. Texts are raw: they pass the
 * redactor before anything is written. One thread at a time. */
#ifndef TOWLINE_ANALYZE_H
#define TOWLINE_ANALYZE_H

#include <stdbool.h>
#include <stddef.h>
#include <towline/attr.h>
#include <towline/err.h>
#include <towline/json.h>

#define TL_ANALYSIS_SCHEMA 1
#define TL_ANALYSIS_RULES_MAX 1000
#define TL_ANALYSIS_CONDITIONS_MAX 2000
#define TL_ANALYSIS_SITE_DIR "/etc/towline/analyzers.d"

struct tl_analysis_sources {
	const char *site_dir;  /* *.yaml of the site's own; NULL: none; need not be there */
	const char *cache_dir; /* of the compiled patterns (match/match.h); NULL: none */
};

struct tl_analysis_rules;
/* Our own rules and the site's. TL_ECONFIG with "file:line: …". */
TL_MUST_CHECK int tl_analysis_rules_open(const struct tl_analysis_sources *sources,
					 struct tl_analysis_rules **ret_rules, struct tl_err *err);
/* The rules of one text only; for tests and for checking a file. */
TL_MUST_CHECK int tl_analysis_rules_parse(const char *name, const char *text, size_t len,
					  struct tl_analysis_rules **ret_rules, struct tl_err *err);
size_t tl_analysis_rules_count(const struct tl_analysis_rules *rules);
const char *tl_analysis_rules_id(const struct tl_analysis_rules *rules, size_t index);
const char *tl_analysis_rules_severity(const struct tl_analysis_rules *rules, size_t index);
const char *tl_analysis_rules_summary(const struct tl_analysis_rules *rules, size_t index);
/* The first rule that looks at a fact whose name (a glob) `is_fact` does not know; NULL: none. */
const char *tl_analysis_rules_find_wrong_fact(const struct tl_analysis_rules *rules,
					      bool (*is_fact)(const char *glob),
					      const char **ret_name);
void tl_analysis_rules_free(struct tl_analysis_rules *rules);
TL_DEFINE_AUTO_PTR(tl_analysis_rules, tl_analysis_rules_free);

struct tl_analysis;
/* `rules` must live as long. */
TL_MUST_CHECK int tl_analysis_new(struct tl_analysis_rules *rules,
				  struct tl_analysis **ret_analysis, struct tl_err *err);
/* A member begins; `path` as it stands in the bundle, without the top directory. */
void tl_analysis_begin(struct tl_analysis *analysis, const char *path);
TL_MUST_CHECK int tl_analysis_feed(struct tl_analysis *analysis, const void *bytes, size_t len,
				   struct tl_err *err);
/* *ret_notice (the caller's) is NULL when no rule looks at such a member. */
TL_MUST_CHECK int tl_analysis_end(struct tl_analysis *analysis, json_t **ret_notice,
				  struct tl_err *err);
void tl_analysis_free(struct tl_analysis *analysis);
TL_DEFINE_AUTO_PTR(tl_analysis, tl_analysis_free);

/* `notices`: an array of what tl_analysis_end gave; `health`: snapshot/health.json, or NULL where it was
 * not taken. The caller owns *ret_results. */
TL_MUST_CHECK int tl_analysis_conclude(const struct tl_analysis_rules *rules, const json_t *notices,
				       const json_t *health, json_t **ret_results,
				       struct tl_err *err);

#endif
