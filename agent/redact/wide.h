/* Text in two bytes a character (UTF-16), made plain before it is looked at: no rule would know a word in it.
 * Private to agent/redact. */
#ifndef TOWLINE_REDACT_WIDE_H
#define TOWLINE_REDACT_WIDE_H

#include <stdbool.h>
#include <towline/buf.h>

#define WIDE_RUN 6 /* characters, each followed by NUL, that make a run */

struct wide {
	struct tl_buf held; /* may be the beginning of a run */
	bool inside;	    /* of a run */
};

/* Appends the bytes to `out`, without the NULs of runs. What may be the beginning of one waits for the next
 * call; with `last` there is none. What comes out does not depend on how the bytes were cut. TL_ENOMEM. */
TL_MUST_CHECK int wide_feed(struct wide *wide, const char *bytes, size_t len, bool last,
			    struct tl_buf *out);

/* Nothing to do for such bytes: most text. */
bool wide_is_idle(const struct wide *wide, const char *bytes, size_t len);

#endif
