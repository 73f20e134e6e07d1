/* What a rule's expression begins with, for the gate: everything before its secret, in terms that Vectorscan
 * takes. Private to agent/redact. */
#ifndef TOWLINE_REDACT_PREFIX_H
#define TOWLINE_REDACT_PREFIX_H

#include <stdbool.h>
#include <towline/buf.h>

/* Wherever `regex` matches, what is appended to `out` matches too, and ends inside of that match: each of
 * its branches up to the group that is the secret, or through it where nothing worth a search stands before.
 * Lookarounds are left out and high repetition counts opened, as they cost a gate more than they save.
 * False when the expression is not understood, and `out` is no use then. *ret_literal: each branch has some
 * bytes in a row that are the same in all its matches, so that the search is a cheap one. */
bool prefix_of(const char *regex, struct tl_buf *out, bool *ret_literal);

#endif
