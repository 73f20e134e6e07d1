/* The gate before the expressions: says in one pass over a text which rules are worth a try, and about
 * where. Most text has none and goes no further. It may say too much, never too little. Private to
 * agent/redact. */
#ifndef TOWLINE_REDACT_GATE_H
#define TOWLINE_REDACT_GATE_H

#include "match/match.h"
#include "redact/rule.h"

/* What a rule's match has in it, by which the gate finds the rule: the beginning of its expression, or
 * its keywords, or all of the expression. `instead` is what it is if Vectorscan refuses the first. Both are
 * appended. TL_ENOMEM. */
TL_MUST_CHECK int gate_expression(const struct rule *rule, struct tl_buf *expression,
				  struct tl_buf *instead);

/* A gate whose hits carry the index of the rule and end in the line that the rule's match is in (within
 * the match, or where a keyword is). Where there can be none (the processor, memory), *ret_match is NULL: then
 * every rule is worth a try everywhere. */
void gate_open(const struct rule *rules, size_t count, const char *cache_dir,
	       struct tl_match **ret_match);

/* An expression for any of the keywords, in any case. */
void gate_keywords(const struct tl_strv *keywords, struct tl_buf *out);

#endif
