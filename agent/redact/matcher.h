/* What rules name, found where it is looked for (places.h): the expressions say what is there, entropy and
 * allowlists what counts. Private to agent/redact. */
#ifndef TOWLINE_REDACT_MATCHER_H
#define TOWLINE_REDACT_MATCHER_H

#include <stdint.h>

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
struct place {
	unsigned rule;
	size_t from, to;		 /* a match begins in here, both included */
	size_t subject_from, subject_to; /* and sees this */
	size_t line_to;			 /* or as far as this, if it reaches the subject's end */
	size_t next;			 /* of the same rule */
};

#define PLACES_MAX 8192 /* that wait */
#define NO_PLACE SIZE_MAX

/* What is known of a rule at the moment. */
struct by_rule {
	size_t first, last;	     /* of its places that wait; NO_PLACE: none do */
	size_t covered;		     /* how far the gate's hits need no more attention */
	size_t tried_from, tried_to; /* where it was tried last */
	size_t resume;		     /* where it goes on behind its last match */
	bool idle;		     /* its path does not fit */
	bool ready, native;	     /* made so */
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
	struct place *places; /* that wait, each rule's in the order of the text */
	size_t place_count;
	bool *spent; /* the gate's marks whose rules need no more attention in this text */
	struct span *spans;
	size_t count, capacity;
	struct opener opener; /* the first */
};

TL_MUST_CHECK int matcher_init(struct matcher *matcher, const struct tl_redact_rules *rules,
			       uint32_t match_limit);
void matcher_clear(struct matcher *matcher);

/* Says which text comes next. *ret_whole is the rule by which all of it is secret, or RULES_MAX. */
void matcher_set_path(struct matcher *matcher, const char *path, unsigned *ret_whole);

/* A find: begin, then add where the rules may match, in the order of the text, then finish, which tries what
 * still waits, and sorts and merges the spans. Rules are tried one after the other, as the code of one
 * expression fills a processor's cache. A negative result means: not examined. */
void matcher_begin(struct matcher *matcher);
TL_MUST_CHECK int matcher_add(struct matcher *matcher, const struct place *where, const char *text);
TL_MUST_CHECK int matcher_finish(struct matcher *matcher, const char *text, size_t len);

/* What the rule's `nextRegex` finds in a line that follows the one that the rule matched. */
bool matcher_next(struct matcher *matcher, unsigned rule, const char *line, size_t len,
		  struct follow_part *ret_part);

#endif
