/* A redactor from inside: what it holds, and how what it found goes out. Private to agent/redact. */
#ifndef TOWLINE_REDACT_REDACTOR_H
#define TOWLINE_REDACT_REDACTOR_H

#include <stdbool.h>

#include "redact/block.h"
#include "redact/follow.h"
#include "redact/matcher.h"
#include "redact/wide.h"

#define RUN_MAX (64 * 1024) /* of whole lines that are looked at together */
#define RUN_MIN 2048	    /* behind a block: others may follow, and end the run each */

struct tl_redactor {
	const struct tl_redact_rules *rules;
	struct tl_redact_limits limits;
	struct matcher matcher;
	enum tl_redact_level level;
	struct tl_identities *identities;
	char *path;
	bool lost_path; /* no memory for it: nothing can be judged */
	unsigned whole; /* the rule by which all of the text is secret, or RULES_MAX */
	tl_redact_output *output;
	void *arg;
	struct tl_buf held;    /* an unfinished line, or the end of a long one's part */
	struct tl_buf replace; /* a pseudonym */
	struct wide wide;
	struct tl_buf plain; /* what `wide` made of the input */
	uint64_t *counts;    /* by rule */
	uint64_t identity_counts[TL_IDENTITY_CLASSES];
	uint64_t withheld, passed;
	struct block block;
	struct follow follow;
	struct follow outer; /* goes on when `follow` is over */
	bool last;	     /* no more text will come */
	size_t run_max;
	size_t context; /* in a long line: bytes before what comes next, that are out already */
	bool in_line;	/* in a long line */
	bool drop_line; /* up to the next newline */
};

/* Bytes as they are. */
TL_MUST_CHECK int emit(struct tl_redactor *redactor, const char *bytes, size_t len,
		       struct tl_err *err);
/* What could not be examined. */
TL_MUST_CHECK int emit_withheld(struct tl_redactor *redactor, struct tl_err *err);
/* What a rule removed; counted. */
TL_MUST_CHECK int emit_mark(struct tl_redactor *redactor, unsigned rule, struct tl_err *err);
/* text[from, cut) with the spans that begin in it replaced; no span goes on behind the cut. */
TL_MUST_CHECK int emit_replaced(struct tl_redactor *redactor, const char *text, size_t from,
				size_t cut, struct tl_err *err);

/* Handles what `text` begins with: lines, a line, a window. *ret_consumed is 0 when more is needed. */
TL_MUST_CHECK int scan_step(struct tl_redactor *redactor, const char *text, size_t len,
			    size_t *ret_consumed, struct tl_err *err);
/* The rest of a text, which has no newline. */
TL_MUST_CHECK int scan_end(struct tl_redactor *redactor, const char *text, size_t len,
			   struct tl_err *err);

#endif
