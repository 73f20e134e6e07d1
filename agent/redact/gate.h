/* The gate before the expressions: says in one pass over a text which rules have a keyword in it
 * (Aho–Corasick over lower-cased bytes). Most text has none and goes no further. */
#ifndef TOWLINE_REDACT_GATE_H
#define TOWLINE_REDACT_GATE_H

#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>

struct gate;

struct gate *gate_new(void);
/* Adds a keyword of rule `bit` (0 to 63). 0, TL_ENOMEM or TL_EINVAL for an empty one. */
TL_MUST_CHECK int gate_add(struct gate *gate, const char *keyword, size_t len, unsigned bit);
/* Closes the automaton: after the last keyword, before the first scan. 0 or TL_ENOMEM. */
TL_MUST_CHECK int gate_build(struct gate *gate);
uint64_t gate_scan(const struct gate *gate, const void *bytes, size_t len);
void gate_free(struct gate *gate);
TL_DEFINE_AUTO_PTR(gate, gate_free);

#endif
