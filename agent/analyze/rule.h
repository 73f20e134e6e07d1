/* Rules as they stand in memory. Private to agent/analyze. */
#ifndef TOWLINE_ANALYZE_RULE_H
#define TOWLINE_ANALYZE_RULE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdbool.h>
#include <stdint.h>
#include <towline/yaml.h>

#include "analyze/analyze.h"
#include "match/match.h"

enum condition_kind { CONDITION_LINES, CONDITION_FACT };

struct condition {
	enum condition_kind kind;
	unsigned rule; /* its index */
	/* lines */
	const char *pattern;
	const struct tl_yaml_node
		*files; /* globs of member paths, in which * stands for slashes too */
	int64_t at_least;
	const char *same; /* a named group: so many lines with one value in it */
	pcre2_code *code;
	int same_number; /* of the group; 0: none */
	/* fact */
	const char *name, *subject; /* globs; subject NULL: any */
	const struct tl_yaml_node *verdicts;
	bool has_above, has_below;
	double above, below;
	const char *is;
};

struct analysis_rule {
	const char *id, *summary, *remedy;
	int severity;
	bool all;	     /* of its conditions; else one is enough */
	size_t first, count; /* of its conditions */
};

/* Sets of members that many rules look at: "@kernel" in a rule's files. */
struct file_set {
	const char *name;
	const char *const *globs; /* ends with NULL */
};
const struct file_set *file_set_find(const char *name);

extern const char *const analysis_severities[]; /* worst first */

struct tl_analysis_rules {
	struct tl_yaml *documents[256]; /* what the texts above are borrowed from */
	size_t document_count;
	struct analysis_rule *rules;
	size_t count;
	struct condition *conditions;
	size_t condition_count;
	struct tl_match *match; /* NULL where the processor cannot: every line is tried */
};

#endif
