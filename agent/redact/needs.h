/* Which bytes a match of an expression must hold, told from the expression: a text without them is not worth a
 * try. What is said is true of every match; much may stay unsaid. Private to agent/redact. */
#ifndef TOWLINE_REDACT_NEEDS_H
#define TOWLINE_REDACT_NEEDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEEDS_MAX 4

/* Sets of bytes are sets of kinds of bytes, a bit each: each letter whatever its case, all digits together, each mark
 * of ASCII. */
/* Of each set at least one byte stands in every match. */
struct needs {
	uint64_t sets[NEEDS_MAX];
	unsigned count;
};

/* Without sets where the expression needs nothing that is rare, or is not understood. The case of letters
 * never counts. */
struct needs needs_of(const char *regex);

/* The kinds that a text holds. */
uint64_t needs_kinds(const char *text, size_t len);
bool needs_are_met(const struct needs *needs, uint64_t held);

#endif
