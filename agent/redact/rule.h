/* A rule as it was read from YAML (docs/writing-rules.md), compiled. Private to agent/redact. */
#ifndef TOWLINE_REDACT_RULE_H
#define TOWLINE_REDACT_RULE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdbool.h>
#include <stddef.h>
#include <towline/attr.h>
#include <towline/err.h>
#include <towline/str.h>

#include "redact/follow.h"
#include "redact/needs.h"

#define RULE_REGEX_MAX 16384
#define RULES_MAX 2000

struct expressions {
	pcre2_code **codes;
	size_t count;
};

enum allow_target { ALLOW_SECRET, ALLOW_MATCH, ALLOW_LINE };

/* What is no secret although a rule found it. */
struct allowlist {
	int all;    /* of each kind that is given something must fit; else any */
	int target; /* enum allow_target: what `regexes` look at */
	struct expressions regexes, paths;
	struct tl_strv stopwords;
};

struct allowlists {
	struct allowlist *items;
	size_t count;
};

struct rule {
	char *id, *description;
	char *regex; /* definitions filled in; NULL: the path alone decides */
	int follow;  /* enum follow_kind: what its match opens, and is no secret itself */
	int64_t next_lines;
	pcre2_code *next; /* what is the secret on one of the next lines */
	char *block_end;  /* of a secret of many lines: what its last line begins with */
	struct tl_strv keywords, tags;
	double entropy; /* bits a byte that the secret must exceed; 0: any */
	int64_t group;	/* of the regex that is the secret; 0: the first that took part */
	struct allowlists allow;
	pcre2_code *code, *path;
	pcre2_code *near; /* any of the keywords */
	int64_t within; /* bytes from a keyword to where a match begins, at most; -1: anywhere near */
	struct needs needs;
	char *file; /* and line where it stands, for people */
	size_t line;
};

/* Makes one expression of all that can be branches of one: asking it costs little more than asking the first.
 * Each of `texts` compiles by itself. What the list had is freed. */
TL_MUST_CHECK int expressions_join(struct expressions *list, const char *const *texts,
				   size_t count);

void rule_clear(struct rule *rule);
/* Makes their expressions native. */
void allowlists_ready(const struct allowlists *lists);
void allowlists_clear(struct allowlists *lists);

/* TL_EINVAL with PCRE2's own words. */
TL_MUST_CHECK int expression_compile(const char *expression, pcre2_code **ret_code,
				     struct tl_err *err);
#endif
