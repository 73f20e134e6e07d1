/* Secrets that stand on the lines below the one that names them. A rule with the member `follow` finds the line that
 * opens; this says what the lines below it are, one after the other, until one of them belongs to something
 * else. Private to agent/redact. */
#ifndef TOWLINE_REDACT_FOLLOW_H
#define TOWLINE_REDACT_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>

#define FOLLOW_LINES_MAX 64 /* that a rule may ask, or that a quoted value may have */

/* What follows, in the order of the words that rules have for it (rule.h). */
enum follow_kind {
	FOLLOW_NONE,
	FOLLOW_VALUE,	  /* the rule's `nextRegex`, on one of the next `nextLines` lines */
	FOLLOW_BLOCK,	  /* every line that is indented deeper */
	FOLLOW_CONTINUED, /* the next line, and those below as long as a backslash ends them */
	FOLLOW_QUOTED,	  /* up to the closing quote */
	FOLLOW_ELEMENT,	  /* up to the closing tag */
	FOLLOW_SECRET,	  /* a Kubernetes Secret: values below its "data" and "stringData" */
	FOLLOW_DATA,	  /* a map "data", of a Secret if "kind" behind it says so */
	FOLLOW_KINDS
};

struct follow {
	enum follow_kind kind; /* FOLLOW_NONE: nothing is followed */
	unsigned rule;
	unsigned lines_left;
	size_t indent; /* the column of the key that opened */
	size_t child;  /* of a map: the column of its keys */
	size_t seen;   /* bytes of what comes that were looked at to decide */
	char quote;
	bool undecided; /* what comes must be seen before anything is hidden */
	bool inside;	/* of the map "data" */
	bool marked;	/* the mark that stands for the value is out */
};

/* What is to be hidden of a line. */
struct follow_part {
	size_t start, end; /* nothing: equal */
	bool mark;	   /* a mark stands for it; else one did already */
	bool ask;	   /* the rule's `nextRegex` says what */
};

/* `line` is the one that opened. */
void follow_begin(struct follow *follow, enum follow_kind kind, unsigned rule, unsigned lines,
		  const char *line, size_t len);

/* While it is undecided: looks at what comes, a `window` at most. False when more is needed; with `last`
 * there is no more. */
bool follow_decide(struct follow *follow, const char *text, size_t len, size_t window, bool last);

/* The next line, without its newline. FOLLOW_NONE afterwards when it was none of it, or the last. */
struct follow_part follow_line(struct follow *follow, const char *line, size_t len);

/* "|", ">-", "|2+": the head of a block of YAML, whose lines are below. */
bool follow_is_head(const char *text, size_t len);

/* What `nextRegex` found in the line: a value, or the head of a block. */
void follow_found(struct follow *follow, const char *line, size_t len, struct follow_part *part);

#endif
