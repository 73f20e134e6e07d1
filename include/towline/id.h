/* Identifiers: ULIDs (github.com/ulid/spec), 26 characters of lower-case Crockford base32: 48 bits of
 * milliseconds, 80 of randomness, so that they sort by time; those of one process in one millisecond count
 * up, so that they sort by order of making. Not secret: never grant anything by knowing one. Any thread. */
#ifndef TOWLINE_ID_H
#define TOWLINE_ID_H

#include <stdbool.h>
#include <towline/clock.h>

#define TL_ID_LEN 26

struct tl_id {
	char text[TL_ID_LEN + 1];
};

struct tl_id tl_id_new(const struct tl_clock *clock);
bool tl_id_is_valid(const char *text);

#endif
