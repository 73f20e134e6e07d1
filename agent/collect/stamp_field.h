/* The parts of a time stamp, each a letter of a pattern. Private to stamp.c. */
#ifndef TOWLINE_COLLECT_STAMP_FIELD_H
#define TOWLINE_COLLECT_STAMP_FIELD_H

#include "collect/civil.h"

/* What a pattern found. */
struct stamp_parts {
	struct civil civil;
	bool absolute;	     /* since_epoch_us is set and the date is not */
	int64_t absolute_us; /* since 1970 */
	bool uptime;	     /* the same, since boot */
};

/* Matches `pattern` at `text`; returns where the match ends, NULL when there is none. Letters:
 *   Y 2026   y 26   m 11   b Nov   d 23   e 23, " 3" or 3   W Mon   H 06   k 06, " 6" or 6   M 43
 *   S 13     f a fraction or nothing   z a zone or nothing   p AM or PM
 *   s seconds, ms, µs or ns since 1970   x the same as hexadecimal µs   u seconds since boot
 *   T "T" or blanks   _ blanks   N a number   K a severity letter   A a capital   J blanks, quotes,
 *   colons and equal signs; other bytes stand for themselves. */
const char *stamp_match(const char *pattern, const char *text, const char *end,
			struct stamp_parts *ret_parts);

#endif
