/* Compiled rules, and finding what they name in one window of text. Private to agent/redact. */
#ifndef TOWLINE_REDACT_RULESET_H
#define TOWLINE_REDACT_RULESET_H

#include "redact/load.h"
#include "redact/redact.h"

#define RULESET_NAME_MAX 64

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

/* Takes over what is in `set`. */
TL_MUST_CHECK int ruleset_new(struct rule_set *set, const char *name, const char *cache_dir,
			      struct tl_redact_rules **ret_rules, struct tl_err *err);
const struct rule *ruleset_rule(const struct tl_redact_rules *rules, size_t rule);

#endif
