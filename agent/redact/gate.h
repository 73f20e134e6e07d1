/* The gate before the expressions: finds the keywords of all rules in one pass over a text, by Vectorscan; most
 * text has none and goes no further. It may say too much, never too little. Private to agent/redact. */
#ifndef TOWLINE_REDACT_GATE_H
#define TOWLINE_REDACT_GATE_H

#include "match/match.h"
#include "redact/rule.h"

/* What is searched for, and whose it is. */
struct gate_mark {
	size_t len;	      /* of the keyword; 0: an expression's hit, which ends in the match */
	size_t first, beyond; /* of `owners` */
};

struct gate {
	struct tl_match
		*match; /* NULL: none can be had, and every rule is worth a try everywhere */
	struct gate_mark *marks;
	size_t mark_count;
	unsigned *owners; /* indices of rules */
	size_t owner_count;
};

/* Hits carry the index of a mark. */
void gate_open(const struct rule *rules, size_t count, const char *cache_dir,
	       struct gate *ret_gate);
void gate_clear(struct gate *gate);

/* An expression for any of the keywords, in any case; nothing for none. TL_ENOMEM. */
TL_MUST_CHECK int gate_keywords(const struct tl_strv *keywords, struct tl_buf *out);

#endif
