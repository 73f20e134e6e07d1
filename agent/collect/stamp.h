/* The time stamps of log lines: which kind a log has, and what a line's stamp says. No regular
 * expressions and no locale; a line is looked at no further than STAMP_SCAN_MAX. Dates that can be read
 * in two ways (03/04/2026) are no stamps. Private to agent/collect; any thread, a reader each. */
#ifndef TOWLINE_COLLECT_STAMP_H
#define TOWLINE_COLLECT_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect/civil.h"

#define STAMP_SCAN_MAX 512
#define STAMP_KINDS 2

/* Microseconds of Unix time; the two differ in the hour that a local clock shows twice. */
struct stamp {
	int64_t early_us, late_us;
};

struct stamp_format;

struct stamp_reader {
	const struct stamp_format *formats[STAMP_KINDS]; /* of the file's head and of its tail */
	int64_t newest_us; /* no line is newer, or hardly: settles the year where none is written */
	int64_t boot_us;   /* what kernel time counts from; 0: unknown, such stamps are none */
	struct civil_cache zone;
};

void stamp_reader_init(struct stamp_reader *reader, int64_t newest_us, int64_t boot_us);

/* Looks at the lines of `text` for the kind of stamp that most of them have and remembers it, beside
 * one that was found before: a log may have changed its kind on the way. False when none was found. */
bool stamp_detect(struct stamp_reader *reader, const char *text, size_t len);

/* The stamp of a line that begins with `text` (up to its end or at least STAMP_SCAN_MAX bytes). False
 * when it has none of the remembered kinds: then it goes on with the record before it. */
bool stamp_read(struct stamp_reader *reader, const char *text, size_t len, struct stamp *ret_stamp);

/* Name of the kind; NULL before one was found. Static storage. */
const char *stamp_name(const struct stamp_reader *reader);
/* The year is not written. */
bool stamp_lacks_year(const struct stamp_reader *reader);

#endif
