/* Where the rules are worth a try: what the gate found in a text, narrowed down as far as each rule allows.
 * Private to agent/redact. */
#ifndef TOWLINE_REDACT_PLACES_H
#define TOWLINE_REDACT_PLACES_H

#include "redact/matcher.h"

/* Finds everything in `text`, which is whole lines. A negative result means: not examined. */
TL_MUST_CHECK int find_in_lines(struct matcher *matcher, const char *text, size_t len);

/* Finds everything in a long line, or a part of one. Unless its rule says more, a match is looked for where
 * the gate had its hits and `reach` bytes before. */
TL_MUST_CHECK int find_in_part(struct matcher *matcher, const char *text, size_t len, size_t reach);

#endif
