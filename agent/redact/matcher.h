/* Finding what rules name: the gate says where to look, the expressions what is there, entropy and allowlists
 * what counts. Private to agent/redact. */
#ifndef TOWLINE_REDACT_MATCHER_H
#define TOWLINE_REDACT_MATCHER_H

#include "redact/identity.h"
#include "redact/ruleset.h"

#define SPANS_MAX 32768 /* in one text: more is withheld */

struct span {
	size_t anchor; /* where the match begins */
	size_t start, end;
	unsigned rule;	 /* MATCHER_IDENTITY and above: an identity's class */
	bool open_block; /* the block goes on behind the text */
};
#define MATCHER_IDENTITY (RULES_MAX + 1u)

/* Where one rule is to be tried. */
struct candidate {
	unsigned rule;
	size_t from, to;		 /* a match begins in here */
	size_t subject_from, subject_to; /* and sees this: a line */
};

/* What is known of a rule at the moment. */
struct by_rule {
	size_t covered;	    /* how far the gate's hits are noted */
	size_t latest;	    /* its last candidate */
	uint64_t confirmed; /* the round in which the second gate last had it */
	bool idle;	    /* its path does not fit */
	bool ready;	    /* made native */
};

/* The line whose match opens something on the lines below it. */
struct opener {
	unsigned rule; /* RULES_MAX: there is none */
	size_t line;   /* where it begins */
	size_t end;    /* its newline, or the text's end */
	size_t at;
};

/* What one thread needs to match with, and the spans found last: sorted, disjoint. */
struct matcher {
	const struct tl_redact_rules *rules;
	struct tl_identities *identities; /* NULL: none */
	const char *path;		  /* NULL: unknown; the caller's */
	pcre2_match_data *data, *other;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	struct by_rule *by_rule;
	uint64_t round;
	struct candidate *candidates;
	size_t candidate_count;
	struct span *spans;
	size_t count, capacity;
	struct opener opener; /* the first */
};

TL_MUST_CHECK int matcher_init(struct matcher *matcher, const struct tl_redact_rules *rules,
			       uint32_t match_limit);
void matcher_clear(struct matcher *matcher);

/* Says which text comes next. *ret_whole is the rule by which all of it is secret, or RULES_MAX. */
void matcher_set_path(struct matcher *matcher, const char *path, unsigned *ret_whole);

/* Finds everything in `text`, which is whole lines. *ret_looked: up to which line's end, when there is so
 * much that it did not get through. A negative result means: not examined. */
TL_MUST_CHECK int matcher_lines(struct matcher *matcher, const char *text, size_t len,
				size_t *ret_looked);

/* What the rule's `nextRegex` finds in a line that follows the one that the rule matched. */
bool matcher_next(struct matcher *matcher, unsigned rule, const char *line, size_t len,
		  struct follow_part *ret_part);

/* Finds everything in a long line, or a part of one. A match is looked for where the gate had its hits and
 * `reach` bytes before. */
TL_MUST_CHECK int matcher_part(struct matcher *matcher, const char *text, size_t len, size_t reach);

#endif
