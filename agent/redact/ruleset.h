/* Compiled rules, and finding what they name in one window of text. Private to agent/redact. */
#ifndef TOWLINE_REDACT_RULESET_H
#define TOWLINE_REDACT_RULESET_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdbool.h>

#include "redact/redact.h"

struct span {
	size_t anchor; /* where the match begins: keyword and secret must not be parted */
	size_t start, end;
	unsigned rule;
	bool open_block; /* the block goes on behind the window */
};

#define SPANS_MAX 32768 /* in one window: more is withheld */

/* What one thread needs to match with, and the spans found last. */
struct matcher {
	const struct tl_redact_rules *rules;
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	struct span *spans;
	size_t count, capacity;
};

TL_MUST_CHECK int matcher_init(struct matcher *matcher, const struct tl_redact_rules *rules,
			       uint32_t match_limit);
void matcher_clear(struct matcher *matcher);

/* Finds all secrets in `text`: sorted, disjoint. A negative result means: not examined. */
TL_MUST_CHECK int matcher_find(struct matcher *matcher, const char *text, size_t len);

const struct tl_redact_rule *ruleset_row(const struct tl_redact_rules *rules, size_t rule);
size_t ruleset_count(const struct tl_redact_rules *rules);

#endif
