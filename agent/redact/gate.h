/* The two gates before the expressions. The first looks for keywords in one pass over a text; most text has
 * none and goes no further. The second looks at the lines that had some for what the rules' expressions begin
 * with: it says more and costs more. Both may say too much, never too little. Private to agent/redact. */
#ifndef TOWLINE_REDACT_GATE_H
#define TOWLINE_REDACT_GATE_H

#include "match/match.h"
#include "redact/rule.h"

struct gates {
	struct tl_match
		*first; /* NULL: none can be had, and every rule is worth a try everywhere */
	struct tl_match *second; /* of the rules that are `confirmed`; NULL: none are */
};

/* Hits carry the index of the rule, and end in the line that the rule's match is in. Says for each rule
 * whether the second gate knows it. */
void gates_open(struct rule *rules, size_t count, const char *cache_dir, struct gates *ret_gates);
void gates_clear(struct gates *gates);

/* What the gates look for. Appended; TL_ENOMEM. `second` stays empty where the expression begins with
 * nothing worth a search; `instead` is for one that Vectorscan refuses. */
TL_MUST_CHECK int gate_expressions(const struct rule *rule, struct tl_buf *first,
				   struct tl_buf *second, struct tl_buf *instead);

/* An expression for any of the keywords, in any case. */
void gate_keywords(const struct tl_strv *keywords, struct tl_buf *out);

#endif
