/* What the beginning of a rule's expression says, for the gate: everything before its secret, in terms that
 * Vectorscan takes. Private to agent/redact. */
#ifndef TOWLINE_REDACT_PREFIX_H
#define TOWLINE_REDACT_PREFIX_H

#include <stdbool.h>
#include <towline/buf.h>

/* Wherever `regex` matches, what is appended to `out` matches too, and ends inside of that match.
 * Lookarounds are left out and high repetition counts opened, as they cost a gate more than they save.
 * False (and `out` is no use) when the expression has nothing before its first group that is worth a
 * search, or is not understood; `whole`: go on to its end and take groups as they come. */
bool prefix_of(const char *regex, bool whole, struct tl_buf *out);

#endif
