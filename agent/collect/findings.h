/* The main process's side of the analyzers: their rules before the collecting processes are forked, their
 * findings when these have ended. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_FINDINGS_H
#define TOWLINE_COLLECT_FINDINGS_H

#include "analyze/analyze.h"
#include "redact/redact.h"

/* Our own rules and those of `sources->site_dir`. A site's rules that are not valid cost no bundle: then
 * our own are there alone, and `trouble` says why. */
TL_MUST_CHECK int findings_open(const struct tl_analysis_sources *sources,
				struct tl_analysis_rules **ret_rules, struct tl_err *trouble,
				struct tl_err *err);

/* Hides what is secret in the lines that a member's notice shows. `redactor` has the member's path: rules
 * for some files only know them by it, and the main process, which hides again, does not. */
TL_MUST_CHECK int findings_redact(json_t *notice, struct tl_redactor *redactor, struct tl_err *err);

/* `said`: what the collecting processes said (engine_facts). The caller owns *ret_results, which is
 * analysis/results.json before its own redaction. */
TL_MUST_CHECK int findings_conclude(const struct tl_analysis_rules *rules, const json_t *said,
				    json_t **ret_results, struct tl_err *err);
/* Severity → count, worst first. The caller owns it; NULL when memory ran out. */
json_t *findings_counts(const json_t *results);

#endif
